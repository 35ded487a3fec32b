//! What a training says: to people as it goes, to metrics.jsonl for later.

use std::time::Duration;

use serde_json::json;
use wrs_nn::Params;
use wrs_optim::Optimizer;
use wrs_train::progress::Progress;
use wrs_train::run_dir::RunDir;
use wrs_train::talk::say_training;

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
        "recipe  {}  {} {scalars} parameters  {} classes  {total} steps  batch {} (nominal {})  seed {}",
        recipe.training.name,
        recipe.model.network,
        data.class_names.len(),
        recipe.training.batch,
        recipe.nominal_batch,
        recipe.training.seed
    ));
    progress.say(&format!(
        "data    {}  validation {} ({} images)",
        data.root.display(),
        data.val.name,
        data.val.images.len()
    ));
    for note in &data.notes {
        progress.say(&format!("        {note}"));
    }
    say_training(&recipe.training, optimizer, notes, run, progress);
}

/// One line about an evaluation.
pub(super) fn tell(result: &Evaluation, step: u64, progress: &mut Progress) {
    let percent = |value: Option<f64>| value.map_or("n/a".to_owned(), |v| format!("{:.1}", 100.0 * v));
    let m = &result.metrics;
    progress.say(&format!(
        "step {step}: AP {}  AP50 {}  AP75 {}  (paper's mAP@0.5 {})",
        percent(m.ap),
        percent(m.ap50),
        percent(m.ap75),
        percent(m.paper.map50)
    ));
    if result.not_finite > 0 {
        progress.say(&format!("step {step}: {} candidates with numbers that are not finite", result.not_finite));
    }
}

/// The loss of a step, summed over its micro-batches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub images: usize,
    pub size: usize,
    micro_batches: usize,
    total: f64,
    box_term: f64,
    objectness: f64,
    class: f64,
    pairs: usize,
    unmatched: usize,
    /// Of the whole gradient before it was clipped; none where the recipe does not clip.
    pub gradient_norm: Option<f64>,
}

impl Terms {
    pub fn add(&mut self, loss: &Loss) {
        self.micro_batches += 1;
        self.total += loss.total;
        self.box_term += loss.box_term;
        self.objectness += loss.objectness;
        self.class += loss.class;
        self.pairs += loss.pairs.iter().sum::<usize>();
        self.unmatched += loss.unmatched;
    }

    /// Means over the micro-batches.
    pub fn shown(&self) -> [(&'static str, f64); 4] {
        let n = self.micro_batches.max(1) as f64;
        [("loss", self.total / n), ("box", self.box_term / n), ("obj", self.objectness / n), ("cls", self.class / n)]
    }

    pub fn record(&self, lr: f64, momentum: f64, took: Duration, waited: Duration) -> serde_json::Value {
        let [loss, box_term, objectness, class] = self.shown().map(|(_, value)| value);
        let mut record = json!({
            "loss": loss, "box": box_term, "objectness": objectness, "class": class, "lr": lr, "momentum": momentum,
            "images": self.images, "size": self.size, "pairs": self.pairs, "unmatched": self.unmatched,
            "ms": took.as_secs_f64() * 1e3, "data-ms": waited.as_secs_f64() * 1e3,
        });
        if let Some(norm) = self.gradient_norm {
            record["gradient-norm"] = norm.into();
        }
        record
    }
}
