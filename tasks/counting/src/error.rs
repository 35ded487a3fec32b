//! Everything that can end a counting job.

use wrs_datasets::loader::LoaderError;
use wrs_datasets::{DataError, ImageSize};
use wrs_draw::{DrawError, FolderError};
use wrs_eval::{CountError, GridError};
use wrs_ops::ShapeError;
use wrs_train::{TrainError, through_train_error};

use crate::init::InitError;
use crate::net::STRIDE;

/// Why a counting job ended.
#[derive(Debug, thiserror::Error)]
pub enum CountingError {
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
    /// The evaluator.
    #[error(transparent)]
    Score(#[from] CountError),
    /// A density that is not finite: the network is broken.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The density cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
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

through_train_error!(CountingError);
