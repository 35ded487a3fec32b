//! Files of PyTorch before 1.6: pickles of a magic number, a version, the machine and the object, then one of the storages'
//! keys, and then the storages, each behind its length.

use std::collections::HashMap;
use std::io::{BufReader, Read, SeekFrom};

use super::TorchError;
use super::machine::{Machine, Node, Value};
use super::pickle::run;
use super::state_dict::find;
use super::stream::Stream;
use crate::tensors::{Dtype, Format, Index, ReadSeek};

/// A pickle of protocol 2 that holds `0x1950a86a20f9469cfc6c` and nothing else.
const MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The one version there was.
const VERSION: i64 = 1001;

/// Whether these first bytes of a file are of such a one.
pub(crate) fn is_legacy(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

pub(super) fn index(bytes: &mut dyn ReadSeek) -> Result<Index, TorchError> {
    let size = bytes.seek(SeekFrom::End(0))?;
    let mut at = MAGIC.len() as u64;
    bytes.seek(SeekFrom::Start(at))?;
    let mut reader = BufReader::new(bytes);
    let mut next = || -> Result<(Value, Machine, u64), TorchError> {
        let mut stream = Stream::new(&mut reader, size - at);
        let (value, machine) = run(&mut stream)?;
        at += stream.read;
        Ok((value, machine, at))
    };
    let (version, ..) = next()?;
    if !matches!(version, Value::Int(VERSION)) {
        return Err(TorchError::broken(format!("expected the old format's version {VERSION}, got {version:?}")));
    }
    let (system, about, _) = next()?;
    check_byte_order(system, &about)?;
    let (object, machine, _) = next()?;
    let (keys, names, begin) = next()?;
    let storages = storages(keys, &names, &machine, &mut reader, (begin, size))?;
    let found = find(object, &machine)?;
    let mut index = Index::new(Format::TorchLegacy, found.facts);
    for (name, tensor) in found.tensors {
        let Some(storage) = storages.get(&tensor.key) else {
            return Err(TorchError::broken(format!(
                "tensor `{name}` has a storage `{}` that is not there",
                tensor.key
            )));
        };
        index.add_window(name, tensor.dtype, *storage, tensor.offset, tensor.shape, tensor.strides)?;
    }
    Ok(index)
}

fn check_byte_order(system: Value, about: &Machine) -> Result<(), TorchError> {
    let Some(Node::Dict(facts)) = about.node(system) else { return Ok(()) };
    let big = facts
        .iter()
        .any(|(key, value)| about.text(*key) == Some("little_endian") && matches!(value, Value::Bool(false)));
    if big {
        Err(TorchError::Other("its numbers are big-endian".to_owned(), "save it on a little-endian machine"))
    } else {
        Ok(())
    }
}

/// Where the bytes of each storage lie: their first and their number.
fn storages(
    keys: Value,
    names: &Machine,
    machine: &Machine,
    reader: &mut (impl Read + std::io::Seek),
    (mut at, size): (u64, u64),
) -> Result<HashMap<String, (u64, u64)>, TorchError> {
    let Some(Node::List(keys)) = names.node(keys) else {
        return Err(TorchError::broken("expected a list of its storages' keys"));
    };
    let kinds: HashMap<&str, Dtype> = machine
        .nodes
        .iter()
        .filter_map(|node| match node {
            Node::Storage(storage) => Some((storage.key.as_str(), storage.dtype?)),
            _ => None,
        })
        .collect();
    let mut places = HashMap::new();
    for key in keys {
        let key = names.text(*key).ok_or_else(|| TorchError::broken("a storage's key is no text"))?;
        let Some(kind) = kinds.get(key) else {
            return Err(TorchError::broken(format!("storage `{key}` belongs to no tensor")));
        };
        let mut length = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut length).map_err(|_| TorchError::broken(format!("it ends before storage `{key}`")))?;
        let values = u64::from_le_bytes(length);
        let bytes = values.checked_mul(kind.bytes() as u64).filter(|bytes| at + 8 <= size && *bytes <= size - at - 8);
        let Some(bytes) = bytes else {
            return Err(TorchError::broken(format!("it ends within storage `{key}` of {values} values")));
        };
        places.insert(key.to_owned(), (at + 8, bytes));
        at += 8 + bytes;
    }
    Ok(places)
}
