//! Named flat buffers in a safetensors file: optimizer state and whatever else a checkpoint carries.

use std::collections::BTreeMap;
use std::io::{self, Write};

use wrs_nn::Buffer;

use crate::dtype::Dtype;
use crate::{Metadata, TensorFile, WeightsError, container};

/// Writes flat buffers in the order given and in the order of their values; equal values give equal bytes.
///
/// # Errors
/// The writer's; `InvalidInput` when two buffers bear one name.
pub fn write_buffers(
    buffers: &[(&str, &Buffer)],
    metadata: &Metadata,
    writer: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    container::write_header(
        writer,
        metadata,
        buffers.iter().map(|(name, buffer)| (*name, Dtype::F32, vec![buffer.len()])),
    )?;
    buffers.iter().try_for_each(|(_, buffer)| container::write_values(writer, buffer.host()))
}

/// The flat buffers of a file, read whole and taken one by one.
#[derive(Debug)]
pub struct NamedBuffers {
    file: String,
    buffers: BTreeMap<String, Buffer>,
}

impl NamedBuffers {
    /// Reads the bytes of a file; `file` is their name in messages.
    ///
    /// # Errors
    /// [`WeightsError::Format`], [`WeightsError::Dtype`].
    pub fn read(bytes: &[u8], file: &str) -> Result<Self, WeightsError> {
        let tensors = TensorFile::of_bytes(bytes, file)?;
        let mut buffers = BTreeMap::new();
        for entry in tensors.entries() {
            buffers.insert(entry.name.clone(), Buffer::from(tensors.values(entry)?));
        }
        Ok(Self { file: file.to_owned(), buffers })
    }

    /// The names of the buffers not taken yet, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.buffers.keys().map(String::as_str)
    }

    /// Takes a buffer that must hold `expected` values.
    ///
    /// # Errors
    /// [`WeightsError::MissingBuffer`], [`WeightsError::BufferLength`].
    pub fn take(&mut self, name: &str, expected: usize) -> Result<Buffer, WeightsError> {
        let Some(found) = self.buffers.get(name) else {
            return Err(WeightsError::MissingBuffer {
                file: self.file.clone(),
                buffer: name.to_owned(),
                found: self.names().map(str::to_owned).collect(),
            });
        };
        if found.len() != expected {
            return Err(WeightsError::BufferLength {
                file: self.file.clone(),
                buffer: name.to_owned(),
                expected,
                got: found.len(),
            });
        }
        Ok(self.buffers.remove(name).unwrap_or_default())
    }

    /// All that are left.
    pub fn into_all(self) -> BTreeMap<String, Buffer> {
        self.buffers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(buffers: &[(&str, &Buffer)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_buffers(buffers, &Metadata::from([("step".into(), "7".into())]), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn buffers_come_back_bit_for_bit() {
        let momentum = Buffer::from(vec![1.5, -0.0, f32::MIN_POSITIVE / 4.0, f32::NAN, f32::INFINITY]);
        let empty = Buffer::default();
        let bytes = written(&[("momentum", &momentum), ("empty", &empty)]);
        let mut read = NamedBuffers::read(&bytes, "optim").unwrap();
        assert_eq!(read.names().collect::<Vec<_>>(), ["empty", "momentum"]);
        let bits = |b: &Buffer| b.host().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.take("momentum", 5).unwrap()), bits(&momentum));
        assert!(read.take("empty", 0).unwrap().is_empty());
        assert_eq!(read.names().count(), 0);
    }

    #[test]
    fn a_missing_or_resized_buffer_is_named() {
        let mut read = NamedBuffers::read(&written(&[("momentum", &Buffer::zeros(3))]), "optim").unwrap();
        let text = read.take("second", 3).unwrap_err().to_string();
        assert_eq!(text, "optim: expected a buffer `second`, got only momentum");
        let text = read.take("momentum", 4).unwrap_err().to_string();
        assert_eq!(text, "optim: buffer `momentum`: expected 4 values, got 3");
    }

    #[test]
    fn a_name_cannot_come_twice() {
        let buffer = Buffer::zeros(1);
        for pair in [["a", "a"], ["a", "__metadata__"]] {
            let twice = pair.map(|name| (name, &buffer));
            let error = write_buffers(&twice, &Metadata::new(), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
