//! Pictures too large to be seen at once, seen in tiles that overlap.
//!
//! After the sliding window of mmsegmentation: as many tiles as stand two thirds of their side apart, evenly spread from edge
//! to edge, and the mean of the logits where they overlap.  The mean is taken cell by cell, before logits grow to the picture's size, so that what is
//! kept of the picture is a map `stride²` times smaller than it.  Tiles begin on whole strides, where a cell of the tile is a
//! cell of the picture.  A picture in one tile is the picture whole; one in several is not what it would be whole: the pooling
//! branch averages a tile instead of the picture, and convolutions see zeros past a tile's edge.
//!
//! Legend: `H W` the picture's pixels, `h w` cells of the logits, `K` classes.

use std::fmt;

use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_nn::{Buffer, Dims, InputGradient, Pass, Value};

use super::Segmenter;
use crate::error::SegmentationError;

/// How a picture is cut into tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePlan {
    picture: ImageSize,
    tile: ImageSize,
    /// Columns that tiles begin at.
    left: Vec<usize>,
    /// Rows that they begin at.
    top: Vec<usize>,
    most_pixels: usize,
    stride: usize,
}

impl TilePlan {
    /// The tiles of a picture, none where it has at most so many pixels.
    pub fn new(picture: ImageSize, most_pixels: usize, stride: usize) -> Option<Self> {
        (picture.area() > most_pixels).then(|| Self::cut(picture, most_pixels, stride))
    }

    /// Squares of at most so many pixels; where the picture is narrower than they are, longer rectangles of its width.
    fn cut(picture: ImageSize, most_pixels: usize, stride: usize) -> Self {
        let whole = |side: usize| (side / stride * stride).max(stride);
        let square = whole(most_pixels.isqrt());
        let ImageSize { width, height } = picture;
        let along = |other: usize| whole(most_pixels / other.max(1));
        let tile = match (width <= square, height <= square) {
            (true, true) => picture,
            (true, false) => ImageSize { width, height: along(width).min(height) },
            (false, true) => ImageSize { width: along(height).min(width), height },
            (false, false) => ImageSize::square(square),
        };
        let (left, top) = (starts(width, tile.width, stride), starts(height, tile.height, stride));
        Self { picture, tile, left, top, most_pixels, stride }
    }

    /// How many tiles there are.
    pub fn tiles(&self) -> usize {
        self.left.len() * self.top.len()
    }

    /// Upper left corner and size of each tile, row by row.
    fn windows(&self) -> impl Iterator<Item = (usize, usize, ImageSize)> {
        let size = |left: usize, top: usize| ImageSize {
            width: self.tile.width.min(self.picture.width - left),
            height: self.tile.height.min(self.picture.height - top),
        };
        self.top.iter().flat_map(move |&top| self.left.iter().map(move |&left| (left, top, size(left, top))))
    }
}

/// `6000x4000 in 12 tiles of 2000x2000 that overlap by about a third or more, for at most 4000000 pixels at once`
impl fmt::Display for TilePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { picture, tile, most_pixels, .. } = self;
        let tiles = self.tiles();
        write!(
            f,
            "{picture} in {tiles} tiles of {tile} that overlap by about a third or more, for at most {most_pixels} pixels at once"
        )
    }
}

/// Where tiles begin along a side: on whole strides, the last where it ends with the side.
fn starts(side: usize, tile: usize, stride: usize) -> Vec<usize> {
    let last = side.saturating_sub(tile).div_ceil(stride);
    let gaps = (last * stride * 3).div_ceil(tile.max(1) * 2);
    let mut starts: Vec<_> = (0..=gaps).map(|i| i * last / gaps.max(1) * stride).collect();
    starts.dedup();
    starts
}

/// The mean of the tiles' logits, as the network gives them for the whole picture.
///
/// # Shapes
/// `[1, h, w, K]`
pub(super) fn logits(
    segmenter: &Segmenter<'_>,
    image: &ImageRgb8,
    plan: &TilePlan,
) -> Result<Value, SegmentationError> {
    let (stride, classes) = (plan.stride, segmenter.net.classes());
    let (h, w) = (image.size.height.div_ceil(stride), image.size.width.div_ceil(stride));
    let (mut sum, mut seen) = (vec![0.0f32; h * w * classes], vec![0u32; h * w]);
    for (left, top, size) in plan.windows() {
        let low = segmenter.whole_logits(&cut_out(image, left, top, size))?;
        let cells = low.dims();
        for (row, values) in low.buffer().host().chunks_exact(cells.w * classes).enumerate() {
            let first = (top / stride + row) * w + left / stride;
            let to = &mut sum[first * classes..][..values.len()];
            to.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            seen[first..first + cells.w].iter_mut().for_each(|seen| *seen += 1);
        }
    }
    for (cell, &times) in sum.chunks_exact_mut(classes).zip(&seen).filter(|(_, times)| **times > 1) {
        for value in cell {
            *value /= times as f32;
        }
    }
    let dims = Dims { n: 1, h, w, c: classes };
    Ok(Pass::eval(segmenter.params, segmenter.algorithms).input(dims, Buffer::from(sum), InputGradient::Skipped))
}

fn cut_out(image: &ImageRgb8, left: usize, top: usize, size: ImageSize) -> ImageRgb8 {
    let mut tile = ImageRgb8::filled(size, [0; 3]);
    tile.paste(image, -(left as i64), -(top as i64));
    tile
}

#[cfg(test)]
mod tests;
