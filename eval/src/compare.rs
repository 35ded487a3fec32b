//! Two arms of an experiment, each trained with the same seeds, side by side: which is better, and by how much.
//!
//! Runs pair by seed: what a seed decides (initial weights, order, augmentation) is the same in both arms and falls out
//! of the difference.  Three intervals of the difference answer three questions: Student's t over the seeds (would other
//! seeds say the same?), a bootstrap over the images (would other images?), and a bootstrap over both at once.
//! The verdict rests on the widest reach of those that know about seeds.
//!
//! The bootstraps are Efron's (1979), with percentile intervals.  With few seeds the percentiles of a bootstrap over
//! them are too narrow, and the t interval assumes normal differences: together they are the more careful answer.

mod bootstrap;
mod error;
mod matches;
mod paired;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use bootstrap::ImageBootstrap;
pub use error::{CompareError, SeedList};
pub use paired::TInterval;
pub use verdict::{Outcome, Verdict};

use bootstrap::Pair;
use matches::Matches;

use crate::records::{Detection, GroundTruth};

/// The number that two arms are compared by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApMetric {
    /// COCO's average precision, mean over IoU 0.50 to 0.95.
    #[default]
    Ap,
    /// COCO's average precision at IoU 0.50.
    Ap50,
    /// COCO's average precision at IoU 0.75.
    Ap75,
}

impl ApMetric {
    /// Every metric.
    pub const ALL: [Self; 3] = [Self::Ap, Self::Ap50, Self::Ap75];

    /// Its key in the JSON document of an evaluation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ap => "ap",
            Self::Ap50 => "ap50",
            Self::Ap75 => "ap75",
        }
    }
}

impl fmt::Display for ApMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ApMetric {
    type Err = CompareError;

    fn from_str(name: &str) -> Result<Self, CompareError> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| CompareError::UnknownMetric { name: name.to_owned() })
    }
}

/// One run: what a network trained with one seed detects.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The seed it was trained with.
    pub seed: u64,
    /// Its detections on the images of the ground truth.
    pub detections: &'a [Detection],
}

/// One arm: runs that differ by their seed alone.
#[derive(Debug, Clone)]
pub struct Arm<'a> {
    /// What the verdict calls it.
    pub name: String,
    /// Its runs, in any order.
    pub runs: Vec<Run<'a>>,
}

/// How two arms are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CompareOptions {
    /// The number compared.
    pub metric: ApMetric,
    /// The share of repetitions whose interval would hold the truth, between 0 and 1.
    pub confidence: f64,
    /// Draws of the bootstraps.
    pub draws: usize,
    /// The seed of these draws; it has nothing to do with the runs' seeds.
    pub seed: u64,
    /// A difference must exceed this fraction (0.003 is 0.3 points) to be called better.
    pub min_effect: f64,
}

impl Default for CompareOptions {
    /// AP, 95 % confidence, 10 000 draws, any difference counts.
    fn default() -> Self {
        Self { metric: ApMetric::Ap, confidence: 0.95, draws: 10_000, seed: 0, min_effect: 0.0 }
    }
}

impl CompareOptions {
    fn validate(&self) -> Result<(), CompareError> {
        let &Self { confidence, draws, min_effect, .. } = self;
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(CompareError::BadConfidence { confidence });
        }
        if !(min_effect.is_finite() && min_effect >= 0.0) {
            return Err(CompareError::BadMinEffect { min_effect });
        }
        let least = bootstrap::least_draws(confidence);
        if draws < least {
            return Err(CompareError::TooFewDraws { draws, least, confidence });
        }
        Ok(())
    }
}

/// The ends of an interval of the difference B - A, as fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// One arm's numbers, as fractions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// The arm's name.
    pub name: String,
    /// The metric of each run, in the order of [`Comparison::seeds`].
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1; `None` for one run.
    pub sd: Option<f64>,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How it was made.
    pub options: CompareOptions,
    /// Images of the ground truth.
    pub images: usize,
    /// The seeds, ascending; each has one run in either arm.
    pub seeds: Vec<u64>,
    /// The first arm.
    pub a: ArmSummary,
    /// The second arm.
    pub b: ArmSummary,
    /// The mean of B less the mean of A.
    pub difference: f64,
    /// Student's paired interval over the seeds; `None` for one seed.
    pub over_seeds: Option<TInterval>,
    /// The bootstrap over images, all runs kept.
    pub over_images: ImageBootstrap,
    /// The bootstrap over seeds and images together; `None` for one seed.
    pub over_seeds_and_images: Option<Interval>,
    /// What all this says.
    pub verdict: Verdict,
}

/// Compares arm `b` with arm `a` on one ground truth.
///
/// The same arguments give the same bytes, whatever the order of runs, images and threads.
///
/// # Errors
/// Arms without runs, with a seed twice, or with different seeds; options out of range; fewer than two images; records
/// that [`crate::evaluate_detections`] refuses; a ground truth without objects, or with so few that too many draws miss
/// them all.
pub fn compare_detections(
    ground_truth: &GroundTruth,
    a: &Arm<'_>,
    b: &Arm<'_>,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    options.validate()?;
    let paired = pair_by_seed(a, b)?;
    let images = ground_truth.image_ids.len();
    if images < 2 {
        return Err(CompareError::TooFewImages { images });
    }
    let matches = |arm: &Arm<'_>, run: Run<'_>| {
        Matches::new(ground_truth, run.detections, options.metric).map_err(|source| CompareError::InRun {
            arm: arm.name.clone(),
            seed: run.seed,
            source,
        })
    };
    let pair = |(run_a, run_b)| Ok(Pair { a: matches(a, run_a)?, b: matches(b, run_b)? });
    let pairs = paired.iter().map(|&runs| pair(runs)).collect::<Result<Vec<Pair>, CompareError>>()?;

    let every_image_once = vec![1; images];
    let value = |matches: &Matches| {
        matches.ap(&every_image_once, &mut matches::Scratch::default()).ok_or(CompareError::Undefined)
    };
    let values_a = pairs.iter().map(|pair| value(&pair.a)).collect::<Result<Vec<f64>, _>>()?;
    let values_b = pairs.iter().map(|pair| value(&pair.b)).collect::<Result<Vec<f64>, _>>()?;
    let differences: Vec<f64> = values_a.iter().zip(&values_b).map(|(a, b)| b - a).collect();

    let (over_images, over_seeds_and_images) = bootstrap::intervals(&pairs, images, options)?;
    let over_seeds = paired::t_interval(&differences, options.confidence);
    let verdict = match (over_seeds, over_seeds_and_images) {
        (Some(t), Some(both)) => Verdict::of_intervals([&a.name, &b.name], &[t.interval, both], options.min_effect),
        _ => Verdict::of_one_seed(),
    };
    Ok(Comparison {
        options: *options,
        images,
        seeds: paired.iter().map(|(run, _)| run.seed).collect(),
        a: summary(a, values_a),
        b: summary(b, values_b),
        difference: paired::mean(&differences),
        over_seeds,
        over_images,
        over_seeds_and_images,
        verdict,
    })
}

fn summary(arm: &Arm<'_>, values: Vec<f64>) -> ArmSummary {
    let (mean, sd) = (paired::mean(&values), paired::standard_deviation(&values));
    ArmSummary { name: arm.name.clone(), values, mean, sd }
}

/// The runs of both arms by seed, ascending.
fn pair_by_seed<'a>(a: &Arm<'a>, b: &Arm<'a>) -> Result<Vec<(Run<'a>, Run<'a>)>, CompareError> {
    let (runs_a, runs_b) = (by_seed(a)?, by_seed(b)?);
    let seeds = |runs: &BTreeMap<u64, Run<'a>>| runs.keys().copied().collect::<BTreeSet<u64>>();
    let (seeds_a, seeds_b) = (seeds(&runs_a), seeds(&runs_b));
    if seeds_a != seeds_b {
        let list = |seeds: &mut dyn Iterator<Item = &u64>| SeedList(seeds.copied().collect());
        return Err(CompareError::UnpairedSeeds {
            a: a.name.clone(),
            only_a: list(&mut seeds_a.difference(&seeds_b)),
            b: b.name.clone(),
            only_b: list(&mut seeds_b.difference(&seeds_a)),
            shared: list(&mut seeds_a.intersection(&seeds_b)),
        });
    }
    Ok(runs_a.into_values().zip(runs_b.into_values()).collect())
}

fn by_seed<'a>(arm: &Arm<'a>) -> Result<BTreeMap<u64, Run<'a>>, CompareError> {
    if arm.runs.is_empty() {
        return Err(CompareError::NoRuns { arm: arm.name.clone() });
    }
    let mut runs = BTreeMap::new();
    let repeated: BTreeSet<u64> =
        arm.runs.iter().filter(|run| runs.insert(run.seed, **run).is_some()).map(|run| run.seed).collect();
    if repeated.is_empty() {
        Ok(runs)
    } else {
        Err(CompareError::RepeatedSeeds { arm: arm.name.clone(), seeds: SeedList(repeated.into_iter().collect()) })
    }
}
