//! Everything that can be known to be wrong before the first step, with file, record and mend.

use std::path::{Path, PathBuf};

use wrs_datasets::counting::{
    CountingDataset, CountingOptions, CountingRecord, Pictures, Split, check as check_data, headers_first,
};
use wrs_datasets::{Findings, ImageRgb8, ImageSize};
use wrs_nn::Params;
use wrs_ops::conv::Algorithms;
use wrs_train::plan::{Accumulation, Plan};
use wrs_weights::find::{Finder, Reach};

use crate::calibrate::images_to_calibrate;
use crate::error::CountingError;
use crate::init::load_init;
use crate::model::CsrNet;
use crate::recipe::{DataSource, Recipe};
use crate::sample;
use crate::saved::SavedNet;

/// Side of the blank pictures that tell a network's calibration.
const BLANK: usize = 512;

/// Checks a data set by itself: the given splits of it, or all that are there.  Without `pictures`, they are decoded where they are few.
pub fn check_folder(
    root: &Path,
    options: &CountingOptions,
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
/// [`CountingError::Usage`] for a recipe that was not told where its data is.
pub fn check_recipe(
    recipe: &Recipe,
    source: &str,
    pictures: Option<Pictures>,
    workers: usize,
) -> Result<Findings, CountingError> {
    let mut findings = Findings::default();
    let source = PathBuf::from(source);
    let mut train = None;
    if let DataSource::Folder { .. } = &recipe.data.source {
        let (root, options) = sample::folder(recipe)?;
        let splits: Vec<_> = sample::layout_splits(recipe).into_iter().map(Split::from).collect();
        look_at(&mut findings, root, &options, &splits, pictures, workers);
        // Where a split could not be read, the faults say so already.
        if !findings.has_errors() {
            match sample::open(recipe, root) {
                Ok(data) => {
                    findings.facts.extend(data.lines());
                    train = Some(data.train);
                }
                Err(error) => findings.error(&source, &error),
            }
        }
    } else {
        findings.facts.push("data    made-up crowds, drawn when a run begins".to_owned());
    }
    let (_, params) = CsrNet::new(&recipe.model, recipe.training.seed);
    check_network(recipe, &source, params, &mut findings);
    if let Some(train) = &train {
        let batch = recipe.training.batch;
        let per_epoch = Plan::new(train.images.len() as u64, batch, batch, Accumulation::Constant).per_epoch();
        findings.facts.push(format!("epoch   {per_epoch} batches of {batch}"));
    }
    Ok(findings)
}

/// Checks data; what is not said of its pictures follows from their number.
fn look_at(
    findings: &mut Findings,
    root: &Path,
    options: &CountingOptions,
    splits: &[Split],
    pictures: Option<Pictures>,
    workers: usize,
) -> Vec<CountingDataset> {
    let look = |pictures| check_data(root, options, splits, pictures, workers);
    let (checked, left_out) =
        headers_first(pictures, look, |checked| checked.sets.iter().map(|set| set.images.len()).sum());
    findings.facts.extend(left_out);
    for (set, counts) in checked.sets.iter().zip(&checked.counts) {
        findings.facts.push(format!("data    {}: {} images", set.name, set.images.len()));
        findings.facts.extend(set.notes.iter().map(|note| format!("        {note}")));
        findings.facts.push(format!("        {counts}"));
        findings.facts.extend(set.images.first().and_then(first_points));
    }
    findings.faults.extend(checked.faults);
    checked.sets
}

/// The first points of a picture: whether they were read as meant is seen at a glance (row 11 of the edge cases).
fn first_points(record: &CountingRecord) -> Option<String> {
    let points = record.points.as_ref()?;
    let shown: Vec<String> = points.iter().take(3).map(|point| format!("({}, {})", point.x, point.y)).collect();
    let more = if points.len() > shown.len() { ", …" } else { "" };
    Some(format!("        {} has {} points: {}{more}", record.id, points.len(), shown.join(", ")))
}

/// What the network counts where there is nobody: pictures of one grey level each, a line (row 31 of the edge cases).
///
/// # Errors
/// [`CountingError`] of a broken network.
pub fn blank_counts(saved: &SavedNet, algorithms: Algorithms) -> Result<String, CountingError> {
    let counter = saved.counter(algorithms);
    let count = |(name, level): (&str, u8)| {
        let seen = counter.seen(ImageRgb8::filled(ImageSize::square(BLANK), [level; 3]), &[])?;
        Ok(format!("{name} {:.2}", counter.count(&seen.image, &saved.description.evaluation)?.count))
    };
    let counts: Result<Vec<String>, CountingError> =
        [("black", 0), ("grey", 128), ("white", 255)].map(count).into_iter().collect();
    Ok(format!("blank pictures of {BLANK} px count {}", counts?.join(", ")))
}

fn check_network(recipe: &Recipe, source: &Path, mut params: Params, findings: &mut Findings) {
    findings.facts.push(format!("network {}: {} parameters", recipe.model, params.trainable().len()));
    findings.facts.push(format!("loss    {}", recipe.loss));
    match recipe.training.init.as_ref().map_or(Ok(None), |init| Finder::from_env(Reach::Glance).find(init)) {
        Ok(None) => {}
        Ok(Some(found)) => {
            findings.facts.push(found.line());
            match load_init(&found.path, &recipe.model, &mut params) {
                Ok(start) => {
                    findings.facts.extend(start.lines);
                    if let (Some(_), Err(error)) = (start.uncalibrated, images_to_calibrate(recipe)) {
                        findings.error(source, &error);
                    }
                }
                Err(error) => findings.error(&found.path, &error),
            }
        }
        Err(error) if error.is_absent() => findings.warning(source, &error),
        Err(error) => findings.error(source, &error),
    }
    if let Err(error) = wrs_train::freeze::freeze(&mut params, &recipe.training.freeze) {
        findings.error(source, &error);
    }
}
