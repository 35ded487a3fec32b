//! The safetensors container: a JSON header and the tensors' bytes, little-endian.
//!
//! Written here and not by the crate `safetensors`, whose metadata comes out in random order: equal contents must give
//! equal bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Metadata, WeightsError};

/// The header's length field, also the alignment of the first tensor.
const LENGTH_BYTES: usize = 8;

/// The format's own bound on headers.
const LARGEST_HEADER: u64 = 100_000_000;

const METADATA_KEY: &str = "__metadata__";

/// Values turned into bytes at a time.
const CHUNK: usize = 1 << 14;

/// Writes the header of F32 tensors that follow in the order given.
///
/// # Errors
/// The writer's; `InvalidInput` for a name that comes twice or is the format's own.
pub(crate) fn write_header<'a>(
    writer: &mut (impl Write + ?Sized),
    metadata: &Metadata,
    tensors: impl IntoIterator<Item = (&'a str, Vec<usize>)>,
) -> io::Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA_KEY.to_owned(), json!(metadata));
    }
    let mut names = BTreeSet::from([METADATA_KEY]);
    let mut start = 0;
    for (name, shape) in tensors {
        if !names.insert(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("tensor name `{name}` is already taken")));
        }
        let end = start + size_of::<f32>() * shape.iter().product::<usize>();
        header.insert(name.to_owned(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}));
        start = end;
    }
    let mut text = serde_json::to_vec(&Value::Object(header))?;
    text.resize(text.len().next_multiple_of(LENGTH_BYTES), b' ');
    writer.write_all(&(text.len() as u64).to_le_bytes())?;
    writer.write_all(&text)
}

/// Writes one tensor's values.
pub(crate) fn write_values(writer: &mut (impl Write + ?Sized), values: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(size_of::<f32>() * CHUNK.min(values.len()));
    for chunk in values.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
        writer.write_all(&bytes)?;
    }
    Ok(())
}

/// The header and the tensors' places, checked against the length of the bytes.
pub(crate) fn parse<'a>(bytes: &'a [u8], file: &str) -> Result<SafeTensors<'a>, WeightsError> {
    SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format { file: file.to_owned(), reason: e.to_string() })
}

/// The values of one tensor, as f32.
pub(crate) fn values(view: &TensorView<'_>, tensor: &str, file: &str) -> Result<Vec<f32>, WeightsError> {
    let data = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => decode(data, f32::from_le_bytes),
        Dtype::F16 => decode(data, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => decode(data, |b| bf16::from_le_bytes(b).to_f32()),
        other => return Err(dtype_error(other, tensor, file)),
    })
}

/// Refuses numbers that [`values`] does not convert.
pub(crate) fn check_dtype(view: &TensorView<'_>, tensor: &str, file: &str) -> Result<(), WeightsError> {
    match view.dtype() {
        Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(()),
        other => Err(dtype_error(other, tensor, file)),
    }
}

fn dtype_error(got: Dtype, tensor: &str, file: &str) -> WeightsError {
    WeightsError::Dtype { file: file.to_owned(), tensor: tensor.to_owned(), got: format!("{got:?}") }
}

fn decode<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (numbers, _) = data.as_chunks::<N>();
    numbers.iter().map(|&bytes| number(bytes)).collect()
}

/// The metadata of a file, without reading its tensors.
pub(crate) fn read_metadata(path: &Path) -> Result<Metadata, WeightsError> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__", default)]
        metadata: Option<Metadata>,
    }
    let header: Header = read_header(path)?;
    Ok(header.metadata.unwrap_or_default())
}

/// The names of a file's tensors, sorted, without reading the tensors.
pub(crate) fn read_names(path: &Path) -> Result<Vec<String>, WeightsError> {
    let header: Map<String, Value> = read_header(path)?;
    let mut names: Vec<_> = header.into_iter().map(|(name, _)| name).filter(|name| name != METADATA_KEY).collect();
    names.sort();
    Ok(names)
}

fn read_header<T: DeserializeOwned>(path: &Path) -> Result<T, WeightsError> {
    let io_error = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
    let broken = |reason: String| WeightsError::Format { file: name_of(path), reason };
    let mut file = File::open(path).map_err(io_error)?;
    let size = file.metadata().map_err(io_error)?.len();
    let mut length = [0; LENGTH_BYTES];
    if size < LENGTH_BYTES as u64 {
        return Err(broken(format!("expected a header, got {size} bytes")));
    }
    file.read_exact(&mut length).map_err(io_error)?;
    let length = u64::from_le_bytes(length);
    let room = (size - LENGTH_BYTES as u64).min(LARGEST_HEADER);
    if length > room {
        return Err(broken(format!("expected a header of at most {room} bytes, got {length}")));
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).map_err(io_error)?;
    serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))
}

/// A file's name in messages.
pub(crate) fn name_of(path: &Path) -> String {
    path.display().to_string()
}
