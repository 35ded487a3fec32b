//! Arrays to bytes.

use std::io::Write as _;

use flate2::Compression as Effort;
use flate2::write::ZlibEncoder;

use super::MatFile;
use super::array::{Array, Numeric, Sparse, Struct, Value, spelled};
use super::element::{ALIGNMENT, COMPRESSED, INT8, MATRIX, SMALL};
use super::error::Mat5Error;
use super::numbers::{Class, Endian, Numbers};
use super::read::{CELL, CHAR, COMPLEX, HEADER, LOGICAL, SPARSE, STRUCT, VERSION};
use super::text::UINT16;

/// Whether variables are deflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are: MATLAB's `-v6`.
    Stored,
    /// Each variable by itself: MATLAB's `-v7`.
    Deflated,
}

/// What the header says; MATLAB's own begin with the same words, and readers look for them.
const TEXT: &[u8] = b"MATLAB 5.0 MAT-file, written by wrs";
/// The text and the subsystem's offset, of which there is none, come before the version.
const TEXT_LENGTH: usize = 116;

/// Writes all variables of a file.
pub(super) fn encode(file: &MatFile, endian: Endian, compression: Compression) -> Result<Vec<u8>, Mat5Error> {
    let mut out = Writer { bytes: TEXT.to_vec(), endian };
    out.bytes.resize(TEXT_LENGTH, b' ');
    out.bytes.resize(HEADER - 4, 0);
    out.half_words(&[VERSION, u16::from_be_bytes(*b"MI")]);
    for (name, array) in &file.variables {
        let mut variable = Writer { bytes: Vec::new(), endian };
        variable.matrix(name, array)?;
        match compression {
            Compression::Stored => out.bytes.extend(variable.bytes),
            Compression::Deflated => {
                let deflated = deflate(&variable.bytes).map_err(|error| cannot(array, "to deflate", &error))?;
                out.words(&[COMPRESSED, length(array, &deflated)?]);
                out.bytes.extend(deflated);
            }
        }
    }
    Ok(out.bytes)
}

fn deflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Effort::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

struct Writer {
    bytes: Vec<u8>,
    endian: Endian,
}

impl Writer {
    fn matrix(&mut self, name: &str, array: &Array) -> Result<(), Mat5Error> {
        let mut inner = Self { bytes: Vec::new(), endian: self.endian };
        inner.head(name, array)?;
        inner.body(array)?;
        self.words(&[MATRIX, length(array, &inner.bytes)?]);
        self.bytes.extend(inner.bytes);
        Ok(())
    }

    fn head(&mut self, name: &str, array: &Array) -> Result<(), Mat5Error> {
        let part = |part: &Option<Numbers>| if part.is_some() { COMPLEX } else { 0 };
        let logical = |class: Class| if class == Class::Logical { LOGICAL } else { 0 };
        let (class, flags, room) = match array.value() {
            Value::Numeric(numeric) => (numeric.class.code(), part(&numeric.imaginary) | logical(numeric.class), 0),
            Value::Sparse(sparse) => (SPARSE, part(&sparse.imaginary) | logical(sparse.class), sparse.rows.len()),
            Value::Char(_) => (CHAR, 0, 0),
            Value::Cell(_) => (CELL, 0, 0),
            Value::Struct(_) => (STRUCT, 0, 0),
            Value::Unread(what) => return Err(cannot(array, "a value that was read", what)),
        };
        self.numbers(array, &Numbers::U32(vec![u32::from(class) | flags, room as u32]))?;
        let dims = array.dims().iter().map(|&dim| i32::try_from(dim));
        let dims: Vec<i32> =
            dims.collect::<Result<_, _>>().map_err(|error| cannot(array, "smaller dimensions", &error))?;
        self.numbers(array, &Numbers::I32(dims))?;
        self.element(array, INT8, name.as_bytes())
    }

    fn body(&mut self, array: &Array) -> Result<(), Mat5Error> {
        match array.value() {
            Value::Numeric(Numeric { real, imaginary, .. }) => {
                self.numbers(array, real)?;
                imaginary.iter().try_for_each(|part| self.numbers(array, part))
            }
            Value::Char(rows) => {
                let rows: Vec<Vec<u16>> = rows.iter().map(|row| row.encode_utf16().collect()).collect();
                let width = rows.first().map_or(0, Vec::len);
                let units = (0..width).flat_map(|c| rows.iter().map(move |row| row[c])).collect();
                self.element(array, UINT16, &Numbers::U16(units).bytes(self.endian))
            }
            Value::Cell(cells) => cells.iter().try_for_each(|cell| self.matrix("", cell)),
            Value::Struct(structs) => self.structs(array, structs),
            Value::Sparse(Sparse { rows, column_starts, real, imaginary, .. }) => {
                self.numbers(array, &Numbers::I32(rows.clone()))?;
                self.numbers(array, &Numbers::I32(column_starts.clone()))?;
                self.numbers(array, real)?;
                imaginary.iter().try_for_each(|part| self.numbers(array, part))
            }
            Value::Unread(what) => Err(cannot(array, "a value that was read", what)),
        }
    }

    fn structs(&mut self, array: &Array, structs: &Struct) -> Result<(), Mat5Error> {
        // A zero ends each name.
        let longest = structs.fields.iter().map(|field| field.len() + 1).max().unwrap_or(1);
        let mut names = Vec::with_capacity(longest * structs.fields.len());
        for field in &structs.fields {
            names.extend(field.as_bytes());
            names.resize(names.len().next_multiple_of(longest), 0);
        }
        self.numbers(array, &Numbers::I32(vec![longest as i32]))?;
        self.element(array, INT8, &names)?;
        structs.values.iter().try_for_each(|value| self.matrix("", value))
    }

    fn numbers(&mut self, array: &Array, numbers: &Numbers) -> Result<(), Mat5Error> {
        self.element(array, numbers.storage(), &numbers.bytes(self.endian))
    }

    fn element(&mut self, array: &Array, kind: u32, data: &[u8]) -> Result<(), Mat5Error> {
        let length = length(array, data)?;
        if (1..=SMALL).contains(&data.len()) {
            self.words(&[length << 16 | kind]);
            self.bytes.extend(data);
            self.bytes.extend(&[0; SMALL][data.len()..]);
        } else {
            self.words(&[kind, length]);
            self.bytes.extend(data);
            self.bytes.extend(&[0; ALIGNMENT][..data.len().next_multiple_of(ALIGNMENT) - data.len()]);
        }
        Ok(())
    }

    fn words(&mut self, words: &[u32]) {
        self.bytes.extend(Numbers::U32(words.to_vec()).bytes(self.endian));
    }

    fn half_words(&mut self, words: &[u16]) {
        self.bytes.extend(Numbers::U16(words.to_vec()).bytes(self.endian));
    }
}

fn length(array: &Array, data: &[u8]) -> Result<u32, Mat5Error> {
    u32::try_from(data.len()).map_err(|_| cannot(array, "under 4 GB", &format!("{} bytes", data.len())))
}

fn cannot(array: &Array, expected: &str, got: &impl ToString) -> Mat5Error {
    Mat5Error::Array { dims: spelled(array.dims()), expected: expected.to_owned(), got: got.to_string() }
}
