//! Per-channel mean and variance, of a batch and running.

use super::{ChannelsLast, kernels};
use crate::simd::{self, Isa};
use crate::{ShapeError, blocks, check_len, scratch};
use rayon::prelude::*;
use std::ops::Range;

/// The statistics a norm divides by: a batch's, or the running ones that stand in for them.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStats {
    /// Mean of every channel.
    pub mean: Vec<f32>,
    /// `1 / sqrt(var + eps)`
    pub inv_std: Vec<f32>,
    /// Biased variance of every channel (the mean of the squared deviations).
    pub var: Vec<f32>,
}

impl BatchStats {
    /// Statistics from given means and variances, such as a norm's running ones.
    ///
    /// # Errors
    /// [`ShapeError`] when `mean` and `var` are not equally long.
    pub fn from_moments(mean: &[f32], var: &[f32], eps: f32) -> Result<Self, ShapeError> {
        check_len("batch_stats", "var", var.len(), mean.len())?;
        let inv_std = var.iter().map(|&v| inverse_deviation(f64::from(v), eps)).collect();
        Ok(Self { mean: mean.to_vec(), inv_std, var: var.to_vec() })
    }
}

fn inverse_deviation(var: f64, eps: f32) -> f32 {
    (1.0 / (var + f64::from(eps)).sqrt()) as f32
}

fn check_count(op: &'static str, count: usize) -> Result<(), ShapeError> {
    if count > 1 {
        return Ok(());
    }
    let expected = "at least 2: the spread of a single value is zero".to_owned();
    Err(ShapeError { op, what: "values per channel", expected, got: count.to_string() })
}

/// Mean and biased variance of every channel over all rows.
///
/// Differences to the first row of a block are summed in `f32` over at most 256 rows and across blocks in `f64`, so a
/// mean that is large against the spread does not cancel it.
///
/// # Shapes
/// `z` `[rows, channels]`.
///
/// # Errors
/// [`ShapeError`] when `z` does not fit `shape`, or when there is only one row to normalise over.
pub fn batch_stats(shape: ChannelsLast, z: &[f32], eps: f32) -> Result<BatchStats, ShapeError> {
    let op = "batch_stats";
    check_len(op, "z", z.len(), shape.values())?;
    check_count(op, shape.rows)?;
    Ok(statistics(Isa::chosen(), shape, z, eps))
}

pub(super) fn statistics(isa: Isa, shape: ChannelsLast, z: &[f32], eps: f32) -> BatchStats {
    let channels = shape.channels;
    let block = blocks::rows_per_reduction(channels) * channels.max(1);
    let sums = block_sums(z.len(), block, channels, |part, sums| {
        // SAFETY: every `isa` comes from `Isa::available`; a block is at least one whole row, `sums` two.
        unsafe { simd::run(isa, kernels::Moments { z: &z[part], channels, sums }) }
    });
    let parts = || z.chunks(block).zip(sums.chunks(2 * channels.max(1)));
    let total = shape.rows as f64;

    let mut mean = vec![0.0; channels];
    for (z, sums) in parts() {
        let rows = (z.len() / channels) as f64;
        for (c, mean) in mean.iter_mut().enumerate() {
            *mean += (rows * f64::from(z[c]) + f64::from(sums[c])) / total;
        }
    }
    let mut var = vec![0.0; channels];
    for (z, sums) in parts() {
        let rows = (z.len() / channels) as f64;
        for (c, var) in var.iter_mut().enumerate() {
            // With d = z - pivot and e = mean - pivot: sum (d - e)^2 = sum d^2 - 2 e sum d + rows e^2.
            let e = mean[c] - f64::from(z[c]);
            let (d, squares) = (f64::from(sums[c]), f64::from(sums[channels + c]));
            *var += (squares - 2.0 * e * d + rows * e * e) / total;
        }
    }
    let var: Vec<f64> = var.into_iter().map(|v: f64| v.max(0.0)).collect();
    BatchStats {
        mean: mean.into_iter().map(|m| m as f32).collect(),
        inv_std: var.iter().map(|&v| inverse_deviation(v, eps)).collect(),
        var: var.into_iter().map(|v| v as f32).collect(),
    }
}

/// Runs `reduce` on every range of `block` of the `values`; two sums per channel come back for each, in their order.
pub(super) fn block_sums(
    values: usize,
    block: usize,
    channels: usize,
    reduce: impl Fn(Range<usize>, &mut [f32]) + Sync,
) -> scratch::Scratch {
    let mut sums = scratch::take(values.div_ceil(block) * 2 * channels);
    sums.par_chunks_mut(2 * channels.max(1)).enumerate().for_each(|(i, sums)| {
        reduce(i * block..values.min((i + 1) * block), sums);
    });
    sums
}

/// Moves running statistics towards a batch's: `running = (1 - momentum) * running + momentum * batch`, with the unbiased
/// variance, as PyTorch does.  `count` is the number of rows the batch's statistics were taken over.
///
/// # Shapes
/// All `[channels]`.
///
/// # Errors
/// [`ShapeError`] when lengths differ, or when `count` is 1: the unbiased variance of one value does not exist.
pub fn update_running(
    stats: &BatchStats,
    count: usize,
    momentum: f32,
    running_mean: &mut [f32],
    running_var: &mut [f32],
) -> Result<(), ShapeError> {
    let op = "update_running";
    check_len(op, "running_mean", running_mean.len(), stats.mean.len())?;
    check_len(op, "running_var", running_var.len(), stats.var.len())?;
    check_count(op, count)?;
    let unbiased = (count as f64 / (count - 1) as f64) as f32;
    for (running, mean) in running_mean.iter_mut().zip(&stats.mean) {
        *running = (1.0 - momentum) * *running + momentum * mean;
    }
    for (running, var) in running_var.iter_mut().zip(&stats.var) {
        *running = (1.0 - momentum) * *running + momentum * (var * unbiased);
    }
    Ok(())
}
