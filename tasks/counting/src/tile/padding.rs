//! Pictures whose sides are no whole number of cells.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrs_datasets::{ImageRgb8, ImageSize};

use crate::net::STRIDE;

/// What becomes of the pixels behind the last whole cell, right and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Pooling drops them, as in published evaluations: up to 7 pixels count for less.
    None,
    /// The picture goes on with zeros, which are the mean colour, to a whole cell.
    Zero,
    /// The picture goes on mirrored, the outermost pixels not repeated, to a whole cell.
    Reflect,
}

impl Padding {
    /// The size after padding.
    pub fn padded(self, size: ImageSize) -> ImageSize {
        let side = |side: usize| if self == Self::None { side } else { side.next_multiple_of(STRIDE) };
        ImageSize { width: side(size.width), height: side(size.height) }
    }

    /// The network's input for a window of the padded picture.
    pub(super) fn input(
        self,
        image: &ImageRgb8,
        [rows, columns]: [Range<usize>; 2],
        normalise: impl FnOnce(&ImageRgb8) -> Vec<f32>,
    ) -> Vec<f32> {
        if self == Self::Reflect {
            return normalise(&window(image, [rows, columns]));
        }
        let inside = [rows.start..rows.end.min(image.size.height), columns.start..columns.end.min(image.size.width)];
        let [height, width] = inside.clone().map(|range| range.len());
        let pixels = normalise(&window(image, inside));
        if [height, width] == [rows.len(), columns.len()] {
            return pixels;
        }
        // Zeros behind the normalisation: no 8-bit colour is exactly the mean.
        let mut padded = vec![0.0; rows.len() * columns.len() * 3];
        for (to, from) in padded.chunks_exact_mut(columns.len() * 3).zip(pixels.chunks_exact(width * 3)) {
            to[..width * 3].copy_from_slice(from);
        }
        padded
    }
}

/// A window of a picture that goes on mirrored.
fn window(image: &ImageRgb8, [rows, columns]: [Range<usize>; 2]) -> ImageRgb8 {
    let ImageSize { width, height } = image.size;
    let size = ImageSize { width: columns.len(), height: rows.len() };
    let mut pixels = Vec::with_capacity(size.area() * 3);
    let end = columns.end.min(width);
    for y in rows {
        let y = mirrored(y, height);
        pixels.extend_from_slice(&image.pixels[(y * width + columns.start) * 3..(y * width + end) * 3]);
        pixels.extend((end..columns.end).flat_map(|x| image.at(mirrored(x, width), y)));
    }
    ImageRgb8 { size, pixels }
}

/// The place in `0..n` that an axis shows at `i` when it swings to and fro.
fn mirrored(i: usize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let i = i % (2 * (n - 1));
    i.min(2 * (n - 1) - i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_swings_without_repeating_its_ends() {
        let swing = |n| (0..9).map(|i| mirrored(i, n)).collect::<Vec<_>>();
        assert_eq!(swing(4), [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(swing(2), [0, 1, 0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(swing(1), [0; 9]);
    }

    #[test]
    fn windows_are_padded_right_and_below() {
        let size = ImageSize { width: 3, height: 2 };
        let image = ImageRgb8 { size, pixels: (1..=6).flat_map(|v| [v; 3]).collect() };
        let first_channel = |padding: Padding, rows: Range<usize>, columns: Range<usize>| {
            let normalise = |image: &ImageRgb8| image.pixels.iter().map(|v| f32::from(*v)).collect();
            padding.input(&image, [rows, columns], normalise).chunks(3).map(|p| p[0] as u8).collect::<Vec<_>>()
        };
        assert_eq!(first_channel(Padding::None, 0..2, 1..3), [2, 3, 5, 6]);
        assert_eq!(first_channel(Padding::Zero, 0..3, 1..5), [2, 3, 0, 0, 5, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(first_channel(Padding::Reflect, 0..3, 1..5), [2, 3, 2, 1, 5, 6, 5, 4, 2, 3, 2, 1]);
        assert_eq!(Padding::None.padded(size), size);
        assert_eq!(Padding::Zero.padded(size), ImageSize::square(8));
        assert_eq!(Padding::Reflect.padded(ImageSize { width: 16, height: 17 }), ImageSize { width: 16, height: 24 });
    }
}
