//! CSRNet with Bayesian loss: recipes, samples, model, posterior, loss, training, evaluation, prediction.

pub mod error;

pub use error::CountingError;
