//! Batch norm, activation and residual in one pass over a channels-last activation, and its backward.
//!
//! Training takes [`batch_stats`] of the convolution's output `z`, then [`norm_act`]; only `z` and a few vectors of
//! `channels` values are kept for [`norm_act_backward`], which recomputes the rest.  Frozen and evaluation mode put the
//! running statistics in the place of the batch's.

mod backward;
mod kernels;
mod stats;
#[cfg(test)]
mod tests;

pub use backward::{NormBackward, NormGradients, Statistics, activate, activation_backward};
pub use backward::{norm_act_backward, norm_act_backward_in_place};
pub use stats::{BatchStats, batch_stats, update_running};

use crate::simd::{self, Isa};
use crate::{Activation, ShapeError, blocks, check_len};
use rayon::prelude::*;

/// A channels-last activation as a matrix: a row for every pixel of every image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelsLast {
    /// `N * H * W`
    pub rows: usize,
    /// `C`, the contiguous axis
    pub channels: usize,
}

impl ChannelsLast {
    /// Values in the activation; of numbers whose product is none, more than any slice has.
    pub fn values(self) -> usize {
        self.rows.saturating_mul(self.channels)
    }
}

/// Where a block adds its shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidualAt {
    /// `y = act(norm(z) + residual)`, as ResNet does.
    BeforeActivation,
    /// `y = act(norm(z)) + residual`, as Darknet does.
    AfterActivation,
}

/// A norm with its statistics folded in: `norm(z) = z * scale + shift`, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// `gamma / sqrt(var + eps)`
    pub scale: Vec<f32>,
    /// `beta - mean * scale`
    pub shift: Vec<f32>,
}

impl Affine {
    /// Folds statistics into the norm's parameters.
    ///
    /// # Shapes
    /// `gamma`, `beta` and the statistics: `[channels]`.
    ///
    /// # Errors
    /// [`ShapeError`] when they are not equally long.
    pub fn new(gamma: &[f32], beta: &[f32], stats: &BatchStats) -> Result<Self, ShapeError> {
        let op = "affine";
        check_len(op, "beta", beta.len(), gamma.len())?;
        check_len(op, "mean", stats.mean.len(), gamma.len())?;
        check_len(op, "inv_std", stats.inv_std.len(), gamma.len())?;
        let scale: Vec<f32> = gamma.iter().zip(&stats.inv_std).map(|(g, s)| g * s).collect();
        let shift = beta.iter().zip(&stats.mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok(Self { scale, shift })
    }

    fn check(&self, op: &'static str, channels: usize) -> Result<(), ShapeError> {
        check_len(op, "scale", self.scale.len(), channels)?;
        check_len(op, "shift", self.shift.len(), channels)
    }
}

/// Normalises, activates and adds the residual: `y = act(z * scale + shift)`, with the residual where [`ResidualAt`] says.
///
/// # Shapes
/// `z`, `y` and the residual `[rows, channels]`; `affine` `[channels]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit `shape`.
pub fn norm_act(
    shape: ChannelsLast,
    z: &[f32],
    affine: &Affine,
    activation: Activation,
    residual: Option<(&[f32], ResidualAt)>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    let op = "norm_act";
    affine.check(op, shape.channels)?;
    check_len(op, "z", z.len(), shape.values())?;
    check_len(op, "y", y.len(), shape.values())?;
    if let Some((values, _)) = residual {
        check_len(op, "residual", values.len(), shape.values())?;
    }
    forward(Isa::chosen(), z, affine, activation, residual, y);
    Ok(())
}

fn forward(
    isa: Isa,
    z: &[f32],
    affine: &Affine,
    activation: Activation,
    residual: Option<(&[f32], ResidualAt)>,
    y: &mut [f32],
) {
    let channels = affine.scale.len();
    let block = blocks::rows_per_task(channels) * channels.max(1);
    y.par_chunks_mut(block).enumerate().for_each(|(i, y)| {
        let part = i * block..i * block + y.len();
        let kernel = kernels::Apply {
            z: &z[part.clone()],
            affine,
            slope: activation.negative_slope(),
            residual: residual.map(|(values, at)| (&values[part], at)),
            y,
        };
        // SAFETY: every `isa` comes from `Isa::available`; `z`, `y` and the residual are whole rows of one length.
        unsafe { simd::run(isa, kernel) }
    });
}
