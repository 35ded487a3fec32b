//! What a `.cfg` file can be refused for, and what is read over.

use std::fmt;

/// A description that is no network of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}: expected {expected}, got {got}\nhelp: {help}")]
pub struct CfgError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Section and key.
    pub what: String,
    /// What would do.
    pub expected: String,
    /// What stands there.
    pub got: String,
    /// The mend.
    pub help: String,
}

/// A key that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CfgNote {
    /// Its line, from 1.
    pub line: usize,
    /// Its section.
    pub section: String,
    /// The key.
    pub key: String,
    /// Why it changes nothing.
    pub kind: CfgNoteKind,
}

/// Why a key changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CfgNoteKind {
    /// The key was given before: as in Darknet the first one counts.
    Duplicate {
        /// Line of the one that counts.
        first: usize,
    },
    /// A key of training or suppression, which recipes and flags set here.
    TrainingOnly,
    /// Nobody reads it.
    Unknown,
}

impl fmt::Display for CfgNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, section, key, kind } = self;
        write!(f, "line {line}: [{section}] `{key}`: ")?;
        match kind {
            CfgNoteKind::Duplicate { first } => write!(f, "given before; line {first} counts"),
            CfgNoteKind::TrainingOnly => write!(f, "not used: the recipe says how training and suppression go"),
            CfgNoteKind::Unknown => write!(f, "not a known key, not used"),
        }
    }
}
