//! Resizing of channels-last maps, nearest and bilinear, with PyTorch's coordinates, and the exact adjoint of each.
//!
//! A resize is a sparse matrix along H and another along W.  The forward applies both, the backward their transposes, by the
//! same code: the one is the adjoint of the other by construction, and every output is written once, by one task.

mod argmax;
mod axis;
mod separable;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::simd::Isa;
use crate::{ShapeError, Store, check_len};
use axis::Taps;
use rayon::prelude::*;

pub use argmax::{argmax, resize_argmax};

/// Where a resize reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at `floor(i * in / out)`, PyTorch's `nearest`.
    Nearest,
    /// Between the four pixels around, at the given coordinates.
    Bilinear(Corners),
}

/// Which points of input and output lie on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corners {
    /// The outer edges of the corner pixels (`align_corners=False`).
    Edges,
    /// The centres of the corner pixels (`align_corners=True`).
    Centres,
}

/// The two sizes of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeShape {
    /// `N`
    pub batch: usize,
    /// `[H, W]`
    pub input: [usize; 2],
    /// `[h, w]`
    pub output: [usize; 2],
    /// `C`
    pub channels: usize,
}

impl ResizeShape {
    /// Values in the input.
    pub fn input_values(&self) -> usize {
        self.batch * self.input[0] * self.input[1] * self.channels
    }

    /// Values in the output.
    pub fn output_values(&self) -> usize {
        self.batch * self.output[0] * self.output[1] * self.channels
    }

    fn check(&self, op: &'static str) -> Result<(), ShapeError> {
        if self.input.iter().chain(&self.output).all(|&size| size > 0) {
            return Ok(());
        }
        let got = format!("{:?} to {:?}", self.input, self.output);
        Err(ShapeError { op, what: "sizes", expected: "at least one pixel along each axis".to_owned(), got })
    }

    /// What every output reads, along H and along W.
    fn taps(&self, interpolation: Interpolation) -> [Taps; 2] {
        [0, 1].map(|axis| Taps::of(interpolation, self.input[axis], self.output[axis]))
    }
}

/// Resizes `x` to `y`.
///
/// # Shapes
/// `x` `[N, H, W, C]`, `y` `[N, h, w, C]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit, or a size is 0.
pub fn resize(shape: &ResizeShape, interpolation: Interpolation, x: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    let op = "resize";
    shape.check(op)?;
    check_len(op, "x", x.len(), shape.input_values())?;
    check_len(op, "y", y.len(), shape.output_values())?;
    separable::apply(Isa::chosen(), &shape.taps(interpolation), shape.channels, x, y, Store::Overwrite);
    Ok(())
}

/// Some rows of the output of [`resize`], bit for bit: of a map too large to be whole in memory.
///
/// # Shapes
/// `x` `[N, H, W, C]`; `y` `[rows, w, C]`, `rows` being of the `N h` rows of all outputs.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit, a size is 0, or there are no such rows.
pub fn resize_rows(
    shape: &ResizeShape,
    interpolation: Interpolation,
    rows: Range<usize>,
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    let op = "resize_rows";
    shape.check(op)?;
    let (all, width) = (shape.batch * shape.output[0], shape.output[1] * shape.channels);
    if rows.start > rows.end || rows.end > all {
        let (expected, got) = (format!("rows of 0..{all}"), format!("{rows:?}"));
        return Err(ShapeError { op, what: "rows", expected, got });
    }
    check_len(op, "x", x.len(), shape.input_values())?;
    check_len(op, "y", y.len(), rows.len() * width)?;
    let (isa, taps) = (Isa::chosen(), shape.taps(interpolation));
    y.par_chunks_mut(width.max(1)).zip(rows).for_each(|(y, i)| {
        separable::output_row(isa, &taps, shape.channels, x, i, y, Store::Overwrite);
    });
    Ok(())
}

/// The gradient of [`resize`]: each input pixel gets what the outputs that read it have, by the weights they read it with.
///
/// # Shapes
/// `gy` `[N, h, w, C]`, `gx` `[N, H, W, C]`.
///
/// # Errors
/// As [`resize`].
pub fn resize_backward(
    shape: &ResizeShape,
    interpolation: Interpolation,
    gy: &[f32],
    gx: &mut [f32],
    store: Store,
) -> Result<(), ShapeError> {
    let op = "resize_backward";
    shape.check(op)?;
    check_len(op, "gy", gy.len(), shape.output_values())?;
    check_len(op, "gx", gx.len(), shape.input_values())?;
    let readers = shape.taps(interpolation).map(|taps| taps.transposed());
    separable::apply(Isa::chosen(), &readers, shape.channels, gy, gx, store);
    Ok(())
}
