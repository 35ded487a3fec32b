//! What the recipes of every task say in the same words, and what makes a recipe one of a task.

use std::num::NonZeroU64;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wrs_optim::{OptimizerConfig, Regularizer, Schedule};
use wrs_weights::Origin;

use super::{RunLength, SettingError, judge_above_zero};
use crate::recalibrate::RecalibrateBn;

/// A training, whatever is learned.
///
/// Flatten it into a recipe: `#[serde(flatten)] pub training: TrainingSettings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainingSettings {
    /// What the run is called.
    pub name: String,
    /// The seed of every draw.
    pub seed: u64,
    /// Optimizer steps or epochs.
    #[serde(flatten)]
    pub length: RunLength,
    /// Optimizer steps between checkpoints.
    pub checkpoint_every: NonZeroU64,
    /// Optimizer steps between evaluations; the last step is always evaluated.
    pub evaluate_every: NonZeroU64,
    /// Samples that the network sees at once: what each norm takes its statistics of.
    pub batch: NonZeroU64,
    /// Learning rate before the schedule's factors.
    pub lr: f64,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Its learning rate over time.
    pub schedule: Schedule,
    /// What keeps the weights in bounds: weight rescaling or weight decay.
    pub regularizer: Regularizer,
    /// What the network starts from: a file, a name such as `imagenet/resnet101`, or `none`; what does not fit starts afresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Origin>,
    /// Parts that keep their values, by the beginning of their names: `backbone`, `backbone.layer1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Steps between two lines about filter norms and effective learning rates in metrics.jsonl; without it, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_every: Option<NonZeroU64>,
    /// Running statistics are measured anew before an evaluation; without it, the training's own are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recalibrate_bn: Option<RecalibrateBn>,
}

impl TrainingSettings {
    /// Judges the values.
    ///
    /// # Errors
    /// The first one outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        judge_above_zero("lr", self.lr)?;
        self.schedule.check().map_err(|e| SettingError::unusable("schedule", &e))
    }
}

/// A task's recipe: a training, and what is trained on which data.
pub trait TaskRecipe: Serialize + DeserializeOwned {
    /// What every task's recipe says.
    fn training(&self) -> &TrainingSettings;

    /// Judges the values that are the task's own.
    ///
    /// # Errors
    /// The first one outside its range.
    fn check(&self) -> Result<(), SettingError>;
}
