//! The largest channel of every pixel, of a map and of a resized map that is never whole in memory.

use super::{Interpolation, ResizeShape, separable};
use crate::simd::Isa;
use crate::{ShapeError, Store, blocks, check_len, scratch};
use rayon::prelude::*;

/// Channels that fit the labels.
const MOST_CHANNELS: usize = 1 << u8::BITS;

/// The channel with the largest value at every pixel: the lowest of equal ones, and never one that is not a number unless
/// all are, which gives 0.
///
/// # Shapes
/// `x` `[pixels, C]`, `labels` `[pixels]`.
///
/// # Errors
/// [`ShapeError`] when `x` does not fit, or there are more than 256 channels or none.
pub fn argmax(channels: usize, x: &[f32], labels: &mut [u8]) -> Result<(), ShapeError> {
    let op = "argmax";
    check_channels(op, channels)?;
    check_len(op, "x", x.len(), labels.len() * channels)?;
    let block = blocks::rows_per_task(channels);
    let tasks = labels.par_chunks_mut(block).zip(x.par_chunks(block * channels));
    tasks.for_each(|(labels, x)| argmax_of_rows(channels, x, labels));
    Ok(())
}

/// [`argmax`] of [`super::resize`], bit for bit, row by row.
///
/// # Shapes
/// `x` `[N, H, W, C]`, `labels` `[N, h, w]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit, a size is 0, or there are more than 256 channels or none.
pub fn resize_argmax(
    shape: &ResizeShape,
    interpolation: Interpolation,
    x: &[f32],
    labels: &mut [u8],
) -> Result<(), ShapeError> {
    let (op, channels) = ("resize_argmax", shape.channels);
    shape.check(op)?;
    check_channels(op, channels)?;
    check_len(op, "x", x.len(), shape.input_values())?;
    check_len(op, "labels", labels.len(), shape.output_values() / channels)?;
    let (isa, taps) = (Isa::chosen(), shape.taps(interpolation));
    let width = shape.output[1];
    labels.par_chunks_mut(width).enumerate().for_each(|(i, labels)| {
        let mut row = scratch::take(width * channels);
        separable::output_row(isa, &taps, channels, x, i, &mut row, Store::Overwrite);
        argmax_of_rows(channels, &row, labels);
    });
    Ok(())
}

fn check_channels(op: &'static str, channels: usize) -> Result<(), ShapeError> {
    if (1..=MOST_CHANNELS).contains(&channels) {
        return Ok(());
    }
    let (expected, got) = (format!("1 to {MOST_CHANNELS}"), channels.to_string());
    Err(ShapeError { op, what: "channels", expected, got })
}

fn argmax_of_rows(channels: usize, x: &[f32], labels: &mut [u8]) {
    for (label, row) in labels.iter_mut().zip(x.chunks_exact(channels)) {
        let mut best = (0, f32::NEG_INFINITY);
        for (k, &value) in row.iter().enumerate() {
            if value > best.1 {
                best = (k, value);
            }
        }
        *label = best.0 as u8;
    }
}
