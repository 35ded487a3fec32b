//! YOLOv3: recipes, samples, model, loss, training, evaluation, prediction.

pub mod anchors;
pub mod assign;
pub mod decode;
pub mod loss;
pub mod model;
pub mod nms;
