//! What to do about faults that a person may want to live with.

use serde::{Deserialize, Serialize};

/// What to do about files that are listed but not on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingFiles {
    /// An error that lists them.
    #[default]
    Refuse,
    /// Their records are left out, with a note.
    Skip,
}

/// Whether a picture may be in the training split and in one that is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// An error: what is trained on measures nothing.
    #[default]
    Refuse,
    /// As asked, for example to see whether a network can learn a few pictures by heart.
    Allow,
}
