//! Two arms of counters: worked by hand, refused with reasons, the same for any order and number of threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use wrs_eval::compare::{
    Arm, Better, CompareError, CompareMetric, CompareOptions, Comparison, CountMetric, Outcome, Run, RunFault, Unit,
    compare_counts,
};
use wrs_eval::{Buckets, CountFault, CountMetrics, ImageCount};

type Runs = [(u64, Vec<ImageCount>)];

/// Images of 10, 20, 30 … people, of which so many more are counted.
fn counted(errors: &[f64]) -> Vec<ImageCount> {
    let image = |(index, error): (usize, &f64)| {
        let truth = 10.0 * (index + 1) as f64;
        ImageCount { image: format!("{index}"), predicted: truth + error, truth, game: None, groups: BTreeMap::new() }
    };
    errors.iter().enumerate().map(image).collect()
}

fn arm<'a>(name: &str, runs: &'a Runs) -> Arm<'a, ImageCount> {
    Arm { name: name.to_owned(), runs: runs.iter().map(|(seed, found)| Run { seed: *seed, found }).collect() }
}

fn options(metric: CountMetric) -> CompareOptions<CountMetric> {
    CompareOptions { metric, draws: 400, ..CompareOptions::default() }
}

fn compare(metric: CountMetric, a: &Runs, b: &Runs) -> Result<Comparison<CountMetric>, CompareError> {
    compare_counts(&arm("WD", a), &arm("WRS", b), &options(metric))
}

#[track_caller]
fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

#[test]
fn means_and_intervals_worked_by_hand() {
    let a = [(2, counted(&[-6.0, 8.0])), (1, counted(&[4.0, 4.0]))];
    let b = [(1, counted(&[1.0, -1.0])), (2, counted(&[2.0, 4.0]))];
    let comparison = compare(CountMetric::Mae, &a, &b).unwrap();
    assert_eq!((comparison.seeds.as_slice(), comparison.images), ([1, 2].as_slice(), 2));
    assert_eq!(
        (comparison.a.values.as_slice(), comparison.b.values.as_slice()),
        ([4.0, 7.0].as_slice(), [1.0, 3.0].as_slice())
    );
    assert_close(comparison.difference, -3.5);
    // Differences -3 and -4: standard error 0.5, t of one degree 12.7062.
    let t = comparison.over_seeds.unwrap();
    assert_close(t.interval.low, -3.5 - 0.5 * 12.706_204_736_174_7);
    // A draw is image 0 twice, both, or image 1 twice: of the mean difference (-3 - 4) / 2 each.
    assert_close(comparison.over_images.interval.low, -3.5);
    assert_close(comparison.over_images.interval.high, -3.5);
    assert_eq!(comparison.verdict.outcome, Outcome::NoDifferenceShown);

    let rmse = compare(CountMetric::Rmse, &a, &b).unwrap();
    assert_close(rmse.a.values[1], 50.0_f64.sqrt());
    let nae = compare(CountMetric::Nae, &a, &b).unwrap();
    assert_close(nae.a.values[1], f64::midpoint(0.6, 0.4));
}

#[test]
fn the_lower_arm_is_the_better_one_either_way_around() {
    let (bad, good) =
        ([(1, counted(&[9.0; 5])), (2, counted(&[-9.0; 5]))], [(1, counted(&[1.0; 5])), (2, counted(&[1.0; 5]))]);
    let comparison = compare(CountMetric::Mae, &bad, &good).unwrap();
    assert_close(comparison.difference, -8.0);
    assert_eq!(comparison.verdict.outcome, Outcome::BBetter);
    assert_eq!(comparison.verdict.text, "WRS better (lower is better): lower by at least 8.00 > min-effect 0.00");
    let mirrored = compare(CountMetric::Mae, &good, &bad).unwrap();
    assert_eq!(mirrored.verdict.outcome, Outcome::ABetter);
    assert_eq!(mirrored.verdict.text, "WD better (lower is better): lower by at least 8.00 > min-effect 0.00");
    // The least effect is in people.
    let with = |min_effect| {
        let options = CompareOptions { min_effect, ..options(CountMetric::Mae) };
        compare_counts(&arm("WD", &bad), &arm("WRS", &good), &options).unwrap().verdict.outcome
    };
    assert_eq!((with(7.5), with(8.5)), (Outcome::BBetter, Outcome::BelowMinEffect));
    assert_eq!((CountMetric::Rmse.better(), CountMetric::Rmse.unit()), (Better::Lower, Unit::Own));
}

/// Errors that differ with the seed; a fixed recipe, not a random one.
fn scattered(images: usize, seed: u64) -> Vec<ImageCount> {
    let error = |index: usize| ((index as u64 * 31 + seed * 7) * 2_654_435_761 % 1009) as f64 / 7.0 - 60.0;
    counted(&(0..images).map(error).collect::<Vec<_>>())
}

#[test]
fn the_values_are_those_of_the_evaluation_to_the_bit() {
    let (a, b) = (scattered(23, 3), scattered(23, 8));
    let evaluated = CountMetrics::of(&a, &Buckets::None).unwrap();
    let expected = [evaluated.mae, evaluated.rmse, evaluated.nae.unwrap()];
    for (metric, expected) in CountMetric::ALL.into_iter().zip(expected) {
        let comparison = compare(metric, &[(1, a.clone())], &[(1, b.clone())]).unwrap();
        assert_eq!(comparison.a.values[0].to_bits(), expected.to_bits(), "{metric}");
        assert_eq!(comparison.verdict.outcome, Outcome::OneSeed);
    }
}

#[test]
fn neither_order_nor_threads_change_a_bit() {
    let runs = |first: u64| -> Vec<_> { (1..=3).map(|seed| (seed, scattered(12, seed + first))).collect() };
    let (a, b) = (runs(0), runs(40));
    let on = |threads, a: &Runs, b: &Runs| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| compare(CountMetric::Rmse, a, b)).unwrap()).unwrap()
    };
    let expected = on(1, &a, &b);
    assert_eq!(on(2, &a, &b), expected);
    assert_eq!(on(7, &a, &b), expected);
    let turned: Vec<_> =
        a.iter().rev().map(|(seed, found)| (*seed, found.iter().rev().cloned().collect::<Vec<_>>())).collect();
    assert_eq!(on(2, &turned, &b), expected);
    let back: Comparison<CountMetric> = serde_json::from_str(&expected).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), expected);
}

#[test]
fn draws_of_empty_images_alone_have_no_nae() {
    let with_empty = |error: f64| {
        let mut found = counted(&[error, 0.0, 0.0]);
        found[1..].iter_mut().for_each(|image| (image.truth, image.predicted) = (0.0, error));
        [(1, found)]
    };
    let comparison = compare(CountMetric::Nae, &with_empty(5.0), &with_empty(1.0)).unwrap();
    // People are drawn unless all three draws miss their image: (2/3)^3 = 0.296 of 400.
    let undefined = comparison.over_images.undefined_draws;
    assert!((80..160).contains(&undefined), "{undefined}");
    assert_close(comparison.over_images.interval.low, -0.4);
    let nobody = [(1, with_empty(5.0)[0].1[1..].to_vec())];
    assert!(matches!(compare(CountMetric::Nae, &nobody, &nobody), Err(CompareError::Undefined)));
    assert!(compare(CountMetric::Mae, &nobody, &nobody).is_ok());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let runs = [(1, counted(&[1.0, 2.0]))];
    let refused = |a: &Runs, b: &Runs| compare(CountMetric::Mae, a, b).unwrap_err();
    assert!(matches!(refused(&[], &runs), CompareError::NoRuns { .. }));
    let one = [(1, counted(&[1.0]))];
    assert!(matches!(refused(&one, &one), CompareError::TooFewImages { images: 1 }));
    let text = refused(&runs, &[(1, counted(&[1.0, 2.0, 3.0]))]).to_string();
    assert_eq!(text, "arm WRS, seed 1: expected the images of the first run, got 1 more: 2");
    let with = |change: fn(&mut ImageCount)| {
        let mut found = counted(&[1.0, 2.0]);
        change(&mut found[1]);
        match refused(&runs, &[(1, found)]) {
            CompareError::InRun { source: RunFault::Counts(fault), .. } => fault,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        with(|image| image.truth = 21.0),
        CountFault::OtherTruth { image: "1".to_owned(), expected: 20.0, got: 21.0 }
    );
    assert!(matches!(with(|image| image.predicted = f64::NAN), CountFault::Prediction { .. }));
    assert!(matches!(with(|image| "0".clone_into(&mut image.image)), CountFault::Repeated { .. }));
}

#[test]
fn metrics_have_the_names_of_the_document() {
    for metric in CountMetric::ALL {
        assert_eq!(metric.name().parse::<CountMetric>().unwrap(), metric);
        assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
    }
    let error = "miou".parse::<CountMetric>().unwrap_err().to_string();
    assert_eq!(error, "expected a metric among mae, rmse, nae, got `miou`");
}
