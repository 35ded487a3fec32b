//! What every training loop needs around it and none should write again: recipes, the plan of steps, run directories and
//! sessions in them, checkpoints, metrics, progress, interrupts, breakdowns, precise batch norm, traces of the norms, timing.
//!
//! Mechanisms only.  The loop itself, the order of events, belongs to each task and reads top to bottom there.

pub mod arms;
pub mod bench;
pub mod checkpoint;
pub mod divergence;
mod durable;
mod error;
pub mod freeze;
pub mod interrupt;
pub mod memory;
pub mod metrics;
pub mod plan;
pub mod progress;
pub mod recalibrate;
pub mod recipe;
pub mod run_dir;
pub mod saving;
pub mod session;
pub mod state;
pub mod talk;
#[cfg(test)]
mod tiny_net;
#[cfg(test)]
mod tiny_recipe;
pub mod trace;

pub use durable::FileError;
pub use error::TrainError;
#[doc(hidden)]
pub use error::parts;
