//! Pictures that two splits share.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use super::{CountingDataset, CountingRecord};
use crate::error::DataError;

/// Refuses two splits that share pictures: what is trained on, or chosen by, measures nothing. Pictures are the same where
/// their files are, by whatever path; equal ids alone mean nothing, for UCF-QNRF numbers each split from 1.
///
/// # Errors
/// [`DataError::Overlap`].
pub fn refuse_overlap(first: &CountingDataset, second: &CountingDataset) -> Result<(), DataError> {
    let files: HashSet<PathBuf> = first.images.iter().map(file_of).collect();
    let shared = second.images.iter().filter(|record| files.contains(&file_of(record)));
    let shared: Vec<String> = shared.map(|record| record.id.clone()).collect();
    if shared.is_empty() {
        return Ok(());
    }
    Err(DataError::Overlap { train: first.name.clone(), val: second.name.clone(), shared })
}

/// The file that a path leads to, links followed.
fn file_of(record: &CountingRecord) -> PathBuf {
    fs::canonicalize(&record.image).unwrap_or_else(|_| record.image.clone())
}
