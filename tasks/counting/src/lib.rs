//! CSRNet with Bayesian loss: recipes, samples, model, posterior, loss, training, evaluation, prediction.

pub mod bench;
pub mod error;
pub mod init;
pub mod model;
pub mod module;
pub mod net;

pub use error::CountingError;
