//! Counting data, whatever files it lies in: pictures with a point for every object.

mod ann_points;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::ann_points::write_ann_points;
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize, read_image};

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
    /// Reads the picture, as stored.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or has another size.
    pub fn read_image(&self) -> Result<ImageRgb8, DataError> {
        Ok(read_image(&self.image, Some(self.size))?.image)
    }
}

/// For each point the mean distance to the three nearest others; to those there are where there are fewer, 128 where there
/// is none.
pub fn mean_neighbour_distances(points: &[PointXy]) -> Vec<f64> {
    let of = |(i, point): (usize, &PointXy)| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != i);
        let mut distances: Vec<f64> = others.map(|(_, other)| (other.x - point.x).hypot(other.y - point.y)).collect();
        distances.sort_by(f64::total_cmp);
        distances.truncate(3);
        if distances.is_empty() { 128.0 } else { distances.iter().sum::<f64>() / distances.len() as f64 }
    };
    points.iter().enumerate().map(of).collect()
}
