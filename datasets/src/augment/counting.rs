//! One training sample of counting: a random crop of a resized picture, mirrored or not, and what each point in or near it
//! counts there.
//!
//! ```text
//! ShorterSide     the resized picture: its shorter side within bounds
//! CountingAugment prepare: once a record, its points and the distances between them
//! PreparedRecord  sample: once a draw, a crop
//! ```

mod shorter_side;
mod visible_area;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::shorter_side::{Filter, Rescale, Rescaled, ShorterSide};
pub use self::visible_area::{Targets, VisibleArea};
use super::{Draw, mirror_pixels};
use crate::boxes::BoxXyxy;
use crate::counting::{CountingRecord, PointXy, mean_neighbour_distances};
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize};

/// Larger crops are no pictures.
const LARGEST_CROP: usize = 1 << 14;

/// How samples are made of pictures and points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CountingAugment {
    /// Side of the square samples in pixels.
    pub crop: usize,
    /// Share of samples mirrored left to right.
    pub flip_left_right: f64,
    /// Which points count in a crop, and how much.
    pub visible_area: VisibleArea,
}

/// What the network trains on.
///
/// # Shapes
/// `image`: `[crop, crop, 3]`, 8 bits; `points` and `targets`: one each of the N points that count in the crop.
#[derive(Clone, Debug, PartialEq)]
pub struct CountingSample {
    /// The picture.
    pub image: ImageRgb8,
    /// In pixels of the crop; those just outside of it may count, so some are below 0 or above its side.
    pub points: Vec<PointXy>,
    /// How much of each point the crop should be found to hold, above 0 and at most 1.
    pub targets: Vec<f64>,
    /// The shorter side of the whole resized picture.
    pub shorter_side_px: f64,
    /// The record's id.
    pub id: String,
}

/// A record of which samples can be drawn any number of times: what does not depend on the draw is worked out once.
#[derive(Clone, Debug)]
pub struct PreparedRecord {
    augment: CountingAugment,
    record: CountingRecord,
    rescale: Rescale,
    /// In pixels of the resized picture.
    points: Arc<[PointXy]>,
    /// The mean distance of each point to its nearest others, in the same pixels.
    neighbour_px: Arc<[f64]>,
}

impl CountingAugment {
    /// Whether the settings allow samples.
    ///
    /// # Errors
    /// [`DataError::Option`].
    pub fn check(&self) -> Result<(), DataError> {
        let fault = |option, expected, got| Err(DataError::Option { option, expected, got });
        if !(1..=LARGEST_CROP).contains(&self.crop) {
            return fault("crop", format!("1 to {LARGEST_CROP} pixels"), self.crop.to_string());
        }
        if !(0.0..=1.0).contains(&self.flip_left_right) {
            return fault("flip-left-right", "a share of samples, 0 to 1".into(), self.flip_left_right.to_string());
        }
        self.visible_area.check()
    }

    /// Prepares a record for samples of its picture, resized where `resize` says so. A picture that is then still smaller
    /// than the crop is brought to the crop's side with its points, in one go and with cubic weights; nothing is padded.
    ///
    /// # Errors
    /// [`DataError::Option`] for settings that allow no sample, [`DataError::Record`] for a record without points,
    /// [`DataError::Resize`] for a picture that would be too large.
    pub fn prepare(&self, record: &CountingRecord, resize: Option<&ShorterSide>) -> Result<PreparedRecord, DataError> {
        self.check()?;
        let annotated = record.points.as_ref().ok_or_else(|| DataError::Record {
            path: record.image.clone(),
            record: record.id.clone(),
            expected: "points".into(),
            got: "none".into(),
            help: "pictures of a test split without annotation serve prediction alone",
        })?;
        let bounded = match resize {
            None => Rescale::none(record.size),
            Some(resize) => {
                resize.check()?;
                resize.rescale(record.size)
            }
        };
        let to = bounded.to;
        let is_small = to.width.min(to.height) < self.crop;
        let rescale = if is_small { Rescale::to_shorter(record.size, self.crop, Filter::CatmullRom) } else { bounded };
        rescale.check()?;
        let points: Arc<[PointXy]> = rescale.points(annotated).into();
        let neighbour_px = mean_neighbour_distances(&points).into();
        Ok(PreparedRecord { augment: *self, record: record.clone(), rescale, points, neighbour_px })
    }
}

impl PreparedRecord {
    /// The record.
    pub fn record(&self) -> &CountingRecord {
        &self.record
    }

    /// The sample of a draw.
    ///
    /// # Errors
    /// [`DataError`] where the picture cannot be read, and as [`Self::apply`].
    pub fn sample(&self, draw: Draw) -> Result<CountingSample, DataError> {
        self.apply(self.record.read_image()?, draw)
    }

    /// The same of a picture in memory.
    ///
    /// # Errors
    /// [`DataError::ImageSize`] where it has not the record's size, [`DataError::Resize`].
    pub fn apply(&self, image: ImageRgb8, draw: Draw) -> Result<CountingSample, DataError> {
        if image.size != self.record.size {
            let (path, expected) = (self.record.image.clone(), self.record.size);
            return Err(DataError::ImageSize { path, expected, got: image.size });
        }
        let side = self.augment.crop;
        let [left, top] = self.offset(draw);
        let resized = self.rescale.image(image)?;
        let mut image = ImageRgb8::filled(ImageSize::square(side), [0; 3]);
        image.paste(&resized, -(left as i64), -(top as i64));
        let (mut points, targets) = self.visible(left as f64, top as f64);
        if draw.rng("flip").chance(self.augment.flip_left_right) {
            mirror_pixels(&mut image);
            mirror_points(&mut points, side);
        }
        let ImageSize { width, height } = self.rescale.to;
        Ok(CountingSample {
            image,
            points,
            targets,
            shorter_side_px: width.min(height) as f64,
            id: self.record.id.clone(),
        })
    }

    /// Columns left of the crop and rows above it; both ends of the range are possible.
    fn offset(&self, draw: Draw) -> [usize; 2] {
        let mut rng = draw.rng("crop");
        let ImageSize { width, height } = self.rescale.to;
        [width, height].map(|side| rng.below(side.saturating_sub(self.augment.crop) + 1))
    }

    /// The points that count in the crop at this offset, in its pixels, and how much each does.
    fn visible(&self, left: f64, top: f64) -> (Vec<PointXy>, Vec<f64>) {
        let side = self.augment.crop as f64;
        let crop = BoxXyxy { x0: left, y0: top, x1: left + side, y1: top + side };
        let with_distance = self.points.iter().zip(&*self.neighbour_px);
        with_distance
            .filter_map(|(point, neighbour_px)| {
                let target = self.augment.visible_area.target(*point, *neighbour_px, crop)?;
                Some((PointXy { x: point.x - left, y: point.y - top }, target))
            })
            .unzip()
    }
}

/// Mirrors points of a picture of this width left to right: pixel centres lie at half-integers, so the mirror is `W - x`.
fn mirror_points(points: &mut [PointXy], width: usize) {
    for point in points {
        point.x = width as f64 - point.x;
    }
}

#[cfg(test)]
mod tests;
