//! Everything that can end a detection job.

use std::path::PathBuf;

use wrs_datasets::DataError;
use wrs_datasets::loader::LoaderError;
use wrs_draw::{DrawError, FolderError};
use wrs_eval::EvalError;
use wrs_nn::NnError;
use wrs_optim::OptimError;
use wrs_train::TrainError;
use wrs_train::checkpoint::CheckpointError;
use wrs_train::divergence::Divergence;
use wrs_train::metrics::MetricsError;
use wrs_train::recipe::{RecipeOrSetting, SettingError};
use wrs_train::run_dir::RunDirError;
use wrs_weights::WeightsError;
use wrs_weights::darknet::CfgError;

use crate::anchors::AnchorError;
use crate::loss::LossError;

/// Why a detection job ended.
#[derive(Debug, thiserror::Error)]
pub enum DetectionError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeOrSetting),
    /// A value of the recipe.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The recipe's anchors.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A worker of the loader.
    #[error(transparent)]
    Loader(#[from] LoaderError<DataError>),
    /// The network.
    #[error(transparent)]
    Nn(#[from] NnError),
    /// The optimizer or its state.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// The loss, other than by values that are not finite.
    #[error(transparent)]
    Loss(LossError),
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
    Eval(#[from] EvalError),
    /// The run's directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What carries a training out.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// metrics.jsonl.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A weights file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A `.cfg` that is none, or no detector.
    #[error(transparent)]
    Darknet(#[from] CfgError),
    /// A weights file of no known kind.
    #[error(
        "{}: {bytes} bytes, neither safetensors nor PyTorch's, nor one of Darknet's published networks\n\
         help: name the network of other Darknet weights with --cfg",
        path.display()
    )]
    UnknownWeights {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The boxes cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A file of results.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A name that is no recipe of the program's.
    #[error("{0}")]
    Usage(String),
}
