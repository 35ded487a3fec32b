//! Two arms of segmenters: worked by hand, refused with reasons, the same for any order and number of threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use wrs_eval::compare::{
    Arm, CompareError, CompareOptions, Comparison, LabelMetric, Outcome, Run, RunFault, compare_label_maps,
};
use wrs_eval::{AbsentClasses, ConfusionFault, ConfusionMatrix, ImageConfusion};

const CLASSES: usize = 3;

type Runs = [(u64, Vec<ImageConfusion>)];

fn matrix(truth: &[u8], prediction: &[u8]) -> ConfusionMatrix {
    let mut confusion = ConfusionMatrix::new(CLASSES).unwrap();
    confusion.add(truth, prediction).unwrap();
    confusion
}

/// Pictures of ten pixels of class 1, of which so many are right and the rest are called 0.
fn right(of_ten: &[usize]) -> Vec<ImageConfusion> {
    let picture = |(index, &right): (usize, &usize)| {
        let prediction: Vec<u8> = (0..10).map(|pixel| u8::from(pixel < right)).collect();
        ImageConfusion::of(&format!("picture {index}"), &matrix(&[1; 10], &prediction))
    };
    of_ten.iter().enumerate().map(picture).collect()
}

fn arm<'a>(name: &str, runs: &'a Runs) -> Arm<'a, ImageConfusion> {
    Arm { name: name.to_owned(), runs: runs.iter().map(|(seed, found)| Run { seed: *seed, found }).collect() }
}

fn options(metric: LabelMetric) -> CompareOptions<LabelMetric> {
    CompareOptions { metric, draws: 400, ..CompareOptions::default() }
}

fn compare(metric: LabelMetric, a: &Runs, b: &Runs) -> Result<Comparison<LabelMetric>, CompareError> {
    compare_label_maps(CLASSES, &arm("WD", a), &arm("WRS", b), &options(metric))
}

#[track_caller]
fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

#[test]
fn means_and_intervals_worked_by_hand() {
    let a = [(2, right(&[2, 4])), (1, right(&[5, 5]))];
    let b = [(1, right(&[8, 8])), (2, right(&[6, 10]))];
    let comparison = compare(LabelMetric::PixelAccuracy, &a, &b).unwrap();
    assert_eq!((comparison.seeds.as_slice(), comparison.images), ([1, 2].as_slice(), 2));
    assert_eq!(comparison.a.values, [0.5, 0.3]);
    assert_eq!(comparison.b.values, [0.8, 0.8]);
    assert_close(comparison.difference, 0.4);
    // Differences 0.3 and 0.5: standard error 0.1, t of one degree 12.7062.
    let t = comparison.over_seeds.unwrap();
    assert_close(t.interval.low, 0.4 - 0.1 * 12.706_204_736_174_7);
    assert_eq!(comparison.verdict.outcome, Outcome::NoDifferenceShown);
    // A draw is picture 0 twice, both, or picture 1 twice: of the mean difference (0.3 + 0.4) / 2, 0.4 or (0.3 + 0.6) / 2.
    let over_images = comparison.over_images.interval;
    assert_close(over_images.low, 0.35);
    assert_close(over_images.high, 0.45);

    // IoU of class 1 is its accuracy; class 0 is predicted and absent, IoU 0, wherever a pixel is wrong; class 2 is in neither.
    let miou = compare(LabelMetric::Miou, &a, &b).unwrap();
    assert_eq!(miou.a.values, [0.25, 0.15]);
    assert_eq!(miou.b.values, [0.4, 0.4]);
    let mean_accuracy = compare(LabelMetric::MeanAccuracy, &a, &b).unwrap();
    assert_eq!(mean_accuracy.a.values, comparison.a.values);
}

/// Pictures whose pixels differ with the seed; a fixed recipe, not a random one.
fn scattered(pictures: usize, seed: u64) -> (Vec<ImageConfusion>, ConfusionMatrix) {
    let mut whole = ConfusionMatrix::new(CLASSES).unwrap();
    let mut picture = |index: usize| {
        let mixed = |pixel: u64, salt: u64| ((index as u64 * 31 + pixel * 7 + salt) * 2_654_435_761 % 1009 % 3) as u8;
        let truth: Vec<u8> = (0..40).map(|pixel| if pixel % 11 == 0 { 255 } else { mixed(pixel, 0) }).collect();
        let prediction: Vec<u8> =
            (0..40).map(|pixel| if pixel % 3 == 0 { mixed(pixel, seed) } else { mixed(pixel, 0) }).collect();
        let confusion = matrix(&truth, &prediction);
        whole.merge(&confusion).unwrap();
        ImageConfusion::of(&format!("p{index}"), &confusion)
    };
    ((0..pictures).map(&mut picture).collect(), whole)
}

#[test]
fn the_values_are_those_of_the_evaluation() {
    let ((a, whole), (b, _)) = (scattered(12, 3), scattered(12, 8));
    let evaluated = whole.metrics(AbsentClasses::Skip);
    let expected = [evaluated.miou, evaluated.pixel_accuracy, evaluated.mean_accuracy, evaluated.fw_iou];
    for (metric, expected) in LabelMetric::ALL.into_iter().zip(expected) {
        let comparison = compare(metric, &[(1, a.clone())], &[(1, b.clone())]).unwrap();
        assert_eq!(Some(comparison.a.values[0]), expected, "{metric}");
        assert_eq!(comparison.verdict.outcome, Outcome::OneSeed);
    }
}

#[test]
fn neither_order_nor_threads_change_a_bit() {
    let runs = |first: u64| -> Vec<_> { (1..=3).map(|seed| (seed, scattered(12, seed + first).0)).collect() };
    let (a, b) = (runs(0), runs(40));
    let on = |threads, a: &Runs, b: &Runs| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| compare(LabelMetric::Miou, a, b)).unwrap()).unwrap()
    };
    let expected = on(1, &a, &b);
    assert_eq!(on(2, &a, &b), expected);
    assert_eq!(on(7, &a, &b), expected);
    let turned: Vec<_> =
        a.iter().rev().map(|(seed, found)| (*seed, found.iter().rev().cloned().collect::<Vec<_>>())).collect();
    assert_eq!(on(2, &turned, &b), expected);
    let back: Comparison<LabelMetric> = serde_json::from_str(&expected).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), expected);
}

#[test]
fn a_clear_difference_is_called() {
    let (bad, good) = ([(1, right(&[1; 5])), (2, right(&[2; 5]))], [(1, right(&[10; 5])), (2, right(&[10; 5]))]);
    let comparison = compare(LabelMetric::PixelAccuracy, &bad, &good).unwrap();
    assert_eq!(comparison.verdict.outcome, Outcome::BBetter, "{}", comparison.verdict.text);
}

#[test]
fn pictures_without_a_label_are_drawn_and_count_nowhere() {
    let void = |mut found: Vec<ImageConfusion>| {
        found.extend(["x", "y"].map(|image| ImageConfusion { image: image.to_owned(), cells: Vec::new() }));
        found
    };
    let comparison = compare(LabelMetric::Miou, &[(1, void(right(&[0])))], &[(1, void(right(&[10])))]).unwrap();
    // A label is drawn unless all three draws miss its picture: (2/3)^3 = 0.296 of 400.
    let undefined = comparison.over_images.undefined_draws;
    assert!((80..160).contains(&undefined), "{undefined}");
    assert_close(comparison.over_images.interval.low, 1.0);
    let nothing = [(1, void(Vec::new()))];
    assert!(matches!(compare(LabelMetric::Miou, &nothing, &nothing), Err(CompareError::Undefined)));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let runs = [(1, right(&[1, 2]))];
    let refused = |a: &Runs, b: &Runs| compare(LabelMetric::Miou, a, b).unwrap_err();
    assert!(matches!(refused(&[], &runs), CompareError::NoRuns { .. }));
    assert!(matches!(refused(&[(1, right(&[1]))], &[(1, right(&[1]))]), CompareError::TooFewImages { images: 1 }));

    let text = refused(&runs, &[(1, right(&[1, 2, 3]))]).to_string();
    assert_eq!(text, "arm WRS, seed 1: expected the images of the first run, got 1 more: picture 2");
    let mut renamed = right(&[1, 2]);
    "other".clone_into(&mut renamed[0].image);
    let text = refused(&runs, &[(1, renamed)]).to_string();
    assert!(text.ends_with("got 1 missing: picture 0; 1 more: other"), "{text}");

    let with = |cells: &[[u64; 3]]| {
        let mut found = right(&[1, 2]);
        found[0].cells = cells.to_vec();
        match refused(&runs, &[(1, found)]) {
            CompareError::InRun { source: RunFault::Confusion(fault), .. } => fault,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(with(&[[1, 1, 9]]), ConfusionFault::OtherTruth { .. }), "one pixel is gone");
    assert!(matches!(with(&[[2, 1, 10]]), ConfusionFault::OtherTruth { .. }));
    assert!(matches!(with(&[[1, 3, 10]]), ConfusionFault::Class { num_classes: 3, .. }));
    assert!(matches!(with(&[[1, 1, u64::MAX], [1, 2, u64::MAX]]), ConfusionFault::Pixels { .. }));
    let twice = [(1, [right(&[1, 2]), right(&[1])].concat())];
    match refused(&twice, &twice) {
        CompareError::InRun { source: RunFault::Confusion(fault), .. } => {
            assert_eq!(fault, ConfusionFault::Repeated { image: "picture 0".to_owned() });
        }
        other => panic!("{other}"),
    }
    let error = compare_label_maps(0, &arm("a", &runs), &arm("b", &runs), &options(LabelMetric::Miou)).unwrap_err();
    assert!(matches!(error, CompareError::NumClasses(_)), "{error}");
}

#[test]
fn metrics_have_the_names_of_the_document() {
    for metric in LabelMetric::ALL {
        assert_eq!(metric.name().parse::<LabelMetric>().unwrap(), metric);
        assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
    }
    let error = "ap".parse::<LabelMetric>().unwrap_err().to_string();
    assert_eq!(error, "expected a metric among miou, pixel_accuracy, mean_accuracy, fw_iou, got `ap`");
}
