//! Everything that can be known to be wrong before the first step, with file, record and mend.

use std::path::{Path, PathBuf};

use wrs_datasets::Findings;
use wrs_datasets::segmentation::{
    Pictures, SegmentationDataset, SegmentationOptions, Severity, Split, check as check_data, headers_first,
};
use wrs_nn::Params;
use wrs_train::plan::{Accumulation, Plan};
use wrs_weights::find::{Finder, Reach};

use crate::error::SegmentationError;
use crate::init::load_init;
use crate::model::DeepLabV3;
use crate::previews::Previews;
use crate::recipe::{DataSource, Recipe};
use crate::sample;

/// Pictures of a batch below which batch norms see too little to be trusted (Chen et al. 2017, table 1).
const FEW_PICTURES: u64 = 8;

/// Classes of made-up scenes beside the shapes.
const BACKGROUND: usize = 1;

/// How data is looked at.
#[derive(Clone, Debug)]
pub struct Look {
    /// How much of each picture is read; without it, they are decoded where they are few.
    pub pictures: Option<Pictures>,
    /// Threads that read them.
    pub workers: usize,
    /// Pictures that are drawn with their classes, if any are.
    pub previews: Option<Previews>,
}

/// Checks a data set by itself: the given splits of it.
///
/// # Errors
/// [`SegmentationError::Folder`] where previews cannot be written.
pub fn check_folder(
    root: &Path,
    options: &SegmentationOptions,
    splits: &[String],
    look: &Look,
) -> Result<Findings, SegmentationError> {
    let mut findings = Findings::default();
    let splits: Vec<_> = splits.iter().map(|name| Split::from(name.as_str())).collect();
    look_at(&mut findings, root, options, &splits, look)?;
    Ok(findings)
}

/// Checks a recipe, its data and the weights it starts from; `source` is the recipe's name.
///
/// # Errors
/// [`SegmentationError::Usage`] for a recipe that was not told where its data is, or whose data is not made yet where
/// previews are wanted; [`SegmentationError::Folder`] where previews cannot be written.
pub fn check_recipe(recipe: &Recipe, source: &str, look: &Look) -> Result<Findings, SegmentationError> {
    let mut findings = Findings::default();
    let source = PathBuf::from(source);
    let (train, classes, images) = match &recipe.data.source {
        DataSource::Scenes(_) if look.previews.is_some() => {
            let text = format!("--previews: recipe `{}` draws its data when a run begins", recipe.training.name);
            return Err(SegmentationError::Usage(format!("{text}\nhelp: wrs check RUN/scenes --previews DIR")));
        }
        DataSource::Scenes(scenes) => {
            findings.facts.push("data    made-up scenes, drawn when a run begins".to_owned());
            (None, scenes.classes + BACKGROUND, scenes.train as u64)
        }
        DataSource::Folder { .. } => {
            let (root, options) = sample::folder(recipe)?;
            let splits = [&recipe.data.train_split, &recipe.data.val_split].map(|name| Split::from(name.as_str()));
            let sets = look_at(&mut findings, root, &options, &splits, look)?;
            // Where a split could not be read, the faults say so.
            let Ok([mut train, mut val]) = <[SegmentationDataset; 2]>::try_from(sets) else { return Ok(findings) };
            for set in [&mut train, &mut val] {
                for found in [sample::keep_only(recipe, set), sample::require_masks(set)] {
                    if let Err(error) = found {
                        findings.error(&source, &error);
                    }
                }
            }
            let (classes, images) = (train.class_names.len(), train.images.len() as u64);
            (Some(train), classes, images)
        }
    };
    let (_, params) = DeepLabV3::new(&recipe.model, classes, recipe.training.seed);
    let params = check_network(recipe, &source, params, &mut findings);
    if let Some(problem) = few_pictures(recipe, images, &params) {
        let help = "take more, or freeze the backbone: a batch norm's statistics are noise below";
        findings.push(Severity::Warning, &source, &problem, help);
    }
    if let Some(problem) = recipe.model.strange_rates() {
        findings.push(Severity::Warning, &source, &problem, "leave `model.rates` away, unless you mean them");
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
    look: &Look,
) -> Result<Vec<SegmentationDataset>, SegmentationError> {
    let checked = |pictures| check_data(root, options, splits, pictures, look.workers);
    let (found, left_out) =
        headers_first(look.pictures, checked, |found| found.sets.iter().map(|set| set.images.len()).sum());
    findings.facts.extend(left_out);
    for set in &found.sets {
        findings.facts.push(format!("data    {}: {} images", set.name, set.images.len()));
        findings.facts.extend(set.notes.iter().map(|note| format!("        {note}")));
        let counts = found.counts.iter().find(|counts| counts.set == set.name);
        findings.facts.extend(counts.map(|counts| format!("        {counts}")));
        if let Some(previews) = &look.previews {
            findings.facts.push(previews.draw(set)?);
        }
    }
    findings.faults.extend(found.faults);
    Ok(found.sets)
}

fn check_network(recipe: &Recipe, source: &Path, mut params: Params, findings: &mut Findings) -> Params {
    findings.facts.push(format!("network {}: {} parameters", recipe.model, params.trainable().len()));
    match recipe.training.init.as_ref().map_or(Ok(None), |init| Finder::from_env(Reach::Glance).find(init)) {
        Ok(None) => {}
        Ok(Some(found)) => {
            findings.facts.push(found.line());
            match load_init(&found.path, &mut params) {
                Ok(notes) => findings.facts.extend(notes),
                Err(error) => findings.error(&found.path, &error),
            }
        }
        Err(error) if error.is_absent() => findings.warning(source, &error),
        Err(error) => findings.error(source, &error),
    }
    if let Err(error) = wrs_train::freeze::freeze(&mut params, &recipe.training.freeze) {
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
    let batch = recipe.training.batch;
    let per_epoch = Plan::new(trained, batch, batch, Accumulation::Constant).per_epoch();
    findings.facts.push(format!("epoch   {per_epoch} batches of {batch}"));
}

/// A warning about batches in which norms see too few pictures to be trusted, where any norm still learns; `images` is how
/// many there are to train on.
pub(crate) fn few_pictures(recipe: &Recipe, images: u64, params: &Params) -> Option<String> {
    let learns = params.filters().iter().any(|filter| !params.is_frozen(filter.mean));
    match recipe.training.batch.get().min(images) {
        1 if learns => Some(format!(
            "batch: norms see 1 picture at once, fewer than {FEW_PICTURES}; the pooling branch's, which sees a single value, \
             keeps to its running statistics"
        )),
        few if learns && few < FEW_PICTURES => {
            Some(format!("batch: norms see {few} pictures at once, fewer than {FEW_PICTURES}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 9 and 32 of the edge cases.
    #[test]
    fn few_pictures_are_warned_of_where_norms_learn() {
        let told = |batch: &str, images: u64, freeze: &[&str]| {
            let text = crate::recipe::RECIPES[0].1;
            let set = [("batch".to_owned(), batch.to_owned()), ("model.width".to_owned(), "0.0625".to_owned())];
            let recipe = wrs_train::recipe::load::<Recipe>("demo-segmentation", text, &set).unwrap().recipe;
            let (_, mut params) = DeepLabV3::new(&recipe.model, 3, 0);
            for part in freeze {
                assert!(params.freeze(part) > 0);
            }
            few_pictures(&recipe, images, &params)
        };
        assert_eq!(told("8", 100, &[]), None);
        assert!(told("7", 100, &[]).unwrap().contains("norms see 7 pictures at once, fewer than 8"));
        assert!(told("8", 5, &[]).unwrap().contains("norms see 5 pictures"), "there are no more");
        assert!(told("1", 100, &[]).unwrap().contains("1 picture at once"));
        assert!(told("8", 1, &[]).unwrap().contains("keeps to its running statistics"));
        assert_eq!(told("1", 100, &["backbone", "classifier"]), None, "frozen norms see no batch");
    }
}
