//! The tensors of a file, whatever its format, which is told by its content and not by its name.
//!
//! Opening reads what the file says of its tensors: names, kinds of numbers, shapes, places.  Their values are read one by
//! one, each straight to where it is wanted, so that there is never a second copy of the file in memory.

mod pieces;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use crate::container::{self, Header};
use crate::dtype::Dtype;
use crate::pytorch::{self, Parts};
use crate::source::Source;
use crate::{Metadata, WeightsError};

/// What PyTorch's `DataParallel` puts before every name.
const WRAPPER: &str = "module.";

/// Bytes by which formats are told apart.
const START: usize = 512;

/// A format that says its tensors' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// safetensors.
    Safetensors,
    /// `torch.save` since 1.6.
    PytorchZip,
    /// `torch.save` before.
    PytorchLegacy,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PytorchZip => "PyTorch (zip)",
            Self::PytorchLegacy => "PyTorch (before 1.6)",
        })
    }
}

impl Format {
    /// The format of a file, by its first bytes; none for Darknet's weights, which begin with small integers, and for anything
    /// else.
    ///
    /// # Errors
    /// [`WeightsError::Io`].
    pub fn of(path: &Path) -> Result<Option<Self>, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
        Ok(Self::of_start(&Source::open(path)?.start(START).map_err(io)?))
    }

    fn of_start(start: &[u8]) -> Option<Self> {
        match start {
            // Before the others: the length of a header can be any bytes, but under the format's bound only four of them.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Some(Self::Safetensors),
            [b'P', b'K', 3, 4, ..] => Some(Self::PytorchZip),
            // A pickle says its protocol first.
            [0x80, 0..=5, ..] => Some(Self::PytorchLegacy),
            _ => None,
        }
    }
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without what is before all names of the file.
    pub name: String,
    /// What its numbers are.
    pub dtype: Dtype,
    /// Its sides, in PyTorch's order.
    pub shape: Vec<usize>,
    /// Numbers from one to the next, along each side.
    strides: Vec<usize>,
    /// The first number's place in the file.
    start: u64,
}

impl Entry {
    /// A view of the bytes from `start` to `end`, if it lies in them.
    pub(crate) fn view(
        name: &str,
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        (start, end): (u64, u64),
    ) -> Option<Self> {
        let numbers = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))?;
        numbers.checked_mul(size_of::<f64>())?;
        let span = span(&shape, &strides)?.checked_mul(dtype.bytes())?;
        let fits = numbers == 0 || start.checked_add(span as u64)? <= end;
        fits.then(|| Self { name: name.to_owned(), dtype, shape, strides, start })
    }

    /// A tensor whose numbers lie side by side from `start` on.
    pub(crate) fn contiguous(name: &str, dtype: Dtype, shape: Vec<usize>, start: u64) -> Option<Self> {
        let numbers = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side.max(1)))?;
        let end = start.checked_add(numbers.checked_mul(dtype.bytes())? as u64)?;
        let strides = contiguous(&shape);
        Self::view(name, dtype, shape, strides, (start, end))
    }

    /// Its numbers.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len() as u64 * self.dtype.bytes() as u64
    }
}

/// Numbers from the first to the last one of a view, both included.
fn span(shape: &[usize], strides: &[usize]) -> Option<usize> {
    let steps = shape.iter().zip(strides).map(|(side, stride)| side.saturating_sub(1).checked_mul(*stride));
    steps.into_iter().try_fold(1usize, |sum, step| sum.checked_add(step?))
}

/// Strides of tensors whose numbers lie side by side.
fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

/// Something else in a file of weights, such as the epoch of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its key.
    pub key: String,
    /// What it is: itself where it is short.
    pub what: String,
}

/// A file with named tensors.
#[derive(Debug)]
pub struct TensorFile<'a> {
    file: String,
    source: Source<'a>,
    format: Format,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    wrapper: &'static str,
    metadata: Metadata,
    contents: Vec<Content>,
    under: Option<String>,
}

impl TensorFile<'static> {
    /// Opens a file; see [`TensorFile::of_bytes`].
    ///
    /// # Errors
    /// [`WeightsError`] for a file that cannot be read, is not whole, or is no safetensors and no file of PyTorch's.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::of_source(Source::open(path)?, container::name_of(path))
    }
}

impl<'a> TensorFile<'a> {
    /// The tensors in a file's bytes; `file` is their name in messages.
    ///
    /// Of a file of PyTorch's these are the tensors of the state dict, found at the top or under one of the keys that programs
    /// use (`state_dict`, `model`, `model_state`, …).  `module.` is taken off the names if all of them have it.
    ///
    /// # Errors
    /// [`WeightsError`] for bytes that are not whole, or no safetensors and no file of PyTorch's.
    pub fn of_bytes(bytes: &'a [u8], file: &str) -> Result<Self, WeightsError> {
        Self::of_source(Source::Bytes(bytes), file.to_owned())
    }

    fn of_source(source: Source<'a>, file: String) -> Result<Self, WeightsError> {
        let start = source.start(START).map_err(|e| WeightsError::Io {
            action: "read",
            path: file.clone().into(),
            source: e,
        })?;
        let Some(format) = Format::of_start(&start) else {
            return Err(unknown(file, &start, source.len()));
        };
        let nothing = Metadata::new();
        let (parts, metadata) = match format {
            Format::Safetensors => {
                let Header { entries, metadata } = container::read_header(&source, &file)?;
                (Parts { entries, contents: Vec::new(), under: None }, metadata)
            }
            Format::PytorchZip => (pytorch::read_zip(&source, &file)?, nothing),
            Format::PytorchLegacy => (pytorch::read_legacy(&source, &file)?, nothing),
        };
        let Parts { mut entries, contents, under } = parts;
        if let Some(entry) = entries.iter().find(|e| e.bytes() > source.len().saturating_mul(LARGEST_GROWTH)) {
            let reason = format!("tensor `{}`: {} numbers of {}", entry.name, entry.len(), entry.dtype);
            return Err(WeightsError::Format { file, format, reason: format!("{reason} in {} bytes", source.len()) });
        }
        let is_wrapped = !entries.is_empty() && entries.iter().all(|entry| entry.name.starts_with(WRAPPER));
        let wrapper = if is_wrapped { WRAPPER } else { "" };
        for entry in &mut entries {
            entry.name.drain(..wrapper.len());
        }
        let by_name = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        Ok(Self { file, source, format, entries, by_name, wrapper, metadata, contents, under })
    }

    /// Its name in messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Every tensor, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|&index| &self.entries[index])
    }

    /// The names of its tensors, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// What stands before every name in the file itself: `module.`, or nothing.
    pub fn wrapper(&self) -> &'static str {
        self.wrapper
    }

    /// What it says about its tensors; PyTorch's files say nothing.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What else lies beside the state dict, the state dict's own key among it; nothing where that is the whole file.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// The key that the state dict was found under, dots between the parts; none where it is the whole file.
    pub fn under(&self) -> Option<&str> {
        self.under.as_deref()
    }

    /// All numbers of one tensor, in the order of its axes, as `f32`; those of 64 bits are rounded.
    ///
    /// # Errors
    /// [`WeightsError::Dtype`] for numbers that are no floats; [`WeightsError::Io`].
    pub fn values(&self, entry: &Entry) -> Result<Vec<f32>, WeightsError> {
        let mut values = Vec::with_capacity(entry.len());
        self.check_float(entry)?;
        self.pieces(entry, 1, &mut |bytes| {
            entry.dtype.decode(bytes, &mut values);
            Ok(())
        })?;
        Ok(values)
    }

    pub(crate) fn check_float(&self, entry: &Entry) -> Result<(), WeightsError> {
        if entry.dtype.is_float() {
            return Ok(());
        }
        let (file, tensor, got) = (self.file.clone(), entry.name.clone(), entry.dtype.to_string());
        Err(WeightsError::Dtype { file, tensor, got })
    }

    /// Writes every tensor as safetensors: names, shapes, kinds of numbers and axes as they are in the file, one tensor's piece
    /// in memory at a time.
    ///
    /// # Errors
    /// [`WeightsError::Io`]; [`WeightsError::Dtype`] for numbers that safetensors do not know; [`WeightsError::NotWeights`] for
    /// a file whose tensors are far more than its bytes.
    pub fn write_safetensors(&self, path: &Path) -> Result<(), WeightsError> {
        let total: u128 = self.entries.iter().map(|entry| u128::from(entry.bytes())).sum();
        let most = u128::from(self.source.len()) * u128::from(LARGEST_GROWTH);
        if total > most {
            let reason = format!("its {} bytes stand for tensors of {total}", self.source.len());
            let help = "tensors repeat their numbers; save copies of them: tensor.clone()";
            return Err(WeightsError::NotWeights { file: self.file.clone(), reason, help });
        }
        if let Some(entry) = self.entries.iter().find(|entry| !entry.dtype.is_in_safetensors()) {
            let (file, tensor, got) = (self.file.clone(), entry.name.clone(), entry.dtype.to_string());
            return Err(WeightsError::Dtype { file, tensor, got });
        }
        let io = |source| WeightsError::Io { action: "write", path: path.to_owned(), source };
        let mut writer = io::BufWriter::new(std::fs::File::create(path).map_err(io)?);
        let mut metadata = self.metadata.clone();
        // What transformers and others look for before they read a file.
        metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
        let names: Vec<String> = self.entries.iter().map(|entry| format!("{}{}", self.wrapper, entry.name)).collect();
        let tensors = self.entries.iter().zip(&names).map(|(e, name)| (name.as_str(), e.dtype, e.shape.clone()));
        container::write_header(&mut writer, &metadata, tensors).map_err(io)?;
        for entry in &self.entries {
            self.pieces(entry, 1, &mut |bytes| writer.write_all(bytes).map_err(io))?;
        }
        writer.flush().map_err(io)
    }
}

/// How many times a file's own bytes its tensors can have: two share a storage, now and then.
const LARGEST_GROWTH: u64 = 16;

fn unknown(file: String, start: &[u8], bytes: u64) -> WeightsError {
    const TAR_AT: usize = 257;
    let text = |what: &[u8]| start.starts_with(what);
    let (reason, help) = if start.get(TAR_AT..TAR_AT + 5) == Some(b"ustar") {
        ("a tar, as PyTorch before 0.2 wrote them", "load it there and save it again with torch.save")
    } else if text(b"version https://git-lfs") {
        ("a pointer of git-lfs in place of a file", "fetch the file itself: git lfs pull")
    } else if text(b"<") {
        ("a page of the web in place of a file", "download the file itself")
    } else {
        let first: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let got = format!("got {bytes} bytes that begin with {}", first.join(" "));
        let reason = format!("expected safetensors or a file of PyTorch's, {got}");
        return WeightsError::NotWeights { file, reason, help: "is it whole, and a file of weights?" };
    };
    WeightsError::NotWeights { file, reason: reason.to_owned(), help }
}
