//! Counting data, whatever files it lies in: pictures with a point for every object.
//!
//! | layout | what it is |
//! |---|---|
//! | [`CountingLayout::Qnrf`] | UCF-QNRF: `Train/img_1.jpg` and `Train/img_1_ann.mat` |
//! | [`CountingLayout::Shanghaitech`] | `part_A/train_data/images/IMG_1.jpg` and `…/ground_truth/GT_IMG_1.mat` |
//! | [`CountingLayout::UcfCc50`] | `1.jpg` and `1_ann.mat`, one split `all` |
//! | [`CountingLayout::Nwpu`] | `images/`, `jsons/` or `mats/`, and lists with luminance and level |
//! | [`CountingLayout::Jhu`] | JHU-CROWD++: `train/images/`, `train/gt/`, and labels of scene and weather |
//! | [`CountingLayout::PointsCsv`] | pictures with a CSV `image,x,y`, or lists of pictures and files of points |
//! | [`CountingLayout::Dots`] | pictures with pictures of a dot an object |
//!
//! The points are what is counted: their list is never drawn and summed. [`CountingDataset::open`] stops at the first fault;
//! [`check()`] reads by the same code and lists them all. Where a data set has no validation split, or none at all, one is cut:
//! [`cut_by_seed`], [`cut_by_list`], [`cut_by_range`], [`fold`].

mod ann_points;
mod axes;
mod check;
mod cut;
mod dots;
mod jhu;
mod layout;
mod mat_points;
mod natural;
mod neighbours;
mod nwpu;
mod open;
mod options;
mod overlap;
mod places;
mod points_csv;
mod qnrf;
mod remark;
mod shanghaitech;
mod text_points;
mod ucf_cc_50;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use ann_points::{encode_ann_points, write_ann_points};
pub use check::{Checked, PointCounts, check};
pub use cut::{Halves, cut_by_list, cut_by_range, cut_by_seed, fold};
pub use layout::{CountingLayout, recognise};
pub use neighbours::{ALONE_PX, mean_neighbour_distances};
pub use options::{CountingOptions, Dots, Part, SwapXy};
pub use overlap::refuse_overlap;

use crate::error::DataError;
pub use crate::fault::{Fault, Severity, offending_files};
use crate::image::{Alpha, decode_as_stored};
pub use crate::image::{ImageRgb8, ImageSize};
pub use crate::policy::{MissingFiles, Overlap};
pub use crate::split::Split;
pub use crate::survey::{Pictures, headers_first};

/// A point in pixels: the origin is the picture's upper left corner, x grows to the right, y downwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointXy {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A split of a counting data set.
#[derive(Clone, Debug, PartialEq)]
pub struct CountingDataset {
    /// Which images these are, for every line that quotes a number.
    pub name: String,
    /// In the order of the list, or in natural order of their names (`img_2` before `img_10`).
    pub images: Vec<CountingRecord>,
    /// What was found while reading, to be printed by the caller.
    pub notes: Vec<String>,
}

/// One picture and its points.
#[derive(Clone, Debug, PartialEq)]
pub struct CountingRecord {
    /// The file name without folders and ending, each once in a split.
    pub id: String,
    /// Where the picture lies.
    pub image: PathBuf,
    /// Its size as stored.
    pub size: ImageSize,
    /// The points within `[0, W] x [0, H]` of the stored picture, as annotated; absent in test splits without annotation.
    pub points: Option<Arc<[PointXy]>>,
    /// What its data set says of it beside the points: `weather = rain`, `luminance = 2`.  Errors are broken down by these.
    pub attributes: BTreeMap<String, String>,
}

impl CountingRecord {
    /// Reads the picture as it is stored. A turn that EXIF asks for is not made: the points were set on the stored pixels.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or is not of the size that it had when the split was opened.
    pub fn read_image(&self) -> Result<ImageRgb8, DataError> {
        let bytes = fs::read(&self.image).map_err(DataError::io("read", &self.image))?;
        let image = decode_as_stored(&bytes, &self.image, Alpha::OverGrey)?.image;
        if image.size != self.size {
            return Err(DataError::ImageSize { path: self.image.clone(), expected: self.size, got: image.size });
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests;
