//! The safetensors container: a JSON header and the tensors' bytes, little-endian.
//!
//! Written here and not by the crate `safetensors`, whose metadata comes out in random order: equal contents must give
//! equal bytes.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::tensors::Dtype;
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

/// A header, and where the tensors' bytes begin.
pub(crate) struct Header {
    pub metadata: Metadata,
    pub tensors: Vec<(String, HeaderTensor)>,
    /// The first byte behind the header.
    pub data: u64,
}

/// What a header says of one tensor.
pub(crate) struct HeaderTensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Its first byte, from the header's end.
    pub at: u64,
}

/// The header at the beginning of `size` bytes, checked against their number.
pub(crate) fn read_header(file: &str, bytes: &mut (impl Read + ?Sized), size: u64) -> Result<Header, WeightsError> {
    let io_error = |source| WeightsError::Io { action: "read", path: file.into(), source };
    let broken = |reason: String| WeightsError::Format { file: file.to_owned(), reason };
    let mut length = [0; LENGTH_BYTES];
    if size < LENGTH_BYTES as u64 {
        return Err(broken(format!("expected a header, got {size} bytes")));
    }
    bytes.read_exact(&mut length).map_err(io_error)?;
    let length = u64::from_le_bytes(length);
    let room = (size - LENGTH_BYTES as u64).min(LARGEST_HEADER);
    if length > room {
        return Err(broken(format!("expected a header of at most {room} bytes, got {length}")));
    }
    let mut text = Vec::new();
    bytes.take(length).read_to_end(&mut text).map_err(io_error)?;
    // The library's own check of a header: places that follow one another, sizes that are those of the shapes.
    let header: safetensors::tensor::Metadata = serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?;
    let data = LENGTH_BYTES as u64 + length;
    let end = data + header.data_len() as u64;
    if end != size {
        return Err(broken(format!("its header speaks of {end} bytes, the file has {size}")));
    }
    let tensor = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (shape, at) = (info.shape.clone(), info.data_offsets.0 as u64);
        (name, HeaderTensor { dtype: dtype(info.dtype), shape, at })
    };
    let tensors = header.tensors().into_iter().map(tensor).collect();
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Header { metadata, tensors, data })
}

fn dtype(dtype: safetensors::Dtype) -> Dtype {
    use safetensors::Dtype as Theirs;
    match dtype {
        Theirs::F32 => Dtype::F32,
        Theirs::F16 => Dtype::F16,
        Theirs::BF16 => Dtype::Bf16,
        Theirs::F64 => Dtype::F64,
        Theirs::BOOL => Dtype::Other("bool", 1),
        Theirs::U8 => Dtype::Other("uint8", 1),
        Theirs::I8 => Dtype::Other("int8", 1),
        Theirs::I16 => Dtype::Other("int16", 2),
        Theirs::U16 => Dtype::Other("uint16", 2),
        Theirs::I32 => Dtype::Other("int32", 4),
        Theirs::U32 => Dtype::Other("uint32", 4),
        Theirs::I64 => Dtype::Other("int64", 8),
        Theirs::U64 => Dtype::Other("uint64", 8),
        Theirs::C64 => Dtype::Other("complex64", 8),
        // Of less than a byte: none of its bytes is asked for.
        _ => Dtype::Other("a float of 8 bits or less", 0),
    }
}

/// A file's name in messages.
pub(crate) fn name_of(path: &Path) -> String {
    path.display().to_string()
}
