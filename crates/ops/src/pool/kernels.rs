//! One row of a max pooling: the output row forward, the input row backward.
//!
//! The backward gathers: an input pixel asks every window it is in whether it was the maximum.  So each gradient is written
//! by one task, in one order.

use super::PoolShape;
use crate::Store;
use crate::simd::{Kernel, Lanes};
use std::ops::Range;

/// The part of a window that lies on the map.
#[inline(always)]
fn inside(window: usize, input: usize, kernel: usize, stride: usize, padding: usize) -> Range<usize> {
    let start = window * stride;
    padding.saturating_sub(start)..kernel.min(input + padding - start)
}

/// The windows that a pixel is in.
#[inline(always)]
fn windows(pixel: usize, windows: usize, kernel: usize, stride: usize, padding: usize) -> Range<usize> {
    let at = pixel + padding;
    (at + 1).saturating_sub(kernel).div_ceil(stride)..windows.min(at / stride + 1)
}

pub(super) struct OutputRow<'a> {
    pub shape: &'a PoolShape,
    /// Which row of the output, within its image.
    pub row: usize,
    /// The image `[H, W, C]`.
    pub x: &'a [f32],
    pub y: &'a mut [f32],
    pub argmax: Option<&'a mut [u8]>,
}

impl Kernel for OutputRow<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { shape, row, x, y, mut argmax } = self;
        let ([height, width], c) = (shape.input, shape.channels);
        let ([kh, kw], [sh, sw], [[ph, _], [pw, _]]) = (shape.kernel, shape.stride, shape.padding);
        let down = inside(row, height, kh, sh, ph);
        for (i, y) in y.chunks_exact_mut(c).enumerate() {
            let right = inside(i, width, kw, sw, pw);
            let mut which = argmax.as_deref_mut().map(|argmax| &mut argmax[i * c..][..c]);
            let mut first = true;
            for ky in down.clone() {
                for kx in right.clone() {
                    let pixel = (row * sh + ky - ph) * width + i * sw + kx - pw;
                    let (x, tap) = (&x[pixel * c..][..c], (ky * kw + kx) as u8);
                    match (&mut which, first) {
                        (None, true) => y.copy_from_slice(x),
                        (Some(which), true) => {
                            y.copy_from_slice(x);
                            which.fill(tap);
                        }
                        (None, false) => keep_larger(x, y),
                        (Some(which), false) => keep_larger_and_where(x, tap, y, which),
                    }
                    first = false;
                }
            }
        }
    }
}

#[inline(always)]
fn keep_larger(x: &[f32], y: &mut [f32]) {
    for (x, y) in x.iter().zip(y) {
        *y = if *x > *y || x.is_nan() { *x } else { *y };
    }
}

#[inline(always)]
fn keep_larger_and_where(x: &[f32], tap: u8, y: &mut [f32], which: &mut [u8]) {
    for ((x, y), which) in x.iter().zip(y).zip(which) {
        let wins = *x > *y || x.is_nan();
        *y = if wins { *x } else { *y };
        *which = if wins { tap } else { *which };
    }
}

pub(super) struct InputRow<'a> {
    pub shape: &'a PoolShape,
    /// `[h, w]`
    pub output: [usize; 2],
    /// Which row of the input, within its image.
    pub row: usize,
    /// The image's positions `[h, w, C]`.
    pub argmax: &'a [u8],
    /// The image's gradient `[h, w, C]`.
    pub gy: &'a [f32],
    pub gx: &'a mut [f32],
    pub store: Store,
}

impl Kernel for InputRow<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { shape, output: [h, w], row, argmax, gy, gx, store } = self;
        let ([kh, kw], [sh, sw], [[ph, _], [pw, _]]) = (shape.kernel, shape.stride, shape.padding);
        let c = shape.channels;
        let down = windows(row, h, kh, sh, ph);
        for (i, gx) in gx.chunks_exact_mut(c).enumerate() {
            if store == Store::Overwrite {
                gx.fill(0.0);
            }
            let right = windows(i, w, kw, sw, pw);
            for oy in down.clone() {
                for ox in right.clone() {
                    let tap = ((row + ph - oy * sh) * kw + i + pw - ox * sw) as u8;
                    let start = (oy * w + ox) * c;
                    collect(&argmax[start..][..c], tap, &gy[start..][..c], gx);
                }
            }
        }
    }
}

#[inline(always)]
fn collect(argmax: &[u8], tap: u8, gy: &[f32], gx: &mut [f32]) {
    for ((which, gy), gx) in argmax.iter().zip(gy).zip(gx) {
        *gx += if *which == tap { *gy } else { 0.0 };
    }
}
