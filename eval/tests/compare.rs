//! Two arms of runs: worked by hand, refused with reasons, the same for any order and number of threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use wrs_eval::compare::{ApMetric, Arm, CompareError, CompareOptions, Comparison, Outcome, Run, compare_detections};
use wrs_eval::{Category, Detection, GroundTruth, GtBox, evaluate_detections};

const BOX: [f64; 4] = [10.0, 10.0, 50.0, 40.0];

/// One object of one class on each image.
fn ground_truth(images: u64) -> GroundTruth {
    let object =
        |image_id| GtBox { image_id, category_id: 1, bbox: BOX, area: 2000.0, is_crowd: false, difficult: false };
    GroundTruth {
        image_ids: (1..=images).collect(),
        categories: vec![Category { id: 1, name: "thing".to_owned() }],
        boxes: (1..=images).map(object).collect(),
    }
}

/// The objects of the first `images` images found.
fn found(images: u64) -> Vec<Detection> {
    (1..=images).map(|image_id| Detection { image_id, category_id: 1, bbox: BOX, score: 0.5 }).collect()
}

fn arm<'a, R>(name: &str, runs: &'a [(u64, Vec<R>)]) -> Arm<'a, R> {
    let runs = runs.iter().map(|(seed, found)| Run { seed: *seed, found }).collect();
    Arm { name: name.to_owned(), runs }
}

fn options() -> CompareOptions<ApMetric> {
    CompareOptions { draws: 400, ..CompareOptions::default() }
}

fn compare(gt: &GroundTruth, a: &[(u64, Vec<Detection>)], b: &[(u64, Vec<Detection>)]) -> Comparison<ApMetric> {
    compare_detections(gt, &arm("WD", a), &arm("WRS", b), &options()).unwrap()
}

fn refused(gt: &GroundTruth, a: &[(u64, Vec<Detection>)], b: &[(u64, Vec<Detection>)]) -> CompareError {
    compare_detections(gt, &arm("WD", a), &arm("WRS", b), &options()).unwrap_err()
}

#[track_caller]
fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

#[test]
fn means_and_intervals_worked_by_hand() {
    let gt = ground_truth(10);
    // k of ten objects found without a wrong detection: 10 k + 1 of 101 recall points.
    let ap = |k: u64| (10 * k + 1) as f64 / 101.0;
    let a = [(3, found(2)), (1, found(4)), (2, found(3))];
    let b = [(1, found(6)), (2, found(4)), (3, found(5))];
    let comparison = compare(&gt, &a, &b);
    assert_eq!(comparison.seeds, [1, 2, 3]);
    for (got, expected) in comparison.a.values.iter().zip([4, 3, 2]) {
        assert_close(*got, ap(expected));
    }
    for (got, expected) in comparison.b.values.iter().zip([6, 4, 5]) {
        assert_close(*got, ap(expected));
    }
    // The differences are 2, 1 and 3 tenths of 100/101: mean 2, standard deviation 1, t of two degrees 4.3027.
    let tenth = 10.0 / 101.0;
    assert_close(comparison.a.mean, ap(3));
    assert_close(comparison.a.sd.unwrap(), tenth);
    assert_close(comparison.difference, 2.0 * tenth);
    let t = comparison.over_seeds.unwrap();
    let reach = 4.302_652_729_749_462 * tenth / 3.0_f64.sqrt();
    assert_eq!(t.degrees_of_freedom, 2);
    assert_close(t.interval.low, 2.0 * tenth - reach);
    assert_close(t.interval.high, 2.0 * tenth + reach);
    // A bootstrap never leaves the range of what it draws from.
    let both = comparison.over_seeds_and_images.unwrap();
    assert!(both.low >= 0.0 && both.low < 2.0 * tenth && both.high > 2.0 * tenth, "{both:?}");
    assert_eq!(comparison.verdict.outcome, Outcome::NoDifferenceShown, "{}", comparison.verdict.text);
}

#[test]
fn drawing_two_images_has_three_outcomes() {
    // One of two objects found against none: AP 0, 51/101 or 1 with probabilities 1/4, 1/2, 1/4.
    let gt = ground_truth(2);
    let over_images = |confidence| {
        let options = CompareOptions { confidence, draws: 2000, ..CompareOptions::default() };
        let (a, b) = ([(0, found(0))], [(0, found(1))]);
        compare_detections(&gt, &arm("a", &a), &arm("b", &b), &options).unwrap().over_images.interval
    };
    let middle = over_images(0.4);
    assert_close(middle.low, 51.0 / 101.0);
    assert_close(middle.high, 51.0 / 101.0);
    let wide = over_images(0.6);
    assert_close(wide.low, 0.0);
    assert_close(wide.high, 1.0);
}

#[test]
fn a_clear_difference_is_called_and_its_mirror_too() {
    let gt = ground_truth(5);
    let (none, all) = ([(1, found(0)), (2, found(0))], [(1, found(5)), (2, found(5))]);
    let comparison = compare(&gt, &none, &all);
    assert_eq!(comparison.verdict.outcome, Outcome::BBetter);
    assert_eq!(comparison.verdict.text, "WRS better: lower bound +100.00 > min-effect 0.00");
    let mirrored = compare(&gt, &all, &none);
    assert_eq!(mirrored.verdict.text, "WD better: lower bound +100.00 > min-effect 0.00");
    assert_close(mirrored.difference, -1.0);
    let same = compare(&gt, &all, &all);
    assert_eq!(same.verdict.text, "no difference shown: the interval [+0.00, +0.00] holds 0");
}

#[test]
fn one_seed_says_nothing_about_seed_luck() {
    let comparison = compare(&ground_truth(5), &[(7, found(0))], &[(7, found(5))]);
    assert_eq!((comparison.over_seeds, comparison.over_seeds_and_images), (None, None));
    assert_eq!((comparison.a.sd, comparison.verdict.outcome), (None, Outcome::OneSeed));
    assert!(comparison.verdict.text.contains("says nothing about seed luck; run --seeds 1..5"));
    assert_close(comparison.over_images.interval.low, 1.0);
}

#[test]
fn draws_without_an_object_are_counted() {
    let mut gt = ground_truth(1);
    gt.image_ids.extend([2, 3]);
    let comparison = compare(&gt, &[(1, found(0))], &[(1, found(1))]);
    // An object is drawn unless all three draws miss its image: (2/3)^3 = 0.296 of 400.
    let undefined = comparison.over_images.undefined_draws;
    assert!((80..160).contains(&undefined), "{undefined}");
    assert_close(comparison.over_images.interval.low, 1.0);
}

#[test]
fn seeds_that_do_not_pair_are_listed() {
    let gt = ground_truth(2);
    let a = [(1, found(1)), (2, found(1)), (5, found(1))];
    let b = [(2, found(1)), (3, found(1))];
    let text = refused(&gt, &a, &b).to_string();
    assert!(text.contains("only in WD: 1, 5; only in WRS: 3\nhelp: "), "{text}");
    assert!(text.ends_with("shared seeds alone: 2"), "{text}");
    let text = refused(&gt, &a[..1], &b[..1]).to_string();
    assert!(text.ends_with("shared seeds alone: none"), "{text}");
    let text = refused(&gt, &[(1, found(1)), (1, found(2))], &a).to_string();
    assert!(text.contains("arm WD: expected one run a seed, got several of seeds 1"), "{text}");
    assert!(matches!(refused(&gt, &a, &[]), CompareError::NoRuns { arm } if arm == "WRS"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let gt = ground_truth(2);
    let runs = [(1, found(1))];
    let with = |options| compare_detections(&gt, &arm("a", &runs), &arm("b", &runs), &options).unwrap_err();
    for confidence in [0.0, 1.0, 95.0, f64::NAN] {
        let error = with(CompareOptions { confidence, ..options() });
        assert!(matches!(error, CompareError::BadConfidence { .. }), "{error}");
    }
    for min_effect in [-0.1, f64::NAN, f64::INFINITY] {
        let error = with(CompareOptions { min_effect, ..options() });
        assert!(matches!(error, CompareError::BadMinEffect { .. }), "{error}");
    }
    let error = with(CompareOptions { draws: 39, ..options() });
    assert!(matches!(error, CompareError::TooFewDraws { least: 40, .. }), "{error}");

    assert!(matches!(refused(&ground_truth(1), &runs, &runs), CompareError::TooFewImages { images: 1 }));
    let unlabelled = GroundTruth { boxes: Vec::new(), ..ground_truth(2) };
    assert!(matches!(refused(&unlabelled, &runs, &runs), CompareError::Undefined));
    let text = refused(&gt, &[(1, found(9))], &runs).to_string();
    assert!(text.starts_with("arm WD, seed 1: detections name unknown image ids: 3, 4"), "{text}");
    // One labelled image of 40: a draw of 40 holds it with probability 0.64; of 41 draws fewer than 40 do.
    let rare = GroundTruth { image_ids: (1..=40).collect(), ..ground_truth(1) };
    let few = CompareOptions { draws: 41, ..options() };
    let error = compare_detections(&rare, &arm("a", &runs), &arm("b", &runs), &few).unwrap_err();
    assert!(matches!(error, CompareError::MostlyUndefined { draws: 41, .. }), "{error}");
}

#[test]
fn metrics_have_the_names_of_the_document() {
    for metric in ApMetric::ALL {
        assert_eq!(metric.name().parse::<ApMetric>().unwrap(), metric);
        assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
    }
    let error = "map".parse::<ApMetric>().unwrap_err().to_string();
    assert_eq!(error, "expected a metric among ap, ap50, ap75, got `map`");
}

/// Detections of `images` images and three classes that differ with the seed; a fixed recipe, not a random one.
fn scattered(images: u64, seed: u64) -> Vec<Detection> {
    let one = |index: u64| {
        let mixed = (index * 31 + seed * 17 + 5) * 2_654_435_761 % 1009;
        let shift = (mixed % 13) as f64;
        Detection {
            image_id: 1 + index % images,
            category_id: 1 + mixed % 3,
            bbox: [10.0 + shift, 10.0, 50.0, 40.0],
            score: (mixed % 97) as f64 / 97.0,
        }
    };
    (0..images * 12).map(one).collect()
}

fn three_classes(images: u64) -> GroundTruth {
    let mut gt = ground_truth(images);
    gt.categories = (1..=3).map(|id| Category { id, name: id.to_string() }).collect();
    for (b, category_id) in gt.boxes.iter_mut().zip((1..=3).cycle()) {
        b.category_id = category_id;
    }
    gt
}

#[test]
fn neither_order_nor_threads_change_a_bit() {
    let gt = three_classes(12);
    let runs = |first: u64| -> Vec<_> { (1..=3).map(|seed| (seed, scattered(12, seed + first))).collect() };
    let (a, b) = (runs(0), runs(40));
    let on = |threads, gt: &GroundTruth, a: &[_], b: &[_]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| compare(gt, a, b))).unwrap()
    };
    let expected = on(1, &gt, &a, &b);
    assert_eq!(on(2, &gt, &a, &b), expected);
    assert_eq!(on(7, &gt, &a, &b), expected);
    let turned = GroundTruth { image_ids: gt.image_ids.iter().rev().copied().collect(), ..gt.clone() };
    let reversed: Vec<_> = a.iter().rev().cloned().collect();
    assert_eq!(on(2, &turned, &reversed, &b), expected);
    let back: Comparison<ApMetric> = serde_json::from_str(&expected).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), expected);
    let other = CompareOptions { seed: 1, ..options() };
    let other = compare_detections(&gt, &arm("WD", &a), &arm("WRS", &b), &other).unwrap();
    assert_ne!(other.over_images, back.over_images);
    assert_eq!(other.over_seeds, back.over_seeds);
}

#[test]
fn the_values_are_those_of_the_evaluation() {
    let gt = three_classes(12);
    let (a, b) = ([(1, scattered(12, 3))], [(1, scattered(12, 8))]);
    let evaluated = evaluate_detections(&gt, &a[0].1).unwrap();
    for (metric, expected) in ApMetric::ALL.into_iter().zip([evaluated.ap, evaluated.ap50, evaluated.ap75]) {
        let options = CompareOptions { metric, ..options() };
        let comparison = compare_detections(&gt, &arm("a", &a), &arm("b", &b), &options).unwrap();
        assert_close(comparison.a.values[0], expected.unwrap());
        assert!(expected.unwrap() > 0.0, "{metric} says nothing here");
    }
}
