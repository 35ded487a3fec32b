//! CSRNet with Bayesian loss: recipes, samples, model, posterior, loss, training, evaluation, prediction.

pub mod bench;
mod calibrate;
pub mod check;
pub mod compare;
pub mod error;
pub mod evaluate;
pub mod init;
pub mod loss;
pub mod model;
pub mod module;
pub mod net;
pub mod posterior;
pub mod predict;
pub mod recipe;
pub mod sample;
pub mod saved;
pub mod tile;
pub mod train;

pub use error::CountingError;
