//! Runs of two arms side by side: what each found in the same pictures.

use std::path::PathBuf;

use wrs_eval::{Detection, GroundTruth, read_detections};
use wrs_train::arms::{self, ArmOfRuns, Judged};
use wrs_train::recipe;
use wrs_train::run_dir::RunFiles;

use crate::error::DetectionError;
use crate::evaluate::{Detector, evaluate, ground_truth};
use crate::recipe::Recipe;
use crate::sample;
use crate::saved::SavedNet;

/// Two arms, ready to be compared.
#[derive(Clone, Debug)]
pub struct Arms {
    /// What both were judged by.
    pub truth: GroundTruth,
    /// Its name and size, for people.
    pub judged_on: String,
    /// The first arm.
    pub a: ArmOfRuns<Vec<Detection>>,
    /// The second arm.
    pub b: ArmOfRuns<Vec<Detection>>,
}

/// Reads the runs of two arms, and what each found.
///
/// # Errors
/// [`DetectionError::Train`] when a run is not finished, or data, program or recipe differ beyond the regulariser; what
/// reading the runs and their data can end in.
pub fn arms(a: &[PathBuf], b: &[PathBuf], judged: Judged<'_>) -> Result<Arms, DetectionError> {
    let [a, b] = arms::read(a, b)?;
    let files = &a.runs[0].files;
    let mut recipe = recipe::of_run::<Recipe>(files)?.recipe;
    if let Judged::Split { name, .. } = judged {
        name.clone_into(&mut recipe.data.val_split);
    }
    let data = sample::open(&recipe, files.root())?.val;
    let find = |files: &RunFiles| match judged {
        Judged::Validation => Ok(read_detections(&files.detections())?),
        Judged::Split { workers, algorithms, .. } => {
            let saved = SavedNet::load(&files.best())?;
            let detector = Detector { net: &saved.net, params: &saved.params, anchors: &saved.anchors, algorithms };
            Ok::<_, DetectionError>(evaluate(detector, &data, &saved.description.evaluation, workers)?.detections)
        }
    };
    let judged_on = format!("{} ({} images)", data.name, data.images.len());
    Ok(Arms { a: a.found(find)?, b: b.found(find)?, truth: ground_truth(&data), judged_on })
}
