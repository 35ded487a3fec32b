//! The bytes of a file that is read by parts.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::WeightsError;

/// A file on disk, or its bytes.
///
/// A file is read where something stands, when it is wanted.  It is not mapped into memory: a map is `unsafe`, which lives in
/// `ops` alone, and its pages would count as the program's memory beside the network's.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    File { file: File, len: u64 },
    Bytes(&'a [u8]),
}

impl Source<'_> {
    /// # Errors
    /// [`WeightsError::Io`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        Ok(Self::File { file, len })
    }

    pub fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `into` with what stands from `at` on.
    ///
    /// # Errors
    /// The system's; `UnexpectedEof` when there is less.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File { file, .. } => read_at(file, at, into),
            Self::Bytes(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let found = bytes.get(start..).and_then(|rest| rest.get(..into.len()));
                into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// The first bytes, at most so many.
    pub fn start(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len().min(most as u64) as usize];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(unix)]
fn read_at(file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

/// Moves the file's own place: for one reader at a time, as all here are.
#[cfg(not(unix))]
fn read_at(mut file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}

/// Reads on from a place in a source.
#[derive(Debug)]
pub(crate) struct Positioned<'s> {
    source: &'s Source<'s>,
    at: u64,
    end: u64,
}

impl<'s> Positioned<'s> {
    /// From `at` to `end`, but not beyond the source's.
    pub fn new(source: &'s Source<'_>, at: u64, end: u64) -> Self {
        Self { source, at, end: end.min(source.len()) }
    }
}

impl Read for Positioned<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.end.saturating_sub(self.at).min(into.len() as u64) as usize;
        self.source.read_at(self.at, &mut into[..len])?;
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
