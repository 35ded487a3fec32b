//! Everything that can end a detection job.

use std::path::PathBuf;

use wrs_datasets::DataError;
use wrs_datasets::loader::LoaderError;
use wrs_draw::{DrawError, FolderError};
use wrs_eval::EvalError;
use wrs_train::{TrainError, through_train_error};
use wrs_weights::darknet::CfgError;

use crate::anchors::AnchorError;
use crate::loss::LossError;

/// Why a detection job ended.
#[derive(Debug, thiserror::Error)]
pub enum DetectionError {
    /// What any training can end in.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The recipe's anchors.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A worker of the loader.
    #[error(transparent)]
    Loader(#[from] LoaderError<DataError>),
    /// The loss, other than by values that are not finite.
    #[error(transparent)]
    Loss(LossError),
    /// The evaluator.
    #[error(transparent)]
    Eval(#[from] EvalError),
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

through_train_error!(DetectionError);
