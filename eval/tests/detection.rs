//! Closed-form scores, COCO's quirks and what no order may change.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use wrs_eval::{
    Category, Detection, DetectionMetrics, EvalError, GroundTruth, GtBox, evaluate_detections, parse_ground_truth,
};

/// COCO counts recall 0.00 … 0.50 of two objects, one found: 51 of 101 points, at precision 1.
const HALF_FOUND: f64 = 51.0 / 101.0;

fn gt_box(image_id: u64, category_id: u64, bbox: [f64; 4]) -> GtBox {
    GtBox { image_id, category_id, bbox, area: bbox[2] * bbox[3], is_crowd: false, difficult: false }
}

fn crowd(image_id: u64, category_id: u64, bbox: [f64; 4]) -> GtBox {
    GtBox { is_crowd: true, ..gt_box(image_id, category_id, bbox) }
}

fn detection(image_id: u64, category_id: u64, bbox: [f64; 4], score: f64) -> Detection {
    Detection { image_id, category_id, bbox, score }
}

fn ground_truth(images: u64, categories: u64, boxes: Vec<GtBox>) -> GroundTruth {
    let categories = (1..=categories).map(|id| Category { id, name: format!("class {id}") }).collect();
    GroundTruth { image_ids: (1..=images).collect(), categories, boxes }
}

fn score(gt: &GroundTruth, detections: &[Detection]) -> DetectionMetrics {
    evaluate_detections(gt, detections).unwrap()
}

fn assert_close(got: Option<f64>, expected: f64) {
    let got = got.expect("a defined number");
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

const BOX: [f64; 4] = [10.0, 10.0, 50.0, 40.0];
const FAR: [f64; 4] = [200.0, 200.0, 50.0, 40.0];

#[test]
fn perfect_detections_score_one() {
    let gt = ground_truth(2, 1, vec![gt_box(1, 1, BOX), gt_box(2, 1, FAR)]);
    let metrics = score(&gt, &[detection(1, 1, BOX, 0.9), detection(2, 1, FAR, 0.8)]);
    for value in [metrics.ap, metrics.ap50, metrics.ap75, metrics.ap_medium, metrics.ar1, metrics.ar100] {
        assert_close(value, 1.0);
    }
    assert_eq!((metrics.ap_small, metrics.ap_large), (None, None));
    // The curve ends at (1, 0): the last of 100 trapezoids has half its area.
    assert_close(metrics.paper.map50, 0.995);
    assert_close(metrics.paper.recall, 1.0);
    assert_close(metrics.paper.f1, 1.0);
}

#[test]
fn one_object_of_two_found() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX), gt_box(1, 1, FAR)]);
    let metrics = score(&gt, &[detection(1, 1, BOX, 0.9)]);
    assert_close(metrics.ap, HALF_FOUND);
    assert_close(metrics.ap50, HALF_FOUND);
    assert_close(metrics.ar100, 0.5);
    assert_eq!((metrics.per_class[0].ground_truths, metrics.per_class[0].detections), (2, 1));
    // Precision 1 up to recall 0.5, then down to 0 at 0.501: fifty trapezoids and half of the one behind.
    assert_close(metrics.paper.map50, 0.505);
    assert_close(metrics.paper.precision, 1.0);
    assert_close(metrics.paper.recall, 0.5);
    assert_close(metrics.paper.f1, 2.0 / 3.0);
}

#[test]
fn a_false_positive_ahead_halves_the_precision() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX)]);
    let metrics = score(&gt, &[detection(1, 1, FAR, 0.9), detection(1, 1, BOX, 0.8)]);
    assert_close(metrics.ap, 0.5);
    assert_close(metrics.ar1, 0.0);
    assert_close(metrics.ar10, 1.0);
    assert_close(metrics.paper.precision, 0.5);
}

#[test]
fn the_papers_numbers_are_read_at_confidence_one_tenth() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX), gt_box(1, 1, FAR)]);
    let detections =
        [detection(1, 1, BOX, 0.5), detection(1, 1, [400.0, 0.0, 9.0, 9.0], 0.2), detection(1, 1, FAR, 0.05)];
    let paper = score(&gt, &detections).paper;
    // Two thirds of the way from (score 0.2: P 1/2, R 1/2) to (0.05: P 2/3, R 1).
    assert_close(paper.precision, 0.5 + (2.0 / 3.0) * (2.0 / 3.0 - 0.5));
    assert_close(paper.recall, 0.5 + (2.0 / 3.0) * 0.5);
}

#[test]
fn the_paper_gives_no_second_choice_and_wants_more_than_half() {
    // Two objects side by side, both overlapped most by detections on the first.
    let (first, second) = ([0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 10.0, 10.0]);
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, first), gt_box(1, 1, second)]);
    let detections = [detection(1, 1, first, 0.9), detection(1, 1, [0.5, 0.0, 10.0, 10.0], 0.8)];
    let metrics = score(&gt, &detections);
    assert_close(metrics.paper.recall, 0.5);
    assert_close(metrics.ap50, 1.0);
    // An overlap of exactly one half counts for COCO only.
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, [0.0, 0.0, 10.0, 10.0])]);
    let metrics = score(&gt, &[detection(1, 1, [0.0, 0.0, 5.0, 10.0], 0.9)]);
    assert_close(metrics.ap50, 1.0);
    assert_close(metrics.paper.map50, 0.0);
}

#[test]
fn no_detections_score_zero() {
    let gt = ground_truth(2, 2, vec![gt_box(1, 1, BOX)]);
    let metrics = score(&gt, &[]);
    for value in [metrics.ap, metrics.ap50, metrics.ar100, metrics.paper.map50, metrics.paper.f1] {
        assert_close(value, 0.0);
    }
    assert_close(metrics.per_class[0].ap, 0.0);
    assert_eq!(metrics.per_class[1].ap, None);
}

#[test]
fn no_labels_leave_every_number_undefined() {
    for gt in [ground_truth(1, 1, Vec::new()), ground_truth(1, 1, vec![crowd(1, 1, BOX)])] {
        let metrics = score(&gt, &[detection(1, 1, BOX, 0.9)]);
        let json = serde_json::to_value(&metrics).unwrap();
        for (name, value) in
            json.as_object().unwrap().iter().filter(|(name, _)| !["per_class", "paper", "voc"].contains(&name.as_str()))
        {
            assert!(value.is_null(), "{name}: {value}");
        }
        for family in ["paper", "voc"] {
            assert!(json[family].as_object().unwrap().values().all(serde_json::Value::is_null));
        }
    }
    let nothing = score(&GroundTruth::default(), &[]);
    assert_eq!((nothing.ap, nothing.per_class.len()), (None, 0));
}

#[test]
fn false_positives_of_a_class_without_objects_cost_nothing() {
    let gt = ground_truth(1, 2, vec![gt_box(1, 1, BOX)]);
    let metrics = score(&gt, &[detection(1, 1, BOX, 0.3), detection(1, 2, FAR, 0.9)]);
    assert_close(metrics.ap, 1.0);
    assert_close(metrics.paper.precision, 1.0);
}

#[test]
fn a_crowd_excuses_any_number_of_detections() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX), crowd(1, 1, FAR)]);
    let inside = [210.0, 205.0, 8.0, 8.0];
    let detections = [detection(1, 1, inside, 0.9), detection(1, 1, inside, 0.8), detection(1, 1, BOX, 0.7)];
    assert_close(score(&gt, &detections).ap, 1.0);
    let metrics = score(&gt, &detections);
    assert_eq!(metrics.per_class[0].ground_truths, 1);
    assert_close(metrics.paper.precision, 1.0 / 3.0);
}

#[test]
fn at_most_a_hundred_detections_per_image_and_class() {
    let gt = ground_truth(1, 2, vec![gt_box(1, 1, BOX), gt_box(1, 2, BOX)]);
    let misses = (0..100).map(|_| detection(1, 1, FAR, 0.9));
    let mut detections: Vec<Detection> = misses.collect();
    detections.extend([detection(1, 1, BOX, 0.5), detection(1, 2, BOX, 0.1)]);
    let metrics = score(&gt, &detections);
    assert_close(metrics.per_class[0].ar100, 0.0);
    assert_close(metrics.per_class[1].ar100, 1.0);
}

#[test]
fn the_annotated_area_decides_the_size_and_both_limits_belong_to_both() {
    let sized = |area| ground_truth(1, 1, vec![GtBox { area, ..gt_box(1, 1, BOX) }]);
    let sizes = |area| {
        let metrics = score(&sized(area), &[detection(1, 1, BOX, 0.9)]);
        [metrics.ap_small, metrics.ap_medium, metrics.ap_large].map(|ap| ap.is_some())
    };
    assert_eq!(sizes(1023.0), [true, false, false]);
    assert_eq!(sizes(1024.0), [true, true, false]);
    assert_eq!(sizes(9216.0), [false, true, true]);
    assert_eq!(sizes(9217.0), [false, false, true]);
}

#[test]
fn equal_scores_rank_in_the_order_given_and_images_by_id() {
    let gt = ground_truth(2, 1, vec![gt_box(1, 1, BOX)]);
    let (hit, miss) = (detection(1, 1, BOX, 0.5), detection(1, 1, FAR, 0.5));
    assert_close(score(&gt, &[hit, miss]).ap, 1.0);
    assert_close(score(&gt, &[miss, hit]).ap, 0.5);
    let later = detection(2, 1, FAR, 0.5);
    assert_close(score(&gt, &[later, hit]).ap, 1.0);
}

#[test]
fn records_that_cannot_be_scored_are_named() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX)]);
    let message = |detections: &[Detection]| evaluate_detections(&gt, detections).unwrap_err().to_string();
    let unknown = message(&[detection(9, 1, BOX, 0.5), detection(7, 1, BOX, 0.5), detection(9, 1, BOX, 0.5)]);
    assert!(unknown.contains("image ids: 7, 9\n"), "{unknown}");
    let unknown = message(&[detection(1, 0, BOX, 0.5)]);
    assert!(unknown.contains("category ids: 0\nhelp: "), "{unknown}");
    for bad in [f64::NAN, f64::INFINITY] {
        let text = message(&[detection(1, 1, BOX, 0.5), detection(1, 1, BOX, bad)]);
        assert!(text.contains("detection 1 (image 1)") && text.contains("score"), "{text}");
        let text = message(&[detection(1, 1, [0.0, bad, 1.0, 1.0], 0.5)]);
        assert!(text.contains("detection 0 (image 1)") && text.contains("box"), "{text}");
    }
    let text = message(&[detection(1, 1, [0.0, 0.0, -1.0, 1.0], 0.5)]);
    assert!(text.contains("not negative"), "{text}");
    assert!(message(&[detection(1, 1, [0.0, 0.0, 1e200, 1e200], 0.5)]).contains("finite"));
}

#[test]
fn ground_truth_that_cannot_be_scored_is_named() {
    let message = |gt: &GroundTruth| gt.validate().unwrap_err().to_string();
    let mut gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX)]);
    gt.image_ids = vec![1, 5, 5];
    assert!(message(&gt).contains("image id once, got more than once: 5"));
    gt.image_ids = vec![5];
    assert!(message(&gt).contains("annotations name unknown image ids: 1"));
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, [0.0, 0.0, f64::NAN, 1.0])]);
    assert!(message(&gt).contains("annotation 0 (image 1)"));
    let gt = ground_truth(1, 1, vec![GtBox { area: f64::INFINITY, ..gt_box(1, 1, BOX) }]);
    assert!(matches!(gt.validate(), Err(EvalError::BadArea { index: 0, image_id: 1, .. })));
}

#[test]
fn quirks_of_annotation_files() {
    let text = r#"{"images": [{"id": 3}, {"id": 4}], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}],
        "annotations": [
            {"id": 0, "image_id": 3, "category_id": 1, "bbox": [10, 10, 50, 40], "ignore": 1},
            {"id": 0, "image_id": 4, "category_id": 1, "bbox": [200, 200, 50, 40], "area": 900.0, "iscrowd": 0}]}"#;
    let read = parse_ground_truth(text.as_bytes()).unwrap();
    assert_eq!(read.warnings.len(), 3, "{:?}", read.warnings);
    assert_eq!(read.ground_truth.boxes.iter().map(|b| b.area).collect::<Vec<_>>(), [2000.0, 900.0]);
    assert_eq!(read.ground_truth.categories[1].name, "a (2)");
    // Neither the `ignore` flag nor the repeated id 0 keeps an object from being found.
    let metrics = score(&read.ground_truth, &[detection(3, 1, BOX, 0.9), detection(4, 1, FAR, 0.8)]);
    assert_close(metrics.ap, 1.0);
    assert_eq!(metrics.per_class[0].ground_truths, 2);
}

#[test]
fn the_document_has_the_promised_names() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, BOX)]);
    let metrics = score(&gt, &[detection(1, 1, BOX, 0.9)]);
    let json = serde_json::to_value(&metrics).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let promised =
        "ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small ar_medium ar_large per_class paper voc";
    assert_eq!(names.join(" "), promised);
    let paper: Vec<&str> = json["paper"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(paper.join(" "), "map50 precision recall f1");
    let voc: Vec<&str> = json["voc"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(voc.join(" "), "map07 map12");
    let back: DetectionMetrics = serde_json::from_value(json).unwrap();
    assert_eq!((back.ap, back.paper.map50), (metrics.ap, metrics.paper.map50));
}

fn any_bbox() -> impl Strategy<Value = [f64; 4]> {
    // Coarse steps make equal and exactly half overlaps common.
    [0_u8..12, 0_u8..12, 1_u8..12, 1_u8..12].prop_map(|bbox| bbox.map(|v| f64::from(v) * 8.0))
}

fn any_gt() -> impl Strategy<Value = Vec<GtBox>> {
    let one = (1_u64..4, 1_u64..4, any_bbox(), 0_u8..5, 0_u8..3);
    prop::collection::vec(one, 0..14).prop_map(|list| {
        let gt = |(image_id, category_id, bbox, crowd, area): (u64, u64, [f64; 4], u8, u8)| GtBox {
            area: bbox[2] * bbox[3] * f64::from(area + 1) / 3.0,
            is_crowd: crowd == 0,
            ..gt_box(image_id, category_id, bbox)
        };
        list.into_iter().map(gt).collect()
    })
}

/// Detections with distinct scores.
fn any_detections() -> impl Strategy<Value = Vec<Detection>> {
    let one = (1_u64..4, 1_u64..5, any_bbox());
    let scored = |list: Vec<(u64, u64, [f64; 4])>| {
        let with_score = |(rank, (image, category, bbox)): (usize, (u64, u64, [f64; 4]))| {
            detection(image, category, bbox, 1.0 / (rank + 1) as f64)
        };
        list.into_iter().enumerate().map(with_score).collect()
    };
    prop::collection::vec(one, 0..20).prop_map(scored)
}

fn numbers(metrics: &DetectionMetrics) -> Vec<f64> {
    let m = metrics;
    let all = [m.ap, m.ap50, m.ap75, m.ap_small, m.ap_medium, m.ap_large, m.ar1, m.ar10, m.ar100];
    let paper = [m.paper.map50, m.paper.precision, m.paper.recall, m.paper.f1];
    all.into_iter().chain(paper).chain(m.per_class.iter().map(|c| c.ap)).flatten().collect()
}

proptest! {
    #[test]
    fn every_number_is_a_fraction(boxes in any_gt(), detections in any_detections()) {
        let metrics = score(&ground_truth(3, 4, boxes), &detections);
        prop_assert!(numbers(&metrics).iter().all(|v| (0.0..=1.0 + 1e-12).contains(v)), "{metrics:?}");
    }

    #[test]
    fn the_order_of_images_and_detections_changes_nothing(
        boxes in any_gt(), (given, shuffled) in any_detections().prop_flat_map(|d| (Just(d.clone()), Just(d).prop_shuffle())),
    ) {
        let gt = ground_truth(3, 4, boxes);
        let mut turned = gt.clone();
        turned.image_ids.reverse();
        turned.categories.reverse();
        // Whole images may move; the order of the objects of one image is part of the file.
        turned.boxes.sort_by_key(|b| std::cmp::Reverse(b.image_id));
        prop_assert_eq!(score(&gt, &given), score(&turned, &shuffled));
    }

    #[test]
    fn only_the_order_of_scores_counts_for_coco(boxes in any_gt(), detections in any_detections()) {
        let gt = ground_truth(3, 4, boxes);
        let mut squared = detections.clone();
        for d in &mut squared {
            d.score = d.score.powi(2) - 3.0;
        }
        let (a, b) = (score(&gt, &detections), score(&gt, &squared));
        prop_assert_eq!((a.ap, a.ar100, a.paper.map50, a.per_class), (b.ap, b.ar100, b.paper.map50, b.per_class));
    }

    #[test]
    fn scaling_the_pictures_keeps_overlaps(boxes in any_gt(), detections in any_detections()) {
        let gt = ground_truth(3, 4, boxes);
        let (mut doubled, mut doubled_detections) = (gt.clone(), detections.clone());
        for b in &mut doubled.boxes {
            b.bbox = b.bbox.map(|v| 2.0 * v);
        }
        for d in &mut doubled_detections {
            d.bbox = d.bbox.map(|v| 2.0 * v);
        }
        let (a, b) = (score(&gt, &detections), score(&doubled, &doubled_detections));
        prop_assert_eq!((a.ap, a.ap50, a.ar10, a.paper), (b.ap, b.ap50, b.ar10, b.paper));
    }

    #[test]
    fn a_lowest_ranked_miss_never_raises_a_score(boxes in any_gt(), detections in any_detections()) {
        let gt = ground_truth(3, 4, boxes);
        let mut more = detections.clone();
        more.push(detection(1, 1, [5000.0, 5000.0, 20.0, 20.0], 1e-6));
        let (a, b) = (score(&gt, &detections), score(&gt, &more));
        prop_assert!(b.ap <= a.ap && b.ar100 <= a.ar100, "{:?} {:?}", a.ap, b.ap);
    }
}
