//! Formats, by a file's first bytes.

use std::fmt;
use std::path::Path;

use crate::WeightsError;
use crate::source::Source;

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

    /// # Errors
    /// [`WeightsError::Io`]; [`WeightsError::NotWeights`] for a file of none of them.
    pub(super) fn of_source(source: &Source<'_>, file: &str) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: file.into(), source };
        let start = source.start(START).map_err(io)?;
        Self::of_start(&start).ok_or_else(|| unknown(file.to_owned(), &start, source.len()))
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
