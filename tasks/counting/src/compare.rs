//! Runs of two arms side by side: what each counted in the same pictures.

use std::path::PathBuf;

use wrs_eval::{Buckets, ImageCount, read_image_counts};
use wrs_train::arms::{self, ArmOfRuns, Judged};
use wrs_train::recipe;
use wrs_train::run_dir::RunFiles;

use crate::error::CountingError;
use crate::evaluate::evaluate;
use crate::recipe::Recipe;
use crate::sample;
use crate::saved::SavedNet;

/// Two arms, ready to be compared.
#[derive(Clone, Debug)]
pub struct Arms {
    /// Name and size of what both were judged by, for people.
    pub judged_on: String,
    /// The first arm.
    pub a: ArmOfRuns<Vec<ImageCount>>,
    /// The second arm.
    pub b: ArmOfRuns<Vec<ImageCount>>,
}

/// Reads the runs of two arms, and what each counted.
///
/// # Errors
/// [`CountingError::Train`] when a run is not finished, or data, program or recipe differ beyond the regulariser; what
/// reading the runs and their data can end in.
pub fn arms(a: &[PathBuf], b: &[PathBuf], judged: Judged<'_>) -> Result<Arms, CountingError> {
    let [a, b] = arms::read(a, b)?;
    let files = &a.runs[0].files;
    let recipe = recipe::of_run::<Recipe>(files)?.recipe;
    let split = match judged {
        Judged::Validation => sample::VALIDATION,
        Judged::Split { name, .. } => name,
    };
    let data = sample::open_split(&recipe, files.root(), split)?;
    let find = |files: &RunFiles| match judged {
        Judged::Validation => Ok(read_image_counts(&files.counts())?),
        Judged::Split { workers, algorithms, .. } => {
            let saved = SavedNet::load(&files.best())?;
            let settings = &saved.description.evaluation;
            Ok::<_, CountingError>(
                evaluate(saved.counter(algorithms), &data, settings, &Buckets::None, workers)?.by_image,
            )
        }
    };
    let judged_on = format!("{} ({} images)", data.name, data.images.len());
    Ok(Arms { a: a.found(find)?, b: b.found(find)?, judged_on })
}
