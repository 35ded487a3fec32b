//! Runs of two arms side by side: what each made of the pixels of the same pictures.

use std::path::PathBuf;

use wrs_eval::{ImageConfusion, read_confusions};
use wrs_train::arms::{self, ArmOfRuns, Judged};
use wrs_train::recipe;
use wrs_train::run_dir::RunFiles;

use crate::error::SegmentationError;
use crate::evaluate::evaluate;
use crate::recipe::Recipe;
use crate::sample;
use crate::saved::SavedNet;

/// Two arms, ready to be compared.
#[derive(Clone, Debug)]
pub struct Arms {
    /// Classes of the data.
    pub num_classes: usize,
    /// Name and size of what both were judged by, for people.
    pub judged_on: String,
    /// The first arm.
    pub a: ArmOfRuns<Vec<ImageConfusion>>,
    /// The second arm.
    pub b: ArmOfRuns<Vec<ImageConfusion>>,
}

/// Reads the runs of two arms, and how each labelled the pixels.
///
/// # Errors
/// [`SegmentationError::Train`] when a run is not finished, or data, program or recipe differ beyond the regulariser; what
/// reading the runs and their data can end in.
pub fn arms(a: &[PathBuf], b: &[PathBuf], judged: Judged<'_>) -> Result<Arms, SegmentationError> {
    let [a, b] = arms::read(a, b)?;
    let files = &a.runs[0].files;
    let recipe = recipe::of_run::<Recipe>(files)?.recipe;
    let split = match judged {
        Judged::Validation => &recipe.data.val_split,
        Judged::Split { name, .. } => name,
    };
    let data = sample::open_split(&recipe, files.root(), split)?;
    let find = |files: &RunFiles| match judged {
        Judged::Validation => Ok(read_confusions(&files.confusions())?),
        Judged::Split { workers, algorithms, .. } => {
            let saved = SavedNet::load(&files.best())?;
            let settings = &saved.description.evaluation;
            let result = evaluate(saved.segmenter(algorithms), &data, settings, workers, &mut |_, _| Ok(()))?;
            Ok::<_, SegmentationError>(result.by_image)
        }
    };
    let judged_on = format!("{} ({} images)", data.name, data.images.len());
    Ok(Arms { a: a.found(find)?, b: b.found(find)?, num_classes: data.class_names.len(), judged_on })
}
