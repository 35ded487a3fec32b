//! The gradient of the bias.

use crate::Store;
use rayon::prelude::*;

/// Pixels added in f32 before the sum goes on in f64.
const RUN: usize = 32;
/// Pixels of a partial sum: fixed, so that the order of the additions is.
const BLOCK: usize = 64 * RUN;

/// [`super::conv2d_backward_bias`], lengths already checked.
pub(super) fn backward(gy: &[f32], gb: &mut [f32], store: Store) {
    let channels = gb.len();
    let partials: Vec<Vec<f64>> = gy.par_chunks(BLOCK * channels).map(|block| sum(block, channels)).collect();
    for (channel, gb) in gb.iter_mut().enumerate() {
        let total: f64 = partials.iter().map(|partial| partial[channel]).sum();
        *gb = match store {
            Store::Overwrite => total as f32,
            Store::Accumulate => (f64::from(*gb) + total) as f32,
        };
    }
}

fn sum(block: &[f32], channels: usize) -> Vec<f64> {
    let mut total = vec![0.0; channels];
    let mut run_total = vec![0.0; channels];
    for run in block.chunks(RUN * channels) {
        run_total.fill(0.0);
        for pixel in run.chunks_exact(channels) {
            for (sum, value) in run_total.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        for (total, &run) in total.iter_mut().zip(&run_total) {
            *total += f64::from(run);
        }
    }
    total
}
