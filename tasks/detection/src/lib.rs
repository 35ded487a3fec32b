//! YOLOv3: recipes, samples, model, loss, training, evaluation, prediction.

pub mod anchors;
pub mod assign;
pub mod bench;
pub mod darknet;
pub mod decode;
pub mod error;
pub mod evaluate;
pub mod loss;
pub mod model;
mod module;
pub mod nms;
pub mod plan;
pub mod predict;
pub mod recipe;
pub mod sample;
pub mod saved;
pub mod train;

pub use error::DetectionError;
