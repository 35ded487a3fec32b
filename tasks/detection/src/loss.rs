//! The losses a detector is trained with: the paper's ([`GiouSettings`]), Darknet's ([`DarknetSettings`]) and
//! mmdetection's ([`MmdetSettings`]).
//!
//! | | giou | darknet | mmdet |
//! |---|---|---|---|
//! | a truth trains | every anchor of about its size | the best of all anchors | the best prior of its cells, and good ones |
//! | box | `1 - GIoU` | cross-entropy of the centre, squares of the sides | the same, weighted otherwise |
//! | objectness target | the GIoU | 1 | 1 |
//! | ignored | nothing | predictions that overlap a truth | priors that overlap a truth |
//! | reduction | means per level | sum over pictures, divided by their number | sum over pictures |
//!
//! All three leave a network with a single class without a class term, as its score is the objectness alone.  Darknet and
//! mmdetection train that class, which can only learn to be 1 at the positives, and multiply it in.
//!
//! Legend: `B` batch, `h w` cells, `A` anchors of a level, `K` classes, `n` pairs of a level.

mod coordinates;
mod darknet;
mod generalised_iou;
mod giou_blend;
mod level;
mod mmdet;
mod sums;

use serde::{Deserialize, Serialize};
use wrs_nn::Buffer;
use wrs_ops::ShapeError;

use crate::anchors::{Anchors, LevelMap};
use crate::assign::{Truth, TruthError, check_truths};

pub use darknet::DarknetSettings;
pub use giou_blend::GiouSettings;
pub use mmdet::MmdetSettings;

/// Which loss, and what it is weighted with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossSettings {
    /// The one the paper trained with.
    Giou(GiouSettings),
    /// Darknet's.
    Darknet(DarknetSettings),
    /// mmdetection's.
    Mmdet(MmdetSettings),
}

/// A part of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Where the box is and how large.
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
    /// `gr`, of the giou loss alone: the objectness target of a matched predictor is `(1 - gr) + gr * max(GIoU, 0)`; rises
    /// from 0 to 1 in warm-up.
    pub giou_ratio: f64,
    /// A factor on the gradients alone: micro-batch over nominal batch.
    ///
    /// Gradients added up over the micro-batches of a step are then those of the nominal batch: its mean for giou, its sum
    /// divided by its pictures for darknet; for mmdet, whose micro-batch is a device's share, the mean over the micro-batches
    /// of their sums, as mmdetection averages over devices.
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
    /// Truths whose box no predictor learns.
    pub unmatched: usize,
    /// Predictors whose objectness learns nothing, as they overlap a truth that another predictor is responsible for.
    pub ignored: usize,
}

/// The loss of one network.
#[derive(Clone, Debug)]
pub struct YoloLoss {
    anchors: Anchors,
    classes: usize,
    settings: LossSettings,
}

/// What a loss is computed of.
#[derive(Clone, Copy)]
struct Sample<'a> {
    maps: &'a [LevelMap<'a>],
    truths: &'a [Truth],
    anchors: &'a Anchors,
    classes: usize,
}

impl YoloLoss {
    /// # Errors
    /// [`LossError::Setting`] for the first setting outside its range.
    pub fn new(anchors: Anchors, classes: usize, settings: LossSettings) -> Result<Self, LossError> {
        match &settings {
            LossSettings::Giou(settings) => settings.check()?,
            LossSettings::Darknet(settings) => settings.check()?,
            LossSettings::Mmdet(settings) => settings.check()?,
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
        check_setting("giou ratio", step.giou_ratio, "between 0 and 1", is_share)?;
        check_setting("scale", step.scale, "a finite number, at least 0", is_factor)?;
        let sample = Sample { maps, truths, anchors: &self.anchors, classes: self.classes };
        match &self.settings {
            LossSettings::Giou(settings) => settings.compute(sample, step),
            LossSettings::Darknet(settings) => settings.compute(sample, step),
            LossSettings::Mmdet(settings) => settings.compute(sample, step),
        }
    }
}

fn is_factor(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn check_setting(
    key: &'static str,
    got: f64,
    expected: &'static str,
    fits: impl Fn(f64) -> bool,
) -> Result<(), LossError> {
    if fits(got) { Ok(()) } else { Err(LossError::Setting { key, expected, got }) }
}
