//! Everything that can end a segmentation job.

use std::path::PathBuf;

use wrs_datasets::DataError;
use wrs_datasets::loader::LoaderError;
use wrs_draw::{DrawError, FolderError};
use wrs_eval::{EvalError, SegmentationError as ScoreError};
use wrs_ops::ShapeError;
use wrs_ops::softmax_cross_entropy::CrossEntropyError;
use wrs_train::{TrainError, through_train_error};
use wrs_weights::WeightsError;

/// Why a segmentation job ended.
#[derive(Debug, thiserror::Error)]
pub enum SegmentationError {
    /// What any training can end in.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A worker of the loader.
    #[error(transparent)]
    Loader(#[from] LoaderError<DataError>),
    /// A kernel that was given the wrong size.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The loss, other than by values that are not finite.
    #[error(transparent)]
    Loss(#[from] CrossEntropyError),
    /// The evaluator.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A file of the evaluator's.
    #[error(transparent)]
    Eval(#[from] EvalError),
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

through_train_error!(SegmentationError);
