//! MAT files of version 5, MATLAB's `-v6` and `-v7`: the annotations of SBD, ShanghaiTech, UCF-QNRF and NWPU.
//!
//! After MathWorks, *MAT-File Format*, chapter 1. Read are numbers of all classes, whole or complex, stored narrower than
//! their class or not, logicals, text, structs, cells and sparse matrices, of either byte order, deflated or not. MathWorks
//! documents no layout for function handles and objects: these are [`Value::Unread`], and the rest of the file is read. A
//! variable without a name is MATLAB's own data on such objects.
//!
//! ```
//! use wrs_datasets::mat5::{Array, MatFile};
//!
//! let points = Array::matrix(2, 2, &[10.5, 20.0, 30.0, 40.25])?;
//! let file = MatFile::new([("image_info", Array::cells([Array::structure([("location", points)])]))]);
//! let points = file.variable("image_info")?.cell(0)?.field("location")?.matrix::<f64>()?;
//! assert_eq!((points.rows, points.columns, points.values[1]), (2, 2, 20.0));
//! # Ok::<(), wrs_datasets::mat5::Mat5Error>(())
//! ```

mod array;
mod element;
mod error;
mod lookup;
mod numbers;
mod read;
mod text;
mod write;

use std::fs;
use std::path::Path;

pub use array::{Array, Numeric, Sparse, Struct, Value};
pub use error::Mat5Error;
pub use lookup::{ArrayAt, Matrix};
pub use numbers::{Class, Endian, Number, Numbers, Wide};
pub use write::Compression;

use crate::error::DataError;

/// All deflated variables of a file together inflate to this many bytes at most.
pub const MAX_INFLATED: usize = 256 << 20;

/// The variables of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct MatFile {
    /// Names and values in the order of the file.
    pub variables: Vec<(String, Array)>,
}

impl MatFile {
    /// A file of these variables.
    pub fn new<const N: usize>(variables: [(&str, Array); N]) -> Self {
        Self { variables: variables.into_iter().map(|(name, array)| (name.to_owned(), array)).collect() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, and what [`Self::parse`] refuses, with the path.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = fs::read(path).map_err(DataError::io("read", path))?;
        Self::parse(&bytes).map_err(DataError::mat(path))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// Other formats and versions, named; damaged or cut bytes; more than [`MAX_INFLATED`] bytes inflated, a million arrays
    /// or cells nested 32 deep.
    pub fn parse(bytes: &[u8]) -> Result<Self, Mat5Error> {
        read::parse(bytes)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Mat5Error::Array`] where an array was not read, or takes more than 4 GB.
    pub fn encode(&self, endian: Endian, compression: Compression) -> Result<Vec<u8>, Mat5Error> {
        write::encode(self, endian, compression)
    }

    /// A variable.
    ///
    /// # Errors
    /// [`Mat5Error::NoVariable`] names those that there are.
    pub fn variable(&self, name: &str) -> Result<ArrayAt<'_>, Mat5Error> {
        match self.variables.iter().find(|(present, _)| present == name) {
            Some((_, array)) => Ok(ArrayAt::variable(name, array)),
            None => Err(Mat5Error::NoVariable {
                wanted: name.to_owned(),
                present: self.variables.iter().map(|(name, _)| name.clone()).collect(),
            }),
        }
    }
}
