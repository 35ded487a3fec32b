//! Counting data, whatever files it lies in: pictures with a point for every object.

mod neighbours;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use neighbours::{ALONE_PX, mean_neighbour_distances};

use crate::error::DataError;
use crate::image::decode_as_stored;
pub use crate::image::{ImageRgb8, ImageSize};

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
        let image = decode_as_stored(&bytes, &self.image)?.image;
        if image.size != self.size {
            return Err(DataError::ImageSize { path: self.image.clone(), expected: self.size, got: image.size });
        }
        Ok(image)
    }
}
