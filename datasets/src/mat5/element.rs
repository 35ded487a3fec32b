//! Data elements: the tagged pieces that a MAT file is made of.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::error::Fault;
use super::numbers::{Endian, Numbers};

/// A matrix: an element of elements.
pub(super) const MATRIX: u32 = 14;
/// A deflated element.
pub(super) const COMPRESSED: u32 = 15;
/// Signed bytes, in which names are stored.
pub(super) const INT8: u32 = 1;
/// Elements start at multiples of this many bytes.
pub(super) const ALIGNMENT: usize = 8;
/// Elements of at most this many bytes may stand in their own tag.
pub(super) const SMALL: usize = 4;

/// A piece of a file.
pub(super) struct Element<'a> {
    pub kind: u32,
    pub data: &'a [u8],
}

/// Elements one after the other.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    pub endian: Endian,
}

impl<'a> Elements<'a> {
    pub fn new(bytes: &'a [u8], endian: Endian) -> Self {
        Self { rest: bytes, endian }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next element; `what` it should be, for the message.
    pub fn next(&mut self, what: &str) -> Result<Element<'a>, Fault> {
        let first = self.word(what)?;
        // A small element: its length in the upper half of the first word, its data in the second.
        let (small, kind) = (first >> 16, first & 0xffff);
        if small > 0 {
            let data = self.take(SMALL, what)?;
            let data = data.get(..small as usize);
            let data = data.ok_or_else(|| Fault::new(format!("at most {SMALL} bytes in the tag of {what}"), small))?;
            return Ok(Element { kind, data });
        }
        let length = self.word(what)? as usize;
        let data = self.take(length, what)?;
        // The last element of a file is not always padded, and compressed ones never are.
        let padding = if kind == COMPRESSED { 0 } else { length.next_multiple_of(ALIGNMENT) - length };
        self.rest = &self.rest[padding.min(self.rest.len())..];
        Ok(Element { kind, data })
    }

    /// The next element, whose kind is known.
    pub fn next_of(&mut self, kind: u32, what: &str) -> Result<&'a [u8], Fault> {
        match self.next(what)? {
            element if element.kind == kind => Ok(element.data),
            other => Err(Fault::new(format!("{what} in an element of type {kind}"), format!("type {}", other.kind))),
        }
    }

    /// The next element as numbers of whatever storage type.
    pub fn numbers(&mut self, what: &str) -> Result<Numbers, Fault> {
        let Element { kind, data } = self.next(what)?;
        let unfit = || Fault::new(format!("{what} as numbers"), format!("{} bytes of type {kind}", data.len()));
        Numbers::read(kind, data, self.endian).ok_or_else(unfit)
    }

    /// The next element as signed integers of 32 bits.
    pub fn integers(&mut self, what: &str) -> Result<Vec<i32>, Fault> {
        match self.numbers(what)? {
            Numbers::I32(values) => Ok(values),
            // Some writers count without a sign.
            Numbers::U32(values) => values.iter().map(|&value| signed(value, what)).collect(),
            _ => Err(Fault::new(format!("{what} as integers of 32 bits"), "another type")),
        }
    }

    fn word(&mut self, what: &str) -> Result<u32, Fault> {
        let bytes = self.take(4, what)?;
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        Ok(match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], Fault> {
        let short = || Fault::new(format!("{length} bytes of {what}"), format!("{} up to the end", self.rest.len()));
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn signed(value: u32, what: &str) -> Result<i32, Fault> {
    i32::try_from(value).map_err(|_| Fault::new(format!("{what} up to {}", i32::MAX), value))
}

/// Inflates a compressed element, and takes its size from what may still be inflated.
pub(super) fn inflate(deflated: &[u8], allowance: &mut usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    // One byte more tells an element that just fits from one that does not.
    let reading = ZlibDecoder::new(deflated).take(*allowance as u64 + 1).read_to_end(&mut bytes);
    if bytes.len() > *allowance {
        return Err(Fault::too_large(format!("at most {} MB inflated from one file", super::MAX_INFLATED >> 20)));
    }
    reading.map_err(|error| Fault::new("a whole deflated element", error))?;
    *allowance -= bytes.len();
    Ok(bytes)
}
