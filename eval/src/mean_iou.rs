//! mIOU and its relatives from one confusion matrix over the whole set.
//!
//! IoU is a ratio of sums over all pixels of all images; a mean of per-image or per-batch ratios is another number.
//! Counts are `u64` and addition commutes, so no order of images, batches or threads changes anything.

mod by_image;
mod error;
mod folders;
mod metrics;
mod tally;

pub(crate) use by_image::{CellSum, check_all};
pub use by_image::{ImageConfusion, read_confusions, write_confusions};
pub use error::{ConfusionFault, LabelFault, MapSide, MaskFault, MaskFaults, NameList, SegmentationError, Unpaired};
pub use folders::{FolderEvaluation, MaskNames, evaluate_folders};
pub use metrics::{AbsentClasses, SegmentationClassMetrics, SegmentationMetrics};

use wrs_datasets::label_map::VOID;

/// The most classes that labels of 8 bits hold beside [`VOID`].
pub const MAX_CLASSES: usize = VOID as usize;

/// Pixels by true class (rows) and predicted class (columns); pixels that are void in the ground truth stand apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    num_classes: usize,
    counts: Vec<u64>,
    void_pixels: u64,
}

impl ConfusionMatrix {
    /// A matrix without a pixel. `num_classes` counts the background.
    ///
    /// # Errors
    /// No class, or more than [`MAX_CLASSES`].
    pub fn new(num_classes: usize) -> Result<Self, SegmentationError> {
        if (1..=MAX_CLASSES).contains(&num_classes) {
            Ok(Self { num_classes, counts: vec![0; num_classes * num_classes], void_pixels: 0 })
        } else {
            Err(SegmentationError::NumClasses { num_classes })
        }
    }

    /// Counts one label map, or a batch of them, against its prediction.
    ///
    /// Pixels that are [`VOID`] in the ground truth count nowhere. A prediction names a class for every pixel, those too.
    ///
    /// # Shapes
    /// Both flat, in the same order of pixels.
    ///
    /// # Errors
    /// Maps of different lengths; labels of neither a class nor, in the ground truth, void. Nothing is counted then.
    pub fn add(&mut self, truth: &[u8], prediction: &[u8]) -> Result<(), SegmentationError> {
        if truth.len() != prediction.len() {
            let (truth, prediction) = (truth.len(), prediction.len());
            return Err(SegmentationError::Lengths { truth, prediction });
        }
        tally::tally(self, truth, prediction).map_err(SegmentationError::Label)
    }

    /// Adds the pixels of another matrix, of other images.
    ///
    /// # Errors
    /// A matrix of another number of classes.
    pub fn merge(&mut self, other: &Self) -> Result<(), SegmentationError> {
        if self.num_classes != other.num_classes {
            return Err(SegmentationError::Merge { expected: self.num_classes, got: other.num_classes });
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.void_pixels += other.void_pixels;
        Ok(())
    }

    /// Classes, the background among them.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// One row for each true class: its pixels by predicted class.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.counts.chunks_exact(self.num_classes)
    }

    /// Pixels that are void in the ground truth.
    pub fn void_pixels(&self) -> u64 {
        self.void_pixels
    }

    /// Pixels of each class in the ground truth.
    fn truth_pixels(&self) -> Vec<u64> {
        self.rows().map(|row| row.iter().sum()).collect()
    }

    /// Pixels of each class in the prediction, void ones not counted.
    fn predicted_pixels(&self) -> Vec<u64> {
        let mut sums = vec![0; self.num_classes];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}
