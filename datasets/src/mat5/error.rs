//! Why a MAT file cannot be read, or does not hold what is asked of it.

use std::fmt;

/// Why a MAT file cannot be read, written, or does not hold what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mat5Error {
    /// The bytes are another format's.
    #[error("expected a MAT file of version 5, got {got}\nhelp: {help}")]
    Format {
        /// What the bytes look like.
        got: &'static str,
        /// The mend.
        help: &'static str,
    },
    /// The file is cut off or damaged.
    #[error("{place}: expected {expected}, got {got}\nhelp: the file is damaged; fetch or write it again")]
    Damaged {
        /// Where: the byte of the file, and the variable and field as far as they are known.
        place: String,
        /// What the format demands.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A file beyond what is read into memory.
    #[error(
        "{place}: expected {expected}, got more\nhelp: the file is likely made to exhaust memory; store less in one file"
    )]
    TooLarge {
        /// Where.
        place: String,
        /// The bound.
        expected: String,
    },
    /// A variable that the file does not have.
    #[error(
        "expected a variable {wanted}, got {}\nhelp: this file belongs to another data set, or its variable was renamed",
        listed(present)
    )]
    NoVariable {
        /// Its name.
        wanted: String,
        /// The variables of the file.
        present: Vec<String>,
    },
    /// A value of another kind or shape than asked for.
    #[error(
        "{place}: expected {expected}, got {got}\nhelp: this file belongs to another data set, or was written in another layout"
    )]
    Mismatch {
        /// The value, as MATLAB writes the way to it: `image_info{1}.location`.
        place: String,
        /// What would have done.
        expected: String,
        /// What is there.
        got: String,
    },
    /// An array that cannot be, or not be stored.
    #[error("array of {dims}: expected {expected}, got {got}\nhelp: dimensions and content must agree")]
    Array {
        /// Its dimensions.
        dims: String,
        /// What its dimensions or the format demand.
        expected: String,
        /// What was given.
        got: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "a file without variables".to_owned() } else { names.join(", ") }
}

/// A fault in the bytes of a variable, with the way from the variable to it.
pub(super) enum Fault {
    Damaged { way: String, expected: String, got: String },
    TooLarge { way: String, expected: String },
}

impl Fault {
    pub fn new(expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::Damaged { way: String::new(), expected: expected.to_string(), got: got.to_string() }
    }

    pub fn too_large(expected: impl fmt::Display) -> Self {
        Self::TooLarge { way: String::new(), expected: expected.to_string() }
    }

    /// The fault as seen from one step further out.
    pub fn within(mut self, step: impl fmt::Display) -> Self {
        let (Self::Damaged { way, .. } | Self::TooLarge { way, .. }) = &mut self;
        *way = format!("{step}{way}");
        self
    }

    /// The fault of an array that is being made.
    pub fn of_array(self, dims: String) -> Mat5Error {
        match self {
            Self::Damaged { expected, got, .. } => Mat5Error::Array { dims, expected, got },
            too_large @ Self::TooLarge { .. } => too_large.at(format_args!("array of {dims}")),
        }
    }

    /// The error of a fault at a place of the file.
    pub fn at(self, place: impl fmt::Display) -> Mat5Error {
        match self {
            Self::Damaged { way, expected, got } => {
                Mat5Error::Damaged { place: format!("{place}{way}"), expected, got }
            }
            Self::TooLarge { way, expected } => Mat5Error::TooLarge { place: format!("{place}{way}"), expected },
        }
    }
}
