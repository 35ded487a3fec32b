//! Everything that can end a counting job.

use wrs_datasets::loader::LoaderError;
use wrs_datasets::{DataError, ImageSize};
use wrs_draw::{DrawError, FolderError};
use wrs_eval::{CountError, GridError};
use wrs_nn::NnError;
use wrs_ops::ShapeError;
use wrs_optim::OptimError;
use wrs_train::TrainError;
use wrs_train::checkpoint::CheckpointError;
use wrs_train::divergence::Divergence;
use wrs_train::freeze::FreezeError;
use wrs_train::metrics::MetricsError;
use wrs_train::recipe::{RecipeOrSetting, SettingError};
use wrs_train::run_dir::RunDirError;
use wrs_weights::WeightsError;

use crate::init::InitError;
use crate::net::STRIDE;

/// Why a counting job ended.
#[derive(Debug, thiserror::Error)]
pub enum CountingError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeOrSetting),
    /// A value of the recipe.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A worker of the loader.
    #[error(transparent)]
    Loader(#[from] LoaderError<DataError>),
    /// The network.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// A kernel that was given the wrong size.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The training broke down.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// The loader ended before the run did.
    #[error("step {step}: the loader gave no batch\nhelp: this is a fault of the program, please report it")]
    OutOfBatches {
        /// The optimizer step, from 1.
        step: u64,
    },
    /// The evaluator.
    #[error(transparent)]
    Score(#[from] CountError),
    /// A density that is not finite: the network is broken.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The density cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The mechanisms around the training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A weights file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A weights file that cannot start the network.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A file of results.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture smaller than a cell of the density map.
    #[error(
        "expected a picture of at least {0} x {0} pixels, got {size}\nhelp: padding by reflection takes pictures of any size",
        STRIDE
    )]
    NoCell {
        /// Its size.
        size: ImageSize,
    },
    /// A picture that cannot be cut into tiles small enough.
    #[error(
        "a picture of {size}: expected {} MB at least, for its smallest tiles, got {} MB\nhelp: raise the memory for tiles",
        needed.div_ceil(1_000_000), memory / 1_000_000
    )]
    TileMemory {
        /// Its size.
        size: ImageSize,
        /// Bytes of the largest of the smallest tiles.
        needed: u64,
        /// Bytes there are.
        memory: u64,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
}

/// The parts of [`TrainError`] as they come.
macro_rules! through_train_error {
    ($($part:ty),*) => {$(
        impl From<$part> for CountingError {
            fn from(error: $part) -> Self {
                Self::Train(error.into())
            }
        }
    )*};
}

through_train_error!(OptimError, CheckpointError, FreezeError, MetricsError, RunDirError);
