//! One level of a batch: the cross-entropies that every loss has, with their gradients.

use std::collections::BTreeSet;

use wrs_nn::Buffer;
use wrs_ops::bce::{Bce, bce_with_logits, bce_with_logits_backward};
use wrs_ops::{ShapeError, Store};

use crate::anchors::{Level, LevelMap};
use crate::assign::{Pair, Truth};

/// One level of a batch, and the gradient being written.
pub(super) struct LevelOf<'a> {
    pub map: LevelMap<'a>,
    pub level: &'a Level,
    /// `5 + K`, the logits of a predictor.
    pub width: usize,
    pub gradient: Buffer,
}

impl<'a> LevelOf<'a> {
    pub fn new(map: LevelMap<'a>, level: &'a Level, classes: usize) -> Self {
        Self { map, level, width: 5 + classes, gradient: Buffer::zeros(map.logits.len()) }
    }

    /// The sum over the predictors, each times its weight if there are weights; writes the gradient of `factor` times it.
    pub fn objectness(
        &mut self,
        targets: &[f32],
        weights: Option<&[f32]>,
        factor: f64,
        broken: &mut BTreeSet<usize>,
    ) -> Result<f64, ShapeError> {
        let logits: Vec<f32> = self.map.logits.iter().skip(4).step_by(self.width).copied().collect();
        if let Some(per_image) = logits.len().checked_div(self.map.n) {
            let spoilt = logits.iter().enumerate().filter(|(_, logit)| !logit.is_finite());
            broken.extend(spoilt.map(|(predictor, _)| predictor / per_image));
        }
        let (sum, gradient) = sum_bce(&Bce { weights, ..Bce::new(&logits, targets) }, factor)?;
        let into = self.gradient.host_mut().iter_mut().skip(4).step_by(self.width);
        into.zip(gradient).for_each(|(into, g)| *into = g);
        Ok(sum)
    }

    /// The sum over pairs and classes, where `labels` names the classes of each pair by its place; adds the gradient of
    /// `factor` times it.
    pub fn classes(
        &mut self,
        pairs: &[Pair],
        labels: impl IntoIterator<Item = (usize, usize)>,
        factor: f64,
        broken: &mut BTreeSet<usize>,
    ) -> Result<f64, ShapeError> {
        let classes = self.width - 5;
        let mut logits = Vec::with_capacity(pairs.len() * classes);
        let mut targets = vec![0.0; pairs.len() * classes];
        for pair in pairs {
            let of_pair = &self.logits_of(pair)[5..];
            if !of_pair.iter().all(|v| v.is_finite()) {
                broken.insert(pair.image);
            }
            logits.extend_from_slice(of_pair);
        }
        for (place, class) in labels {
            targets[place * classes + class] = 1.0;
        }
        let (sum, gradient) = sum_bce(&Bce::new(&logits, &targets), factor)?;
        for (pair, gradient) in pairs.iter().zip(gradient.chunks_exact(classes)) {
            let into = &mut self.gradient.host_mut()[pair.predictor * self.width..][5..self.width];
            into.iter_mut().zip(gradient).for_each(|(into, g)| *into += g);
        }
        Ok(sum)
    }

    /// The `5 + K` logits of a pair's predictor.
    pub fn logits_of(&self, pair: &Pair) -> &'a [f32] {
        &self.map.logits[pair.predictor * self.width..][..self.width]
    }

    /// Adds to the gradient of a pair's box; false when that is not finite.
    pub fn add_box_gradient(&mut self, pair: &Pair, gradient: [f64; 4]) -> bool {
        let into = &mut self.gradient.host_mut()[pair.predictor * self.width..][..4];
        into.iter_mut().zip(gradient).for_each(|(into, g)| *into += g as f32);
        into.iter().all(|g| g.is_finite())
    }
}

/// The class of each pair's truth.
pub(super) fn labels_of<'a>(pairs: &'a [Pair], truths: &'a [Truth]) -> impl Iterator<Item = (usize, usize)> + 'a {
    pairs.iter().enumerate().map(|(place, pair)| (place, truths[pair.truth].class))
}

/// The summed binary cross-entropy, and the gradient of `factor` times it.
fn sum_bce(bce: &Bce<'_>, factor: f64) -> Result<(f64, Vec<f32>), ShapeError> {
    let mut gradient = vec![0.0; bce.logits.len()];
    bce_with_logits_backward(bce, factor as f32, &mut gradient, Store::Overwrite)?;
    Ok((bce_with_logits(bce)?, gradient))
}
