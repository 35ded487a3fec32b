//! The part of a resized picture that becomes a sample, and the same of its mask.

use crate::augment::flip::mirror_pixels;
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize, ResizeFilter, resize};
use crate::label_map::{LabelMap, VOID};

/// Whether a sample is mirrored left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facing {
    /// Not mirrored.
    AsIs,
    /// Mirrored.
    Mirrored,
}

/// A resize, a crop and a mirroring, the same for a picture and its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledCrop {
    /// The picture's size before it is cropped.
    pub scaled: ImageSize,
    /// Columns left of the crop.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Side of the crop.
    pub crop: usize,
    /// Whether the crop is then mirrored.
    pub facing: Facing,
}

impl ScaledCrop {
    /// The part of the picture, resized bilinearly with half-pixel centres; `padding` where the picture ends.
    ///
    /// # Errors
    /// [`DataError::Resize`].
    pub fn image(&self, image: &ImageRgb8, padding: [u8; 3]) -> Result<ImageRgb8, DataError> {
        let scaled = resize(image, self.scaled, ResizeFilter::Bilinear)?;
        let mut crop = ImageRgb8::filled(ImageSize::square(self.crop), padding);
        crop.paste(&scaled, -(self.left as i64), -(self.top as i64));
        if self.facing == Facing::Mirrored {
            mirror_pixels(&mut crop);
        }
        Ok(crop)
    }

    /// The same part of the mask: the label of the source pixel under each pixel's centre, so that no label arises that was
    /// not there; [`VOID`] where the mask ends.
    pub fn labels(&self, map: &LabelMap) -> LabelMap {
        let columns = nearest(map.width, self.scaled.width);
        let rows = nearest(map.height, self.scaled.height);
        let mut labels = vec![VOID; self.crop * self.crop];
        for (line, &row) in labels.chunks_exact_mut(self.crop).zip(&rows[self.top..]) {
            let source = &map.labels[row * map.width..(row + 1) * map.width];
            for (label, &column) in line.iter_mut().zip(&columns[self.left..]) {
                *label = source[column];
            }
            if self.facing == Facing::Mirrored {
                line.reverse();
            }
        }
        LabelMap { width: self.crop, height: self.crop, labels }
    }
}

/// The source position of each target position: `floor((i + 0.5) * from / to)`, in whole numbers.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    (0..to).map(|i| (2 * i + 1) * from / (2 * to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_source_pixel_lies_under_the_centre() {
        assert_eq!(nearest(4, 4), [0, 1, 2, 3]);
        assert_eq!(nearest(4, 2), [1, 3]); // centres at 1.0 and 3.0
        assert_eq!(nearest(2, 4), [0, 0, 1, 1]);
        assert_eq!(nearest(3, 5), [0, 0, 1, 2, 2]); // 0.3, 0.9, 1.5, 2.1, 2.7
        assert_eq!(nearest(7, 1), [3]);
    }

    #[test]
    fn picture_and_mask_are_cut_mirrored_and_padded_alike() {
        let size = ImageSize { width: 3, height: 2 };
        let image = ImageRgb8 { size, pixels: [10, 20, 30, 40, 50, 60].iter().flat_map(|level| [*level; 3]).collect() };
        let map = LabelMap { width: 3, height: 2, labels: vec![1, 2, 3, 4, 5, 6] };
        let both = |crop: ScaledCrop| {
            let levels: Vec<u8> = crop.image(&image, [7; 3]).unwrap().pixels.chunks(3).map(|pixel| pixel[0]).collect();
            (levels, crop.labels(&map).labels)
        };
        let crop = ScaledCrop { scaled: size, left: 1, top: 0, crop: 2, facing: Facing::AsIs };
        assert_eq!(both(crop), (vec![20, 30, 50, 60], vec![2, 3, 5, 6]));
        assert_eq!(both(ScaledCrop { facing: Facing::Mirrored, ..crop }), (vec![30, 20, 60, 50], vec![3, 2, 6, 5]));
        let padded = ScaledCrop { left: 0, crop: 3, ..crop };
        assert_eq!(both(padded).1, [1, 2, 3, 4, 5, 6, 255, 255, 255]);
        assert_eq!(both(padded).0, [10, 20, 30, 40, 50, 60, 7, 7, 7]);
    }
}
