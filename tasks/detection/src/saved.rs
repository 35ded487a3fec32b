//! A trained network in a file: weights under canonical names, and in the metadata all that prediction needs.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wrs_datasets::detection::Category;
use wrs_nn::Params;
use wrs_weights::darknet::{self, DarknetReport, Extent, Header};
use wrs_weights::description;
use wrs_weights::safetensors;
use wrs_weights::{Metadata, Strictness, load_into};

use crate::anchors::Anchors;
use crate::error::DetectionError;
use crate::net::{DetectionNet, ModelConfig};
use crate::recipe::{EvaluationSettings, Recipe};

/// The task of these files, and the key of their [`Description`].
const TASK: &str = "detection";

/// What the weights belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The network.
    pub model: ModelConfig,
    /// Sizes of its anchors, in pixels of its input.
    pub anchors: Vec<[f32; 2]>,
    /// Names of its classes, by class index.
    pub class_names: Vec<String>,
    /// Ids of its classes in COCO's files, by class index.
    pub category_ids: Vec<u64>,
    /// How it is evaluated: input size and suppression.
    pub evaluation: EvaluationSettings,
}

impl Description {
    /// Of the network that a recipe trains.
    pub fn of(recipe: &Recipe, categories: &[Category]) -> Self {
        Self {
            model: recipe.model.clone(),
            anchors: recipe.anchors.clone(),
            class_names: categories.iter().map(|category| category.name.clone()).collect(),
            category_ids: categories.iter().map(|category| category.id).collect(),
            evaluation: recipe.evaluation.clone(),
        }
    }

    /// The metadata of a weights file.
    ///
    /// # Errors
    /// [`DetectionError::Train`] when a number of it cannot be written.
    pub fn metadata(&self) -> Result<Metadata, DetectionError> {
        Ok(description::metadata(TASK, self)?)
    }
}

/// A network, ready to find things.
#[derive(Clone, Debug)]
pub struct SavedNet {
    /// What the file says of it.
    pub description: Description,
    /// Its layers.
    pub net: DetectionNet,
    /// Its numbers.
    pub params: Params,
    /// Its anchors by level.
    pub anchors: Anchors,
}

impl SavedNet {
    /// Loads a file written by a training.
    ///
    /// # Errors
    /// [`DetectionError::Train`].
    pub fn load(path: &Path) -> Result<Self, DetectionError> {
        let description: Description = description::read(path, TASK)?;
        let (names, ids) = (description.class_names.len(), description.category_ids.len());
        if names == 0 || names != ids {
            let reason = format!("metadata `{TASK}`: {names} class names and {ids} category ids");
            return Err(description::not_ours(path, reason).into());
        }
        let mut saved = Self::fresh(description)?;
        load_into(&mut saved.params, path, Strictness::Exact)?;
        Ok(saved)
    }

    /// Loads Darknet's weights into the network that a description speaks of; every layer must be in the file.
    ///
    /// # Errors
    /// [`DetectionError::Train`], and what building the network can end in.
    pub fn load_darknet(description: Description, path: &Path) -> Result<(Self, DarknetReport), DetectionError> {
        let mut saved = Self::fresh(description)?;
        let order = saved.net.darknet_order(&saved.params);
        let report = darknet::load_into(&mut saved.params, &order, path, Extent::Whole, Strictness::Exact)?;
        Ok((saved, report))
    }

    /// Writes the network as a file of ours, or as Darknet's `.weights` where the name ends so.
    ///
    /// # Errors
    /// [`DetectionError::Train`].
    pub fn export(&self, path: &Path) -> Result<(), DetectionError> {
        if path.extension().is_some_and(|extension| extension == "weights") {
            let order = self.net.darknet_order(&self.params);
            darknet::save(&self.params, &order, Header::new(0), path)?;
        } else {
            safetensors::save(&self.params, &self.description.metadata()?, path)?;
        }
        Ok(())
    }

    fn fresh(description: Description) -> Result<Self, DetectionError> {
        let anchors = Anchors::deal(&description.anchors, &description.model.levels()?)?;
        let (net, params) = DetectionNet::new(&description.model, description.class_names.len(), 0)?;
        Ok(Self { description, net, params, anchors })
    }
}
