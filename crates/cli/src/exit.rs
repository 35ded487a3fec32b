//! Errors to exit codes: 1 other, 2 usage or recipe, 3 data, 4 weights or checkpoint, 5 too little memory, 6 diverged, 7 a gate not met.

use wrs_counting::CountingError;
use wrs_detection::DetectionError;
use wrs_draw::FolderError;
use wrs_eval::EvalError;
use wrs_eval::compare::CompareError;
use wrs_segmentation::SegmentationError;
use wrs_train::TrainError;
use wrs_weights::WeightsError;

/// The exit code of faulty data.
pub const DATA: u8 = 3;

/// The exit code of files of weights that cannot be used.
const WEIGHTS: u8 = 4;

/// The exit code of too little memory.
const MEMORY: u8 = 5;

/// The exit code of numbers that are no longer finite.
const DIVERGED: u8 = 6;

/// What was typed makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// A measured value is on the wrong side of what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("gate not met: {metric} is {got}, expected {side} {bound}")]
pub struct Gate {
    /// The metric.
    pub metric: String,
    /// Its value.
    pub got: String,
    /// `at least` or `at most`.
    pub side: &'static str,
    /// What was asked for.
    pub bound: f64,
}

/// An error of what was typed.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// The whole chain of an error, without saying anything twice.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// The exit code of an error.
pub fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return 2;
    }
    if error.is::<Gate>() {
        return 7;
    }
    if error.is::<EvalError>() {
        return DATA;
    }
    if error.is::<CompareError>() {
        return 2;
    }
    if error.is::<WeightsError>() {
        return WEIGHTS;
    }
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return of_train(error);
    }
    if let Some(error) = error.downcast_ref::<CountingError>() {
        return of_counting(error);
    }
    match (error.downcast_ref::<DetectionError>(), error.downcast_ref::<SegmentationError>()) {
        (Some(error), _) => of_detection(error),
        (_, Some(error)) => of_segmentation(error),
        (None, None) => 1,
    }
}

fn of_segmentation(error: &SegmentationError) -> u8 {
    use SegmentationError as E;
    match error {
        E::Train(error) => of_train(error),
        E::Usage(_) => 2,
        E::Data(_) | E::Loader(_) | E::Score(_) | E::Eval(_) | E::NothingToScore(_) => DATA,
        E::OtherNetwork { .. } => WEIGHTS,
        E::Folder(error) => of_folder(error),
        E::Shape(_) | E::Loss(_) | E::Draw(_) | E::Submission { .. } => 1,
    }
}

fn of_counting(error: &CountingError) -> u8 {
    use CountingError as E;
    match error {
        E::Train(error) => of_train(error),
        E::Usage(_) => 2,
        E::Data(_) | E::Loader(_) | E::Score(_) | E::NoCell { .. } => DATA,
        E::Init(_) => WEIGHTS,
        E::TileMemory { .. } => MEMORY,
        E::Folder(error) => of_folder(error),
        E::Grid(_) => DIVERGED,
        E::Shape(_) | E::Draw(_) => 1,
    }
}

fn of_detection(error: &DetectionError) -> u8 {
    use DetectionError as E;
    match error {
        E::Train(error) => of_train(error),
        E::Darknet(_) | E::Anchors(_) | E::Usage(_) => 2,
        E::Data(_) | E::Loader(_) | E::Eval(_) => DATA,
        E::UnknownWeights { .. } => WEIGHTS,
        E::Folder(error) => of_folder(error),
        E::Loss(_) | E::Draw(_) => 1,
    }
}

fn of_folder(error: &FolderError) -> u8 {
    match error {
        FolderError::Collision { .. } | FolderError::Overwrites(_) => 2,
        FolderError::Write { .. } => 1,
    }
}

fn of_train(error: &TrainError) -> u8 {
    use TrainError as E;
    match error {
        E::Recipe(_) | E::Setting(_) | E::RunDir(_) | E::Arms(_) | E::Freeze(_) => 2,
        E::OtherData { .. } => DATA,
        E::Checkpoint(_) | E::State(_) | E::Weights(_) | E::Origin(_) | E::OtherInit { .. } => WEIGHTS,
        E::Diverged(_) => DIVERGED,
        E::OutOfBatches { .. } | E::Metrics(_) | E::Optim(_) | E::Nn(_) => 1,
    }
}
