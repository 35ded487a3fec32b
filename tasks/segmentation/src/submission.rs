//! The folder that VOC's evaluation server takes: index PNGs of whole pictures, in the development kit's place.

use std::path::{Path, PathBuf};

use wrs_datasets::DataError;
use wrs_datasets::label_map::{LabelMap, read_label_map};
use wrs_datasets::segmentation::{SegmentationDataset, SegmentationRecord};
use wrs_eval::ConfusionMatrix;

use crate::error::SegmentationError;
use crate::predict::write_mask;

/// The competition for networks that have seen more than VOC's own training pictures; the augmented set is more.
const COMPETITION: &str = "comp6";

/// A submission on its way.
#[derive(Clone, Debug)]
pub struct Submission {
    folder: PathBuf,
}

impl Submission {
    /// Under `root`: `results/VOC2012/Segmentation/comp6_SPLIT_cls`.
    pub fn begin(root: &Path, split: &str) -> Self {
        let folder = root.join("results/VOC2012/Segmentation").join(format!("{COMPETITION}_{split}_cls"));
        Self { folder }
    }

    /// Where the PNGs are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes what was made of a picture.
    ///
    /// # Errors
    /// [`SegmentationError::Folder`].
    pub fn write(&self, record: &SegmentationRecord, labels: &LabelMap) -> Result<(), SegmentationError> {
        write_mask(labels, &self.file(record))
    }

    /// Counts what the files say, against the masks of the set.
    ///
    /// # Errors
    /// [`SegmentationError::Data`] for a file that cannot be read, [`SegmentationError::Score`] for one that does not fit.
    pub fn score(&self, data: &SegmentationDataset) -> Result<ConfusionMatrix, SegmentationError> {
        let mut confusion = ConfusionMatrix::new(data.class_names.len())?;
        for record in &data.images {
            let predicted = self.read(record)?;
            confusion.add(&record.read_labels()?.labels, &predicted.labels)?;
        }
        Ok(confusion)
    }

    /// Whether the files are what the server takes: one a picture, of its size, without other labels than classes.
    ///
    /// # Errors
    /// [`SegmentationError::Data`] for a file or picture that cannot be read; [`SegmentationError::Submission`].
    pub fn check(&self, data: &SegmentationDataset) -> Result<(), SegmentationError> {
        for record in &data.images {
            let predicted = self.read(record)?;
            let size = record.read_image()?.size;
            let is_class = |label: &u8| usize::from(*label) < data.class_names.len();
            if (predicted.width, predicted.height) != (size.width, size.height)
                || !predicted.labels.iter().all(is_class)
            {
                return Err(SegmentationError::Submission { folder: self.folder.clone() });
            }
        }
        Ok(())
    }

    fn read(&self, record: &SegmentationRecord) -> Result<LabelMap, DataError> {
        let path = self.file(record);
        read_label_map(&path).map_err(|source| DataError::Mask { path, source })
    }

    fn file(&self, record: &SegmentationRecord) -> PathBuf {
        self.folder.join(format!("{}.png", record.id))
    }
}
