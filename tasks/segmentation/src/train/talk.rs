//! What a training says: to people as it goes, to metrics.jsonl for later.

use std::time::Duration;

use serde_json::json;
use wrs_datasets::SegmentationDataset;
use wrs_nn::Params;
use wrs_optim::Optimizer;
use wrs_train::progress::Progress;
use wrs_train::run_dir::RunDir;
use wrs_train::talk::{say_groups, say_run};

use crate::check::few_pictures;
use crate::evaluate::Evaluation;
use crate::loss::Loss;
use crate::recipe::Recipe;
use crate::sample::Data;

/// Says what is about to happen.
#[allow(clippy::too_many_arguments)] // everything that is introduced
pub(super) fn introduce(
    recipe: &Recipe,
    data: &Data,
    params: &Params,
    optimizer: &dyn Optimizer,
    run: &RunDir,
    total: u64,
    notes: &[String],
    progress: &mut Progress,
) {
    let scalars = params.trainable().len();
    progress.say(&format!(
        "recipe  {}  {} {scalars} parameters  {} classes  {total} steps  batch {}  crop {}  seed {}",
        recipe.name,
        recipe.model,
        data.train.class_names.len(),
        recipe.batch,
        recipe.augment.crop,
        recipe.seed
    ));
    let images = |set: &SegmentationDataset| format!("{} ({} images)", set.name, set.images.len());
    progress.say(&format!(
        "data    {}  training {}  validation {}",
        data.root.display(),
        images(&data.train),
        images(&data.val)
    ));
    for note in data.train.notes.iter().chain(&data.val.notes) {
        progress.say(&format!("        {note}"));
    }
    if let Some(warning) = few_pictures(recipe, params) {
        progress.say(&format!("warning: {warning}"));
    }
    say_groups(optimizer, progress);
    for note in notes {
        progress.say(note);
    }
    say_run(run, progress);
}

/// One line about an evaluation.
pub(super) fn tell(result: &Evaluation, step: u64, progress: &mut Progress) {
    let percent = |value: Option<f64>| value.map_or("n/a".to_owned(), |v| format!("{:.1}", 100.0 * v));
    let m = &result.metrics;
    progress.say(&format!(
        "step {step}: mIOU {} ({} classes)  pixel accuracy {}  mean accuracy {}",
        percent(m.miou),
        m.classes_used,
        percent(m.pixel_accuracy),
        percent(m.mean_accuracy)
    ));
    if result.not_finite > 0 {
        progress.say(&format!("step {step}: {} logits that are not finite", result.not_finite));
    }
}

/// Batches since the last evaluation in which no pixel had a class: nothing was learned from them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AllVoid {
    batches: u64,
    void: u64,
}

impl AllVoid {
    pub fn count(&mut self, terms: &Terms) {
        self.batches += 1;
        self.void += u64::from(terms.pixels == 0);
    }

    /// Says so from one batch in a hundred on, and begins anew.
    pub fn tell(&mut self, progress: &mut Progress) {
        let Self { batches, void } = std::mem::take(self);
        if void > 0 && void * 100 >= batches {
            progress.say(&format!(
                "warning: {void} of {batches} batches had no pixel with a class: is the crop too small?"
            ));
        }
    }
}

/// The loss of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    total: f64,
    main: f64,
    auxiliary: Option<f64>,
    pixels: u64,
}

impl Terms {
    pub fn of(loss: &Loss) -> Self {
        Self { total: loss.total, main: loss.main, auxiliary: loss.auxiliary, pixels: loss.pixels }
    }

    pub fn shown(&self) -> Vec<(&'static str, f64)> {
        let mut shown = vec![("loss", self.total)];
        if let Some(auxiliary) = self.auxiliary {
            shown.extend([("main", self.main), ("aux", auxiliary)]);
        }
        shown
    }

    pub fn record(&self, lr: f64, images: usize, took: Duration, waited: Duration) -> serde_json::Value {
        let mut record = json!({
            "loss": self.total, "lr": lr, "images": images, "pixels": self.pixels,
            "ms": took.as_secs_f64() * 1e3, "data-ms": waited.as_secs_f64() * 1e3,
        });
        if let Some(auxiliary) = self.auxiliary {
            record["main"] = self.main.into();
            record["auxiliary"] = auxiliary.into();
        }
        record
    }
}
