//! Files of PyTorch 1.6 and later: a zip of one pickle, `data.pkl`, and the storages `data/0`, `data/1`, …, none of them
//! compressed.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use zip::{CompressionMethod, ZipArchive};

use super::TorchError;
use super::pickle::run;
use super::state_dict::find;
use super::stream::{LONGEST, Stream};
use crate::tensors::{Format, Index, ReadSeek};

const PICKLE: &str = "data.pkl";

/// Whether these first bytes of a file are of a zip.
pub(crate) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

pub(super) fn index(bytes: &mut dyn ReadSeek) -> Result<Index, TorchError> {
    let mut archive = ZipArchive::new(bytes).map_err(|e| TorchError::broken(format!("not a whole zip: {e}")))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let named = |name: &String| name.rsplit('/').next() == Some(PICKLE) && name.matches('/').count() <= 1;
    let Some(pickle) = names.iter().find(|name| named(name)) else {
        return Err(TorchError::Other(
            format!("expected a zip of torch.save, with {PICKLE} in it, got one of {} files without", names.len()),
            "a TorchScript archive, or something else? save model.state_dict()",
        ));
    };
    let folder = pickle.strip_suffix(PICKLE).unwrap_or_default();
    check_byte_order(&mut archive, &format!("{folder}byteorder"))?;
    let (object, machine) = {
        let file = archive.by_name(pickle).map_err(|e| TorchError::broken(format!("{PICKLE}: {e}")))?;
        let size = file.size();
        if file.compression() != CompressionMethod::Stored || size > LONGEST {
            return Err(TorchError::broken(format!(
                "expected {PICKLE} stored, of at most {LONGEST} bytes, got {size}"
            )));
        }
        run(&mut Stream::new(&mut BufReader::new(file), size))?
    };
    let found = find(object, &machine)?;
    let mut index = Index::new(Format::TorchZip, found.facts);
    let mut places = HashMap::new();
    for (name, tensor) in found.tensors {
        let storage = match places.get(&tensor.key) {
            Some(place) => *place,
            None => {
                let place = place_of(&mut archive, &format!("{folder}data/{}", tensor.key))
                    .map_err(|reason| TorchError::broken(format!("tensor `{name}`: {reason}")))?;
                places.insert(tensor.key.clone(), place);
                place
            }
        };
        index.add_window(name, tensor.dtype, storage, tensor.offset, tensor.shape, tensor.strides)?;
    }
    Ok(index)
}

/// The first byte of a file in the archive, and their number.
fn place_of(archive: &mut ZipArchive<&mut dyn ReadSeek>, name: &str) -> Result<(u64, u64), String> {
    let file = archive.by_name(name).map_err(|e| format!("{name}: {e}"))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(format!("{name}: expected it stored, as torch.save does, got it compressed"));
    }
    match file.data_start() {
        Some(start) => Ok((start, file.size())),
        None => Err(format!("{name}: its bytes are not there")),
    }
}

fn check_byte_order(archive: &mut ZipArchive<&mut dyn ReadSeek>, name: &str) -> Result<(), TorchError> {
    let Ok(file) = archive.by_name(name) else { return Ok(()) };
    let mut order = String::new();
    if file.take(8).read_to_string(&mut order).is_ok() && order.trim() == "big" {
        let text = "its numbers are big-endian".to_owned();
        return Err(TorchError::Other(text, "save it on a little-endian machine"));
    }
    Ok(())
}
