//! Files of `torch.save`: the zip of PyTorch 1.6 and later, and the row of pickles that came before.
//!
//! A pickle is a program.  [`pickle`] runs a harmless part of its language, in which nothing can be called: the few names that a
//! checkpoint needs stand for what they build, a few more for values nobody looks at, and any other is refused.

mod globals;
mod legacy;
mod machine;
mod pickle;
mod state_dict;
mod stream;
mod zipped;

pub(crate) use legacy::is_legacy;
pub(crate) use zipped::is_zip;

use std::io;

use crate::WeightsError;
use crate::tensors::{Index, ReadSeek};

/// Why a file of `torch.save` cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorchError {
    #[error("{0}")]
    Broken(String),
    #[error("its pickle asks for `{0}`, which is refused; nothing of it was run")]
    Refused(String),
    #[error("{0}")]
    Other(String, &'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TorchError {
    fn broken(reason: impl Into<String>) -> Self {
        Self::Broken(reason.into())
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Broken(_) | Self::Io(_) => "an incomplete download or copy? compare its size with the source's",
            Self::Refused(_) => {
                "save the weights alone where the file comes from: torch.save(model.state_dict(), \"weights.pth\")"
            }
            Self::Other(_, help) => help,
        }
    }
}

/// The tensors of a zip.
pub(crate) fn index_zip(file: &str, bytes: &mut dyn ReadSeek) -> Result<Index, WeightsError> {
    zipped::index(bytes).map_err(|error| refused(file, &error))
}

/// The tensors of a row of pickles.
pub(crate) fn index_legacy(file: &str, bytes: &mut dyn ReadSeek) -> Result<Index, WeightsError> {
    legacy::index(bytes).map_err(|error| refused(file, &error))
}

fn refused(file: &str, error: &TorchError) -> WeightsError {
    let (file, reason, help) = (file.to_owned(), error.to_string(), error.help());
    WeightsError::Torch { file, reason, help }
}
