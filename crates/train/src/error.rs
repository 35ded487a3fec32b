//! Everything that a training of any task can end in.

use std::path::PathBuf;

use wrs_nn::NnError;
use wrs_optim::OptimError;
use wrs_weights::{OriginError, WeightsError};

use crate::arms::ArmsError;
use crate::checkpoint::CheckpointError;
use crate::divergence::Divergence;
use crate::freeze::FreezeError;
use crate::metrics::MetricsError;
use crate::recipe::{RecipeOrSetting, SettingError};
use crate::run_dir::RunDirError;
use crate::state::StateError;

/// Why a training, or a mechanism around it, ended: what every task can meet.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeOrSetting),
    /// A value of the recipe.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The training broke down.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// The loader ended before the run did.
    #[error("step {step}: the loader gave no batch\nhelp: this is a fault of the program, please report it")]
    OutOfBatches {
        /// The optimizer step, from 1.
        step: u64,
    },
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
    /// A file of weights, those in a checkpoint among them.
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

/// What becomes a [`TrainError`], for [`through_train_error`](crate::through_train_error).
pub mod parts {
    pub use wrs_nn::NnError;
    pub use wrs_optim::OptimError;
    pub use wrs_weights::WeightsError;

    pub use crate::checkpoint::CheckpointError;
    pub use crate::divergence::Divergence;
    pub use crate::freeze::FreezeError;
    pub use crate::metrics::MetricsError;
    pub use crate::recipe::{RecipeOrSetting, SettingError};
    pub use crate::run_dir::RunDirError;
}

/// Lets a task's error, whose variant `Train` holds a [`TrainError`], come of the parts of that as they come:
/// `through_train_error!(CountingError);`
#[macro_export]
macro_rules! through_train_error {
    ($error:ty) => {
        $crate::through_train_error!(
            $error: RecipeOrSetting, SettingError, Divergence, RunDirError, CheckpointError, MetricsError, FreezeError,
            WeightsError, OptimError, NnError
        );
    };
    ($error:ty: $($part:ident),*) => {$(
        impl ::core::convert::From<$crate::parts::$part> for $error {
            fn from(error: $crate::parts::$part) -> Self {
                Self::Train(error.into())
            }
        }
    )*};
}
