//! Pictures that are trained on and evaluated on.

use std::collections::HashSet;
use std::path::Path;

use super::SegmentationDataset;
use crate::error::DataError;

/// Refuses two splits that share pictures: what is trained on measures nothing. SBD's training list, for one, holds pictures
/// of VOC's validation list.
///
/// # Errors
/// [`DataError::Overlap`].
pub fn refuse_overlap(train: &SegmentationDataset, val: &SegmentationDataset) -> Result<(), DataError> {
    let trained: HashSet<&Path> = train.images.iter().map(|record| &*record.image).collect();
    let shared: Vec<String> =
        val.images.iter().filter(|record| trained.contains(&*record.image)).map(|record| record.id.clone()).collect();
    if shared.is_empty() {
        return Ok(());
    }
    Err(DataError::Overlap { train: train.name.clone(), val: val.name.clone(), shared })
}
