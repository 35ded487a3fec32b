//! The bytes of a pickle, never more of them than there are.

use std::io::{BufRead, Read};

use super::TorchError;

/// Longest pickle that is read: a thousand tensors take a few hundred kilobytes, since their numbers lie elsewhere.
pub(super) const LONGEST: u64 = 32 << 20;

/// What is left of a pickle.
pub(super) struct Stream<'r> {
    reader: &'r mut dyn BufRead,
    left: u64,
    /// Bytes read.
    pub read: u64,
}

impl<'r> Stream<'r> {
    /// A pickle of at most `bytes` bytes.
    pub fn new(reader: &'r mut dyn BufRead, bytes: u64) -> Self {
        Self { reader, left: bytes.min(LONGEST), read: 0 }
    }

    fn spend(&mut self, bytes: u64) -> Result<(), TorchError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            TorchError::broken(format!(
                "its pickle asks for {bytes} bytes behind byte {}, more than are left",
                self.read
            ))
        })?;
        self.read += bytes;
        Ok(())
    }

    pub fn bytes(&mut self, count: u64) -> Result<Vec<u8>, TorchError> {
        self.spend(count)?;
        let mut bytes = Vec::new();
        self.reader.take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(TorchError::broken("its pickle ends early")) }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchError> {
        let mut bytes = [0; N];
        self.spend(N as u64)?;
        self.reader.read_exact(&mut bytes).map_err(|_| TorchError::broken("its pickle ends early"))?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, TorchError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, TorchError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Text behind its length.
    pub fn text(&mut self, length: u64) -> Result<String, TorchError> {
        let bytes = self.bytes(length)?;
        String::from_utf8(bytes)
            .map_err(|e| TorchError::broken(format!("its pickle holds text that is not UTF-8: {e}")))
    }

    /// A line, without its end.
    pub fn line(&mut self) -> Result<String, TorchError> {
        let mut line = Vec::new();
        (&mut *self.reader).take(self.left).read_until(b'\n', &mut line)?;
        self.spend(line.len() as u64)?;
        if line.pop() != Some(b'\n') {
            return Err(TorchError::broken("its pickle ends within a line"));
        }
        String::from_utf8(line)
            .map_err(|e| TorchError::broken(format!("its pickle holds a line that is not UTF-8: {e}")))
    }
}
