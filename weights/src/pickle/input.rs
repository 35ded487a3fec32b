//! The bytes of a pickle, with a place and bounds.

use std::io::{self, BufRead, BufReader, Read};

use super::PickleError;
use crate::source::{Positioned, Source};

/// Most bytes of one file's pickles; those of weights alone have some hundred thousand.
const MOST_BYTES: u64 = 1 << 26;

/// Longest line: the name of a module or a class.
const LONGEST_LINE: u64 = 1 << 12;

/// Reads a pickle's bytes on and on.
#[derive(Debug)]
pub(crate) struct Input<'s> {
    reader: BufReader<Positioned<'s>>,
    start: u64,
    at: u64,
    end: u64,
}

impl<'s> Input<'s> {
    /// What stands from `start` to `end` of a source.
    pub fn new(source: &'s Source<'_>, start: u64, end: u64) -> Self {
        let end = end.min(source.len());
        Self { reader: BufReader::new(Positioned::new(source, start, end)), start, at: start, end }
    }

    /// The place of the next byte in the source.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn broken(&self, reason: impl Into<String>) -> PickleError {
        PickleError::Broken { at: self.at, reason: reason.into() }
    }

    /// Takes `len` bytes off what is left.
    fn pass(&mut self, len: u64) -> Result<(), PickleError> {
        let left = self.end.saturating_sub(self.at);
        if len > left {
            return Err(self.broken(format!("expected {len} more bytes, got {left}")));
        }
        if self.at + len - self.start > MOST_BYTES {
            return Err(self.broken(format!("expected at most {MOST_BYTES} bytes of pickle, got more")));
        }
        self.at += len;
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.pass(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    /// `len` bytes; more than there are is an error before anything is allocated.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>, PickleError> {
        self.pass(len)?;
        let mut bytes = vec![0; len as usize];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over `len` bytes.
    pub fn skip(&mut self, len: u64) -> Result<(), PickleError> {
        self.pass(len)?;
        io::copy(&mut (&mut self.reader).take(len), &mut io::sink())?;
        Ok(())
    }

    /// What stands before the end of the line.
    pub fn line(&mut self) -> Result<String, PickleError> {
        let mut bytes = Vec::new();
        (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        self.pass(bytes.len() as u64)?;
        if bytes.pop() != Some(b'\n') {
            return Err(self.broken("expected the end of a line"));
        }
        String::from_utf8(bytes).map_err(|_| self.broken("expected a name, got bytes that are no text"))
    }
}
