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
mod counts;
mod detections;
mod error;
mod label_maps;
mod matches;
mod metric;
mod paired;
mod resampled;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use bootstrap::ImageBootstrap;
pub use counts::compare_counts;
pub(crate) use counts::mae_interval;
pub use detections::compare_detections;
pub use error::{CompareError, RunFault, SeedList};
pub use label_maps::compare_label_maps;
pub use metric::{ApMetric, Better, CompareMetric, CountMetric, LabelMetric, Unit};
pub use paired::TInterval;
pub use verdict::{Outcome, Verdict};

use bootstrap::Pair;
use resampled::Resampled;

/// One run: what a network trained with one seed finds.
#[derive(Debug, Clone)]
pub struct Run<'a, R> {
    /// The seed it was trained with.
    pub seed: u64,
    /// Its detections on the images of the ground truth, or its confusions or counts of each image.
    pub found: &'a [R],
}

/// One arm: runs that differ by their seed alone.
#[derive(Debug, Clone)]
pub struct Arm<'a, R> {
    /// What the verdict calls it.
    pub name: String,
    /// Its runs, in any order.
    pub runs: Vec<Run<'a, R>>,
}

/// How two arms are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CompareOptions<M> {
    /// The number compared, [`ApMetric`], [`LabelMetric`] or [`CountMetric`].
    pub metric: M,
    /// The share of repetitions whose interval would hold the truth, between 0 and 1.
    pub confidence: f64,
    /// Draws of the bootstraps.
    pub draws: usize,
    /// The seed of these draws; it has nothing to do with the runs' seeds.
    pub seed: u64,
    /// A difference must exceed this to be called better: a fraction (0.003 is 0.3 points), or of errors of counts objects.
    pub min_effect: f64,
}

impl<M: Default> Default for CompareOptions<M> {
    /// AP, mIOU or MAE, 95 % confidence, 10 000 draws, any difference counts.
    fn default() -> Self {
        Self { metric: M::default(), confidence: 0.95, draws: 10_000, seed: 0, min_effect: 0.0 }
    }
}

impl<M> CompareOptions<M> {
    fn validate(&self) -> Result<(), CompareError> {
        let Self { confidence, draws, min_effect, .. } = *self;
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

/// The ends of an interval of the difference B - A, as fractions, or in objects where these are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// One arm's numbers, as fractions, or in objects.
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
pub struct Comparison<M> {
    /// How it was made.
    pub options: CompareOptions<M>,
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

/// Compares arm `b` with arm `a`, each run's number being had of any multiset of the images by what `prepare` makes of its
/// records.
fn compare<R, S: Resampled, M: CompareMetric>(
    a: &Arm<'_, R>,
    b: &Arm<'_, R>,
    images: usize,
    options: &CompareOptions<M>,
    prepare: impl Fn(&[R]) -> Result<S, RunFault>,
) -> Result<Comparison<M>, CompareError> {
    options.validate()?;
    let paired = pair_by_seed(a, b)?;
    if images < 2 {
        return Err(CompareError::TooFewImages { images });
    }
    let prepared = |arm: &Arm<'_, R>, run: &Run<'_, R>| {
        let named = |source| CompareError::InRun { arm: arm.name.clone(), seed: run.seed, source };
        prepare(run.found).map_err(named)
    };
    let pair = |(of_a, of_b)| Ok(Pair { a: prepared(a, of_a)?, b: prepared(b, of_b)? });
    let pairs = paired.iter().map(|&runs| pair(runs)).collect::<Result<Vec<Pair<S>>, CompareError>>()?;

    let every_image_once = vec![1; images];
    let value = |of: &S| of.value(&every_image_once, &mut S::Scratch::default()).ok_or(CompareError::Undefined);
    let values_a = pairs.iter().map(|pair| value(&pair.a)).collect::<Result<Vec<f64>, _>>()?;
    let values_b = pairs.iter().map(|pair| value(&pair.b)).collect::<Result<Vec<f64>, _>>()?;
    let differences: Vec<f64> = values_a.iter().zip(&values_b).map(|(a, b)| b - a).collect();

    let (over_images, over_seeds_and_images) = bootstrap::intervals(&pairs, images, options)?;
    let over_seeds = paired::t_interval(&differences, options.confidence);
    let verdict = match (over_seeds, over_seeds_and_images) {
        (Some(t), Some(both)) => {
            Verdict::of_intervals([&a.name, &b.name], &[t.interval, both], options.min_effect, options.metric)
        }
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

fn summary<R>(arm: &Arm<'_, R>, values: Vec<f64>) -> ArmSummary {
    let (mean, sd) = (paired::mean(&values), paired::standard_deviation(&values));
    ArmSummary { name: arm.name.clone(), values, mean, sd }
}

/// The runs of one seed.
type RunPair<'r, R> = (&'r Run<'r, R>, &'r Run<'r, R>);

/// The runs of both arms by seed, ascending.
fn pair_by_seed<'r, R>(a: &'r Arm<'_, R>, b: &'r Arm<'_, R>) -> Result<Vec<RunPair<'r, R>>, CompareError> {
    let (runs_a, runs_b) = (by_seed(a)?, by_seed(b)?);
    let seeds = |arm: &Arm<'_, R>| arm.runs.iter().map(|run| run.seed).collect::<BTreeSet<u64>>();
    let (seeds_a, seeds_b) = (seeds(a), seeds(b));
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

fn by_seed<'r, R>(arm: &'r Arm<'_, R>) -> Result<BTreeMap<u64, &'r Run<'r, R>>, CompareError> {
    if arm.runs.is_empty() {
        return Err(CompareError::NoRuns { arm: arm.name.clone() });
    }
    let mut runs = BTreeMap::new();
    let repeated: BTreeSet<u64> =
        arm.runs.iter().filter(|run| runs.insert(run.seed, *run).is_some()).map(|run| run.seed).collect();
    if repeated.is_empty() {
        Ok(runs)
    } else {
        Err(CompareError::RepeatedSeeds { arm: arm.name.clone(), seeds: SeedList(repeated.into_iter().collect()) })
    }
}
