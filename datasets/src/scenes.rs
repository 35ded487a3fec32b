//! Made-up scenes: pictures of overlapping shapes on textured backgrounds, written as a COCO folder of the 2017 layout for
//! detection, or as a VOC 2012 folder for segmentation.
//!
//! Every picture is a function of (seed, split, index), so a folder is the same byte for byte wherever it is drawn on one
//! machine. A box is the tight box of the pixels that show, an area their number. No object is hidden or cut so far that
//! under half of it, or under 60 pixels, would show: such places are not taken, so every object in a picture is annotated.

mod background;
mod coco;
mod draw;
mod folder;
mod paint;
mod segmentation;
mod shape;

use serde::{Deserialize, Serialize};

pub use self::coco::write_scenes;
pub use self::segmentation::write_segmentation_scenes;
use self::shape::SHAPES;

/// How many classes of shapes there are.
pub const MAX_CLASSES: usize = SHAPES.len();

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

/// What [`write_scenes`] or [`write_segmentation_scenes`] found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenesState {
    /// The folder was drawn.
    Written,
    /// The folder was there, drawn with the same options.
    Present,
}

#[cfg(test)]
mod tests;
