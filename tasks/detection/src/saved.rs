//! A trained network in a file: weights under canonical names, and in the metadata all that prediction needs.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wrs_nn::Params;
use wrs_weights::Metadata;
use wrs_weights::safetensors::{Strictness, load_into, read_metadata};

use crate::anchors::Anchors;
use crate::error::DetectionError;
use crate::model::{ModelConfig, YoloV3};
use crate::recipe::{EvaluationSettings, Recipe};

/// The key of the task.
const TASK: &str = "task";

/// The key of [`Description`].
const DESCRIPTION: &str = "detection";

/// What the weights belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub model: ModelConfig,
    /// Its anchors, smallest first.
    pub anchors: Vec<[f32; 2]>,
    /// Names of its classes, by class index.
    pub class_names: Vec<String>,
    /// How it is evaluated: input size and suppression.
    pub evaluation: EvaluationSettings,
}

impl Description {
    /// Of the network that a recipe trains.
    pub fn of(recipe: &Recipe, class_names: &[String]) -> Self {
        Self {
            model: recipe.model,
            anchors: recipe.anchors.clone(),
            class_names: class_names.to_vec(),
            evaluation: recipe.evaluation.clone(),
        }
    }

    /// The metadata of a weights file.
    ///
    /// # Errors
    /// [`DetectionError::NotOurs`] when a number of it cannot be written.
    pub fn metadata(&self) -> Result<Metadata, DetectionError> {
        let json = serde_json::to_string(self)
            .map_err(|e| DetectionError::NotOurs { path: "metadata".into(), reason: e.to_string() })?;
        Ok(Metadata::from([(TASK.to_owned(), "detection".to_owned()), (DESCRIPTION.to_owned(), json)]))
    }
}

/// A network, ready to find things.
#[derive(Clone, Debug)]
pub struct SavedNet {
    /// What the file says of it.
    pub description: Description,
    /// Its layers.
    pub net: YoloV3,
    /// Its numbers.
    pub params: Params,
    /// Its anchors by level.
    pub anchors: Anchors,
}

impl SavedNet {
    /// Loads a file written by a training.
    ///
    /// # Errors
    /// [`DetectionError::NotOurs`], [`DetectionError::Weights`].
    pub fn load(path: &Path) -> Result<Self, DetectionError> {
        let not_ours = |reason: String| DetectionError::NotOurs { path: path.display().to_string(), reason };
        let metadata = read_metadata(path)?;
        let task = metadata.get(TASK).map(String::as_str);
        if task != Some("detection") {
            return Err(not_ours(format!("expected the metadata `task` to be `detection`, got {task:?}")));
        }
        let json = metadata.get(DESCRIPTION).ok_or_else(|| not_ours(format!("no metadata `{DESCRIPTION}`")))?;
        let description: Description =
            serde_json::from_str(json).map_err(|e| not_ours(format!("metadata `{DESCRIPTION}`: {e}")))?;
        let anchors = Anchors::from_sizes(&description.anchors)?;
        let per_level = anchors.levels[0].sizes.len();
        let (net, mut params) = YoloV3::new(&description.model, description.class_names.len(), per_level, 0);
        load_into(&mut params, path, Strictness::Exact)?;
        Ok(Self { description, net, params, anchors })
    }
}
