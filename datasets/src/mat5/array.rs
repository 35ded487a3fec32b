//! The arrays of a MAT file.

use std::fmt::Write as _;

use super::error::{Fault, Mat5Error};
use super::numbers::{Class, Numbers};

/// An array: dimensions and content, which agree.
///
/// # Shapes
/// Content lies column after column: element (r, c) of `[rows, columns]` is number `c * rows + r`.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    dims: Vec<usize>,
    value: Value,
}

/// The content of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Numbers or logicals.
    Numeric(Numeric),
    /// Text, a string a row; the dimensions are `[rows, UTF-16 units of each]`.
    Char(Vec<String>),
    /// Arrays of any kind.
    Cell(Vec<Array>),
    /// Named arrays.
    Struct(Struct),
    /// Numbers of which most are 0.
    Sparse(Sparse),
    /// What MATLAB documents no layout for, named; nothing of it is read but that it is there.
    Unread(&'static str),
}

/// A full array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Numeric {
    /// What they are to MATLAB.
    pub class: Class,
    /// The numbers, or their real parts, in the type that the file stores them in.
    pub real: Numbers,
    /// The imaginary parts of complex numbers.
    pub imaginary: Option<Numbers>,
}

/// An array of structs that share their fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    /// The fields' names.
    pub fields: Vec<String>,
    /// All fields of the first element, of the second, ….
    pub values: Vec<Array>,
}

/// A matrix of compressed columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    /// Double or logical.
    pub class: Class,
    /// The row of each stored number, from 0.
    pub rows: Vec<i32>,
    /// Where each column starts in `rows`, and where the last one ends.
    pub column_starts: Vec<i32>,
    /// The stored numbers.
    pub real: Numbers,
    /// The imaginary parts of complex numbers.
    pub imaginary: Option<Numbers>,
}

impl Array {
    /// An array of these dimensions and this content.
    ///
    /// # Errors
    /// Fewer than two dimensions, too many elements, and content that does not have the dimensions' size.
    pub fn new(dims: Vec<usize>, value: Value) -> Result<Self, Mat5Error> {
        let place = spelled(&dims);
        Self::checked(dims, value).map_err(|fault| fault.of_array(place))
    }

    pub(super) fn checked(dims: Vec<usize>, value: Value) -> Result<Self, Fault> {
        let count = element_count(&dims)?;
        match &value {
            Value::Numeric(numeric) => {
                require("numbers", count, numeric.real.len())?;
                numeric.imaginary.as_ref().map_or(Ok(()), |part| require("imaginary parts", count, part.len()))?;
            }
            Value::Char(rows) => check_text(&dims, rows)?,
            Value::Cell(cells) => require("cells", count, cells.len())?,
            Value::Struct(Struct { fields, values }) => {
                let wanted = count.checked_mul(fields.len()).ok_or_else(|| Fault::new("fewer elements", count))?;
                require("values of fields", wanted, values.len())?;
            }
            Value::Sparse(sparse) => check_sparse(&dims, sparse)?,
            Value::Unread(_) => {}
        }
        Ok(Self { dims, value })
    }

    /// A matrix of numbers whose rows are given one after the other.
    ///
    /// # Errors
    /// More or fewer numbers than elements.
    pub fn matrix<T: Copy>(rows: usize, columns: usize, row_major: &[T]) -> Result<Self, Mat5Error>
    where
        Numeric: From<Vec<T>>,
    {
        let dims = vec![rows, columns];
        if rows.checked_mul(columns) != Some(row_major.len()) {
            let (expected, got) = ("as many numbers".to_owned(), row_major.len().to_string());
            return Err(Mat5Error::Array { dims: spelled(&dims), expected, got });
        }
        let column_major: Vec<T> =
            (0..columns).flat_map(|c| (0..rows).map(move |r| row_major[r * columns + c])).collect();
        Self::new(dims, Value::Numeric(column_major.into()))
    }

    /// A string.
    pub fn text(text: &str) -> Self {
        let (dims, rows) = match text.encode_utf16().count() {
            0 => (vec![0, 0], vec![]),
            units => (vec![1, units], vec![text.to_owned()]),
        };
        Self { dims, value: Value::Char(rows) }
    }

    /// A single struct.
    pub fn structure<const N: usize>(fields: [(&str, Self); N]) -> Self {
        let (fields, values) = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().unzip();
        Self { dims: vec![1, 1], value: Value::Struct(Struct { fields, values }) }
    }

    /// A row of cells.
    pub fn cells<const N: usize>(cells: [Self; N]) -> Self {
        Self { dims: vec![1, N], value: Value::Cell(cells.into()) }
    }

    /// Two dimensions or more.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The content.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What it is, in a few words: `3x2 double`.
    pub fn describe(&self) -> String {
        let kind = match &self.value {
            Value::Numeric(numeric) if numeric.imaginary.is_some() => format!("complex {}", numeric.class.name()),
            Value::Numeric(numeric) => numeric.class.name().to_owned(),
            Value::Char(_) => "char".to_owned(),
            Value::Cell(_) => "cell".to_owned(),
            Value::Struct(one) => format!("struct with the fields {}", one.fields.join(", ")),
            Value::Sparse(sparse) => format!("sparse {}", sparse.class.name()),
            Value::Unread(what) => (*what).to_owned(),
        };
        format!("{} {kind}", spelled(&self.dims))
    }
}

/// How many elements an array of these dimensions has.
pub(super) fn element_count(dims: &[usize]) -> Result<usize, Fault> {
    if dims.len() < 2 {
        return Err(Fault::new("two dimensions or more", dims.len()));
    }
    let count = dims.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
    // MATLAB's indices are 32 bits wide in this format.
    if dims.iter().any(|&dim| i32::try_from(dim).is_err()) {
        return Err(Fault::new("dimensions up to 2147483647", spelled(dims)));
    }
    count.ok_or_else(|| Fault::new("fewer elements", spelled(dims)))
}

/// Dimensions as MATLAB shows them: `3x2`.
pub(super) fn spelled(dims: &[usize]) -> String {
    let mut text = String::new();
    for (i, dim) in dims.iter().enumerate() {
        let _ = write!(text, "{}{dim}", if i == 0 { "" } else { "x" });
    }
    text
}

fn require(what: &str, expected: usize, got: usize) -> Result<(), Fault> {
    if expected == got { Ok(()) } else { Err(Fault::new(format!("{expected} {what}"), got)) }
}

fn check_text(dims: &[usize], rows: &[String]) -> Result<(), Fault> {
    let [height, width] = dims else { return Err(Fault::new("text of two dimensions", dims.len())) };
    require("rows of text", *height, rows.len())?;
    rows.iter().try_for_each(|row| require("UTF-16 units a row", *width, row.encode_utf16().count()))
}

fn check_sparse(dims: &[usize], sparse: &Sparse) -> Result<(), Fault> {
    let [height, width] = *dims else { return Err(Fault::new("a sparse matrix of two dimensions", dims.len())) };
    let Sparse { rows, column_starts, real, imaginary, .. } = sparse;
    require("starts of columns", width.saturating_add(1), column_starts.len())?;
    if column_starts.first() != Some(&0) || !column_starts.is_sorted() {
        return Err(Fault::new("starts of columns that rise from 0", "others"));
    }
    let stored = column_starts.last().map_or(0, |&end| end as usize);
    require("rows of stored numbers", stored, rows.len())?;
    require("stored numbers", stored, real.len())?;
    imaginary.as_ref().map_or(Ok(()), |part| require("imaginary parts", stored, part.len()))?;
    let is_inside = |row: i32| usize::try_from(row).is_ok_and(|row| row < height);
    match rows.iter().find(|&&row| !is_inside(row)) {
        Some(row) => Err(Fault::new(format!("rows below {height}"), row)),
        None => Ok(()),
    }
}
