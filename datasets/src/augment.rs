//! From a record to a training sample: pure functions of their inputs and of the draw's seed, epoch and index.
//!
//! Pictures stay at 8 bits a channel until the batch is put together; a sample of 640 x 640 then waits in the loader with
//! 1.2 MB instead of 4.9. [`batch_pixels`] makes the floats, resizing to the batch's size on the way; [`normalised_pixels`]
//! makes those that pretrained backbones expect.
//!
//! The samples of detection are made by [`Augment`], those of segmentation by [`segmentation::SegmentationAugment`], those of
//! counting by [`counting::CountingAugment`].
//!
//! A draw belongs to (seed, purpose, epoch, index of the sample), see [`wrs_ops::rng::Rng`].

mod affine;
mod batch;
pub mod counting;
mod flip;
mod hsv;
mod letterbox;
mod mosaic;
mod multi_scale;
mod normalise;
mod sample;
pub mod segmentation;

pub use affine::{Affine, AffineGains};
pub use batch::batch_pixels;
pub use flip::{flip_left_right, mirror_pixels};
pub use hsv::{HsvGains, HsvTables};
pub use letterbox::{Enlarge, Letterbox, rectangular_input};
pub use mosaic::mosaic;
pub use multi_scale::MultiScale;
pub use normalise::{InputSettings, normalised_pixels};
pub use sample::{Augment, LabelledImage, LoadImage, Sample};

/// Whose draw it is: the same three numbers give the same augmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Position of the sample in the data set.
    pub index: usize,
}

impl Draw {
    /// The stream of one purpose.
    pub fn rng(self, purpose: &str) -> wrs_ops::rng::Rng {
        wrs_ops::rng::Rng::new(self.seed, purpose, self.epoch, self.index as u64)
    }
}
