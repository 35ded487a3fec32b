//! The optimizers' updates on flat buffers: one pass each, in place, with PyTorch's formulas.
//!
//! The loops are plain: they move four to seven values per parameter through memory, and that is what takes the time.  So rows
//! that are to be of unit norm are rescaled in the same pass.

mod formula;
mod walk;

use crate::rows::{Rescaled, UnitRows};
use crate::{ShapeError, blocks, check_len};
use formula::AdamFactors;
use rayon::prelude::*;
use walk::{rows, values};

/// Which gradient a momentum step follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Momentum {
    /// The velocity (Polyak).
    Classical,
    /// The gradient looked up ahead, `g + momentum * velocity` (Nesterov, in Sutskever's form, as PyTorch has it).
    Nesterov,
}

/// What a momentum step finds in the velocity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Velocity {
    /// Nothing yet: the first step sets it to the gradient and does not read it.
    Fresh,
    /// What the step before left there.
    Running,
}

/// One step of stochastic gradient descent, dampening 0 (`torch.optim.SGD`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Share of the velocity that is kept; not read without a velocity.
    pub momentum: f64,
    /// Which gradient is followed.
    pub kind: Momentum,
    /// L2 decay, added to the gradient.
    pub weight_decay: f64,
    /// What the velocity holds.
    pub velocity: Velocity,
}

/// How weight decay enters Adam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Added to the gradient, so the moments see it (Adam with L2).
    Coupled,
    /// Taken off the parameters directly, times the learning rate (AdamW as PyTorch has it).
    Decoupled,
    /// Taken off the parameters directly, the learning rate left out (`tf.contrib.opt.AdamWOptimizer`; Loshchilov and Hutter
    /// 2019, Algorithm 2, with a schedule multiplier of 1).
    Unscaled,
}

/// One step of Adam (Kingma and Ba 2015; `torch.optim.Adam`, `torch.optim.AdamW`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// The number of this step, from 1 on.
    pub step: u64,
    /// Strength of the decay.
    pub weight_decay: f64,
    /// How it enters.
    pub decay: Decay,
}

/// A step of [`SgdStep`], with momentum where a velocity is given.
///
/// # Shapes
/// All slices equally long.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn sgd(params: &mut [f32], grads: &[f32], velocity: Option<&mut [f32]>, step: &SgdStep) -> Result<(), ShapeError> {
    match velocity {
        Some(velocity) => values("sgd", step, params, grads, [velocity]),
        None => values("sgd", step, params, grads, []),
    }
}

/// [`sgd`] on the rows of a matrix, each of which is divided by its L2 norm as soon as it has been updated, while it is in the
/// cache: the same bytes as [`sgd`] and then [`crate::rows::rescale_rows`].
///
/// # Shapes
/// All slices equally long, `[rows, row_len]`.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn sgd_rows(
    params: &mut [f32],
    grads: &[f32],
    velocity: &mut [f32],
    step: &SgdStep,
    unit: UnitRows,
) -> Result<Rescaled, ShapeError> {
    rows("sgd_rows", step, params, grads, [velocity], unit)
}

/// A step of [`AdamStep`]; `m` and `v` are the first and second moments, zero before the first step.
///
/// # Shapes
/// All slices equally long.
///
/// # Errors
/// [`ShapeError`] when they are not, or when `step.step` is 0.
pub fn adam(
    params: &mut [f32],
    grads: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: &AdamStep,
) -> Result<(), ShapeError> {
    values("adam", &AdamFactors::new(step)?, params, grads, [m, v])
}

/// [`adam`] on the rows of a matrix, as [`sgd_rows`].
///
/// # Shapes
/// All slices equally long, `[rows, row_len]`.
///
/// # Errors
/// [`ShapeError`] when they are not, or when `step.step` is 0.
pub fn adam_rows(
    params: &mut [f32],
    grads: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: &AdamStep,
    unit: UnitRows,
) -> Result<Rescaled, ShapeError> {
    rows("adam_rows", &AdamFactors::new(step)?, params, grads, [m, v], unit)
}

/// Moves an exponential moving average towards a value: `average += (1 - decay) * (value - average)`.
///
/// # Shapes
/// Both equally long.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn ema(average: &mut [f32], value: &[f32], decay: f64) -> Result<(), ShapeError> {
    check_len("ema", "value", value.len(), average.len())?;
    let share = (1.0 - decay) as f32;
    average.par_chunks_mut(blocks::VALUES).zip(value.par_chunks(blocks::VALUES)).for_each(|(average, value)| {
        for (average, value) in average.iter_mut().zip(value) {
            *average += share * (value - *average);
        }
    });
    Ok(())
}

/// Writes `values` to `sum`, or adds them to it.
///
/// # Shapes
/// Both equally long.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn add(sum: &mut [f32], values: &[f32], store: crate::Store) -> Result<(), ShapeError> {
    check_len("add", "values", values.len(), sum.len())?;
    sum.par_chunks_mut(blocks::VALUES).zip(values.par_chunks(blocks::VALUES)).for_each(|(sum, values)| match store {
        crate::Store::Overwrite => sum.copy_from_slice(values),
        crate::Store::Accumulate => sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
    });
    Ok(())
}

/// Multiplies every value.
pub fn scale(values: &mut [f32], factor: f32) {
    values.par_chunks_mut(blocks::VALUES).for_each(|values| values.iter_mut().for_each(|v| *v *= factor));
}

/// The sum of the squares, in `f64`.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let blocks: Vec<f64> = values.par_chunks(blocks::VALUES).map(block_of_squares).collect();
    blocks.into_iter().sum()
}

/// The place of the first value that is infinite or no number.
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    let block = values.par_chunks(blocks::VALUES).position_first(|block| !are_finite(block))?;
    let start = block * blocks::VALUES;
    values[start..].iter().position(|v| !v.is_finite()).map(|at| start + at)
}

/// Without a branch for each value: the exponent of one that is not finite is all ones, so its bits are the largest.
fn are_finite(values: &[f32]) -> bool {
    let largest = values.iter().fold(0, |largest, v| v.abs().to_bits().max(largest));
    largest < f32::INFINITY.to_bits()
}

/// The sum of the squares of a few values, in eight interleaved `f64` sums so that the additions do not wait for another.
#[inline(always)]
pub(crate) fn block_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for chunk in whole {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*v) * f64::from(*v);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>()
}

#[cfg(test)]
mod tests;
