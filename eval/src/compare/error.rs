//! Why two arms cannot be compared.

use std::fmt;

use crate::count_error::CountFault;
use crate::error::EvalError;
use crate::mean_iou::{ConfusionFault, NameList, SegmentationError};

/// Seeds, ascending; prints `none` when empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedList(pub Vec<u64>);

impl fmt::Display for SeedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (position, seed) in self.0.iter().enumerate() {
            write!(f, "{}{seed}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why two arms cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// An arm is empty.
    #[error("arm {arm}: expected at least one run, got none")]
    NoRuns {
        /// The arm's name.
        arm: String,
    },
    /// An arm has two runs of one seed: they would not be independent.
    #[error("arm {arm}: expected one run a seed, got several of seeds {seeds}\nhelp: name each run once")]
    RepeatedSeeds {
        /// The arm's name.
        arm: String,
        /// The seeds that repeat.
        seeds: SeedList,
    },
    /// The arms were not trained with the same seeds.
    #[error(
        "expected runs of the same seeds in both arms, got seeds only in {a}: {only_a}; only in {b}: {only_b}\nhelp: train the missing runs, or name the runs of the shared seeds alone: {shared}"
    )]
    UnpairedSeeds {
        /// The first arm's name.
        a: String,
        /// Its seeds without a partner.
        only_a: SeedList,
        /// The second arm's name.
        b: String,
        /// Its seeds without a partner.
        only_b: SeedList,
        /// The seeds of both.
        shared: SeedList,
    },
    /// A confidence that is no probability.
    #[error("expected a confidence between 0 and 1, got {confidence}\nhelp: 95 % is 0.95")]
    BadConfidence {
        /// The confidence as given.
        confidence: f64,
    },
    /// A least effect that nothing can exceed, or everything.
    #[error("expected a least effect of 0 or more, got {min_effect}")]
    BadMinEffect {
        /// The least effect as given.
        min_effect: f64,
    },
    /// Percentiles further out than the draws reach.
    #[error("expected at least {least} draws for a confidence of {confidence}, got {draws}")]
    TooFewDraws {
        /// The draws asked for.
        draws: usize,
        /// The least that leave one draw beyond either end.
        least: usize,
        /// The confidence asked for.
        confidence: f64,
    },
    /// A bootstrap over a single image has one outcome.
    #[error("expected at least 2 images to draw from, got {images}")]
    TooFewImages {
        /// Images of the ground truth.
        images: usize,
    },
    /// Nothing is labelled that counts.
    #[error(
        "expected labels in the ground truth, got none that count: the metric is undefined\nhelp: compare on a labelled split"
    )]
    Undefined,
    /// Too few labels for a bootstrap over images.
    #[error(
        "expected labels in at least {least} of {draws} draws of images, got {defined}\nhelp: compare on a split with more labelled images"
    )]
    MostlyUndefined {
        /// The draws.
        draws: usize,
        /// Those with a label.
        defined: usize,
        /// The least that leave one draw beyond either end.
        least: usize,
    },
    /// A name that is no metric.
    #[error("expected a metric among {}, got `{name}`", known.join(", "))]
    UnknownMetric {
        /// The name as given.
        name: String,
        /// The metrics there are.
        known: Vec<&'static str>,
    },
    /// A number of classes that labels of 8 bits cannot hold.
    #[error(transparent)]
    NumClasses(SegmentationError),
    /// The records of one run cannot be scored.
    #[error("arm {arm}, seed {seed}: {source}")]
    InRun {
        /// The arm's name.
        arm: String,
        /// The run's seed.
        seed: u64,
        /// What is wrong with them.
        source: RunFault,
    },
}

/// What is wrong with the records of one run.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// Detections that cannot be scored.
    #[error(transparent)]
    Detections(EvalError),
    /// Labels of a picture that cannot be, or are of another data set.
    #[error(transparent)]
    Confusion(ConfusionFault),
    /// Counts that cannot be, or are of another data set.
    #[error(transparent)]
    Counts(CountFault),
    /// What was found in other pictures.
    #[error("expected the images of the first run, got {}", differing(missing, more))]
    OtherImages {
        /// Pictures of the first run that this one lacks.
        missing: NameList,
        /// Pictures that the first run lacks.
        more: NameList,
    },
}

fn differing(missing: &NameList, more: &NameList) -> String {
    let part = |names: &NameList, what: &str| match names.0.len() {
        0 => None,
        count => Some(format!("{count} {what}: {names}")),
    };
    let parts: Vec<String> = [part(missing, "missing"), part(more, "more")].into_iter().flatten().collect();
    parts.join("; ")
}
