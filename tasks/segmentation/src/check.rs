//! Everything that can be known to be wrong before the first step, with file, record and mend.

use std::path::{Path, PathBuf};

use wrs_datasets::Findings;
use wrs_datasets::segmentation::{
    Pictures, SegmentationDataset, SegmentationOptions, Severity, Split, check as check_data,
};
use wrs_nn::Params;
use wrs_train::plan::{Accumulation, Plan};

use crate::error::SegmentationError;
use crate::init::load_init;
use crate::model::DeepLabV3;
use crate::recipe::{DataSource, Recipe};
use crate::sample;

/// Pictures of a batch below which batch norms see too little to be trusted (Chen et al. 2017, table 1).
const FEW_PICTURES: u64 = 8;

/// Classes of made-up scenes beside the shapes.
const BACKGROUND: usize = 1;

/// Checks a data set by itself: the given splits of it.  Without `pictures`, they are decoded where they are few.
pub fn check_folder(
    root: &Path,
    options: &SegmentationOptions,
    splits: &[String],
    pictures: Option<Pictures>,
    workers: usize,
) -> Findings {
    let mut findings = Findings::default();
    let splits: Vec<_> = splits.iter().map(|name| Split::from(name.as_str())).collect();
    look_at(&mut findings, root, options, &splits, pictures, workers);
    findings
}

/// Checks a recipe, its data and the weights it starts from; `source` is the recipe's name.  Without `pictures`, they are
/// decoded where they are few.
///
/// # Errors
/// [`SegmentationError::Usage`] for a recipe that was not told where its data is.
pub fn check_recipe(
    recipe: &Recipe,
    source: &str,
    pictures: Option<Pictures>,
    workers: usize,
) -> Result<Findings, SegmentationError> {
    let mut findings = Findings::default();
    let source = PathBuf::from(source);
    let (train, classes) = match &recipe.data.source {
        DataSource::Scenes(scenes) => {
            findings.facts.push("data    made-up scenes, drawn when a run begins".to_owned());
            (None, scenes.classes + BACKGROUND)
        }
        DataSource::Folder { .. } => {
            let (root, options) = sample::folder(recipe)?;
            let splits = [&recipe.data.train_split, &recipe.data.val_split].map(|name| Split::from(name.as_str()));
            let sets = look_at(&mut findings, root, &options, &splits, pictures, workers);
            // Where a split could not be read, the faults say so.
            let Ok([mut train, mut val]) = <[SegmentationDataset; 2]>::try_from(sets) else { return Ok(findings) };
            for set in [&mut train, &mut val] {
                for found in [sample::keep_only(recipe, set), sample::require_masks(set)] {
                    if let Err(error) = found {
                        findings.error(&source, &error);
                    }
                }
            }
            let classes = train.class_names.len();
            (Some(train), classes)
        }
    };
    let (_, params) = DeepLabV3::new(&recipe.model, classes, recipe.seed);
    let params = check_network(recipe, &source, params, &mut findings);
    if let Some(problem) = few_pictures(recipe, &params) {
        let help = "take more, or freeze the backbone: a batch norm's statistics are noise below";
        findings.push(Severity::Warning, &source, &problem, help);
    }
    if let Some(train) = &train {
        check_course(recipe, &source, train, &mut findings);
    }
    Ok(findings)
}

/// Checks data; what is not said of its pictures follows from their number.
fn look_at(
    findings: &mut Findings,
    root: &Path,
    options: &SegmentationOptions,
    splits: &[Split],
    pictures: Option<Pictures>,
    workers: usize,
) -> Vec<SegmentationDataset> {
    let look = |pictures| check_data(root, options, splits, pictures, workers);
    let mut checked = look(Pictures::Headers);
    let count: usize = checked.sets.iter().map(|set| set.images.len()).sum();
    let (pictures, left_out) = Pictures::or_by_count(pictures, count);
    if pictures == Pictures::All {
        checked = look(pictures);
    }
    findings.facts.extend(left_out);
    for set in &checked.sets {
        findings.facts.push(format!("data    {}: {} images", set.name, set.images.len()));
        findings.facts.extend(set.notes.iter().map(|note| format!("        {note}")));
        let counts = checked.counts.iter().find(|counts| counts.set == set.name);
        findings.facts.extend(counts.map(|counts| format!("        {counts}")));
    }
    findings.faults.extend(checked.faults);
    checked.sets
}

fn check_network(recipe: &Recipe, source: &Path, mut params: Params, findings: &mut Findings) -> Params {
    findings.facts.push(format!("network {}: {} parameters", recipe.model, params.trainable().len()));
    if let Some(path) = &recipe.init {
        match load_init(path, &mut params) {
            Ok(notes) => findings.facts.extend(notes),
            Err(error) => findings.error(path, &error),
        }
    }
    if let Err(error) = wrs_train::freeze::freeze(&mut params, &recipe.freeze) {
        findings.error(source, &error);
    }
    params
}

fn check_course(recipe: &Recipe, source: &Path, train: &SegmentationDataset, findings: &mut Findings) {
    if train.images.is_empty() {
        findings.push(Severity::Error, source, "no image to train on", "name another split: --set data.train-split=…");
        return;
    }
    let trained = sample::trained(recipe, train);
    let per_epoch = Plan::new(trained, recipe.batch, recipe.batch, Accumulation::Constant).per_epoch();
    findings.facts.push(format!("epoch   {per_epoch} batches of {}", recipe.batch));
}

/// A warning about batches in which norms see too few pictures to be trusted, where any norm still learns.
pub(crate) fn few_pictures(recipe: &Recipe, params: &Params) -> Option<String> {
    let learns = params.filters().iter().any(|filter| !params.is_frozen(filter.mean));
    let few = learns && recipe.batch.get() < FEW_PICTURES;
    few.then(|| format!("batch: norms see {} pictures at once, fewer than {FEW_PICTURES}", recipe.batch))
}
