//! A recipe of a task that has next to nothing of its own, for the tests of this crate.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::recipe::{SettingError, TaskRecipe, TrainingSettings, judge};

/// A recipe as the tasks' are: the training flattened, values and tables of its own around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TinyRecipe {
    pub task: String,
    #[serde(flatten)]
    pub training: TrainingSettings,
    pub nominal_batch: NonZeroU64,
    pub model: TinyModel,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TinyModel {
    pub width: f64,
}

impl TaskRecipe for TinyRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check(&self) -> Result<(), SettingError> {
        judge("nominal-batch", self.nominal_batch >= self.training.batch, "at least `batch`", &self.nominal_batch)
    }
}

pub(crate) const TEXT: &str = r#"# A recipe.
task = "tiny"
name = "tiny"
seed = 1
epochs = 5
checkpoint-every = 100
evaluate-every = 200
batch = 4
nominal-batch = 8
lr = 0.01

[model]
width = 1

[optimizer.sgd]
momentum = 0.9
nesterov = true

[schedule]
curve = { polynomial = { power = 0.9, floor = 0.0, every = "step" } }

[regularizer.wrs]
weight-decay = 1e-4
decay-scope = "all"
rescale = { tau = 1, select = "filters", literal = false, rescale-at-start = false, angles = true }
"#;

/// What [`TEXT`] says of the training.
pub(crate) fn training() -> TrainingSettings {
    crate::recipe::load::<TinyRecipe>("tiny", TEXT, &[]).unwrap().recipe.training
}
