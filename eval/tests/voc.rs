//! Pascal VOC's rules: worked by hand, against a transliteration of the devkit's loop, and what no order may change.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use wrs_eval::{
    Category, Detection, GroundTruth, GtBox, VocMetrics, VocPixels, evaluate_detections, evaluate_voc,
    parse_ground_truth,
};

fn gt_box(image_id: u64, category_id: u64, bbox: [f64; 4]) -> GtBox {
    GtBox { image_id, category_id, bbox, area: bbox[2] * bbox[3], is_crowd: false, difficult: false }
}

fn detection(image_id: u64, category_id: u64, bbox: [f64; 4], score: f64) -> Detection {
    Detection { image_id, category_id, bbox, score }
}

fn ground_truth(images: u64, categories: u64, boxes: Vec<GtBox>) -> GroundTruth {
    let categories = (1..=categories).map(|id| Category { id, name: format!("class {id}") }).collect();
    GroundTruth { image_ids: (1..=images).collect(), categories, boxes }
}

fn score(gt: &GroundTruth, detections: &[Detection]) -> VocMetrics {
    evaluate_voc(gt, detections, VocPixels::Continuous).unwrap()
}

fn assert_close(got: Option<f64>, expected: f64) {
    let got = got.expect("a defined number");
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

/// A box of 10 by 10 at a column of its own.
fn at(column: u32) -> [f64; 4] {
    [f64::from(column) * 100.0, 0.0, 10.0, 10.0]
}

#[test]
fn one_object_of_two_found() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, at(0)), gt_box(1, 1, at(1))]);
    let voc = score(&gt, &[detection(1, 1, at(0), 0.9)]);
    // The recalls 0, .1 … .5 are reached: six points of eleven, at precision 1.
    assert_close(voc.map07, 6.0 / 11.0);
    assert_close(voc.map12, 0.5);
}

#[test]
fn a_curve_with_a_dip_worked_by_hand() {
    let gt = ground_truth(1, 1, (0..4).map(|i| gt_box(1, 1, at(i))).collect());
    let ranked = [at(0), at(9), at(1), at(8), at(2)];
    let scored = ranked.iter().zip([0.9, 0.8, 0.7, 0.6, 0.5]).map(|(&bbox, score)| detection(1, 1, bbox, score));
    let voc = score(&gt, &scored.collect::<Vec<_>>());
    // Precision 1, 1/2, 2/3, 1/2, 3/5 at recall 1/4, 1/4, 1/2, 1/2, 3/4: the envelope is 1, 2/3, 3/5.
    assert_close(voc.map12, 0.25 * (1.0 + 2.0 / 3.0 + 0.6));
    // Recalls 0, .1, .2 see 1; .3, .4, .5 see 2/3; .6, .7 see 3/5; the rest is not reached.
    assert_close(voc.map07, (3.0 + 3.0 * 2.0 / 3.0 + 2.0 * 0.6) / 11.0);
}

#[test]
fn a_recall_of_exactly_three_tenths_reaches_its_point() {
    let gt = ground_truth(1, 1, (0..10).map(|i| gt_box(1, 1, at(i))).collect());
    let found: Vec<_> = (0..3).map(|i| detection(1, 1, at(i), 0.9)).collect();
    assert_close(score(&gt, &found).map07, 4.0 / 11.0);
}

#[test]
fn the_second_detection_of_an_object_is_wrong() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, at(0)), gt_box(1, 1, at(1))]);
    let twice = [detection(1, 1, at(0), 0.9), detection(1, 1, at(0), 0.8), detection(1, 1, at(1), 0.7)];
    // Precision 1, then 1/2, then 2/3.
    assert_close(score(&gt, &twice).map12, 0.5 + 0.5 * 2.0 / 3.0);
}

#[test]
fn the_best_overlap_decides_without_second_choice() {
    let (first, second) = ([0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 10.0, 10.0]);
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, first), gt_box(1, 1, second)]);
    let detections = [detection(1, 1, first, 0.9), detection(1, 1, [0.5, 0.0, 10.0, 10.0], 0.8)];
    assert_close(score(&gt, &detections).map12, 0.5);
}

#[test]
fn an_overlap_of_exactly_half_is_not_enough() {
    let gt = ground_truth(1, 1, vec![gt_box(1, 1, [0.0, 0.0, 10.0, 10.0])]);
    let half = [detection(1, 1, [0.0, 0.0, 5.0, 10.0], 0.9)];
    assert_close(score(&gt, &half).map12, 0.0);
    // With the last pixel counted it is 6 x 11 of 11 x 11.
    assert_close(evaluate_voc(&gt, &half, VocPixels::Inclusive).unwrap().map12, 1.0);
}

#[test]
fn both_conventions_agree_once_the_minima_are_moved() {
    // VOC's corners (xmin, ymin, xmax, ymax), 1-based and inclusive: an overlap near one half.
    let (object, found) = ([1.0, 1.0, 9.0, 9.0], [4.0, 1.0, 12.0, 9.0]);
    let as_read = |[x1, y1, x2, y2]: [f64; 4]| [x1, y1, x2 - x1, y2 - y1];
    let moved = |[x1, y1, x2, y2]: [f64; 4]| [x1 - 1.0, y1 - 1.0, x2 - x1 + 1.0, y2 - y1 + 1.0];
    for shift in 0..6 {
        let found = [found[0] - f64::from(shift), found[1], found[2] - f64::from(shift), found[3]];
        let gt = |bbox| ground_truth(1, 1, vec![gt_box(1, 1, bbox)]);
        let inclusive =
            evaluate_voc(&gt(as_read(object)), &[detection(1, 1, as_read(found), 0.5)], VocPixels::Inclusive).unwrap();
        assert_eq!(inclusive, score(&gt(moved(object)), &[detection(1, 1, moved(found), 0.5)]), "shift {shift}");
    }
}

#[test]
fn difficult_objects_and_crowds_count_neither_way() {
    let difficult = GtBox { difficult: true, ..gt_box(1, 1, at(1)) };
    let crowd = GtBox { is_crowd: true, ..gt_box(1, 1, at(2)) };
    let gt = ground_truth(1, 2, vec![gt_box(1, 1, at(0)), difficult, crowd, GtBox { category_id: 2, ..difficult }]);
    let on_them = [detection(1, 1, at(1), 0.9), detection(1, 1, at(1), 0.8), detection(1, 1, at(2), 0.7)];
    let all = [&on_them[..], &[detection(1, 1, at(0), 0.6)]].concat();
    for (found, expected) in [(&all[..], 1.0), (&all[3..], 1.0), (&on_them[..], 0.0)] {
        let voc = score(&gt, found);
        assert_close(voc.map12, expected);
        assert_close(voc.map07, expected);
        assert_eq!(voc.per_class.len(), 1, "class 2 has difficult objects only");
    }
    // For COCO's protocol a difficult object is an object.
    let metrics = evaluate_detections(&gt, &all).unwrap();
    assert_eq!((metrics.per_class[0].ground_truths, metrics.per_class[1].voc12), (2, None));
    assert_close(metrics.voc.map12, 1.0);
    assert_close(metrics.per_class[0].voc07, 1.0);
    assert_close(metrics.per_class[1].ap50, 0.0);
}

#[test]
fn classes_without_objects_count_in_no_mean() {
    let gt = ground_truth(1, 2, vec![gt_box(1, 1, at(0))]);
    let voc = score(&gt, &[detection(1, 1, at(0), 0.3), detection(1, 2, at(1), 0.9)]);
    assert_close(voc.map07, 1.0);
    assert_eq!(score(&ground_truth(1, 2, Vec::new()), &[detection(1, 1, at(0), 0.3)]), VocMetrics::default());
    assert_close(score(&gt, &[]).map12, 0.0);
}

#[test]
fn the_flag_is_read_from_files() {
    let text = r#"{"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}], "annotations": [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "difficult": 1},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "difficult": false},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81}]}"#;
    let read = parse_ground_truth(text.as_bytes()).unwrap().ground_truth;
    assert_eq!(read.boxes.iter().map(|b| b.difficult).collect::<Vec<_>>(), [true, false, false]);
    assert!(parse_ground_truth(text.replace(": false", ": 7").as_bytes()).is_err());
}

/// The devkit's loop over all detections of a class, best first, with its padded curves: an oracle that shares no
/// line with the evaluator.
fn oracle(gt: &GroundTruth, detections: &[Detection], plus: f64, class: u64) -> Option<(f64, f64)> {
    let corners = |[x, y, w, h]: [f64; 4]| (x, y, x + w, y + h);
    let objects: Vec<&GtBox> = gt.boxes.iter().filter(|b| b.category_id == class).collect();
    let npos = objects.iter().filter(|b| !b.difficult && !b.is_crowd).count() as f64;
    if npos < 1.0 {
        return None;
    }
    let mut sorted: Vec<&Detection> = detections.iter().filter(|d| d.category_id == class).collect();
    sorted.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
    let mut seen = vec![false; objects.len()];
    let (mut tp, mut fp) = (0.0, 0.0);
    let (mut recall, mut precision) = (vec![], vec![]);
    for d in sorted {
        let (x1, y1, x2, y2) = corners(d.bbox);
        let (mut ovmax, mut jmax) = (f64::NEG_INFINITY, usize::MAX);
        for (j, object) in objects.iter().enumerate().filter(|(_, o)| o.image_id == d.image_id) {
            let (gx1, gy1, gx2, gy2) = corners(object.bbox);
            let iw = x2.min(gx2) - x1.max(gx1) + plus;
            let ih = y2.min(gy2) - y1.max(gy1) + plus;
            if iw > 0.0 && ih > 0.0 {
                let ua = (x2 - x1 + plus) * (y2 - y1 + plus) + (gx2 - gx1 + plus) * (gy2 - gy1 + plus) - iw * ih;
                if iw * ih / ua > ovmax {
                    (ovmax, jmax) = (iw * ih / ua, j);
                }
            }
        }
        if ovmax > 0.5 {
            if objects[jmax].difficult || objects[jmax].is_crowd {
                continue;
            }
            if seen[jmax] {
                fp += 1.0;
            } else {
                tp += 1.0;
                seen[jmax] = true;
            }
        } else {
            fp += 1.0;
        }
        recall.push(tp / npos);
        precision.push(tp / (tp + fp));
    }
    let mut eleven = 0.0;
    for tenth in 0..11 {
        let t = f64::from(tenth) / 10.0 - 1e-9;
        let p = recall.iter().zip(&precision).filter(|(r, _)| **r >= t).map(|(_, p)| *p).fold(0.0, f64::max);
        eleven += p / 11.0;
    }
    let mrec = [&[0.0], &recall[..], &[1.0]].concat();
    let mut mpre = [&[0.0], &precision[..], &[0.0]].concat();
    for i in (0..mpre.len() - 1).rev() {
        mpre[i] = mpre[i].max(mpre[i + 1]);
    }
    let area = (1..mrec.len()).map(|i| (mrec[i] - mrec[i - 1]) * mpre[i]).sum();
    Some((eleven, area))
}

fn any_bbox() -> impl Strategy<Value = [f64; 4]> {
    // Coarse steps make equal and exactly half overlaps common.
    [0_u8..6, 0_u8..6, 1_u8..8, 1_u8..8].prop_map(|bbox| bbox.map(|v| f64::from(v) * 8.0))
}

fn any_gt() -> impl Strategy<Value = GroundTruth> {
    let one = (1_u64..4, 1_u64..3, any_bbox(), 0_u8..6);
    prop::collection::vec(one, 0..16).prop_map(|list| {
        let gt = |(image_id, category_id, bbox, flag): (u64, u64, [f64; 4], u8)| GtBox {
            is_crowd: flag == 0,
            difficult: flag == 1,
            ..gt_box(image_id, category_id, bbox)
        };
        ground_truth(3, 3, list.into_iter().map(gt).collect())
    })
}

/// Detections with distinct scores.
fn any_detections() -> impl Strategy<Value = Vec<Detection>> {
    let one = (1_u64..4, 1_u64..4, any_bbox());
    let scored = |list: Vec<(u64, u64, [f64; 4])>| {
        let with_score = |(rank, (image, category, bbox)): (usize, (u64, u64, [f64; 4]))| {
            detection(image, category, bbox, 1.0 / (rank + 1) as f64)
        };
        list.into_iter().enumerate().map(with_score).collect()
    };
    prop::collection::vec(one, 0..30).prop_map(scored)
}

proptest! {
    #[test]
    fn the_devkits_loop_agrees(gt in any_gt(), detections in any_detections(), inclusive in any::<bool>()) {
        let (pixels, plus) = if inclusive { (VocPixels::Inclusive, 1.0) } else { (VocPixels::Continuous, 0.0) };
        let voc = evaluate_voc(&gt, &detections, pixels).unwrap();
        let expected: Vec<(u64, (f64, f64))> =
            (1..4).filter_map(|class| Some((class, oracle(&gt, &detections, plus, class)?))).collect();
        prop_assert_eq!(voc.per_class.len(), expected.len());
        for (class, (id, (eleven, area))) in voc.per_class.iter().zip(&expected) {
            prop_assert_eq!(class.category_id, *id);
            prop_assert!((class.voc07 - eleven).abs() < 1e-12, "{} and {}", class.voc07, eleven);
            prop_assert!((class.voc12 - area).abs() < 1e-12, "{} and {}", class.voc12, area);
        }
    }

    #[test]
    fn every_number_is_a_fraction(gt in any_gt(), detections in any_detections()) {
        let voc = score(&gt, &detections);
        let all = voc.per_class.iter().flat_map(|c| [c.voc07, c.voc12]).chain(voc.map07).chain(voc.map12);
        prop_assert!(all.into_iter().all(|v| (0.0..=1.0 + 1e-12).contains(&v)), "{:?}", voc);
    }

    #[test]
    fn the_order_of_images_and_detections_changes_nothing(
        gt in any_gt(), (given, shuffled) in any_detections().prop_flat_map(|d| (Just(d.clone()), Just(d).prop_shuffle())),
    ) {
        let mut turned = gt.clone();
        turned.image_ids.reverse();
        turned.categories.reverse();
        // Whole images may move; the order of the objects of one image is part of the file.
        turned.boxes.sort_by_key(|b| std::cmp::Reverse(b.image_id));
        prop_assert_eq!(score(&gt, &given), score(&turned, &shuffled));
    }

    #[test]
    fn other_image_ids_change_nothing(gt in any_gt(), detections in any_detections()) {
        let other = |id: u64| 100 - id;
        let (mut renamed, mut on_renamed) = (gt.clone(), detections.clone());
        for id in &mut renamed.image_ids {
            *id = other(*id);
        }
        for b in &mut renamed.boxes {
            b.image_id = other(b.image_id);
        }
        for d in &mut on_renamed {
            d.image_id = other(d.image_id);
        }
        prop_assert_eq!(score(&gt, &detections), score(&renamed, &on_renamed));
    }
}
