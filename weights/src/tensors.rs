//! The tensors of a file, whatever its format.
//!
//! What is in a file is found by its first bytes, not by its name.  Numbers are read tensor by tensor, a piece at a time and straight
//! to where they belong, so that no second copy of a file is ever in memory; mapping it would put its pages there, too, and needs
//! code that cannot be proven safe while others may write the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use half::{bf16, f16};

use crate::torch::{self, TorchError};
use crate::{Metadata, WeightsError, container};

/// Somewhere bytes are read from in any order.
pub(crate) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// safetensors.
    Safetensors,
    /// `torch.save` of PyTorch 1.6 and later.
    TorchZip,
    /// `torch.save` before.
    TorchLegacy,
}

impl Format {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch's zip",
            Self::TorchLegacy => "PyTorch's format before 1.6",
        }
    }
}

/// A kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an `F32`.
    Bf16,
    /// IEEE double precision; rounded to single on the way in.
    F64,
    /// One that no parameter of a network is stored in: its name and its bytes.
    Other(&'static str, usize),
}

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F64 => 8,
            Self::Other(_, bytes) => bytes,
        }
    }

    /// As PyTorch calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F64 => "float64",
            Self::Other(name, _) => name,
        }
    }

    /// Appends the numbers in these bytes.
    fn decode(self, bytes: &[u8], to: &mut Vec<f32>) {
        match self {
            Self::F32 => to.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => to.extend(bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Self::Bf16 => to.extend(bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            Self::F64 => to.extend(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            Self::Other(..) => {}
        }
    }
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its kind of number.
    pub dtype: Dtype,
    /// Its shape, in PyTorch's order of axes.
    pub shape: Vec<usize>,
    /// Values from one index of each axis to the next; none where they follow one another.
    strides: Option<Vec<usize>>,
    /// Its first byte in the file.
    at: u64,
}

impl Entry {
    /// Number of values.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where everything lies.
#[derive(Debug)]
pub(crate) struct Index {
    format: Format,
    metadata: Metadata,
    facts: Vec<(String, String)>,
    entries: BTreeMap<String, Entry>,
}

impl Index {
    pub fn new(format: Format, facts: Vec<(String, String)>) -> Self {
        Self { format, metadata: Metadata::new(), facts, entries: BTreeMap::new() }
    }

    /// Adds a window of a storage, given by its first byte and their number, once it is known to lie in it; a later tensor of a
    /// name takes the place of an earlier one, as in a dictionary.
    pub fn add_window(
        &mut self,
        name: String,
        dtype: Dtype,
        (first, bytes): (u64, u64),
        offset: u64,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<(), TorchError> {
        let size = dtype.bytes() as u64;
        let end =
            span(&shape, &strides).and_then(|span| offset.checked_add(span)).and_then(|end| end.checked_mul(size));
        if end.is_none_or(|end| end > bytes) {
            let text = format!("tensor `{name}` of shape {shape:?} does not lie in its storage of {bytes} bytes");
            return Err(TorchError::Broken(text));
        }
        let strides = (!is_contiguous(&shape, &strides)).then_some(strides);
        let at = first
            .checked_add(offset * size)
            .ok_or_else(|| TorchError::Broken(format!("tensor `{name}` lies nowhere")))?;
        self.entries.insert(name, Entry { dtype, shape, strides, at });
        Ok(())
    }
}

/// Values from the first to behind the last one of a window; none if that is no number.
fn span(shape: &[usize], strides: &[usize]) -> Option<u64> {
    let values = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side))?;
    if values == 0 {
        return Some(0);
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0u64, |sum, (side, stride)| sum.checked_add((*side as u64 - 1).checked_mul(*stride as u64)?))?;
    // A stride of 0 repeats values that are stored once: more of them than the file has bytes would fill the memory.
    let repeats = values as u64 > last.checked_add(1)?;
    if repeats { None } else { last.checked_add(1) }
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(side, stride)| {
        let fits = *side <= 1 || *stride == expected;
        expected *= side;
        fits
    })
}

/// A file of tensors, open.
pub struct TensorFile<'b> {
    /// Its name in messages.
    name: String,
    bytes: Box<dyn ReadSeek + 'b>,
    index: Index,
}

impl TensorFile<'static> {
    /// Opens a file and reads where everything lies.
    ///
    /// # Errors
    /// [`WeightsError::Io`]; [`WeightsError::Format`] and [`WeightsError::Torch`] for bytes that are none of the formats.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(io::ErrorKind::IsADirectory.into()));
        }
        Self::read(Box::new(file), container::name_of(path))
    }
}

impl<'b> TensorFile<'b> {
    /// The same from bytes; `name` is theirs in messages.
    ///
    /// # Errors
    /// As [`TensorFile::open`].
    pub fn of_bytes(bytes: &'b [u8], name: &str) -> Result<Self, WeightsError> {
        Self::read(Box::new(Cursor::new(bytes)), name.to_owned())
    }

    fn read(mut bytes: Box<dyn ReadSeek + 'b>, name: String) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: name.clone().into(), source };
        let size = bytes.seek(SeekFrom::End(0)).map_err(io)?;
        let mut head = Vec::new();
        bytes.rewind().map_err(io)?;
        (&mut bytes).take(LONGEST_MAGIC).read_to_end(&mut head).map_err(io)?;
        bytes.rewind().map_err(io)?;
        let index = if torch::is_zip(&head) {
            torch::index_zip(&name, &mut *bytes)?
        } else if torch::is_legacy(&head) {
            torch::index_legacy(&name, &mut *bytes)?
        } else {
            index_safetensors(&name, &mut *bytes, size)?
        };
        for (tensor, entry) in &index.entries {
            let strides = entry.strides.as_deref();
            let span = strides.map_or(Some(entry.values() as u64), |strides| span(&entry.shape, strides));
            let end = span.and_then(|span| span.checked_mul(entry.dtype.bytes() as u64)?.checked_add(entry.at));
            if end.is_none_or(|end| end > size) {
                let reason = format!("tensor `{tensor}` lies behind the file's {size} bytes");
                return Err(WeightsError::Format { file: name, reason });
            }
        }
        Ok(Self { name, bytes, index })
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is laid out.
    pub fn format(&self) -> Format {
        self.index.format
    }

    /// What it says of its tensors (safetensors).
    pub fn metadata(&self) -> &Metadata {
        &self.index.metadata
    }

    /// What stands beside its tensors, such as the epoch (PyTorch), in the file's order.
    pub fn facts(&self) -> &[(String, String)] {
        &self.index.facts
    }

    /// Its tensors, by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.index.entries
    }

    /// Reads a tensor whole; none of that name gives none.
    ///
    /// # Errors
    /// [`WeightsError::Dtype`], [`WeightsError::Io`].
    pub fn values(&mut self, tensor: &str) -> Result<Option<Vec<f32>>, WeightsError> {
        let Some(entry) = self.index.entries.get(tensor).cloned() else { return Ok(None) };
        let mut values = Vec::with_capacity(entry.values());
        self.read_pieces(tensor, &entry, 1, |_, piece| {
            values.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(Some(values))
    }

    /// Reads a tensor's values in order, in pieces whose length is a multiple of `unit`, which divides their number.
    ///
    /// # Errors
    /// [`WeightsError::Dtype`]; [`WeightsError::Io`]; `piece`'s.
    pub(crate) fn read_pieces(
        &mut self,
        tensor: &str,
        entry: &Entry,
        unit: usize,
        mut piece: impl FnMut(usize, &[f32]) -> Result<(), WeightsError>,
    ) -> Result<(), WeightsError> {
        self.check_dtype(tensor, entry)?;
        let io = |name: &str, source| WeightsError::Io { action: "read", path: name.into(), source };
        if let Some(strides) = &entry.strides {
            let values = self.gather(entry, strides).map_err(|e| io(&self.name, e))?;
            return piece(0, &values);
        }
        self.bytes.seek(SeekFrom::Start(entry.at)).map_err(|e| io(&self.name, e))?;
        let (total, unit) = (entry.values(), unit.max(1));
        let most = (PIECE / unit).max(1) * unit;
        let mut bytes = vec![0; entry.dtype.bytes() * most.min(total)];
        let mut values = Vec::with_capacity(most.min(total));
        let mut done = 0;
        while done < total {
            let count = most.min(total - done);
            let bytes = &mut bytes[..count * entry.dtype.bytes()];
            self.bytes.read_exact(bytes).map_err(|e| io(&self.name, e))?;
            values.clear();
            entry.dtype.decode(bytes, &mut values);
            piece(done, &values)?;
            done += count;
        }
        Ok(())
    }

    /// Refuses kinds of numbers that are not converted.
    pub(crate) fn check_dtype(&self, tensor: &str, entry: &Entry) -> Result<(), WeightsError> {
        match entry.dtype {
            Dtype::Other(got, _) => {
                let (file, tensor, got) = (self.name.clone(), tensor.to_owned(), got.to_owned());
                Err(WeightsError::Dtype { file, tensor, got })
            }
            _ => Ok(()),
        }
    }

    /// The values of a view whose neighbours are not neighbours in the file, such as a transposed one.
    fn gather(&mut self, entry: &Entry, strides: &[usize]) -> io::Result<Vec<f32>> {
        let span = span(&entry.shape, strides).unwrap_or_default();
        self.bytes.seek(SeekFrom::Start(entry.at))?;
        let mut bytes = Vec::new();
        (&mut self.bytes).take(span * entry.dtype.bytes() as u64).read_to_end(&mut bytes)?;
        let mut stored = Vec::with_capacity(span as usize);
        entry.dtype.decode(&bytes, &mut stored);
        if (stored.len() as u64) < span {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut values = Vec::with_capacity(entry.values());
        let mut at = vec![0; entry.shape.len()];
        for _ in 0..entry.values() {
            values.push(stored[at.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>()]);
            for axis in (0..at.len()).rev() {
                at[axis] += 1;
                if at[axis] < entry.shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        Ok(values)
    }
}

/// Enough bytes to tell the formats apart.
const LONGEST_MAGIC: u64 = 16;

/// Values read at a time.
const PIECE: usize = 1 << 16;

fn index_safetensors(file: &str, bytes: &mut dyn ReadSeek, size: u64) -> Result<Index, WeightsError> {
    let header = container::read_header(file, bytes, size)?;
    let mut index = Index::new(Format::Safetensors, Vec::new());
    index.metadata = header.metadata;
    for (name, tensor) in header.tensors {
        let entry = Entry { dtype: tensor.dtype, shape: tensor.shape, strides: None, at: header.data + tensor.at };
        index.entries.insert(name, entry);
    }
    Ok(index)
}
