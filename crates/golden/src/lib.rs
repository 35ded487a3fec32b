//! Goldens of the PyTorch references: reading them, filling networks and inputs by name, and the rule that judges.
//!
//! For tests and examples only; nothing here serves training or inference.

mod curve;
mod fill;
mod parity;
mod rule;
mod torchvision;

pub use curve::{curve_model, judge_curve};
pub use fill::{fill, uniform};
pub use parity::judge_parity;
pub use rule::{Finding, Report};
pub use torchvision::Torchvision;

use wrs_nn::{NnError, Params, Pass, Value};

/// A network under judgement.
pub struct Network {
    /// Its numbers.
    pub params: Params,
    /// Its outputs for `[N, H, W, 3]`, in PyTorch's order.
    pub forward: Forward,
}

/// A network's forward function.
pub type Forward = Box<dyn Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError>>;

/// A golden that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The golden.
        path: String,
        /// Why.
        reason: String,
    },
    /// The network lacks what the golden describes, or the reverse.
    #[error("{0}")]
    Mismatch(String),
    /// The network refuses.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// The optimizer refuses.
    #[error(transparent)]
    Optim(#[from] wrs_optim::OptimError),
}
