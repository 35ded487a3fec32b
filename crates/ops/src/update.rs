//! The optimizers' updates on flat buffers: one pass each, in place, with PyTorch's formulas.
//!
//! The loops are plain: they move four to seven values per parameter through memory, and that is what takes the time.

use crate::{ShapeError, blocks, check_len};
use rayon::prelude::*;

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
    let op = "sgd";
    check_len(op, "gradients", grads.len(), params.len())?;
    let (lr, decay, momentum) = (step.lr as f32, step.weight_decay as f32, step.momentum as f32);
    let tasks = params.par_chunks_mut(blocks::VALUES).zip(grads.par_chunks(blocks::VALUES));
    let Some(velocity) = velocity else {
        tasks.for_each(|(params, grads)| {
            for (p, g) in params.iter_mut().zip(grads) {
                *p -= lr * (g + decay * *p);
            }
        });
        return Ok(());
    };
    check_len(op, "velocity", velocity.len(), grads.len())?;
    tasks.zip(velocity.par_chunks_mut(blocks::VALUES)).for_each(|((params, grads), velocity)| {
        if step.velocity == Velocity::Fresh {
            // From zero, the running formula gives the gradient.
            velocity.fill(0.0);
        }
        match step.kind {
            Momentum::Classical => {
                for ((p, g), v) in params.iter_mut().zip(grads).zip(velocity) {
                    *v = momentum * *v + (g + decay * *p);
                    *p -= lr * *v;
                }
            }
            Momentum::Nesterov => {
                for ((p, g), v) in params.iter_mut().zip(grads).zip(velocity) {
                    let g = g + decay * *p;
                    *v = momentum * *v + g;
                    *p -= lr * (g + momentum * *v);
                }
            }
        }
    });
    Ok(())
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
    let op = "adam";
    check_len(op, "gradients", grads.len(), params.len())?;
    check_len(op, "first moments", m.len(), params.len())?;
    check_len(op, "second moments", v.len(), params.len())?;
    if step.step == 0 {
        return Err(ShapeError { op, what: "step", expected: "a number from 1 on".to_owned(), got: "0".to_owned() });
    }
    let t = step.step as f64;
    let step_size = (step.lr / (1.0 - step.beta1.powf(t))) as f32;
    let root = (1.0 - step.beta2.powf(t)).sqrt() as f32;
    let (first, kept, second) = ((1.0 - step.beta1) as f32, step.beta2 as f32, (1.0 - step.beta2) as f32);
    let eps = step.eps as f32;
    let (added, factor) = match step.decay {
        Decay::Coupled => (step.weight_decay as f32, 1.0),
        Decay::Decoupled => (0.0, (1.0 - step.lr * step.weight_decay) as f32),
        Decay::Unscaled => (0.0, (1.0 - step.weight_decay) as f32),
    };
    let block = blocks::VALUES;
    let tasks = params.par_chunks_mut(block).zip(grads.par_chunks(block));
    tasks.zip(m.par_chunks_mut(block)).zip(v.par_chunks_mut(block)).for_each(|(((params, grads), m), v)| {
        for (((p, g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            let g = g + added * *p;
            *m += first * (g - *m);
            *v = kept * *v + second * (g * g);
            *p = factor * *p - step_size * (*m / (v.sqrt() / root + eps));
        }
    });
    Ok(())
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
