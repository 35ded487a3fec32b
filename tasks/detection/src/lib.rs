//! YOLOv3: recipes, samples, model, loss, training, evaluation, prediction.

pub mod anchors;
pub mod assign;
pub mod bench;
mod calibrate;
pub mod check;
pub mod compare;
pub mod darknet;
pub mod darknet_source;
pub mod decode;
pub mod error;
pub mod evaluate;
pub mod init;
pub mod loss;
pub mod model;
mod module;
pub mod net;
pub mod nms;
pub mod predict;
pub mod recipe;
pub mod sample;
pub mod saved;
pub mod train;

pub use error::DetectionError;
