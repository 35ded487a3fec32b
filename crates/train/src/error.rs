//! Everything that the mechanisms around a training can end in.

use std::path::PathBuf;

use wrs_nn::NnError;
use wrs_optim::OptimError;
use wrs_weights::{OriginError, WeightsError};

use crate::arms::ArmsError;
use crate::checkpoint::CheckpointError;
use crate::freeze::FreezeError;
use crate::metrics::MetricsError;
use crate::run_dir::RunDirError;
use crate::state::StateError;

/// Why a mechanism that needs several others gave up.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The run's directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A run that would go on with other data than it began with.
    #[error(
        "{}: expected the data that the run began with, digest {expected}, got digest {got}\n\
         help: put the data back, or begin a new run",
        run.display()
    )]
    OtherData {
        /// The run.
        run: PathBuf,
        /// The digest in its run.json.
        expected: String,
        /// The digest of the data as it is now.
        got: String,
    },
    /// Weights to start from that cannot be had.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A run that would begin again from other weights than it began from.
    #[error(
        "{}: expected the weights that the run began from, SHA-256 {expected}, got {got}\n\
         help: put the file back, or begin a new run",
        run.display()
    )]
    OtherInit {
        /// The run.
        run: PathBuf,
        /// The digest in its run.json.
        expected: String,
        /// The digest of the file as it is now.
        got: String,
    },
    /// The state in a checkpoint.
    #[error(transparent)]
    State(#[from] StateError),
    /// metrics.jsonl.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The weights in a checkpoint.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimizer or its state.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// The network.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// Runs that cannot be compared.
    #[error(transparent)]
    Arms(#[from] ArmsError),
    /// A part that cannot be frozen.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
}
