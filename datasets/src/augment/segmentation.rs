//! One training sample of segmentation: a random scale, a random crop of fixed size, a mirroring, made of picture and mask
//! as one.

mod scaled_crop;

use serde::{Deserialize, Serialize};

use self::scaled_crop::{Facing, ScaledCrop};
use super::{Draw, HsvGains, HsvTables};
use crate::error::DataError;
use crate::image::{ImageNote, ImageRgb8, ImageSize};
use crate::label_map::LabelMap;
use crate::segmentation::{LabelledImage, SegmentationRecord};

/// Larger crops are no pictures.
const LARGEST_CROP: usize = 1 << 14;

/// Larger factors leave nothing of a picture in a crop.
const MOST_ENLARGED: f64 = 16.0;

/// How samples are made of pictures and masks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SegmentationAugment {
    /// Side of the square samples in pixels.
    pub crop: usize,
    /// Smallest and largest factor of the picture's sides; DeepLab's are 0.5 and 2.
    pub scale: [f64; 2],
    /// Where given, the factors are the smallest and those above it in such steps, all equally likely (0.25 in DeepLab's
    /// TensorFlow code); otherwise every factor of the range is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_step: Option<f64>,
    /// Share of samples mirrored left to right.
    pub flip_left_right: f64,
    /// Colour jitter.
    pub hsv: HsvGains,
    /// The colour of what no picture covers, right of it and below: the mean, which is 0 once normalised. Its label is void.
    pub padding: [u8; 3],
}

/// What the network trains on.
///
/// # Shapes
/// `image`: `[crop, crop, 3]`, 8 bits; `labels`: `[crop, crop]`, classes and [`crate::label_map::VOID`].
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSample {
    /// The picture.
    pub image: ImageRgb8,
    /// Its labels.
    pub labels: LabelMap,
    /// The record's id.
    pub id: String,
    /// What is worth a remark about the picture.
    pub notes: Vec<ImageNote>,
}

impl SegmentationAugment {
    /// The sample of a draw.
    ///
    /// # Errors
    /// [`DataError`] where picture or mask cannot be read, and as [`SegmentationAugment::apply`].
    pub fn sample(&self, record: &SegmentationRecord, draw: Draw) -> Result<LabelledSample, DataError> {
        let LabelledImage { image, labels, notes } = self.apply(&record.read()?, draw)?;
        Ok(LabelledSample { image, labels, id: record.id.clone(), notes })
    }

    /// The same of a picture and its labels in memory.
    ///
    /// # Errors
    /// [`DataError::Option`] for settings that allow no sample, [`DataError::Resize`] for sizes out of reach.
    pub fn apply(&self, labelled: &LabelledImage, draw: Draw) -> Result<LabelledImage, DataError> {
        self.check()?;
        let crop = self.draw(labelled.image.size, draw);
        // Before the crop: what no picture covers keeps the mean colour.
        let image = match HsvTables::draw(self.hsv, &mut draw.rng("hsv")) {
            None => crop.image(&labelled.image, self.padding)?,
            Some(tables) => {
                let mut jittered = labelled.image.clone();
                tables.apply(&mut jittered);
                crop.image(&jittered, self.padding)?
            }
        };
        Ok(LabelledImage { image, labels: crop.labels(&labelled.labels), notes: labelled.notes.clone() })
    }

    /// Whether the settings allow samples.
    ///
    /// # Errors
    /// [`DataError::Option`].
    pub fn check(&self) -> Result<(), DataError> {
        let fault =
            |option, expected: &str, got: String| Err(DataError::Option { option, expected: expected.into(), got });
        let [low, high] = self.scale;
        if !(low > 0.0 && low <= high && high <= MOST_ENLARGED) {
            let expected = format!("a smallest factor above 0 and a largest at or above it, at most {MOST_ENLARGED}");
            return fault("scale", &expected, format!("{low}, {high}"));
        }
        if !(0.0..=1.0).contains(&self.flip_left_right) {
            return fault("flip-left-right", "a share of samples, 0 to 1", self.flip_left_right.to_string());
        }
        match self.scale_step {
            Some(step) if !(step > 0.0 && step.is_finite()) => fault("scale-step", "a step above 0", step.to_string()),
            _ if !(1..=LARGEST_CROP).contains(&self.crop) => {
                fault("crop", &format!("1 to {LARGEST_CROP} pixels"), self.crop.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The crop of a draw, for a picture of this size.
    fn draw(&self, source: ImageSize, draw: Draw) -> ScaledCrop {
        let scaled = scaled_size(source, self.factor(draw));
        let mut rng = draw.rng("crop");
        // Smaller than the crop, it lies in the upper left corner; both ends of the range are possible.
        let mut offset = |side: usize| rng.below(side.saturating_sub(self.crop) + 1);
        let (left, top) = (offset(scaled.width), offset(scaled.height));
        let is_mirrored = draw.rng("flip").chance(self.flip_left_right);
        let facing = if is_mirrored { Facing::Mirrored } else { Facing::AsIs };
        ScaledCrop { scaled, left, top, crop: self.crop, facing }
    }

    fn factor(&self, draw: Draw) -> f64 {
        let [low, high] = self.scale;
        let mut rng = draw.rng("scale");
        match self.scale_step {
            None => rng.range(low, high),
            Some(step) => {
                // Of 0.5 to 2 in steps of 0.1 the last is 2, whatever rounding makes of 15 times 0.1.
                let steps = ((high - low) / step + 1e-9).floor() as usize;
                low + step * rng.below(steps + 1) as f64
            }
        }
    }
}

/// Both sides times the factor, truncated, at least 1.
fn scaled_size(source: ImageSize, factor: f64) -> ImageSize {
    let side = |side: usize| ((side as f64 * factor) as usize).max(1);
    ImageSize { width: side(source.width), height: side(source.height) }
}

#[cfg(test)]
mod tests;
