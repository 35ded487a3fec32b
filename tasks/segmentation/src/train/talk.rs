//! What a training says: to people as it goes, to metrics.jsonl for later.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use wrs_datasets::SegmentationDataset;
use wrs_datasets::image::{ImageNote, NoteCounts};
use wrs_nn::Params;
use wrs_optim::Optimizer;
use wrs_train::progress::Progress;
use wrs_train::run_dir::RunDir;
use wrs_train::talk::say_training;

use crate::check::few_pictures;
use crate::evaluate::Evaluation;
use crate::loss::Loss;
use crate::recipe::Recipe;
use crate::sample::{Batch, Data};

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
        recipe.training.name,
        recipe.model,
        data.train.class_names.len(),
        recipe.training.batch,
        recipe.augment.crop,
        recipe.training.seed
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
    let few = few_pictures(recipe, data.train.images.len() as u64, params);
    for warning in few.into_iter().chain(recipe.model.strange_rates()) {
        progress.say(&format!("warning: {warning}"));
    }
    say_training(&recipe.training, optimizer, notes, run, progress);
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
    if result.tiled > 0 {
        progress.say(&format!("step {step}: {} of {} pictures in tiles", result.tiled, result.by_image.len()));
    }
    if result.not_finite > 0 {
        progress.say(&format!("step {step}: {} logits that are not finite", result.not_finite));
    }
}

/// What pictures were said to be when they were decoded: each kind is told once, at the first evaluation behind it, with how
/// many pictures it was so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Remarks {
    counts: NoteCounts,
    told: BTreeSet<ImageNote>,
}

impl Remarks {
    pub fn count(&mut self, batch: &Batch) {
        for (id, notes) in batch.ids.iter().zip(&batch.notes) {
            self.counts.add(id, notes);
        }
    }

    pub fn tell(&mut self, result: &Evaluation, progress: &mut Progress) {
        self.counts.merge(&result.notes);
        self.untold().iter().for_each(|line| progress.say(line));
    }

    fn untold(&mut self) -> Vec<String> {
        let Self { counts, told } = self;
        let fresh = counts.lines().filter(|(kind, _)| told.insert(*kind));
        fresh.map(|(_, line)| format!("note: {line} (of those seen so far)")).collect()
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
        self.warning().iter().for_each(|warning| progress.say(warning));
    }

    fn warning(&mut self) -> Option<String> {
        let Self { batches, void } = std::mem::take(self);
        let text = format!("warning: {void} of {batches} batches had no pixel with a class: is the crop too small?");
        (void > 0 && void * 100 >= batches).then_some(text)
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

#[cfg(test)]
mod tests {
    use wrs_nn::Dims;

    use super::*;

    fn batch(notes: &[(&str, &[ImageNote])]) -> Batch {
        let dims = Dims { n: notes.len(), h: 1, w: 1, c: 3 };
        let ids = notes.iter().map(|(id, _)| (*id).to_owned()).collect();
        let notes: Vec<_> = notes.iter().map(|(_, notes)| notes.to_vec()).collect();
        Batch { dims, pixels: vec![0.0; dims.len()], labels: vec![0; notes.len()], ids, notes }
    }

    /// Row 10 of the edge cases.
    #[test]
    fn batches_without_a_class_are_warned_of_from_one_in_a_hundred_on() {
        let terms = |pixels| Terms { total: 0.0, main: 0.0, auxiliary: None, pixels };
        let counted = |void: usize, of: usize| {
            let mut all_void = AllVoid::default();
            (0..of).for_each(|at| all_void.count(&terms(u64::from(at >= void))));
            let warning = all_void.warning();
            assert_eq!(all_void.warning(), None, "each evaluation begins anew");
            warning
        };
        assert_eq!([counted(0, 10), counted(1, 101)], [None, None]);
        assert!(counted(1, 100).unwrap().contains("1 of 100 batches had no pixel with a class"));
    }

    /// Row 15 of the edge cases: once per kind, with its number.
    #[test]
    fn each_kind_of_remark_is_told_once() {
        let mut remarks = Remarks::default();
        assert!(remarks.untold().is_empty());
        remarks.count(&batch(&[("a", &[ImageNote::Grey]), ("b", &[])]));
        remarks.count(&batch(&[("c", &[ImageNote::Grey]), ("a", &[ImageNote::Grey])]));
        let told = remarks.untold();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("note: 2 pictures are grey") && told[0].contains("first a"), "{told:?}");
        remarks.count(&batch(&[("d", &[ImageNote::Grey, ImageNote::Cmyk])]));
        let told = remarks.untold();
        assert!(told.len() == 1 && told[0].contains("1 pictures are CMYK"), "{told:?}");
    }
}
