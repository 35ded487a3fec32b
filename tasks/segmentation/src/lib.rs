//! DeepLabv3: recipes, samples, model, loss, training, evaluation, prediction.

mod aspp;
pub mod model;
pub mod module;
pub mod net;
