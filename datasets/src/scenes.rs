//! Made-up scenes: pictures of overlapping shapes on textured backgrounds, written as a COCO folder of the 2017 layout for
//! detection, or as a VOC 2012 folder for segmentation; crowds before clutter, written as UCF-QNRF, for counting.
//!
//! Every picture is a function of (seed, split, index), so a folder is the same byte for byte wherever it is drawn on one
//! machine. A box is the tight box of the pixels that show, an area their number. No object is hidden or cut so far that
//! under half of it, or under 60 pixels, would show: such places are not taken, so every object in a picture is annotated.

mod background;
mod coco;
mod crowds;
mod draw;
mod folder;
mod paint;
mod segmentation;
mod shape;

use serde::{Deserialize, Serialize};

pub use self::coco::write_scenes;
pub use self::crowds::{CrowdOptions, write_crowds};
pub use self::segmentation::write_segmentation_scenes;
use self::shape::SHAPES;
use crate::error::DataError;

/// How many classes of shapes there are.
pub const MAX_CLASSES: usize = SHAPES.len();

/// Smallest side that leaves room for the smallest objects.
const MIN_SIZE: usize = 64;

/// Largest side of a picture.
const MAX_SIZE: usize = 4096;

/// What to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScenesOptions {
    /// Pictures to train on.
    pub train: usize,
    /// Pictures held out.
    pub val: usize,
    /// Side of the square pictures in pixels.
    pub size: usize,
    /// Classes of shapes, 1 to [`MAX_CLASSES`].
    pub classes: usize,
    /// Seed of everything drawn.
    pub seed: u64,
}

impl ScenesOptions {
    fn check(&self) -> Result<(), DataError> {
        let fault =
            |option, expected: String, got: usize| Err(DataError::Option { option, expected, got: got.to_string() });
        if !(1..=MAX_CLASSES).contains(&self.classes) {
            return fault("scenes.classes", format!("1 to {MAX_CLASSES}"), self.classes);
        }
        if !(MIN_SIZE..=MAX_SIZE).contains(&self.size) {
            return fault("scenes.size", format!("{MIN_SIZE} to {MAX_SIZE} pixels"), self.size);
        }
        Ok(())
    }
}

/// What [`write_scenes`], [`write_segmentation_scenes`] or [`write_crowds`] found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenesState {
    /// The folder was drawn.
    Written,
    /// The folder was there, drawn with the same options.
    Present,
}

#[cfg(test)]
mod tests;
