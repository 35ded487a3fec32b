//! Python's pickles, as far as PyTorch's files need them, read without running anything.
//!
//! A pickle is a program for a machine with a stack; in Python it can call whatever it names.  Here the names that it may
//! speak of are a short list ([`globals`]), what they stand for is built by the machine itself, and all others end the reading.
//! Values lie in one flat list and hold each other by number, so that neither depth nor cycles cost more than their bytes.

mod build;
mod globals;
mod input;
mod machine;
mod op;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use input::Input;
pub(crate) use machine::Machine;
pub(crate) use value::{Id, Storage, StoredTensor, Value, Values};

use std::io;

/// Why a pickle is not read.
#[derive(Debug)]
pub(crate) enum PickleError {
    /// The system refuses.
    Io(io::Error),
    /// Bytes that no pickle of weights has.
    Broken {
        /// Where, in bytes from the beginning of the file or of the pickle's own.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// The name of something that is none of the plain classes.
    Refused {
        /// Where.
        at: u64,
        /// Module and name.
        global: String,
    },
}

impl From<io::Error> for PickleError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
