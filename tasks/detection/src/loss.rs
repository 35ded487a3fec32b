//! The loss the paper trained with: GIoU, objectness blended with it, independent classes (the code of 2020 the paper ran).
//!
//! Per level: the mean over matched pairs of `1 - GIoU`; the mean over all predictors of the binary cross-entropy of
//! objectness; the mean over matched pairs and classes of the binary cross-entropy of the classes.  The levels are added, then
//! weighted by the gains.  There is no ignore zone.  Where we differ: of several truths in one predictor the best-fitting
//! one gives the objectness target, not the last.
//!
//! Legend: `B` batch, `h w` cells, `A` anchors of a level, `K` classes, `n` pairs of a level.

mod giou;
mod terms;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wrs_nn::Buffer;
use wrs_ops::ShapeError;

use crate::anchors::{Anchors, LevelMap};
use crate::assign::{Truth, TruthError, assign, check_truths};
use terms::{LevelOf, mean};

/// The number of classes the class gain is meant for.
const NOMINAL_CLASSES: f64 = 80.0;

/// What the terms weigh and which anchors a truth trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LossSettings {
    /// A truth trains the anchors whose IoU with it, by size alone, is above it.
    pub iou_threshold: f64,
    /// Gain of the box term.
    pub box_gain: f64,
    /// Gain of the objectness term.
    pub objectness_gain: f64,
    /// Gain of the class term for 80 classes; for `K` it is `K / 80` of it.
    pub class_gain: f64,
}

/// A part of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// `1 - GIoU`.
    Box,
    /// Whether there is an object.
    Objectness,
    /// Of which class.
    Class,
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Box => "box",
            Self::Objectness => "objectness",
            Self::Class => "class",
        })
    }
}

/// A loss that cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// Maps that do not belong to the network's levels.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A truth that does not belong to the batch or the network.
    #[error(transparent)]
    Truth(#[from] TruthError),
    /// A setting outside its range.
    #[error("loss: {key}: expected {expected}, got {got}")]
    Setting {
        /// The recipe's key, or the argument.
        key: &'static str,
        /// What would be in range.
        expected: &'static str,
        /// What was given.
        got: f64,
    },
    /// The network gave something that is not a number.
    #[error(
        "loss: the {term} term is not finite; images of the batch: {images:?}\n\
         help: lower the learning rate, or warm up for longer"
    )]
    NotFinite {
        /// The first term that is not finite, in the order of [`Term`].
        term: Term,
        /// The pictures it is not finite for, by their place in the batch.
        images: Vec<usize>,
    },
    /// candle's own refusal.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossStep {
    /// `gr`: the objectness target of a matched predictor is `(1 - gr) + gr * max(GIoU, 0)`; rises from 0 to 1 in warm-up.
    pub giou_ratio: f64,
    /// A factor on the gradients alone: micro-batch over nominal batch.
    pub scale: f64,
}

/// A batch's loss and where it comes from.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The sum of the three terms.
    pub total: f64,
    /// Box term, its gain included; 0 without pairs.
    pub box_term: f64,
    /// Objectness term, its gain included.
    pub objectness: f64,
    /// Class term, its gain included; 0 without pairs or with a single class.
    pub class: f64,
    /// Per level, the gradient of [`LossStep::scale`] times the total, laid out as the level's logits.
    pub gradients: Vec<Buffer>,
    /// Pairs of a truth and a predictor, per level.
    pub pairs: Vec<usize>,
    /// Truths that own no predictor on any level.
    pub unmatched: usize,
}

/// The loss of one network.
#[derive(Clone, Debug)]
pub struct YoloLoss {
    anchors: Anchors,
    classes: usize,
    settings: LossSettings,
}

/// The terms of one level, before the gains, and the pictures that spoil each.
#[derive(Default)]
struct LevelTerms {
    means: [f64; 3],
    broken: [BTreeSet<usize>; 3],
}

impl YoloLoss {
    /// # Errors
    /// [`LossError::Setting`] for the first setting outside its range.
    pub fn new(anchors: Anchors, classes: usize, settings: LossSettings) -> Result<Self, LossError> {
        check_setting("iou-threshold", settings.iou_threshold, "at least 0 and below 1", |v| (0.0..1.0).contains(&v))?;
        let gains = [
            ("box-gain", settings.box_gain),
            ("objectness-gain", settings.objectness_gain),
            ("class-gain", settings.class_gain),
        ];
        for (key, gain) in gains {
            check_setting(key, gain, "a finite number, at least 0", is_factor)?;
        }
        check_setting("classes", classes as f64, "at least 1", |v| v >= 1.0)?;
        Ok(Self { anchors, classes, settings })
    }

    /// The loss of a batch and its gradient with respect to every logit.
    ///
    /// # Shapes
    /// `maps`: one `[B, h, w, A * (5 + K)]` per level.
    ///
    /// # Errors
    /// [`LossError::NotFinite`] names the term and the pictures; the others say which argument does not fit.
    pub fn compute(&self, maps: &[LevelMap<'_>], truths: &[Truth], step: LossStep) -> Result<Loss, LossError> {
        self.anchors.check_maps("yolo loss", maps, self.classes)?;
        check_truths(truths, maps.first().map_or(0, |map| map.n), self.classes)?;
        check_setting("giou ratio", step.giou_ratio, "between 0 and 1", |v| (0.0..=1.0).contains(&v))?;
        check_setting("scale", step.scale, "a finite number, at least 0", is_factor)?;
        let assignment = assign(truths, maps, &self.anchors, self.settings.iou_threshold);

        let mut sum = LevelTerms::default();
        let mut gradients = Vec::with_capacity(maps.len());
        for ((&map, level), pairs) in maps.iter().zip(&self.anchors.levels).zip(&assignment.levels) {
            let mut gradient = Buffer::zeros(map.logits.len());
            let width = 5 + self.classes;
            let of = LevelOf { map, level, pairs, gradient: gradient.host_mut(), width };
            let terms = self.level_terms(of, truths, step)?;
            for (term, mean) in terms.means.into_iter().enumerate() {
                sum.means[term] += mean;
            }
            for (all, broken) in sum.broken.iter_mut().zip(terms.broken) {
                all.extend(broken);
            }
            gradients.push(gradient);
        }
        for (term, images) in [Term::Box, Term::Objectness, Term::Class].into_iter().zip(sum.broken) {
            if !images.is_empty() {
                return Err(LossError::NotFinite { term, images: images.into_iter().collect() });
            }
        }
        let [box_term, objectness, class] = [0, 1, 2].map(|term| self.gains()[term] * sum.means[term]);
        let pairs = assignment.levels.iter().map(Vec::len).collect();
        let total = box_term + objectness + class;
        Ok(Loss { total, box_term, objectness, class, gradients, pairs, unmatched: assignment.unmatched })
    }

    /// Gains in the order of [`Term`].
    fn gains(&self) -> [f64; 3] {
        let LossSettings { box_gain, objectness_gain, class_gain, .. } = self.settings;
        [box_gain, objectness_gain, class_gain * self.classes as f64 / NOMINAL_CLASSES]
    }

    fn level_terms(&self, mut of: LevelOf<'_>, truths: &[Truth], step: LossStep) -> Result<LevelTerms, LossError> {
        let [box_gain, objectness_gain, class_gain] = self.gains().map(|gain| gain * step.scale);
        let mut terms = LevelTerms::default();
        let [box_broken, objectness_broken, class_broken] = &mut terms.broken;
        // A mean over nothing is no number, so a level without pairs takes no part in the terms over pairs.
        let gious = match of.pairs {
            [] => Vec::new(),
            _ => of.box_term(box_gain, box_broken)?,
        };
        terms.means[0] = mean(gious.iter().map(|giou| 1.0 - giou).sum(), gious.len());
        let targets = of.objectness_targets(&gious, step.giou_ratio);
        terms.means[1] = of.objectness_term(&targets, objectness_gain, objectness_broken)?;
        if self.classes > 1 && !of.pairs.is_empty() {
            terms.means[2] = of.class_term(truths, class_gain, class_broken)?;
        }
        Ok(terms)
    }
}

fn is_factor(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn check_setting(
    key: &'static str,
    got: f64,
    expected: &'static str,
    fits: impl Fn(f64) -> bool,
) -> Result<(), LossError> {
    if fits(got) { Ok(()) } else { Err(LossError::Setting { key, expected, got }) }
}
