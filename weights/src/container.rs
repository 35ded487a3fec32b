//! The safetensors container: a JSON header and the tensors' bytes, little-endian.
//!
//! Written here and not by the crate `safetensors`, whose metadata comes out in random order: equal contents must give
//! equal bytes.  Read here, too, since that crate wants the whole file in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::dtype::Dtype;
use crate::source::Source;
use crate::tensors::{Entry, Format};
use crate::{Metadata, WeightsError};

/// The header's length field, also the alignment of the first tensor.
const LENGTH_BYTES: usize = 8;

/// The format's own bound on headers.
const LARGEST_HEADER: u64 = 100_000_000;

const METADATA_KEY: &str = "__metadata__";

/// Values turned into bytes at a time.
const CHUNK: usize = 1 << 14;

/// Writes the header of tensors that follow in the order given.
///
/// # Errors
/// The writer's; `InvalidInput` for a name that comes twice or is the format's own.
pub(crate) fn write_header<'a>(
    writer: &mut (impl Write + ?Sized),
    metadata: &Metadata,
    tensors: impl IntoIterator<Item = (&'a str, Dtype, Vec<usize>)>,
) -> io::Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA_KEY.to_owned(), json!(metadata));
    }
    let mut names = BTreeSet::from([METADATA_KEY]);
    let mut start = 0;
    for (name, dtype, shape) in tensors {
        if !names.insert(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("tensor name `{name}` is already taken")));
        }
        let end = start + dtype.bytes() * shape.iter().product::<usize>();
        let dtype = dtype.to_string();
        header.insert(name.to_owned(), json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}));
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

/// What a header says.
#[derive(Debug)]
pub(crate) struct Header {
    pub entries: Vec<Entry>,
    pub metadata: Metadata,
}

/// One tensor, as a header has it.
#[derive(Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// A header's tensors in its order, and its metadata.
#[derive(Default)]
struct Listing {
    tensors: Vec<(String, Info)>,
    metadata: Metadata,
}

/// Straight into place: a header read as any JSON would take ten times its bytes.
impl<'de> Deserialize<'de> for Listing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Listing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listing, A::Error> {
                let mut listing = Listing::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == METADATA_KEY {
                        listing.metadata = map.next_value::<Option<Metadata>>()?.unwrap_or_default();
                    } else {
                        listing.tensors.push((key, map.next_value()?));
                    }
                }
                Ok(listing)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The tensors' places, in their order in the file, and the metadata; every byte behind the header is one tensor's.
pub(crate) fn read_header(source: &Source<'_>, file: &str) -> Result<Header, WeightsError> {
    let io = |source| WeightsError::Io { action: "read", path: file.into(), source };
    let broken = |reason: String| WeightsError::Format { file: file.to_owned(), format: Format::Safetensors, reason };
    let room = source.len().saturating_sub(LENGTH_BYTES as u64);
    let mut length = [0; LENGTH_BYTES];
    source.read_at(0, &mut length).map_err(io)?;
    let length = u64::from_le_bytes(length);
    if length > room.min(LARGEST_HEADER) {
        let most = room.min(LARGEST_HEADER);
        return Err(broken(format!("expected a header of at most {most} bytes, got {length}")));
    }
    let mut text = vec![0; length as usize];
    source.read_at(LENGTH_BYTES as u64, &mut text).map_err(io)?;
    let Listing { mut tensors, metadata } = serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let begin = LENGTH_BYTES as u64 + length;
    let mut end = 0;
    let mut entries = Vec::with_capacity(tensors.len());
    let mut names = BTreeSet::new();
    for (name, info) in &tensors {
        if !names.insert(name) {
            return Err(broken(format!("tensor `{name}`: it is there twice")));
        }
        let [from, to] = info.data_offsets;
        let is_here = |entry: &Entry| from == end && from.checked_add(entry.bytes()) == Some(to);
        let entry = entry(name, info, begin, from).filter(is_here);
        entries.push(entry.ok_or_else(|| {
            let Info { dtype, shape, .. } = info;
            broken(format!("tensor `{name}`: expected {dtype} {shape:?} at {end}, got bytes {from} to {to}"))
        })?);
        end = to;
    }
    if end != source.len() - begin {
        return Err(broken(format!("expected {end} bytes of tensors, got {}", source.len() - begin)));
    }
    Ok(Header { entries, metadata })
}

fn entry(name: &str, info: &Info, begin: u64, from: u64) -> Option<Entry> {
    let dtype = Dtype::from_safetensors(&info.dtype)?;
    Entry::contiguous(name, dtype, info.shape.clone(), begin.checked_add(from)?)
}

/// A file's name in messages.
pub(crate) fn name_of(path: &Path) -> String {
    path.display().to_string()
}
