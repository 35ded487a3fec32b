//! DeepLabv3: recipes, samples, model, loss, training, evaluation, prediction.

mod aspp;
pub mod bench;
mod calibrate;
pub mod check;
pub mod compare;
pub mod error;
pub mod evaluate;
mod first_batch;
pub mod init;
pub mod loss;
pub mod model;
pub mod module;
pub mod net;
pub mod predict;
pub mod previews;
pub mod recipe;
pub mod sample;
pub mod saved;
pub mod submission;
pub mod train;
mod variant;

pub use error::SegmentationError;
