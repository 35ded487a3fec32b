//! CSRNet with Bayesian loss: recipes, samples, model, posterior, loss, training, evaluation, prediction.

pub mod error;
pub mod loss;
pub mod net;
pub mod posterior;
pub mod tile;

pub use error::CountingError;
