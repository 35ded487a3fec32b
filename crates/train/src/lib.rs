//! What every training loop needs around it and none should write again: recipes, run directories, checkpoints, metrics,
//! progress, interrupts.
//!
//! Mechanisms only.  The loop itself, the order of events, belongs to each task and reads top to bottom there.

pub mod checkpoint;
mod durable;
pub mod interrupt;
pub mod memory;
pub mod metrics;
pub mod progress;
pub mod recipe;
pub mod run_dir;
pub mod state;

pub use durable::FileError;
