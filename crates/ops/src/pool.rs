//! Max pooling with the positions of the maxima kept, and global average pooling.

mod average;
mod kernels;
#[cfg(test)]
mod tests;

pub use average::{global_average_pool, global_average_pool_backward};

use crate::simd::{self, Isa};
use crate::{ShapeError, Store, check_len};
use rayon::prelude::*;

/// A max pooling; padding counts as minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// `N`
    pub batch: usize,
    /// `[H, W]`
    pub input: [usize; 2],
    /// `C`
    pub channels: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Steps down and right from one window to the next.
    pub stride: [usize; 2],
    /// Rows added above and below, columns added left and right: on each side fewer than the window has.
    pub padding: [[usize; 2]; 2],
}

impl PoolShape {
    /// `[h, w]`, the windows that fit (`ceil_mode=False`).
    ///
    /// # Errors
    /// [`ShapeError`] when kernel or stride is 0, a side's padding could fill a window, the window has more than 256 positions,
    /// or the padded input is smaller than it or empty.
    pub fn output(&self) -> Result<[usize; 2], ShapeError> {
        let refuse = |what, expected: String, got: String| Err(ShapeError { op: "max_pool", what, expected, got });
        let [kh, kw] = self.kernel;
        if kh == 0 || kw == 0 || kh.saturating_mul(kw) > 1 << u8::BITS {
            return refuse("kernel", "1 to 256 positions".to_owned(), format!("{kh} x {kw}"));
        }
        let mut output = [0; 2];
        for (axis, windows) in output.iter_mut().enumerate() {
            let (kernel, stride, [before, after]) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            if stride == 0 {
                return refuse("stride", "at least 1".to_owned(), "0".to_owned());
            }
            let padding = before.max(after);
            if padding >= kernel {
                return refuse("padding of a side", format!("less than the kernel's {kernel}"), padding.to_string());
            }
            let padded = self.input[axis] + before + after;
            if self.input[axis] == 0 || padded < kernel {
                return refuse("padded input", format!("pixels, and at least {kernel} of them"), padded.to_string());
            }
            *windows = (padded - kernel) / stride + 1;
        }
        Ok(output)
    }

    /// Values in the input.
    pub fn input_values(&self) -> usize {
        self.batch * self.input[0] * self.input[1] * self.channels
    }

    /// Values in the output.
    ///
    /// # Errors
    /// As [`PoolShape::output`].
    pub fn output_values(&self) -> Result<usize, ShapeError> {
        let [h, w] = self.output()?;
        Ok(self.batch * h * w * self.channels)
    }
}

/// The maximum of every window, and in `argmax` its position in the window, row by row, for [`max_pool_backward`].
///
/// As in PyTorch the first maximum wins, and a value that is not a number wins over every number, the last of several.
///
/// # Shapes
/// `x` `[N, H, W, C]`; `y` and `argmax` `[N, h, w, C]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit, or as [`PoolShape::output`].
pub fn max_pool(shape: &PoolShape, x: &[f32], y: &mut [f32], argmax: Option<&mut [u8]>) -> Result<(), ShapeError> {
    let op = "max_pool";
    let output = shape.output()?;
    let values = shape.output_values()?;
    check_len(op, "x", x.len(), shape.input_values())?;
    check_len(op, "y", y.len(), values)?;
    if let Some(argmax) = &argmax {
        check_len(op, "argmax", argmax.len(), values)?;
    }
    forward(Isa::chosen(), shape, output, x, y, argmax);
    Ok(())
}

/// The gradient of [`max_pool`]: every window's gradient goes to its maximum.
///
/// # Shapes
/// `gy` and `argmax` `[N, h, w, C]`, `gx` `[N, H, W, C]`.
///
/// # Errors
/// As [`max_pool`].
pub fn max_pool_backward(
    shape: &PoolShape,
    argmax: &[u8],
    gy: &[f32],
    gx: &mut [f32],
    store: Store,
) -> Result<(), ShapeError> {
    let op = "max_pool_backward";
    let output = shape.output()?;
    let values = shape.output_values()?;
    check_len(op, "argmax", argmax.len(), values)?;
    check_len(op, "gy", gy.len(), values)?;
    check_len(op, "gx", gx.len(), shape.input_values())?;
    backward(Isa::chosen(), shape, output, argmax, gy, gx, store);
    Ok(())
}

fn forward(isa: Isa, shape: &PoolShape, output: [usize; 2], x: &[f32], y: &mut [f32], argmax: Option<&mut [u8]>) {
    let row = (output[1] * shape.channels).max(1);
    let image = shape.input[0] * shape.input[1] * shape.channels;
    let pool = |i: usize, y: &mut [f32], argmax: Option<&mut [u8]>| {
        let x = &x[i / output[0] * image..][..image];
        let kernel = kernels::OutputRow { shape, row: i % output[0], x, y, argmax };
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        unsafe { simd::run(isa, kernel) }
    };
    let rows = y.par_chunks_mut(row).enumerate();
    match argmax {
        None => rows.for_each(|(i, y)| pool(i, y, None)),
        Some(argmax) => {
            rows.zip(argmax.par_chunks_mut(row)).for_each(|((i, y), argmax)| pool(i, y, Some(argmax)));
        }
    }
}

fn backward(isa: Isa, shape: &PoolShape, output: [usize; 2], argmax: &[u8], gy: &[f32], gx: &mut [f32], store: Store) {
    let image = output[0] * output[1] * shape.channels;
    gx.par_chunks_mut((shape.input[1] * shape.channels).max(1)).enumerate().for_each(|(i, gx)| {
        let start = i / shape.input[0] * image;
        let (argmax, gy) = (&argmax[start..start + image], &gy[start..start + image]);
        let kernel = kernels::InputRow { shape, output, row: i % shape.input[0], argmax, gy, gx, store };
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        unsafe { simd::run(isa, kernel) }
    });
}
