//! Everything that can end a segmentation job.

use std::path::PathBuf;

use wrs_datasets::DataError;
use wrs_datasets::loader::LoaderError;
use wrs_draw::{DrawError, FolderError};
use wrs_eval::{EvalError, SegmentationError as ScoreError};
use wrs_nn::NnError;
use wrs_ops::ShapeError;
use wrs_ops::softmax_cross_entropy::CrossEntropyError;
use wrs_optim::OptimError;
use wrs_train::TrainError;
use wrs_train::checkpoint::CheckpointError;
use wrs_train::divergence::Divergence;
use wrs_train::freeze::FreezeError;
use wrs_train::metrics::MetricsError;
use wrs_train::recipe::{RecipeOrSetting, SettingError};
use wrs_train::run_dir::RunDirError;
use wrs_weights::WeightsError;

/// Why a segmentation job ended.
#[derive(Debug, thiserror::Error)]
pub enum SegmentationError {
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
    /// The loss, other than by values that are not finite.
    #[error(transparent)]
    Loss(#[from] CrossEntropyError),
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
    Score(#[from] ScoreError),
    /// A file of the evaluator's.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The mechanisms around the training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A weights file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A weights file of a network that is told by its names.
    #[error("{source}\n      it looks like {guess}")]
    OtherNetwork {
        /// What does not fit.
        source: WeightsError,
        /// What the file is likely of.
        guess: String,
    },
    /// The classes cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A file of results.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An evaluation of nothing.
    #[error("{}: mIOU is undefined: no pixel has a class\nhelp: are these the right masks?", .0)]
    NothingToScore(String),
    /// A submission whose files say something else than what was written into them.
    #[error(
        "{}: the files say something else than what was written into them\nhelp: this is a fault of the program, please report it",
        folder.display()
    )]
    Submission {
        /// Where the files are.
        folder: PathBuf,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
}

/// The parts of [`TrainError`] as they come.
macro_rules! through_train_error {
    ($($part:ty),*) => {$(
        impl From<$part> for SegmentationError {
            fn from(error: $part) -> Self {
                Self::Train(error.into())
            }
        }
    )*};
}

through_train_error!(OptimError, CheckpointError, FreezeError, MetricsError, RunDirError);
