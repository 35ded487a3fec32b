//! The header of a `.weights` file: a version, and the pictures seen in training.

use std::io::{self, Read, Write};

/// Bytes of the longer form; a file that is shorter holds no floats in either.
pub(super) const LONGEST_HEADER: u64 = 20;

/// What stands before the floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major, minor, revision.
    pub version: [i32; 3],
    /// Training pictures seen so far, each as often as it was.
    pub seen: u64,
}

impl Header {
    /// The form that all of Darknet's descendants read.
    pub const VERSION: [i32; 3] = [0, 2, 0];

    /// A header for new files.
    pub fn new(seen: u64) -> Self {
        Self { version: Self::VERSION, seen }
    }

    /// Its length in bytes: 20, or 16 in files older than 0.2 and (pjreddie) with a major or minor of 1000 and more.
    pub fn bytes(self) -> u64 {
        let [major, minor, _] = self.version;
        let tenths = i64::from(major) * 10 + i64::from(minor);
        if tenths >= 2 && major < 1000 && minor < 1000 { 20 } else { 16 }
    }

    /// Reads as many bytes as the version asks for.
    pub(super) fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut version = [0; 3];
        for number in &mut version {
            *number = i32::from_le_bytes(array(reader)?);
        }
        let mut header = Self { version, seen: 0 };
        header.seen = if header.bytes() == 20 {
            u64::from_le_bytes(array(reader)?)
        } else {
            u64::from(u32::from_le_bytes(array(reader)?))
        };
        Ok(header)
    }

    /// # Errors
    /// The writer's; `InvalidInput` when the short form cannot hold the count.
    pub(super) fn write(self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        for number in self.version {
            writer.write_all(&number.to_le_bytes())?;
        }
        if self.bytes() == 20 {
            return writer.write_all(&self.seen.to_le_bytes());
        }
        let refused = |_| {
            let [major, minor, revision] = self.version;
            let what =
                format!("{} pictures seen: more than a file of version {major}.{minor}.{revision} can say", self.seen);
            io::Error::new(io::ErrorKind::InvalidInput, what)
        };
        writer.write_all(&u32::try_from(self.seen).map_err(refused)?.to_le_bytes())
    }
}

fn array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
