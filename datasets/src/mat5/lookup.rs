//! The way from a variable to the numbers wanted, with errors that name it.

use super::array::{Array, Numeric, Struct, Value, spelled};
use super::error::Mat5Error;
use super::numbers::{Number, Wide};

/// An array with the way to it.
#[derive(Debug, Clone)]
pub struct ArrayAt<'a> {
    array: &'a Array,
    place: String,
}

/// A matrix in reading order.
///
/// # Shapes
/// `values`: `[rows, columns]`, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The elements.
    pub values: Vec<T>,
}

impl<'a> ArrayAt<'a> {
    pub(super) fn variable(name: &str, array: &'a Array) -> Self {
        Self { array, place: name.to_owned() }
    }

    /// The array.
    pub fn array(&self) -> &'a Array {
        self.array
    }

    /// The way to it as MATLAB writes it: `image_info{1}.location`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A field of a single struct.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is no single struct, or one without the field.
    pub fn field(&self, name: &str) -> Result<Self, Mat5Error> {
        match self.array.dims() {
            [1, 1] => self.field_of(0, name),
            _ => Err(self.mismatch(format!("a single struct with a field {name}"))),
        }
    }

    /// A field of an element, counted from 0 down the columns, of an array of structs.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is no array of structs, or one without the element or the field.
    pub fn field_of(&self, element: usize, name: &str) -> Result<Self, Mat5Error> {
        let wanted = || self.mismatch(format!("a struct with a field {name}"));
        let Value::Struct(Struct { fields, values }) = self.array.value() else { return Err(wanted()) };
        let column = fields.iter().position(|field| field == name).ok_or_else(wanted)?;
        let index = element.checked_mul(fields.len()).and_then(|first| first.checked_add(column));
        let missing = || self.mismatch(format!("an element ({}) with a field {name}", element + 1));
        let array = index.and_then(|index| values.get(index)).ok_or_else(missing)?;
        let number = if values.len() == fields.len() { String::new() } else { format!("({})", element + 1) };
        Ok(Self { array, place: format!("{}{number}.{name}", self.place) })
    }

    /// A cell, counted from 0 down the columns.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is no cell array, or a smaller one.
    pub fn cell(&self, index: usize) -> Result<Self, Mat5Error> {
        let cell = match self.array.value() {
            Value::Cell(cells) => cells.get(index),
            _ => None,
        };
        let array = cell.ok_or_else(|| self.mismatch(format!("a cell array of {} cells or more", index + 1)))?;
        Ok(Self { array, place: format!("{}{{{}}}", self.place, index + 1) })
    }

    /// The numbers of a matrix, exactly, in reading order.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is no full real matrix, or a number has no equal of type `T`.
    pub fn matrix<T: Number>(&self) -> Result<Matrix<T>, Mat5Error> {
        let wanted = || self.mismatch("a full matrix of real numbers".to_owned());
        let (&[rows, columns], Value::Numeric(Numeric { real, imaginary: None, .. })) =
            (self.array.dims(), self.array.value())
        else {
            return Err(wanted());
        };
        let at = |r: usize, c: usize| {
            let wide = real.get(c * rows + r).ok_or_else(wanted)?;
            T::exactly(wide).ok_or_else(|| self.unfit::<T>(r, c, wide))
        };
        let values = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| at(r, c));
        Ok(Matrix { rows, columns, values: values.collect::<Result<_, _>>()? })
    }

    /// The number of an array that has one, exactly.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is not one real number, or it has no equal of type `T`.
    pub fn scalar<T: Number>(&self) -> Result<T, Mat5Error> {
        match self.matrix()?.values.as_slice() {
            [value] => Ok(*value),
            _ => Err(self.mismatch("a single number".to_owned())),
        }
    }

    /// The text of one row.
    ///
    /// # Errors
    /// [`Mat5Error::Mismatch`] where this is no text, or text of several rows.
    pub fn text(&self) -> Result<&'a str, Mat5Error> {
        match self.array.value() {
            Value::Char(rows) if rows.len() < 2 => Ok(rows.first().map_or("", String::as_str)),
            _ => Err(self.mismatch("a line of text".to_owned())),
        }
    }

    /// An error that says what this should be, beside what it is.
    pub fn mismatch(&self, expected: String) -> Mat5Error {
        Mat5Error::Mismatch { place: self.place.clone(), expected, got: self.array.describe() }
    }

    fn unfit<T: Number>(&self, row: usize, column: usize, wide: Wide) -> Mat5Error {
        Mat5Error::Mismatch {
            place: self.place.clone(),
            expected: format!("numbers that {} holds", T::NAME),
            got: format!("{wide} at ({}, {}) of {}", row + 1, column + 1, spelled(self.array.dims())),
        }
    }
}
