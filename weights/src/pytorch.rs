//! PyTorch's files: `.pth` and `.pt`, by whatever name.
//!
//! Since 1.6 `torch.save` writes a zip of a pickle and one member a storage; before, pickles with the storages behind them.
//! Both say the same: a value with tensors in it, each a view of a storage.  What is looked for in it is a state dict.

mod legacy;
mod state_dict;
mod zip;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::WeightsError;
use crate::pickle::{PickleError, Storage};
use crate::source::Source;
use crate::tensors::{Content, Entry, Format};

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Parts {
    pub entries: Vec<Entry>,
    pub contents: Vec<Content>,
    /// The key of the state dict, where it is not the whole.
    pub under: Option<String>,
}

/// Where storages lie: first byte and bytes, by key.
type Places = HashMap<String, (u64, u64)>;

/// The tensors of a file that begins like a zip.
///
/// # Errors
/// [`WeightsError`].
pub(crate) fn read_zip(source: &Source<'_>, file: &str) -> Result<Parts, WeightsError> {
    zip::read(source).map_err(|fault| fault.told(file, Format::PytorchZip))
}

/// The tensors of a file that begins like a pickle.
///
/// # Errors
/// [`WeightsError`].
pub(crate) fn read_legacy(source: &Source<'_>, file: &str) -> Result<Parts, WeightsError> {
    legacy::read(source).map_err(|fault| fault.told(file, Format::PytorchLegacy))
}

/// Why a file is not read, before its name is known.
#[derive(Debug)]
enum Fault {
    Pickle(PickleError),
    /// What is wrong with it.
    Broken(String),
    /// A whole file, of something else.
    Other {
        reason: String,
        help: &'static str,
    },
}

impl From<PickleError> for Fault {
    fn from(error: PickleError) -> Self {
        Self::Pickle(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Pickle(PickleError::Io(error))
    }
}

impl Fault {
    fn told(self, file: &str, format: Format) -> WeightsError {
        let file = file.to_owned();
        match self {
            Self::Pickle(PickleError::Io(source)) => WeightsError::Io { action: "read", path: file.into(), source },
            Self::Pickle(PickleError::Refused { at, global }) => WeightsError::Refused { file, at, global },
            Self::Pickle(PickleError::Broken { at, reason }) => {
                WeightsError::Format { file, format, reason: format!("at byte {at} of its pickle: {reason}") }
            }
            Self::Broken(reason) => WeightsError::Format { file, format, reason },
            Self::Other { reason, help } => WeightsError::NotWeights { file, reason, help },
        }
    }
}

/// The bytes of a storage among those of its key.
fn place(places: &Places, storage: &Storage) -> Result<(u64, u64), Fault> {
    let key = &storage.key;
    let &(start, bytes) =
        places.get(&**key).ok_or_else(|| Fault::Broken(format!("storage `{key}`: it is not in the file")))?;
    let size = storage.dtype.bytes() as u64;
    let window = storage.offset.checked_mul(size).zip(storage.len.checked_mul(size));
    match window.and_then(|(skipped, len)| Some((skipped, len, skipped.checked_add(len)?))) {
        Some((skipped, len, end)) if end <= bytes => Ok((start + skipped, len)),
        _ => {
            let Storage { len, offset, dtype, .. } = storage;
            let expected = format!("expected {len} numbers of {dtype} behind {offset}");
            Err(Fault::Broken(format!("storage `{key}`: {expected}, got {bytes} bytes")))
        }
    }
}
