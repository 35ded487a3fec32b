//! What a training says: to people as it goes, to metrics.jsonl for later.

use std::time::Duration;

use serde_json::json;
use wrs_datasets::augment::InputSettings;
use wrs_datasets::counting::CountingDataset;
use wrs_nn::Params;
use wrs_optim::Optimizer;
use wrs_train::progress::Progress;
use wrs_train::run_dir::RunDir;
use wrs_train::talk::say_training;

use crate::evaluate::Evaluation;
use crate::loss::Loss;
use crate::recipe::Recipe;
use crate::sample::{Data, points_of};

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
    let training = &recipe.training;
    progress.say(&format!(
        "recipe  {}  {} {} parameters  {total} steps  batch {}{}  crop {}  seed {}",
        training.name,
        recipe.model,
        params.trainable().len(),
        recipe.nominal_batch,
        if training.batch == recipe.nominal_batch { String::new() } else { format!(" (norms see {})", training.batch) },
        recipe.augment.crop,
        training.seed
    ));
    progress.say(&format!("loss    {}", recipe.loss));
    progress.say(&format!("input   {}", input(recipe)));
    let images =
        |set: &CountingDataset| format!("{} ({} images, {} points)", set.name, set.images.len(), points_of(set));
    let test = data.test.as_ref().map_or("none".to_owned(), images);
    progress.say(&format!(
        "data    {}  training {}  validation {}  test {test}",
        data.root.display(),
        images(&data.train),
        images(&data.val),
    ));
    progress.say(&format!("        digest of the split {}", data.digest()));
    for note in data.notes() {
        progress.say(&format!("        {note}"));
    }
    say_training(training, optimizer, notes, run, progress);
}

/// How pictures become the network's input, in training and evaluation.
fn input(recipe: &Recipe) -> String {
    let size = recipe.resize.map_or("at their own size".to_owned(), |resize| resize.to_string());
    let InputSettings { mean, std } = recipe.input;
    format!("pictures {size}, RGB in 0 to 1 less {mean:?} by {std:?}")
}

/// One line about an evaluation.
pub(super) fn tell(result: &Evaluation, step: u64, progress: &mut Progress) {
    let m = &result.metrics;
    progress.say(&format!(
        "step {step}: MAE {:.2}  RMSE {:.2}  NAE {}  bias {:+.2}",
        m.mae,
        m.rmse,
        m.nae.map_or("n/a".to_owned(), |nae| format!("{nae:.3}")),
        m.bias
    ));
}

/// The loss of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// The step's: its crops' mean.
    loss: f64,
    /// Sum over its crops of how far the count is from the number of points.
    count_error: f64,
    crops: usize,
    people: usize,
}

impl Terms {
    pub fn add(&mut self, loss: &Loss, people: &[usize]) {
        self.loss += loss.total;
        let errors = loss.counts.iter().zip(people).map(|(count, people)| (count - *people as f64).abs());
        self.count_error += errors.sum::<f64>();
        self.crops += people.len();
        self.people += people.iter().sum::<usize>();
    }

    /// Mean absolute count error over the step's crops.
    fn mae(&self) -> f64 {
        self.count_error / self.crops.max(1) as f64
    }

    pub fn shown(&self) -> Vec<(&'static str, f64)> {
        vec![("loss", self.loss), ("mae", self.mae())]
    }

    pub fn record(&self, lr: f64, took: Duration, waited: Duration) -> serde_json::Value {
        json!({
            "loss": self.loss, "mae": self.mae(), "lr": lr, "images": self.crops, "people": self.people,
            "ms": took.as_secs_f64() * 1e3, "data-ms": waited.as_secs_f64() * 1e3,
        })
    }
}
