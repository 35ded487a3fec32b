//! What is settled of the Bayesian loss by a recipe: how wide points spread, and what stands for the background.

use std::fmt;

use serde::{Deserialize, Serialize};
use wrs_train::recipe::{SettingError, judge_above_zero};

/// How a crop's points become shares of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BayesianConfig {
    /// Standard deviation of a point's Gaussian in pixels; the paper's is 8.
    pub sigma_px: f64,
    /// What stands for the background.
    pub background: Background,
}

/// What stands for the background: a point of its own for every cell, and how far away it lies.
///
/// Published numbers are of several forms, whose reach differs much: on a picture whose shorter side is 1024 px, the background
/// has the larger share from 77 px off the nearest point in the first form, from 32 px in the second, each at its usual
/// ratio.  So weights say which one they were trained with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Background {
    /// Every cell belongs to points alone: the paper's plain variant.
    None,
    /// The paper's "Bayesian+": at distance `|d - r|`, `r` being that of the nearest point and `d = ratio * shorter side`.
    Legacy {
        /// Of the picture's shorter side; the paper's is 0.15.
        ratio: f64,
    },
    /// The form of the authors' code since July 2021: at distance `d / r`.
    Current {
        /// Of the picture's shorter side; theirs is 1.
        ratio: f64,
    },
    /// Wan and Chan, "Modeling Noisy Annotations for Crowd Counting" (NeurIPS 2020): at distance
    /// `d exp(-r / sqrt(sigma² + alpha²))`.
    NoisyCc {
        /// Of the picture's shorter side; theirs is 0.15.
        ratio: f64,
        /// Standard deviation of the annotation's noise in pixels.
        alpha: f64,
    },
}

/// Keeps [`Background::Current`] finite on top of a point.
const CURRENT_EPS: f64 = 1e-5;

impl Background {
    /// The squared distance of the background from a cell whose nearest point is `nearest` (squared) away.
    pub(super) fn squared_distance(self, nearest: f64, sigma_px: f64, shorter_side_px: f64) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Legacy { ratio } => Some((ratio * shorter_side_px - nearest.sqrt()).powi(2)),
            Self::Current { ratio } => Some((ratio * shorter_side_px).powi(2) / (nearest + CURRENT_EPS)),
            Self::NoisyCc { ratio, alpha } => {
                let spread = sigma_px.hypot(alpha);
                Some((ratio * shorter_side_px * (-nearest.sqrt() / spread).exp()).powi(2))
            }
        }
    }
}

impl fmt::Display for BayesianConfig {
    /// As runs and checks tell it: numbers of other backgrounds are not comparable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bayesian, sigma {} px, background ", self.sigma_px)?;
        match self.background {
            Background::None => f.write_str("none"),
            Background::Legacy { ratio } => write!(f, "legacy, ratio {ratio}"),
            Background::Current { ratio } => write!(f, "current, ratio {ratio}"),
            Background::NoisyCc { ratio, alpha } => write!(f, "noisy-cc, ratio {ratio}, alpha {alpha}"),
        }
    }
}

impl BayesianConfig {
    /// Refuses numbers outside their range.
    ///
    /// # Errors
    /// [`SettingError`] with the key under `loss`.
    pub fn check(&self) -> Result<(), SettingError> {
        judge_above_zero("loss.sigma-px", self.sigma_px)?;
        match self.background {
            Background::None => Ok(()),
            Background::Legacy { ratio } => judge_above_zero("loss.background.legacy.ratio", ratio),
            Background::Current { ratio } => judge_above_zero("loss.background.current.ratio", ratio),
            Background::NoisyCc { ratio, alpha } => {
                judge_above_zero("loss.background.noisy-cc.ratio", ratio)?;
                judge_above_zero("loss.background.noisy-cc.alpha", alpha)
            }
        }
    }
}
