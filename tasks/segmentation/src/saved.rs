//! A trained network in a file: weights under canonical names, and in the metadata all that prediction needs.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wrs_datasets::segmentation::SegmentationOptions;
use wrs_eval::MAX_CLASSES;
use wrs_nn::Params;
use wrs_ops::conv::Algorithms;
use wrs_weights::description;
use wrs_weights::safetensors;
use wrs_weights::{Metadata, Strictness, load_into};

use crate::error::SegmentationError;
use crate::evaluate::Segmenter;
use crate::model::DeepLabV3;
use crate::net::ModelConfig;
use crate::recipe::{EvaluationSettings, InputSettings, Recipe, TASK};
use crate::sample::read_options;

/// What the weights belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub model: ModelConfig,
    /// How bytes become its input.
    pub input: InputSettings,
    /// Names of its classes, by label.
    pub class_names: Vec<String>,
    /// Labels of its data's masks that are no class, beside 255.
    pub void_labels: Vec<u8>,
    /// Labels of its data's masks that mean another class than their number says.
    pub mask_map: Vec<(u8, u8)>,
    /// How it is evaluated.
    pub evaluation: EvaluationSettings,
}

impl Description {
    /// Of the network that a recipe trains.
    pub fn of(recipe: &Recipe, class_names: &[String]) -> Self {
        let options = read_options(recipe);
        Self {
            void_labels: options.void_labels,
            mask_map: options.mask_map,
            model: recipe.model,
            input: recipe.input,
            class_names: class_names.to_vec(),
            evaluation: recipe.evaluation.clone(),
        }
    }

    /// How other data of the same kind is read.
    pub fn read_options(&self) -> SegmentationOptions {
        SegmentationOptions {
            void_labels: self.void_labels.clone(),
            mask_map: self.mask_map.clone(),
            ..SegmentationOptions::default()
        }
    }

    /// Judges what a file says.
    fn check(&self) -> Result<(), String> {
        self.model.check().map_err(|e| e.to_string())?;
        self.input.check().map_err(|e| e.to_string())?;
        self.evaluation.check().map_err(|e| e.to_string())?;
        match self.class_names.len() {
            1..=MAX_CLASSES => Ok(()),
            got => Err(format!("expected 1 to {MAX_CLASSES} class names, got {got}")),
        }
    }

    /// The metadata of a weights file.
    ///
    /// # Errors
    /// [`SegmentationError::Train`] when a number of it cannot be written.
    pub fn metadata(&self) -> Result<Metadata, SegmentationError> {
        Ok(description::metadata(TASK, self)?)
    }
}

/// A network, ready to give pixels classes.
#[derive(Clone, Debug)]
pub struct SavedNet {
    /// What the file says of it.
    pub description: Description,
    /// Its layers.
    pub net: DeepLabV3,
    /// Its numbers.
    pub params: Params,
}

impl SavedNet {
    /// Loads a file written by a training.
    ///
    /// # Errors
    /// [`SegmentationError::Train`].
    pub fn load(path: &Path) -> Result<Self, SegmentationError> {
        let description: Description = description::read(path, TASK)?;
        description.check().map_err(|reason| description::not_ours(path, reason))?;
        let (net, mut params) = DeepLabV3::new(&description.model, description.class_names.len(), 0);
        load_into(&mut params, path, Strictness::Exact)?;
        Ok(Self { description, net, params })
    }

    /// Writes the network as a file of ours.
    ///
    /// # Errors
    /// [`SegmentationError::Train`].
    pub fn export(&self, path: &Path) -> Result<(), SegmentationError> {
        Ok(safetensors::save(&self.params, &self.description.metadata()?, path)?)
    }

    /// What gives pixels classes by it.
    pub fn segmenter(&self, algorithms: Algorithms) -> Segmenter<'_> {
        Segmenter { net: &self.net, params: &self.params, input: &self.description.input, algorithms }
    }
}
