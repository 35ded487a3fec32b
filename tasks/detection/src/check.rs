//! Everything that can be known to be wrong before the first step, with file, record and mend.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wrs_datasets::detection::{Pictures, ReadOptions, Severity, Split, check as check_data, headers_first};
use wrs_datasets::{DetectionDataset, Findings};
use wrs_nn::Params;
use wrs_train::plan::{Accumulation, Plan};
use wrs_weights::find::{Finder, Reach};

use crate::anchors::{self, AnchorFit, anchor_fit, fit_anchors};
use crate::error::DetectionError;
use crate::init::load_init;
use crate::loss::LossSettings;
use crate::net::DetectionNet;
use crate::recipe::{DataSource, Recipe};
use crate::sample;

/// Pictures of a micro-batch below which batch norms see too little to be trusted.
const FEW_PICTURES: u64 = 4;

/// IoU above which an anchor is told to fit, for losses that train the best anchor however ill it fits.
const GOOD_OVERLAP: f64 = 0.5;

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What there is and what is wrong with it.
    #[serde(flatten)]
    pub findings: Findings,
    /// The recipe's anchors and those fitted to the training boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<Anchors>,
}

/// The recipe's anchors beside those that fit the data best.
#[derive(Clone, Debug, Serialize)]
pub struct Anchors {
    /// Pixels of the input's long side, in which both are given.
    pub input: usize,
    /// The recipe's.
    pub recipe: FittingSizes,
    /// Those of k-means.
    pub fitted: FittingSizes,
}

/// Anchors and how well they fit.
#[derive(Clone, Debug, Serialize)]
pub struct FittingSizes {
    /// Width and height in pixels of the input.
    pub sizes: Vec<[f32; 2]>,
    /// How well.
    #[serde(flatten)]
    pub fit: AnchorFit,
}

impl Report {
    /// Checks data; what is not said of its pictures follows from their number.
    fn look_at(
        &mut self,
        root: &Path,
        options: ReadOptions,
        splits: &[Split],
        pictures: Option<Pictures>,
        workers: usize,
    ) -> Vec<DetectionDataset> {
        let look = |pictures| check_data(root, options, splits, pictures, workers);
        let (checked, left_out) =
            headers_first(pictures, look, |checked| checked.sets.iter().map(|set| set.images.len()).sum());
        self.findings.facts.extend(left_out);
        for set in &checked.sets {
            let objects: usize = set.images.iter().map(|image| image.annotations.len()).sum();
            self.findings.facts.push(format!("data    {}: {} images, {objects} objects", set.name, set.images.len()));
            self.findings.facts.push(format!("        {}", objects_by_class(set)));
        }
        self.findings.faults.extend(checked.faults);
        checked.sets
    }
}

/// Checks a data set by itself: the given splits of it.  Without `pictures`, they are decoded where they are few.
pub fn check_folder(
    root: &Path,
    options: ReadOptions,
    splits: &[String],
    pictures: Option<Pictures>,
    workers: usize,
) -> Report {
    let mut report = Report::default();
    let splits: Vec<_> = splits.iter().map(|name| Split::from(name.as_str())).collect();
    report.look_at(root, options, &splits, pictures, workers);
    report
}

/// Checks a recipe, its data and the weights it starts from; `source` is the recipe's name.  Without `pictures`, they are
/// decoded where they are few.
///
/// # Errors
/// [`DetectionError::Usage`] for a recipe that was not told where its data is.
pub fn check_recipe(
    recipe: &Recipe,
    source: &str,
    pictures: Option<Pictures>,
    workers: usize,
) -> Result<Report, DetectionError> {
    let mut report = Report::default();
    let source = PathBuf::from(source);
    let (train, classes) = match &recipe.data.source {
        DataSource::Scenes(scenes) => {
            report.findings.facts.push("data    made-up scenes, drawn when a run begins".to_owned());
            (None, scenes.classes)
        }
        DataSource::Folder { .. } => {
            let (root, options) = sample::folder(recipe)?;
            let splits = [&recipe.data.train_split, &recipe.data.val_split].map(|name| Split::from(name.as_str()));
            let sets = report.look_at(root, options, &splits, pictures, workers);
            let Some(mut train) = sets.into_iter().next() else { return Ok(report) };
            if recipe.data.single_class {
                train.merge_classes(sample::SINGLE_CLASS);
            }
            let classes = train.categories.len();
            (Some(train), classes)
        }
    };
    match DetectionNet::new(&recipe.model, classes, recipe.training.seed) {
        Ok((net, params)) => check_network(recipe, &source, &net, params, &mut report),
        Err(error) => report.findings.error(&source, &error),
    }
    if let Some(train) = &train {
        report.anchors = fitted(recipe, train);
        check_course(recipe, &source, train, &mut report);
    }
    Ok(report)
}

fn check_network(recipe: &Recipe, source: &Path, net: &DetectionNet, mut params: Params, report: &mut Report) {
    let dealt = recipe.model.levels().map(|levels| anchors::Anchors::deal(&recipe.anchors, &levels));
    if let Ok(Err(error)) = dealt {
        report.findings.error(source, &error);
    }
    let size = recipe.augment.size.get();
    let stride = net.input().stride;
    if !size.is_multiple_of(stride) {
        let problem = format!("augment.size: expected a multiple of {stride}, got {size}");
        report.findings.push(Severity::Error, source, &problem, &format!("take {}", size.next_multiple_of(stride)));
    }
    report.findings.facts.push(format!("network {}: {} parameters", recipe.model.network, params.trainable().len()));
    match recipe.training.init.as_ref().map_or(Ok(None), |init| Finder::from_env(Reach::Glance).find(init)) {
        Ok(None) => {}
        Ok(Some(found)) => {
            report.findings.facts.push(found.line());
            match load_init(&found.path, net, &mut params) {
                Ok(notes) => report.findings.facts.extend(notes),
                Err(error) => report.findings.error(&found.path, &error),
            }
        }
        Err(error) if error.is_absent() => report.findings.warning(source, &error),
        Err(error) => report.findings.error(source, &error),
    }
    for part in &recipe.training.freeze {
        if params.freeze(part) == 0 {
            let problem = format!("freeze: no tensor's name begins with `{part}`");
            report.findings.push(
                Severity::Error,
                source,
                &problem,
                "names are like backbone.stages.0.down.conv.weight",
            );
        }
    }
}

fn check_course(recipe: &Recipe, source: &Path, train: &DetectionDataset, report: &mut Report) {
    let set = train.training_set(recipe.data.empty_images);
    report.findings.facts.push(format!("train   {}", set.counts));
    if set.images.is_empty() {
        report.findings.push(Severity::Error, source, "no image to train on", "look at the warnings about its boxes");
        return;
    }
    let (images, batch) = (set.images.len() as u64, recipe.training.batch);
    let per_epoch = Plan::new(images, batch, recipe.nominal_batch, Accumulation::Constant).per_epoch();
    report.findings.facts.push(format!("epoch   {per_epoch} batches of {batch}"));
    if batch.get() < FEW_PICTURES {
        let problem = format!("batch: norms see {batch} pictures at once");
        report.findings.push(
            Severity::Warning,
            source,
            &problem,
            "take 4 or more: a batch norm's statistics are noise below",
        );
    }
}

/// The recipe's anchors beside fitted ones; none where no box can be fitted to.
fn fitted(recipe: &Recipe, train: &DetectionDataset) -> Option<Anchors> {
    let input = recipe.augment.size.get();
    let sides = sides_in_input(train, recipe, input);
    let fitted = fit_anchors(&sides, recipe.anchors.len(), recipe.training.seed).ok()?;
    let threshold = match &recipe.loss {
        LossSettings::Giou(giou) => giou.iou_threshold,
        LossSettings::Darknet(_) | LossSettings::Mmdet(_) => GOOD_OVERLAP,
    };
    let of = |sizes: Vec<[f32; 2]>| FittingSizes { fit: anchor_fit(&sizes, &sides, threshold), sizes };
    Some(Anchors { input, recipe: of(recipe.anchors.clone()), fitted: of(fitted.sizes) })
}

/// Sides of the training boxes when each picture's long side is `input` pixels.
fn sides_in_input(train: &DetectionDataset, recipe: &Recipe, input: usize) -> Vec<[f64; 2]> {
    let set = train.training_set(recipe.data.empty_images);
    let of_image = |image: &wrs_datasets::detection::TrainingImage| {
        let gain = input as f64 / image.size.width.max(image.size.height) as f64;
        image.boxes.iter().map(|b| [gain * b.xyxy.width(), gain * b.xyxy.height()]).collect::<Vec<_>>()
    };
    set.images.iter().flat_map(of_image).collect()
}

fn objects_by_class(set: &DetectionDataset) -> String {
    let mut counts = vec![0usize; set.categories.len()];
    set.images.iter().flat_map(|image| &image.annotations).for_each(|a| counts[a.class as usize] += 1);
    let line = |(category, count): (&wrs_datasets::detection::Category, usize)| format!("{} {count}", category.name);
    set.categories.iter().zip(counts).map(line).collect::<Vec<_>>().join(", ")
}
