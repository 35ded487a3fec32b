//! The loss of Darknet and mmdetection once every predictor knows what to learn: coordinates one by one, objectness and
//! classes by cross-entropy, everything summed.
//!
//! A centre that the level decodes as `a * sigmoid(t) - (a - 1) / 2` costs `a` times the binary cross-entropy of `t` and the
//! sigmoid that would be right, so that its gradient is prediction minus target, as Darknet writes it, for any `a`.  A side
//! costs the square of `t - ln(truth / anchor)`.

use std::collections::BTreeSet;

use super::level::LevelOf;
use super::sums::Sums;
use super::{Loss, LossError, LossStep, Sample};
use crate::assign::{LevelTargets, Pair, Part, Targets, Truth};

/// Smallest quotient of a truth's side and an anchor's whose logarithm is learned (mmdetection's `eps`).
const MIN_RATIO: f64 = 1e-6;

/// What is weighted how.
pub(super) struct Weights {
    /// Of the terms, in the order of [`super::Term`], divisors included.
    pub gains: [f64; 3],
    /// How far a centre's target stays from the edges of its cell, in cells.
    pub margin: f64,
    /// Of a truth's centre and of its sides.
    pub of_truth: fn(&Truth) -> [f64; 2],
}

/// The loss of a batch whose predictors learn `targets`.
pub(super) fn compute(
    sample: Sample<'_>,
    targets: &Targets,
    weights: &Weights,
    step: LossStep,
) -> Result<Loss, LossError> {
    let Sample { maps, truths, anchors, classes } = sample;
    let [box_factor, objectness_factor, class_factor] = weights.gains.map(|gain| gain * step.scale);
    let mut sums = Sums { unmatched: targets.unmatched, ..Sums::default() };
    let [box_broken, objectness_broken, class_broken] = &mut sums.broken;
    for ((&map, level), LevelTargets { pairs, labels, parts }) in maps.iter().zip(&anchors.levels).zip(&targets.levels)
    {
        let mut of = LevelOf::new(map, level, classes);
        sums.terms[0] += box_term(&mut of, pairs, truths, weights, box_factor, box_broken);
        let wanted: Vec<f32> = parts.iter().map(|&part| f32::from(part == Part::Object)).collect();
        let counted: Vec<f32> = parts.iter().map(|&part| f32::from(part != Part::Ignored)).collect();
        sums.terms[1] += of.objectness(&wanted, Some(&counted), objectness_factor, objectness_broken)?;
        if classes > 1 {
            sums.terms[2] += of.classes(pairs, labels.iter().copied(), class_factor, class_broken)?;
        }
        sums.gradients.push(of.gradient);
        sums.pairs.push(pairs.len());
        sums.ignored += parts.iter().filter(|&&part| part == Part::Ignored).count();
    }
    sums.finish(weights.gains)
}

/// The sum over the pairs; adds the gradient of `factor` times it.
fn box_term(
    of: &mut LevelOf<'_>,
    pairs: &[Pair],
    truths: &[Truth],
    weights: &Weights,
    factor: f64,
    broken: &mut BTreeSet<usize>,
) -> f64 {
    let sizes: Vec<[f64; 2]> = of.level.sizes_in_cells().collect();
    let (scale, shift) = (of.level.scale_xy, of.level.shift_xy());
    let mut sum = 0.0;
    for pair in pairs {
        let [centre_weight, side_weight] = (weights.of_truth)(&truths[pair.truth]);
        let logits = of.logits_of(pair);
        let mut gradient = [0.0; 4];
        let mut loss = 0.0;
        for axis in [0, 1] {
            let logit = f64::from(logits[axis]);
            let offset = pair.target[axis].clamp(weights.margin, 1.0 - weights.margin);
            loss += centre_weight * (scale * softplus(logit) - (offset - shift) * logit);
            gradient[axis] = factor * centre_weight * (scale / (1.0 + (-logit).exp()) + shift - offset);
        }
        for axis in [0, 1] {
            let target = (pair.target[2 + axis] / sizes[pair.anchor][axis]).max(MIN_RATIO).ln();
            let error = f64::from(logits[2 + axis]) - target;
            loss += side_weight * error * error;
            gradient[2 + axis] = factor * side_weight * 2.0 * error;
        }
        let finite = of.add_box_gradient(pair, gradient) && logits[..4].iter().all(|logit| logit.is_finite());
        if !(finite && loss.is_finite()) {
            broken.insert(pair.image);
        }
        sum += loss;
    }
    sum
}

/// `ln(1 + e^x)`, at any `x`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
