//! The three terms of one level, each with its gradient.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor, Var};
use wrs_ops::bce::{Bce, bce_with_logits, bce_with_logits_backward};
use wrs_ops::{ShapeError, Store};

use super::LossError;
use super::giou::{boxes_cxcywh, giou};
use crate::anchors::{Level, LevelMap};
use crate::assign::{Pair, Truth};
use crate::decode::MAX_SIDE_LOGIT;

/// One level of a batch, and the gradient being written.
pub(super) struct LevelOf<'a> {
    pub(super) map: LevelMap<'a>,
    pub(super) level: &'a Level,
    pub(super) pairs: &'a [Pair],
    pub(super) gradient: &'a mut [f32],
    /// `5 + K`, the logits of a predictor.
    pub(super) width: usize,
}

impl LevelOf<'_> {
    /// The GIoU of every pair; adds the gradient of `gain` times the mean of `1 - GIoU`.
    ///
    /// In f64: a few hundred pairs cost nothing.
    pub(super) fn box_term(&mut self, gain: f64, broken: &mut BTreeSet<usize>) -> Result<Vec<f64>, LossError> {
        let n = self.pairs.len();
        let sizes: Vec<[f64; 2]> = self.level.sizes_in_cells().collect();
        let (mut logits, mut priors, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for pair in self.pairs {
            logits.extend(self.logits_of(pair)[..4].iter().copied().map(f64::from));
            priors.extend(sizes[pair.anchor]);
            targets.extend(pair.target);
        }
        let finite = logits.chunks_exact(4).map(|logits| logits.iter().all(|v| v.is_finite())).collect::<Vec<_>>();
        let logits = Var::from_vec(logits, (n, 4), &Device::Cpu)?;
        let priors = Tensor::from_vec(priors, (n, 2), &Device::Cpu)?;
        let targets = Tensor::from_vec(targets, (n, 4), &Device::Cpu)?;

        let gious = giou(&boxes_cxcywh(&logits, &priors, self.level, MAX_SIDE_LOGIT)?, &targets)?;
        let gradients = gious.affine(-1.0, 1.0)?.mean_all()?.affine(gain, 0.0)?.backward()?;
        let gradient = gradients.get(&logits).map_or_else(|| logits.zeros_like(), |g| Ok(g.clone()))?;
        for (pair, gradient) in self.pairs.iter().zip(gradient.to_vec2::<f64>()?) {
            let into = &mut self.gradient[pair.predictor * self.width..][..4];
            into.iter_mut().zip(gradient).for_each(|(into, g)| *into += g as f32);
        }
        let gious = gious.to_vec1::<f64>()?;
        // The sigmoid and the bound on the sides hide infinite logits, so these are asked as well.
        let sound = finite.into_iter().zip(&gious).map(|(finite, giou)| finite && giou.is_finite());
        broken.extend(self.pairs.iter().zip(sound).filter(|(_, sound)| !sound).map(|(pair, _)| pair.image));
        Ok(gious)
    }

    /// 0 everywhere but where truths are matched; the best of several truths in one predictor counts.
    pub(super) fn objectness_targets(&self, gious: &[f64], giou_ratio: f64) -> Vec<f32> {
        let mut targets = vec![0f32; self.map.predictors(self.level)];
        for (pair, giou) in self.pairs.iter().zip(gious) {
            let target = &mut targets[pair.predictor];
            *target = target.max(((1.0 - giou_ratio) + giou_ratio * giou.max(0.0)) as f32);
        }
        targets
    }

    /// The mean over all predictors; writes the gradient of `gain` times it.
    pub(super) fn objectness_term(
        &mut self,
        targets: &[f32],
        gain: f64,
        broken: &mut BTreeSet<usize>,
    ) -> Result<f64, LossError> {
        let logits: Vec<f32> = self.map.logits.iter().skip(4).step_by(self.width).copied().collect();
        if let Some(per_image) = logits.len().checked_div(self.map.n) {
            let spoilt = logits.iter().enumerate().filter(|(_, logit)| !logit.is_finite());
            broken.extend(spoilt.map(|(predictor, _)| predictor / per_image));
        }
        let (mean, gradient) = mean_bce(&logits, targets, gain)?;
        let into = self.gradient.iter_mut().skip(4).step_by(self.width);
        into.zip(gradient).for_each(|(into, g)| *into = g);
        Ok(mean)
    }

    /// The mean over pairs and classes; adds the gradient of `gain` times it.
    pub(super) fn class_term(
        &mut self,
        truths: &[Truth],
        gain: f64,
        broken: &mut BTreeSet<usize>,
    ) -> Result<f64, LossError> {
        let classes = self.width - 5;
        let mut logits = Vec::with_capacity(self.pairs.len() * classes);
        let mut targets = vec![0.0; self.pairs.len() * classes];
        for (pair, targets) in self.pairs.iter().zip(targets.chunks_exact_mut(classes)) {
            let of_pair = &self.logits_of(pair)[5..];
            if !of_pair.iter().all(|v| v.is_finite()) {
                broken.insert(pair.image);
            }
            logits.extend_from_slice(of_pair);
            targets[truths[pair.truth].class] = 1.0;
        }
        let (mean, gradient) = mean_bce(&logits, &targets, gain)?;
        for (pair, gradient) in self.pairs.iter().zip(gradient.chunks_exact(classes)) {
            let into = &mut self.gradient[pair.predictor * self.width..][5..self.width];
            into.iter_mut().zip(gradient).for_each(|(into, g)| *into += g);
        }
        Ok(mean)
    }

    /// The `5 + K` logits of a pair's predictor.
    fn logits_of(&self, pair: &Pair) -> &[f32] {
        &self.map.logits[pair.predictor * self.width..][..self.width]
    }
}

/// The mean binary cross-entropy, and the gradient of `gain` times it.
fn mean_bce(logits: &[f32], targets: &[f32], gain: f64) -> Result<(f64, Vec<f32>), ShapeError> {
    let bce = Bce::new(logits, targets);
    let mut gradient = vec![0.0; logits.len()];
    bce_with_logits_backward(&bce, mean(gain, logits.len()) as f32, &mut gradient, Store::Overwrite)?;
    Ok((mean(bce_with_logits(&bce)?, logits.len()), gradient))
}

/// `sum / count`, 0 for nothing.
pub(super) fn mean(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}
