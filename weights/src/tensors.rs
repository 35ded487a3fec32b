//! The tensors of a file, whatever its format, which is told by its content and not by its name.
//!
//! Opening reads what the file says of its tensors: names, kinds of numbers, shapes, places.  Their values are read one by
//! one, each straight to where it is wanted, so that there is never a second copy of the file in memory.

mod entry;
mod format;
mod pieces;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

pub use entry::Entry;
pub use format::Format;

use crate::container::{self, Header};
use crate::pytorch::{self, Parts};
use crate::source::Source;
use crate::{Metadata, WeightsError};

/// What PyTorch's `DataParallel` puts before every name.
const WRAPPER: &str = "module.";

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
        let format = Format::of_source(&source, &file)?;
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
