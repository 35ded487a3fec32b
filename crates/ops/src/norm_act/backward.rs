//! The gradient of the fused norm and activation.

use super::kernels::{ActivationGradient, GradientApply, GradientSums, Saved};
use super::stats::block_sums;
use super::{Affine, BatchStats, ChannelsLast};
use crate::simd::{self, Isa};
use crate::{Activation, ShapeError, Store, blocks, check_len};
use rayon::prelude::*;
use std::ops::Range;

/// Where the statistics of the forward came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// From this batch: the gradient flows through mean and variance too.
    Batch,
    /// Given, as in a frozen norm: constants.
    Frozen,
}

/// What the forward of [`super::norm_act`] used, for its backward.
#[derive(Clone, Copy, Debug)]
pub struct NormBackward<'a> {
    /// Rows and channels of `z`.
    pub shape: ChannelsLast,
    /// The forward's input `[rows, channels]`.
    pub z: &'a [f32],
    /// The forward's scale and shift.
    pub affine: &'a Affine,
    /// The statistics folded into `affine`.
    pub stats: &'a BatchStats,
    /// Where they came from.
    pub statistics: Statistics,
    /// The forward's activation; the identity where the gradient has gone through it already.
    pub activation: Activation,
}

/// Destinations of the parameters' gradients; none where nobody asks for one.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Gradient of the norm's scale `[channels]`.
    pub gamma: Option<&'a mut [f32]>,
    /// Gradient of the norm's shift `[channels]`.
    pub beta: Option<&'a mut [f32]>,
    /// What happens to the values already there.
    pub store: Store,
}

/// The gradient of [`super::norm_act`] with respect to `z`, and to the norm's parameters where `parameters` is given.
///
/// With batch statistics, `g` the gradient behind the activation and `x = (z - mean) * inv_std` (Ioffe and Szegedy 2015,
/// section 3): `gz = scale * (g - mean(g) - x * mean(g * x))`, `ggamma = sum(g * x)`, `gbeta = sum(g)`.  With frozen ones
/// `gz = scale * g`.
///
/// A residual behind the activation has `gy` itself for its gradient.  One before it has what [`activation_backward`] makes
/// of `gy`, and so has the norm, whose [`NormBackward::activation`] is then the identity.
///
/// # Shapes
/// `gy`, `gz` `[rows, channels]`; `gz` is overwritten.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit.
pub fn norm_act_backward(
    args: &NormBackward,
    gy: &[f32],
    gz: &mut [f32],
    parameters: Option<NormGradients>,
) -> Result<(), ShapeError> {
    check(args, gy, parameters.as_ref())?;
    check_len("norm_act_backward", "gz", gz.len(), args.shape.values())?;
    let terms = terms(Isa::chosen(), args, gy, parameters);
    apply(Isa::chosen(), args, &terms, Some(gy), gz);
    Ok(())
}

/// [`norm_act_backward`] that writes the gradient of `z` over the gradient of `y`.
///
/// # Errors
/// As [`norm_act_backward`].
pub fn norm_act_backward_in_place(
    args: &NormBackward,
    gradient: &mut [f32],
    parameters: Option<NormGradients>,
) -> Result<(), ShapeError> {
    check(args, gradient, parameters.as_ref())?;
    let terms = terms(Isa::chosen(), args, gradient, parameters);
    apply(Isa::chosen(), args, &terms, None, gradient);
    Ok(())
}

/// Applies an activation to every value, in place.
pub fn activate(activation: Activation, values: &mut [f32]) {
    let slope = activation.negative_slope();
    values.par_chunks_mut(blocks::VALUES).for_each(|values| {
        for v in values {
            *v = if *v > 0.0 { *v } else { slope * *v };
        }
    });
}

/// The gradient in front of an activation, written over the one behind it, from the sign of its output `y`:
/// `gradient *= act'(y)`, for a slope that is not negative.
///
/// # Shapes
/// Both slices equally long.
///
/// # Errors
/// [`ShapeError`] when they are not, or when the slope is negative.
pub fn activation_backward(activation: Activation, y: &[f32], gradient: &mut [f32]) -> Result<(), ShapeError> {
    let op = "activation_backward";
    check_len(op, "y", y.len(), gradient.len())?;
    let slope = activation.negative_slope();
    if slope.is_nan() || slope < 0.0 {
        let expected = "0 or more: the output's sign is the input's".to_owned();
        return Err(ShapeError { op, what: "negative slope", expected, got: slope.to_string() });
    }
    before_activation(Isa::chosen(), slope, y, gradient);
    Ok(())
}

pub(super) fn before_activation(isa: Isa, slope: f32, y: &[f32], gradient: &mut [f32]) {
    gradient.par_chunks_mut(blocks::VALUES).zip(y.par_chunks(blocks::VALUES)).for_each(|(gradient, y)| {
        // SAFETY: every `isa` comes from `Isa::available`; both are equally long.
        unsafe { simd::run(isa, ActivationGradient { y, slope, gradient }) }
    });
}

fn check(args: &NormBackward, gy: &[f32], parameters: Option<&NormGradients>) -> Result<(), ShapeError> {
    let op = "norm_act_backward";
    let ChannelsLast { channels, .. } = args.shape;
    args.affine.check(op, channels)?;
    check_len(op, "mean", args.stats.mean.len(), channels)?;
    check_len(op, "inv_std", args.stats.inv_std.len(), channels)?;
    check_len(op, "z", args.z.len(), args.shape.values())?;
    check_len(op, "gy", gy.len(), args.shape.values())?;
    if let Some(parameters) = parameters {
        for (what, values) in [("gradient of gamma", &parameters.gamma), ("gradient of beta", &parameters.beta)] {
            values.as_ref().map_or(Ok(()), |values| check_len(op, what, values.len(), channels))?;
        }
    }
    Ok(())
}

/// `gz = scale * g + slant * (z - mean) + offset`: what batch statistics add to the gradient.
pub(super) struct Terms {
    slant: Vec<f32>,
    offset: Vec<f32>,
}

fn saved<'a>(args: &NormBackward<'a>, part: Range<usize>) -> Saved<'a> {
    Saved { z: &args.z[part], affine: args.affine, mean: &args.stats.mean, slope: args.activation.negative_slope() }
}

/// Sums over the rows, where somebody needs them: the parameters' gradients are stored, the terms of `gz` returned.
pub(super) fn terms(isa: Isa, args: &NormBackward, gy: &[f32], parameters: Option<NormGradients>) -> Terms {
    let ChannelsLast { rows, channels } = args.shape;
    let mut terms = Terms { slant: vec![0.0; channels], offset: vec![0.0; channels] };
    if args.statistics == Statistics::Frozen && parameters.is_none() {
        return terms;
    }
    let (sums, products) = gradient_sums(isa, args, gy);
    if args.statistics == Statistics::Batch {
        for c in 0..channels {
            let scale = f64::from(args.affine.scale[c]) / rows as f64;
            let inv_std = f64::from(args.stats.inv_std[c]);
            terms.offset[c] = (-scale * sums[c]) as f32;
            terms.slant[c] = (-scale * products[c] * inv_std * inv_std) as f32;
        }
    }
    if let Some(NormGradients { gamma, beta, store }) = parameters {
        let scaled = products.iter().zip(&args.stats.inv_std).map(|(product, inv_std)| product * f64::from(*inv_std));
        put(gamma, scaled, store);
        put(beta, sums.iter().copied(), store);
    }
    terms
}

fn put(gradient: Option<&mut [f32]>, values: impl Iterator<Item = f64>, store: Store) {
    for (gradient, value) in gradient.into_iter().flatten().zip(values) {
        match store {
            Store::Overwrite => *gradient = value as f32,
            Store::Accumulate => *gradient += value as f32,
        }
    }
}

/// Per channel, the sums of `g` and of `g * (z - mean)` over all rows.
fn gradient_sums(isa: Isa, args: &NormBackward, gy: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let channels = args.shape.channels;
    let block = blocks::rows_per_reduction(channels) * channels.max(1);
    let parts = block_sums(gy.len(), block, channels, |part, sums| {
        let kernel = GradientSums { saved: saved(args, part.clone()), gy: &gy[part], sums };
        // SAFETY: every `isa` comes from `Isa::available`; `gy` is whole rows, as long as its part of `z`.
        unsafe { simd::run(isa, kernel) }
    });
    let (mut sums, mut products) = (vec![0.0; channels], vec![0.0; channels]);
    for part in parts.chunks(2 * channels.max(1)) {
        let (first, second) = part.split_at(channels);
        for c in 0..channels {
            sums[c] += f64::from(first[c]);
            products[c] += f64::from(second[c]);
        }
    }
    (sums, products)
}

/// The pass that writes `gz`; without `gy`, the gradient of `y` is in `gz`.
pub(super) fn apply(isa: Isa, args: &NormBackward, terms: &Terms, gy: Option<&[f32]>, gz: &mut [f32]) {
    let channels = args.shape.channels;
    let block = blocks::rows_per_task(channels) * channels.max(1);
    gz.par_chunks_mut(block).enumerate().for_each(|(i, gz)| {
        let part = i * block..i * block + gz.len();
        let kernel = GradientApply {
            saved: saved(args, part.clone()),
            gy: gy.map(|gy| &gy[part]),
            slant: &terms.slant,
            offset: &terms.offset,
            gz,
        };
        // SAFETY: every `isa` comes from `Isa::available`; `gz` is whole rows, as long as its parts of `z` and `gy`.
        unsafe { simd::run(isa, kernel) }
    });
}
