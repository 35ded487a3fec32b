//! A trained network in a file: weights under canonical names, and in the metadata all that prediction needs.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wrs_datasets::augment::InputSettings;
use wrs_datasets::augment::counting::ShorterSide;
use wrs_nn::Params;
use wrs_ops::conv::Algorithms;
use wrs_weights::description;
use wrs_weights::safetensors;
use wrs_weights::{Metadata, Strictness, load_into};

use crate::error::CountingError;
use crate::evaluate::Counter;
use crate::model::CsrNet;
use crate::net::ModelConfig;
use crate::posterior::BayesianConfig;
use crate::recipe::{EvaluationSettings, Recipe, TASK};

/// What the weights belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub model: ModelConfig,
    /// How bytes become its input.
    pub input: InputSettings,
    /// The size that pictures are brought to; without it, their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<ShorterSide>,
    /// The loss it was trained with: networks of other background models are not comparable.
    pub loss: BayesianConfig,
    /// How whole pictures are counted.
    pub evaluation: EvaluationSettings,
}

impl Description {
    /// Of the network that a recipe trains.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            model: recipe.model,
            input: recipe.input,
            resize: recipe.resize,
            loss: recipe.loss,
            evaluation: recipe.evaluation,
        }
    }

    /// Judges what a file says.
    fn check(&self) -> Result<(), String> {
        self.model.check().map_err(|e| e.to_string())?;
        self.input.check().map_err(|e| e.to_string())?;
        if let Some(resize) = &self.resize {
            resize.check().map_err(|e| e.to_string())?;
        }
        self.loss.check().map_err(|e| e.to_string())?;
        self.evaluation.check().map_err(|e| e.to_string())
    }

    /// The metadata of a weights file.
    ///
    /// # Errors
    /// [`CountingError::Train`] when a number of it cannot be written.
    pub fn metadata(&self) -> Result<Metadata, CountingError> {
        Ok(description::metadata(TASK, self)?)
    }
}

/// A network, ready to count.
#[derive(Clone, Debug)]
pub struct SavedNet {
    /// What the file says of it.
    pub description: Description,
    /// Its layers.
    pub net: CsrNet,
    /// Its numbers.
    pub params: Params,
}

impl SavedNet {
    /// Loads a file written by a training.
    ///
    /// # Errors
    /// [`CountingError::Train`].
    pub fn load(path: &Path) -> Result<Self, CountingError> {
        let description: Description = description::read(path, TASK)?;
        description.check().map_err(|reason| description::not_ours(path, reason))?;
        let (net, mut params) = CsrNet::new(&description.model, 0);
        load_into(&mut params, path, Strictness::Exact)?;
        Ok(Self { description, net, params })
    }

    /// Writes the network as a file of ours.
    ///
    /// # Errors
    /// [`CountingError::Train`].
    pub fn export(&self, path: &Path) -> Result<(), CountingError> {
        Ok(safetensors::save(&self.params, &self.description.metadata()?, path)?)
    }

    /// What counts by it.
    pub fn counter(&self, algorithms: Algorithms) -> Counter<'_> {
        let Description { model, input, resize, .. } = &self.description;
        Counter { model, net: &self.net, params: &self.params, input, resize: resize.as_ref(), algorithms }
    }
}
