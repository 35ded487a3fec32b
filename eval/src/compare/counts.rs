//! Arms of counters.

use std::collections::BTreeMap;

use crate::compare::bootstrap::{self, Pair};
use crate::compare::resampled::Resampled;
use crate::compare::{Arm, CompareError, CompareOptions, Comparison, CountMetric, Interval, RunFault, compare};
use crate::count_error::{CountFault, ImageCount, by_name};
use crate::mean_iou::NameList;

/// Compares how far the counts of two arms' runs are from the truth on the same images.  These are errors: the arm with the
/// lower number is the better one.
///
/// The same arguments give the same bytes, whatever the order of runs, images and threads.
///
/// # Errors
/// Arms without runs, with a seed twice, or with different seeds; options out of range; fewer than two images; counts that
/// are faulty, of other images or of another truth than the first run's; for the NAE, images that are all empty, or so
/// few that are not that too many draws miss them all.
pub fn compare_counts(
    a: &Arm<'_, ImageCount>,
    b: &Arm<'_, ImageCount>,
    options: &CompareOptions<CountMetric>,
) -> Result<Comparison<CountMetric>, CompareError> {
    // Of no run: which `compare` refuses.
    let first = a.runs.first().map_or(&[][..], |run| run.found);
    let truth: Truth<'_> = first.iter().map(|of| (of.image.as_str(), of.truth)).collect();
    compare(a, b, truth.len(), options, |found| CountedRun::new(&truth, found, options.metric))
}

/// The 95 % percentile interval of the MAE over draws of as many images, which are sorted by name and checked; `None` of
/// fewer than two.
pub(crate) fn mae_interval(sorted: &[&ImageCount]) -> Option<Interval> {
    let options = CompareOptions { metric: CountMetric::Mae, ..CompareOptions::default() };
    let errors = |of: fn(&ImageCount) -> f64| CountedRun {
        errors: sorted.iter().map(|image| [of(image), 1.0]).collect(),
        metric: options.metric,
    };
    // An interval of the difference from an arm that makes no error.
    let pair = Pair { a: errors(|_| 0.0), b: errors(|image| image.error().abs()) };
    let over_images = (sorted.len() >= 2).then(|| bootstrap::intervals(&[pair], sorted.len(), &options))?;
    over_images.ok().map(|(over_images, _)| over_images.interval)
}

/// Every image's true count.
type Truth<'a> = BTreeMap<&'a str, f64>;

/// The images of one run in ascending order of name.
struct CountedRun {
    /// What each adds to the sum, and to what the sum is divided by.
    errors: Vec<[f64; 2]>,
    metric: CountMetric,
}

impl CountedRun {
    fn new(truth: &Truth<'_>, found: &[ImageCount], metric: CountMetric) -> Result<Self, RunFault> {
        let named = by_name(found).map_err(RunFault::Counts)?;
        if !named.keys().eq(truth.keys()) {
            let missing = truth.keys().filter(|name| !named.contains_key(*name));
            let more = named.keys().filter(|name| !truth.contains_key(*name));
            return Err(RunFault::OtherImages {
                missing: NameList(missing.map(|name| (*name).to_owned()).collect()),
                more: NameList(more.map(|name| (*name).to_owned()).collect()),
            });
        }
        for (of, &expected) in named.values().zip(truth.values()) {
            // No tolerance: both are counts of the same points, 0 or more.
            if (of.truth - expected).abs() > 0.0 {
                let fault = CountFault::OtherTruth { image: of.image.clone(), expected, got: of.truth };
                return Err(RunFault::Counts(fault));
            }
        }
        let error = |of: &&ImageCount| match metric {
            CountMetric::Mae => [of.error().abs(), 1.0],
            CountMetric::Rmse => [of.error() * of.error(), 1.0],
            CountMetric::Nae if of.truth > 0.0 => [of.error().abs() / of.truth, 1.0],
            CountMetric::Nae => [0.0, 0.0],
        };
        Ok(Self { errors: named.values().map(error).collect(), metric })
    }
}

impl Resampled for CountedRun {
    type Scratch = ();

    fn value(&self, weights: &[u32], (): &mut ()) -> Option<f64> {
        let (mut sum, mut images) = (0.0, 0.0);
        for ([error, counts], &weight) in self.errors.iter().zip(weights) {
            sum += f64::from(weight) * error;
            images += f64::from(weight) * counts;
        }
        let mean = (images > 0.0).then(|| sum / images)?;
        Some(if self.metric == CountMetric::Rmse { mean.sqrt() } else { mean })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::count_error::{Buckets, CountMetrics};

    fn counted(image: &str, predicted: f64, truth: f64) -> ImageCount {
        ImageCount { image: image.to_owned(), predicted, truth, game: None, groups: BTreeMap::new() }
    }

    fn run(found: &[ImageCount], metric: CountMetric) -> CountedRun {
        let truth: Truth<'_> = found.iter().map(|of| (of.image.as_str(), of.truth)).collect();
        CountedRun::new(&truth, found, metric).unwrap_or_else(|e| panic!("{e}"))
    }

    fn evaluated(found: &[ImageCount], metric: CountMetric) -> Option<f64> {
        let metrics = CountMetrics::of(found, &Buckets::None).ok()?;
        match metric {
            CountMetric::Mae => Some(metrics.mae),
            CountMetric::Rmse => Some(metrics.rmse),
            CountMetric::Nae => metrics.nae,
        }
    }

    proptest! {
        #[test]
        fn a_weight_is_that_many_copies_of_the_image(
            set in prop::collection::vec((-50.0_f64..900.0, 0_u32..700), 4),
            draws in prop::collection::vec(prop::array::uniform4(0_u32..4), 1..4),
        ) {
            let copy = |index: usize, copy: u32| {
                let (predicted, truth) = set[index];
                // An image in three is empty.
                counted(&format!("{index} {copy}"), predicted, f64::from(if truth % 3 == 0 { 0 } else { truth }))
            };
            let found: Vec<ImageCount> = (0..4).map(|index| copy(index, 0)).collect();
            for metric in CountMetric::ALL {
                let run = run(&found, metric);
                prop_assert_eq!(run.value(&[1; 4], &mut ()), evaluated(&found, metric), "the same sum to the bit");
                for weights in &draws {
                    let copies: Vec<ImageCount> =
                        weights.iter().enumerate().flat_map(|(index, &w)| (0..w).map(move |c| copy(index, c))).collect();
                    match (run.value(weights, &mut ()), evaluated(&copies, metric)) {
                        (Some(got), Some(expected)) => {
                            prop_assert!((got - expected).abs() <= 1e-12 * expected, "{} {} {}", metric, got, expected);
                        }
                        (got, expected) => prop_assert_eq!(got, expected, "{} {:?}", metric, weights),
                    }
                }
            }
        }
    }

    #[test]
    fn draws_worked_by_hand() {
        // Errors 3, 4 and 2, of which the last is of an empty image.
        let found = [counted("b", 6.0, 10.0), counted("a", 33.0, 30.0), counted("c", 2.0, 0.0)];
        for (metric, draws) in [
            (CountMetric::Mae, [([1, 1, 1], Some(3.0)), ([2, 1, 0], Some(10.0 / 3.0)), ([0, 0, 3], Some(2.0))]),
            (CountMetric::Rmse, [([1, 1, 0], Some(12.5_f64.sqrt())), ([0, 3, 0], Some(4.0)), ([0, 0, 0], None)]),
            (CountMetric::Nae, [([1, 1, 1], Some(0.25)), ([3, 1, 5], Some(0.7 / 4.0)), ([0, 0, 3], None)]),
        ] {
            let run = run(&found, metric);
            for (weights, expected) in draws {
                match (run.value(&weights, &mut ()), expected) {
                    (Some(got), Some(expected)) => {
                        assert!((got - expected).abs() < 1e-15, "{metric} {weights:?}: {got}");
                    }
                    (got, expected) => assert_eq!(got, expected, "{metric} {weights:?}"),
                }
            }
        }
    }

    #[test]
    fn the_interval_of_two_images_has_the_ends_of_either() {
        let (a, b) = (counted("a", 1.0, 0.0), counted("b", 3.0, 8.0));
        // Drawn: a twice, both, b twice, with probabilities 1/4, 1/2, 1/4.
        assert_eq!(mae_interval(&[&a, &b]), Some(Interval { low: 1.0, high: 5.0 }));
        assert_eq!(mae_interval(&[&a]), None);
    }
}
