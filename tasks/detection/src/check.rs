//! Everything that can be known to be wrong before the first step, with file, record and mend.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wrs_datasets::DetectionDataset;
use wrs_datasets::detection::{Fault, Pictures, ReadOptions, Severity, Split, check as check_data};
use wrs_nn::Params;
use wrs_train::plan::{Accumulation, Plan};

use crate::anchors::{self, AnchorFit, anchor_fit, fit_anchors};
use crate::error::DetectionError;
use crate::init::load_init;
use crate::loss::LossSettings;
use crate::net::DetectionNet;
use crate::recipe::{DataSource, Recipe};
use crate::sample;

/// So many pictures are decoded without being asked for: more would take minutes.
const DECODED_UNASKED: usize = 2000;

/// Pictures of a micro-batch below which batch norms see too little to be trusted.
const FEW_PICTURES: u64 = 4;

/// IoU above which an anchor is told to fit, for losses that train the best anchor however ill it fits.
const GOOD_OVERLAP: f64 = 0.5;

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What there is, a line each.
    pub facts: Vec<String>,
    /// What is wrong with it, errors and warnings.
    pub faults: Vec<Fault>,
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
    /// Whether training or evaluation would refuse what was checked.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    fn error(&mut self, path: &Path, error: &DetectionError) {
        // The last line of an error is its mend.
        let text = error.to_string();
        let (problem, help) = text.split_once("\nhelp: ").unwrap_or((&text, "change the recipe"));
        self.push(Severity::Error, path, problem, help);
    }

    fn push(&mut self, severity: Severity, path: &Path, problem: &str, help: &str) {
        let (problem, help) = (problem.to_owned(), help.to_owned());
        self.faults.push(Fault { severity, path: path.to_owned(), record: None, problem, help });
    }

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
        let mut checked = look(Pictures::Headers);
        let count: usize = checked.sets.iter().map(|set| set.images.len()).sum();
        let whole = pictures.map_or(count <= DECODED_UNASKED, |pictures| pictures == Pictures::All);
        if whole {
            checked = look(Pictures::All);
        } else {
            self.facts.push(format!("looked at the headers of {count} pictures; to decode them too: --images all"));
        }
        for set in &checked.sets {
            let objects: usize = set.images.iter().map(|image| image.annotations.len()).sum();
            self.facts.push(format!("data    {}: {} images, {objects} objects", set.name, set.images.len()));
            self.facts.push(format!("        {}", objects_by_class(set)));
        }
        self.faults.extend(checked.faults);
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
    let splits: Vec<_> = splits.iter().map(|name| sample::split(name)).collect();
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
            report.facts.push("data    made-up scenes, drawn when a run begins".to_owned());
            (None, scenes.classes)
        }
        DataSource::Folder { .. } => {
            let (root, options) = sample::folder(recipe)?;
            let splits = [&recipe.data.train_split, &recipe.data.val_split].map(|name| sample::split(name));
            let sets = report.look_at(root, options, &splits, pictures, workers);
            let Some(mut train) = sets.into_iter().next() else { return Ok(report) };
            if recipe.data.single_class {
                train.merge_classes(sample::SINGLE_CLASS);
            }
            let classes = train.categories.len();
            (Some(train), classes)
        }
    };
    match DetectionNet::new(&recipe.model, classes, recipe.seed) {
        Ok((net, params)) => check_network(recipe, &source, &net, params, &mut report),
        Err(error) => report.error(&source, &error.into()),
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
        report.error(source, &error.into());
    }
    let size = recipe.augment.size.get();
    let stride = net.input().stride;
    if !size.is_multiple_of(stride) {
        let problem = format!("augment.size: expected a multiple of {stride}, got {size}");
        report.push(Severity::Error, source, &problem, &format!("take {}", size.next_multiple_of(stride)));
    }
    report.facts.push(format!("network {}: {} parameters", recipe.model.network, params.trainable().len()));
    if let Some(path) = &recipe.init {
        match load_init(path, net, &mut params) {
            Ok(notes) => report.facts.extend(notes),
            Err(error) => report.error(path, &error),
        }
    }
    for part in &recipe.freeze {
        if params.freeze(part) == 0 {
            let problem = format!("freeze: no tensor's name begins with `{part}`");
            report.push(Severity::Error, source, &problem, "names are like backbone.stages.0.down.conv.weight");
        }
    }
}

fn check_course(recipe: &Recipe, source: &Path, train: &DetectionDataset, report: &mut Report) {
    let set = train.training_set(recipe.data.empty_images);
    report.facts.push(format!("train   {}", set.counts));
    if set.images.is_empty() {
        report.push(Severity::Error, source, "no image to train on", "look at the warnings about its boxes");
        return;
    }
    let per_epoch =
        Plan::new(sample::images_of(&set), recipe.batch, recipe.nominal_batch, Accumulation::Constant).per_epoch();
    report.facts.push(format!("epoch   {per_epoch} batches of {}", recipe.batch));
    if recipe.batch.get() < FEW_PICTURES {
        let problem = format!("batch: norms see {} pictures at once", recipe.batch);
        report.push(Severity::Warning, source, &problem, "take 4 or more: a batch norm's statistics are noise below");
    }
}

/// The recipe's anchors beside fitted ones; none where no box can be fitted to.
fn fitted(recipe: &Recipe, train: &DetectionDataset) -> Option<Anchors> {
    let input = recipe.augment.size.get();
    let sides = sides_in_input(train, recipe, input);
    let fitted = fit_anchors(&sides, recipe.anchors.len(), recipe.seed).ok()?;
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
