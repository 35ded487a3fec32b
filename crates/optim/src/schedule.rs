//! Learning-rate schedules with warm-up: every value a pure function of the step, so resuming needs no state.
//!
//! A step is whatever the caller counts: optimizer steps, or micro-batches where the recipe's warm-up is written in those.

use std::f64::consts::PI;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::OptimError;

/// How long a run is, in the steps its schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of one epoch.
    pub steps_per_epoch: NonZeroU64,
}

impl RunLength {
    /// The epoch that a step belongs to, from 0.
    pub fn epoch(self, step: u64) -> u64 {
        step / self.steps_per_epoch
    }

    /// The share of the run that has passed, in [0, 1].
    fn progress(self, step: u64) -> f64 {
        if step >= self.steps { 1.0 } else { step as f64 / self.steps as f64 }
    }

    /// The same epochs in a run that ends after as many steps as `horizon` says, if it says.
    fn ending_at(self, horizon: Option<NonZeroU64>) -> Self {
        Self { steps: horizon.map_or(self.steps, NonZeroU64::get), ..self }
    }
}

/// How often a smooth curve moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// At the first step of each epoch.
    Epoch,
    /// At each step.
    Step,
}

/// The factor of the learning rate after warm-up, over `x`, the share of the run that has passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Curve {
    /// 1 throughout.
    Constant,
    /// `floor + (1 - floor) * (1 + cos(pi * x)) / 2` (PyTorch's `CosineAnnealingLR`, `floor = eta_min / lr`).
    Cosine {
        /// The factor at the end.
        floor: f64,
        /// How often it moves.
        every: Every,
    },
    /// `floor + (1 - floor) * (1 - x)^power` (TensorFlow's `polynomial_decay`; PyTorch's `PolynomialLR` at floor 0).
    Polynomial {
        /// The exponent.
        power: f64,
        /// The factor at the end.
        floor: f64,
        /// How often it moves.
        every: Every,
        /// The steps after which the factor stays at its floor; without it, those of the run.
        #[serde(skip_serializing_if = "Option::is_none")]
        horizon: Option<NonZeroU64>,
    },
    /// `gamma^k` from the k-th milestone on (PyTorch's `MultiStepLR`).
    MultiStep {
        /// The epochs or steps, counted from 0, that begin with a new factor.
        milestones: Vec<u64>,
        /// The factor at each.
        gamma: f64,
        /// What the milestones count: mmdetection writes epochs, Darknet steps.
        unit: Every,
    },
}

impl Curve {
    /// The factor at a step.
    pub fn at(&self, step: u64, length: RunLength) -> f64 {
        let moved = |every| match every {
            Every::Step => step,
            Every::Epoch => length.epoch(step) * length.steps_per_epoch.get(),
        };
        match self {
            Self::Constant => 1.0,
            Self::Cosine { floor, every } => {
                floor + (1.0 - floor) * (1.0 + (PI * length.progress(moved(*every))).cos()) / 2.0
            }
            Self::Polynomial { power, floor, every, horizon } => {
                let left = 1.0 - length.ending_at(*horizon).progress(moved(*every));
                floor + (1.0 - floor) * left.powf(*power)
            }
            Self::MultiStep { milestones, gamma, unit } => {
                let now = match unit {
                    Every::Epoch => length.epoch(step),
                    Every::Step => step,
                };
                milestones.iter().filter(|&&milestone| milestone <= now).map(|_| gamma).product()
            }
        }
    }

    fn check(&self) -> Result<(), OptimError> {
        match self {
            Self::Constant => Ok(()),
            Self::Cosine { floor, .. } => in_range("cosine.floor", *floor, 0.0..=1.0, "a factor from 0 to 1"),
            Self::Polynomial { power, floor, .. } => {
                in_range("polynomial.power", *power, 0.0..=f64::MAX, "an exponent of at least 0")?;
                in_range("polynomial.floor", *floor, 0.0..=1.0, "a factor from 0 to 1")
            }
            Self::MultiStep { milestones, gamma, .. } => {
                in_range("multi-step.gamma", *gamma, 0.0..=f64::MAX, "a factor of at least 0")?;
                if milestones.is_sorted_by(|a, b| a < b) {
                    return Ok(());
                }
                Err(OptimError::Setting {
                    setting: "multi-step.milestones",
                    expected: "ascending epochs or steps",
                    got: format!("{milestones:?}"),
                })
            }
        }
    }
}

/// The way in: at its first step the starts below, at its last and after it the schedule; linear but for `power`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WarmUp {
    /// Its length in epochs, rounded to steps; the longer of this and `steps` counts.
    pub epochs: f64,
    /// Its length in steps.
    pub steps: u64,
    /// First factor of the learning rate of weights and norm scales.
    pub weights_from: f64,
    /// First factor of the learning rate of biases.
    pub biases_from: f64,
    /// First momentum; without it the momentum does not move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum_from: Option<f64>,
    /// First factor of the weight decay.
    pub decay_from: f64,
    /// The learning rates follow this power of the share that has passed (Darknet's `burn_in`: 4); without it they are linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
}

impl WarmUp {
    /// Steps that it lasts.
    pub fn steps(&self, length: RunLength) -> u64 {
        let epochs = (self.epochs * length.steps_per_epoch.get() as f64).round() as u64;
        epochs.max(self.steps)
    }

    /// How far it has come: 0 at the first step, 1 at its end and from then on.
    pub fn warmth(&self, step: u64, length: RunLength) -> f64 {
        let steps = self.steps(length);
        if step >= steps { 1.0 } else { step as f64 / steps as f64 }
    }

    fn check(&self) -> Result<(), OptimError> {
        let factor = 0.0..=f64::MAX;
        in_range("warm-up.epochs", self.epochs, factor.clone(), "epochs, at least 0")?;
        in_range("warm-up.weights-from", self.weights_from, factor.clone(), "a factor of at least 0")?;
        in_range("warm-up.biases-from", self.biases_from, factor.clone(), "a factor of at least 0")?;
        in_range("warm-up.decay-from", self.decay_from, factor.clone(), "a factor of at least 0")?;
        in_range("warm-up.power", self.power.unwrap_or(1.0), factor, "an exponent of at least 0")?;
        in_range("warm-up.momentum-from", self.momentum_from.unwrap_or(0.0), 0.0..=1.0, "a momentum from 0 to 1")
    }
}

/// What a step's learning rates, momentum and weight decay are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of the learning rate of everything but biases.
    pub weights: f64,
    /// Of the learning rate of biases.
    pub biases: f64,
    /// Of the weight decay.
    pub decay: f64,
    /// How far the warm-up has come, from 0 to 1; losses that are faded in follow it.
    pub warmth: f64,
    momentum_from: Option<f64>,
}

impl Factors {
    /// The momentum on its way to `target`.
    pub fn momentum(&self, target: f64) -> f64 {
        self.momentum_from.map_or(target, |from| blend(from, target, self.warmth))
    }
}

/// A learning-rate curve and the way into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// The curve over the run.
    pub curve: Curve,
    /// The way in; without it the curve holds from the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
}

impl Schedule {
    /// The factors of a step, counted from 0.
    pub fn at(&self, step: u64, length: RunLength) -> Factors {
        let curve = self.curve.at(step, length);
        let Some(warm_up) = &self.warm_up else {
            return Factors { weights: curve, biases: curve, decay: 1.0, warmth: 1.0, momentum_from: None };
        };
        let warmth = warm_up.warmth(step, length);
        let share = warm_up.power.map_or(warmth, |power| warmth.powf(power));
        Factors {
            weights: blend(warm_up.weights_from, curve, share),
            biases: blend(warm_up.biases_from, curve, share),
            decay: blend(warm_up.decay_from, 1.0, warmth),
            warmth,
            momentum_from: warm_up.momentum_from,
        }
    }

    /// Judges a recipe's values before the first step.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn check(&self) -> Result<(), OptimError> {
        self.curve.check()?;
        self.warm_up.as_ref().map_or(Ok(()), WarmUp::check)
    }
}

/// From `start` to `end`, exact at both.
fn blend(start: f64, end: f64, share: f64) -> f64 {
    (1.0 - share) * start + share * end
}

/// Refuses a setting outside its range, and NaN.
pub(crate) fn in_range(
    setting: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), OptimError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OptimError::Setting { setting, expected, got: value.to_string() })
}

#[cfg(test)]
mod tests;
