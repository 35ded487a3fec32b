//! What the set was made of.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::LabelSource;
use super::ids::{Counts, Lists};
use crate::error::DataError;

/// Whose labels a mask has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Origin {
    Voc,
    Sbd,
}

/// A mask that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Written {
    pub id: String,
    pub source: Origin,
    pub width: usize,
    pub height: usize,
    /// BLAKE3 of the labels, rows from the top, a byte each.
    pub blake3: String,
}

/// The manifest as it is written.
#[derive(Serialize)]
pub(super) struct Manifest {
    labels: LabelSource,
    counts: Counts,
    years: BTreeMap<String, usize>,
    masks: Vec<Written>,
}

impl Manifest {
    pub fn new(labels: LabelSource, lists: &Lists, masks: Vec<Written>) -> Self {
        Self { labels, counts: lists.counts(), years: lists.years(), masks }
    }

    /// How many masks have these labels.
    pub fn count(&self, origin: Origin) -> usize {
        self.masks.iter().filter(|mask| mask.source == origin).count()
    }

    /// As json; `path` is named where that fails.
    pub fn to_json(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other);
        text.map_err(DataError::io("write", path))
    }
}
