//! mIOU and its relatives: worked by hand, against loops without a matrix, against hotcoco, and what no order may change.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use hotcoco::semantic::SemanticEval;
use proptest::prelude::*;
use wrs_eval::{AbsentClasses, ConfusionMatrix, MapSide, SegmentationError, SegmentationMetrics, VOID};

fn matrix(num_classes: usize, truth: &[u8], prediction: &[u8]) -> ConfusionMatrix {
    let mut confusion = ConfusionMatrix::new(num_classes).unwrap();
    confusion.add(truth, prediction).unwrap();
    confusion
}

fn rows(confusion: &ConfusionMatrix) -> Vec<Vec<u64>> {
    confusion.rows().map(<[u64]>::to_vec).collect()
}

fn ious(metrics: &SegmentationMetrics) -> Vec<Option<f64>> {
    metrics.per_class.iter().map(|class| class.iou).collect()
}

const TRUTH: [u8; 6] = [0, 0, 1, 1, 2, 255];
const PREDICTION: [u8; 6] = [0, 1, 1, 1, 0, 2];

#[test]
fn six_pixels_worked_by_hand() {
    let confusion = matrix(3, &TRUTH, &PREDICTION);
    assert_eq!(rows(&confusion), [[1, 1, 0], [0, 2, 0], [1, 0, 0]]);
    let metrics = confusion.metrics(AbsentClasses::Skip);
    assert_eq!(ious(&metrics), [Some(1.0 / 3.0), Some(2.0 / 3.0), Some(0.0)]);
    assert_eq!(metrics.miou, Some(1.0 / 3.0));
    assert_eq!(metrics.pixel_accuracy, Some(0.6));
    assert_eq!(metrics.mean_accuracy, Some(0.5));
    assert_eq!(metrics.fw_iou, Some(0.4));
    assert_eq!((metrics.classes_used, metrics.pixels, metrics.void_pixels), (3, 5, 1));
    // 2 · 1 / (2 + 2), 2 · 2 / (2 + 3), 0 / (1 + 0)
    let dice: Vec<_> = metrics.per_class.iter().map(|class| class.dice).collect();
    assert_eq!(dice, [Some(0.5), Some(0.8), Some(0.0)]);
    let sums: Vec<_> = metrics.per_class.iter().map(|class| (class.truth_pixels, class.predicted_pixels)).collect();
    assert_eq!(sums, [(2, 2), (2, 3), (1, 0)]);
}

#[test]
fn a_class_in_neither_map_by_each_policy() {
    let confusion = matrix(4, &TRUTH, &PREDICTION);
    let mean = |absent| {
        let metrics = confusion.metrics(absent);
        assert_eq!(ious(&metrics)[3], None);
        assert_eq!(metrics.per_class[3].accuracy, None);
        assert_eq!(metrics.mean_accuracy, Some(0.5));
        (metrics.miou, metrics.classes_used)
    };
    assert_eq!(mean(AbsentClasses::Skip), (Some(1.0 / 3.0), 3));
    assert_eq!(mean(AbsentClasses::Zero), (Some(0.25), 4));
    assert_eq!(mean(AbsentClasses::One), (Some(0.5), 4));
    assert_eq!(mean(AbsentClasses::Nan), (None, 4));
    assert_eq!(mean(AbsentClasses::GtOnly), (Some(1.0 / 3.0), 3));
}

#[test]
fn a_class_that_is_only_predicted_has_iou_zero() {
    let confusion = matrix(4, &[0, 0], &[0, 3]);
    let metrics = confusion.metrics(AbsentClasses::Skip);
    assert_eq!(ious(&metrics), [Some(0.5), None, None, Some(0.0)]);
    assert_eq!((metrics.miou, metrics.classes_used), (Some(0.25), 2));
    assert_eq!(metrics.per_class[3].accuracy, None);
    assert_eq!(metrics.mean_accuracy, Some(0.5));
    assert_eq!(confusion.metrics(AbsentClasses::GtOnly).miou, Some(0.5));
}

#[test]
fn void_pixels_count_nowhere_and_nothing_but_void_is_undefined() {
    let mut confusion = matrix(3, &TRUTH, &PREDICTION);
    let before = confusion.metrics(AbsentClasses::Skip);
    confusion.add(&[VOID; 9], &[2; 9]).unwrap();
    let after = confusion.metrics(AbsentClasses::Skip);
    assert_eq!(after, SegmentationMetrics { void_pixels: 10, ..before });

    let only_void = matrix(3, &[VOID; 9], &[1; 9]);
    for absent in [AbsentClasses::Skip, AbsentClasses::Zero, AbsentClasses::One, AbsentClasses::GtOnly] {
        let metrics = only_void.metrics(absent);
        assert_eq!((metrics.miou, metrics.classes_used), (None, 0));
        assert_eq!((metrics.pixel_accuracy, metrics.mean_accuracy, metrics.fw_iou), (None, None, None));
    }
}

#[test]
fn one_matrix_is_no_mean_over_images() {
    // An image all right and a hundredfold larger one all wrong.
    let mut confusion = matrix(2, &[1], &[1]);
    confusion.add(&[1; 100], &[0; 100]).unwrap();
    assert_eq!(confusion.metrics(AbsentClasses::GtOnly).miou, Some(1.0 / 101.0));
}

#[test]
fn labels_of_no_class_are_refused_by_name_and_place() {
    let mut confusion = ConfusionMatrix::new(21).unwrap();
    let mut refused = |truth: &[u8], prediction: &[u8]| match confusion.add(truth, prediction).unwrap_err() {
        SegmentationError::Label(fault) => (fault.side, fault.value, fault.pixel, fault.found),
        other => panic!("{other}"),
    };
    assert_eq!(refused(&[0, 20, 21, 22], &[0; 4]), (MapSide::Truth, 21, 2, vec![0, 20, 21, 22]));
    assert_eq!(refused(&[0; 3], &[20, 21, 0]), (MapSide::Prediction, 21, 1, vec![0, 20, 21]));
    // Void is no prediction, not even where the ground truth is void.
    assert_eq!(refused(&[0, VOID], &[0, VOID]), (MapSide::Prediction, VOID, 1, vec![0, VOID]));
    assert_eq!(refused(&[7, 99], &[88, 0]), (MapSide::Prediction, 88, 0, vec![0, 88]));
    assert_eq!(confusion, ConfusionMatrix::new(21).unwrap(), "a refused pair is not counted");
}

#[test]
fn errors_say_what_to_do() {
    let mut confusion = ConfusionMatrix::new(2).unwrap();
    let text = |error: SegmentationError| error.to_string();
    assert_eq!(
        text(confusion.add(&[0, 128, 255], &[0, 1, 0]).unwrap_err()),
        "ground truth pixel 1: expected labels 0 to 1 and 255 (void), got 128 (the map has 0, 128, 255)\nhelp: labels are class indices, and the number of classes counts the background; map labels that are spaced for the eye (0, 128, 255) to indices first"
    );
    assert_eq!(
        text(confusion.add(&[0], &[255]).unwrap_err()),
        "prediction pixel 0: expected labels 0 to 1, got 255 (the map has 255)\nhelp: a prediction names a class for every pixel, void ones of the ground truth too"
    );
    assert_eq!(
        text(confusion.add(&[0, 0], &[0]).unwrap_err()),
        "expected a prediction of 2 pixels as in the ground truth, got 1"
    );
    for classes in [0, 256, 65_536] {
        assert!(text(ConfusionMatrix::new(classes).unwrap_err()).starts_with("expected 1 to 255 classes, got"));
    }
    assert_eq!(
        text(confusion.merge(&ConfusionMatrix::new(3).unwrap()).unwrap_err()),
        "expected a confusion matrix of 2 classes to add, got 3"
    );
}

#[test]
fn all_255_classes_fit() {
    let every: Vec<u8> = (0..255).collect();
    let turned: Vec<u8> = (1..255).chain([0]).collect();
    let confusion = matrix(255, &every, &turned);
    assert!(confusion.rows().enumerate().all(|(class, row)| row[(class + 1) % 255] == 1));
    assert_eq!(confusion.metrics(AbsentClasses::Skip).miou, Some(0.0));
}

#[test]
fn the_document_has_its_keys() {
    let metrics = matrix(3, &[0, 0], &[0, 1]).metrics(AbsentClasses::Skip).named(&["sky", "sea", "land"]).unwrap();
    let json = serde_json::to_value(&metrics).unwrap();
    assert_eq!(json["miou"], 0.25);
    assert_eq!(json["pixel_accuracy"], 0.5);
    assert_eq!(json["mean_accuracy"], 0.5);
    assert_eq!(json["fw_iou"], 0.5);
    assert_eq!(json["absent_classes"], "skip");
    assert_eq!(json["per_class"][1]["name"], "sea");
    assert_eq!(json["per_class"][1]["iou"], 0.0);
    assert_eq!(json["per_class"][2]["iou"], serde_json::Value::Null);
    assert_eq!(serde_json::from_value::<SegmentationMetrics>(json).unwrap(), metrics);
    let error = metrics.named(&["sky"]).unwrap_err().to_string();
    assert!(error.starts_with("expected 3 class names, got 1"), "{error}");
}

/// Maps as label maps are: runs of any length, both maps changing on their own, some of it noise.
fn maps() -> impl Strategy<Value = (usize, Vec<u8>, Vec<u8>)> {
    let classes = prop_oneof![Just(1_usize), 2..6_usize, Just(21), Just(254), Just(255)];
    classes.prop_flat_map(|k| {
        let class = 0..k as u8;
        let truth = prop_oneof![4 => class.clone(), 1 => Just(VOID)];
        let run = || prop_oneof![1..4_usize, 1..40_usize];
        let truths = prop::collection::vec((truth, run()), 0..40);
        let predictions = prop::collection::vec((class, run()), 0..40);
        (Just(k), truths, predictions).prop_map(|(k, truths, predictions)| {
            let (mut truth, mut prediction) = (unrolled(&truths), unrolled(&predictions));
            let len = truth.len().min(prediction.len());
            truth.truncate(len);
            prediction.truncate(len);
            (k, truth, prediction)
        })
    })
}

fn unrolled(runs: &[(u8, usize)]) -> Vec<u8> {
    runs.iter().flat_map(|&(label, length)| vec![label; length]).collect()
}

/// The numbers by their definitions, class by class over sets of pixels.
fn by_loops(k: usize, truth: &[u8], prediction: &[u8]) -> [Option<f64>; 4] {
    let counted: Vec<(u8, u8)> =
        truth.iter().copied().zip(prediction.iter().copied()).filter(|p| p.0 != VOID).collect();
    let count = |test: &dyn Fn(u8, u8) -> bool| counted.iter().filter(|&&(t, p)| test(t, p)).count() as f64;
    let all = counted.len() as f64;
    let (mut ious, mut accuracies, mut weighted) = (Vec::new(), Vec::new(), 0.0);
    for class in 0..k {
        let is = |label: u8| usize::from(label) == class;
        let union = count(&|t, p| is(t) || is(p));
        let both = count(&|t, p| is(t) && is(p));
        let there = count(&|t, _| is(t));
        if union > 0.0 {
            ious.push(both / union);
            weighted += there / all * (both / union);
        }
        if there > 0.0 {
            accuracies.push(both / there);
        }
    }
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let defined = |value: f64| (all > 0.0).then_some(value);
    [mean(&ious), defined(count(&|t, p| t == p) / all), mean(&accuracies), defined(weighted)]
}

fn headline(metrics: &SegmentationMetrics) -> [Option<f64>; 4] {
    [metrics.miou, metrics.pixel_accuracy, metrics.mean_accuracy, metrics.fw_iou]
}

/// Equal up to the rounding of sums in another order.
fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-12,
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn equals_loops_over_pixels((k, truth, prediction) in maps()) {
        let confusion = matrix(k, &truth, &prediction);
        for (class, row) in confusion.rows().enumerate() {
            for (predicted, &count) in row.iter().enumerate() {
                let here = |&(&t, &p): &(&u8, &u8)| usize::from(t) == class && usize::from(p) == predicted;
                prop_assert_eq!(count, truth.iter().zip(&prediction).filter(here).count() as u64);
            }
        }
        prop_assert_eq!(confusion.void_pixels(), truth.iter().map(|&label| u64::from(label == VOID)).sum::<u64>());
        let got = headline(&confusion.metrics(AbsentClasses::Skip));
        let expected = by_loops(k, &truth, &prediction);
        prop_assert!(got.iter().zip(expected).all(|(&a, b)| close(a, b)), "{got:?} {expected:?}");
    }

    #[test]
    fn equals_hotcoco_bit_for_bit((k, truth, prediction) in maps()) {
        let mut theirs = SemanticEval::new(k);
        theirs.update(&truth, &prediction).unwrap();
        let theirs = theirs.scores();
        let ours = matrix(k, &truth, &prediction).metrics(AbsentClasses::Skip);
        let same = |ours: Option<f64>, theirs: f64| ours.unwrap_or(-1.0).to_bits() == theirs.to_bits();
        let theirs_headline = [theirs.miou, theirs.aacc, theirs.macc, theirs.fwiou];
        prop_assert!(headline(&ours).into_iter().zip(theirs_headline).all(|(ours, theirs)| same(ours, theirs)));
        for (ours, theirs) in ours.per_class.iter().zip(&theirs.per_class) {
            prop_assert!(same(ours.iou, theirs.iou) && same(ours.accuracy, theirs.acc));
        }
    }

    #[test]
    fn no_order_of_pixels_counts((k, truth, prediction) in maps(), seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..truth.len()).collect();
        wrs_ops::rng::Rng::new(seed, "pixels", 0, 0).shuffle(&mut order);
        let shuffled = |map: &[u8]| order.iter().map(|&i| map[i]).collect::<Vec<_>>();
        prop_assert_eq!(matrix(k, &shuffled(&truth), &shuffled(&prediction)), matrix(k, &truth, &prediction));
    }

    #[test]
    fn no_split_into_images_batches_or_matrices_counts(
        (k, truth, prediction) in maps(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(truth.len() + 1)).chain([0, truth.len()]).collect();
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|w| (&truth[w[0]..w[1]], &prediction[w[0]..w[1]]));
        let mut added = ConfusionMatrix::new(k).unwrap();
        let mut merged = ConfusionMatrix::new(k).unwrap();
        for (truth, prediction) in parts.rev() {
            added.add(truth, prediction).unwrap();
            merged.merge(&matrix(k, truth, prediction)).unwrap();
        }
        let whole = matrix(k, &truth, &prediction);
        prop_assert_eq!(&added, &whole);
        prop_assert_eq!(&merged, &whole);
    }

    #[test]
    fn relabelled_classes_carry_their_numbers_along((k, truth, prediction) in maps(), seed in any::<u64>()) {
        let mut name: Vec<u8> = (0..k as u8).collect();
        wrs_ops::rng::Rng::new(seed, "classes", 0, 0).shuffle(&mut name);
        let renamed = |map: &[u8]| -> Vec<u8> {
            map.iter().map(|&label| name.get(usize::from(label)).copied().unwrap_or(VOID)).collect()
        };
        let before = matrix(k, &truth, &prediction).metrics(AbsentClasses::Skip);
        let after = matrix(k, &renamed(&truth), &renamed(&prediction)).metrics(AbsentClasses::Skip);
        for (old, &new) in before.per_class.iter().zip(&name) {
            let new = &after.per_class[usize::from(new)];
            prop_assert_eq!((old.iou, old.accuracy, old.dice), (new.iou, new.accuracy, new.dice));
        }
        prop_assert_eq!(before.pixel_accuracy, after.pixel_accuracy);
        prop_assert!(headline(&before).iter().zip(headline(&after)).all(|(&a, b)| close(a, b)));
    }
}
