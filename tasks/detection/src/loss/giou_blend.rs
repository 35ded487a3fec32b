//! The loss the paper trained with: GIoU, objectness blended with it, independent classes (the code of 2020 the paper ran).
//!
//! Per level: the mean over matched pairs of `1 - GIoU`; the mean over all predictors of the binary cross-entropy of
//! objectness; the mean over matched pairs and classes of the binary cross-entropy of the classes.  The levels are added, then
//! weighted by the gains.  There is no ignore zone.  Where we differ: of several truths in one predictor the best-fitting
//! one gives the objectness target, not the last.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::generalised_iou::{boxes_cxcywh, giou};
use super::level::{LevelOf, labels_of};
use super::sums::Sums;
use super::{Loss, LossError, LossStep, Sample, check_setting, is_factor};
use crate::assign::Pair;
use crate::assign::by_size::assign;
use crate::decode::MAX_SIDE_LOGIT;

/// The number of classes the class gain is meant for.
const NOMINAL_CLASSES: f64 = 80.0;

/// What the terms weigh and which anchors a truth trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GiouSettings {
    /// A truth trains the anchors whose IoU with it, by size alone, is above it.
    pub iou_threshold: f64,
    /// Gain of the box term.
    pub box_gain: f64,
    /// Gain of the objectness term.
    pub objectness_gain: f64,
    /// Gain of the class term for 80 classes; for `K` it is `K / 80` of it.
    pub class_gain: f64,
}

impl GiouSettings {
    pub(super) fn check(&self) -> Result<(), LossError> {
        check_setting("iou-threshold", self.iou_threshold, "at least 0 and below 1", |v| (0.0..1.0).contains(&v))?;
        let gains =
            [("box-gain", self.box_gain), ("objectness-gain", self.objectness_gain), ("class-gain", self.class_gain)];
        gains.into_iter().try_for_each(|(key, gain)| check_setting(key, gain, "a finite number, at least 0", is_factor))
    }

    /// Gains in the order of [`super::Term`].
    fn gains(&self, classes: usize) -> [f64; 3] {
        [self.box_gain, self.objectness_gain, self.class_gain * classes as f64 / NOMINAL_CLASSES]
    }

    pub(super) fn compute(&self, sample: Sample<'_>, step: LossStep) -> Result<Loss, LossError> {
        let Sample { maps, truths, anchors, classes } = sample;
        let gains = self.gains(classes);
        let [box_gain, objectness_gain, class_gain] = gains.map(|gain| gain * step.scale);
        let assignment = assign(truths, maps, anchors, self.iou_threshold);
        let mut sums = Sums { unmatched: assignment.unmatched, ..Sums::default() };
        let [box_broken, objectness_broken, class_broken] = &mut sums.broken;
        for ((&map, level), pairs) in maps.iter().zip(&anchors.levels).zip(&assignment.levels) {
            let mut of = LevelOf::new(map, level, classes);
            let n = pairs.len();
            // A mean over nothing is no number, so a level without pairs takes no part in the terms over pairs.
            let gious = if n == 0 { Vec::new() } else { box_term(&mut of, pairs, box_gain, box_broken)? };
            sums.terms[0] += mean(gious.iter().map(|giou| 1.0 - giou).sum(), n);
            let targets = objectness_targets(map.predictors(level), pairs, &gious, step.giou_ratio);
            let slots = targets.len();
            let objectness = of.objectness(&targets, None, mean(objectness_gain, slots), objectness_broken)?;
            sums.terms[1] += mean(objectness, slots);
            if classes > 1 && n > 0 {
                let values = n * classes;
                let class = of.classes(pairs, labels_of(pairs, truths), mean(class_gain, values), class_broken)?;
                sums.terms[2] += mean(class, values);
            }
            sums.gradients.push(of.gradient);
            sums.pairs.push(n);
        }
        sums.finish(gains)
    }
}

/// The GIoU of every pair; adds the gradient of `gain` times the mean of `1 - GIoU`.
///
/// In f64: a few hundred pairs cost nothing.
fn box_term(
    of: &mut LevelOf<'_>,
    pairs: &[Pair],
    gain: f64,
    broken: &mut BTreeSet<usize>,
) -> Result<Vec<f64>, LossError> {
    let n = pairs.len();
    let sizes: Vec<[f64; 2]> = of.level.sizes_in_cells().collect();
    let (mut logits, mut priors, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        logits.extend(of.logits_of(pair)[..4].iter().copied().map(f64::from));
        priors.extend(sizes[pair.anchor]);
        targets.extend(pair.target);
    }
    let finite = logits.chunks_exact(4).map(|logits| logits.iter().all(|v| v.is_finite())).collect::<Vec<_>>();
    let logits = Var::from_vec(logits, (n, 4), &Device::Cpu)?;
    let priors = Tensor::from_vec(priors, (n, 2), &Device::Cpu)?;
    let targets = Tensor::from_vec(targets, (n, 4), &Device::Cpu)?;

    let gious = giou(&boxes_cxcywh(&logits, &priors, of.level, MAX_SIDE_LOGIT)?, &targets)?;
    let gradients = gious.affine(-1.0, 1.0)?.mean_all()?.affine(gain, 0.0)?.backward()?;
    let gradient = gradients.get(&logits).map_or_else(|| logits.zeros_like(), |g| Ok(g.clone()))?;
    let gious = gious.to_vec1::<f64>()?;
    for (((pair, gradient), giou), finite) in pairs.iter().zip(gradient.to_vec2::<f64>()?).zip(&gious).zip(finite) {
        let gradient = [gradient[0], gradient[1], gradient[2], gradient[3]];
        // The sigmoid and the bound on the sides hide infinite logits, so these are asked as well.
        if !(of.add_box_gradient(pair, gradient) && finite && giou.is_finite()) {
            broken.insert(pair.image);
        }
    }
    Ok(gious)
}

/// 0 everywhere but where truths are matched; the best of several truths in one predictor counts.
fn objectness_targets(predictors: usize, pairs: &[Pair], gious: &[f64], giou_ratio: f64) -> Vec<f32> {
    let mut targets = vec![0f32; predictors];
    for (pair, giou) in pairs.iter().zip(gious) {
        let target = &mut targets[pair.predictor];
        *target = target.max(((1.0 - giou_ratio) + giou_ratio * giou.max(0.0)) as f32);
    }
    targets
}

/// `sum / count`, 0 for nothing.
fn mean(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}
