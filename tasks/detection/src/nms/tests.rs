use super::*;
use proptest::prelude::*;
use wrs_ops::rng::Rng;

const EVAL: NmsSettings =
    NmsSettings { confidence: 0.001, iou: 0.6, labels: Labels::Multi, pre_nms_top_k: 30_000, max_detections: 300 };

fn one_class(boxes: &[([f32; 4], f32)]) -> Candidates {
    let (boxes_xyxy, objectness) = boxes.iter().copied().unzip();
    Candidates { classes: 1, boxes_xyxy, objectness, class_scores: vec![] }
}

fn scores(found: &Suppressed) -> Vec<f32> {
    found.detections.iter().map(|d| d.score).collect()
}

#[test]
fn a_worse_box_over_a_better_one_goes() {
    // 10 x 10 px; moved by 2: IoU 80 / 120 = 0.667; moved by 3: 70 / 130 = 0.538.
    let moved = |dx: f32| [100.0 + dx, 50.0, 110.0 + dx, 60.0];
    let found = suppress(&one_class(&[(moved(2.0), 0.8), (moved(0.0), 0.9), (moved(-3.0), 0.7)]), &EVAL);
    assert_eq!(scores(&found), [0.9, 0.7]);
    // The dropped box drops nothing itself: moved by 4 it overlaps the middle one by 0.667, the first by 0.43.
    let found = suppress(&one_class(&[(moved(2.0), 0.8), (moved(0.0), 0.9), (moved(4.0), 0.7)]), &EVAL);
    assert_eq!(scores(&found), [0.9, 0.7]);
    assert_eq!(found.detections[1], Detected { bbox_xyxy: moved(4.0), score: 0.7, class: 0 });
}

#[test]
fn the_threshold_is_strict() {
    // Overlap 5 x 10 of 10 x 10 and 5 x 10: IoU 0.5 exactly.
    let nested = one_class(&[([0.0, 0.0, 10.0, 10.0], 0.9), ([0.0, 0.0, 5.0, 10.0], 0.8)]);
    assert_eq!(suppress(&nested, &NmsSettings { iou: 0.5, ..EVAL }).detections.len(), 2);
    assert_eq!(suppress(&nested, &NmsSettings { iou: 0.499, ..EVAL }).detections.len(), 1);
    let quarter = one_class(&[([0.0, 0.0, 10.0, 10.0], 0.25)]);
    assert_eq!(suppress(&quarter, &NmsSettings { confidence: 0.25, ..EVAL }).detections.len(), 0);
}

#[test]
fn classes_do_not_suppress_each_other_and_labels_choose_them() {
    let same = [0.0, 0.0, 10.0, 10.0];
    let candidates = Candidates {
        classes: 3,
        boxes_xyxy: vec![same, same],
        objectness: vec![0.5, 1.0],
        class_scores: vec![0.5, 0.25, 0.0, 0.125, 0.5, 0.0],
    };
    let multi = suppress(&candidates, &EVAL);
    let found: Vec<_> = multi.detections.iter().map(|d| (d.class, d.score)).collect();
    assert_eq!(found, [(1, 0.5), (0, 0.25)], "each class once, from its best box");
    let single = suppress(&candidates, &NmsSettings { labels: Labels::Single, ..EVAL });
    let found: Vec<_> = single.detections.iter().map(|d| (d.class, d.score)).collect();
    assert_eq!(found, [(1, 0.5), (0, 0.25)], "the first box is a 0, the second a 1");
    let single = suppress(&candidates, &NmsSettings { labels: Labels::Single, confidence: 0.3, ..EVAL });
    assert_eq!(single.detections.len(), 1);
}

#[test]
fn implausible_sides_and_numbers_go() {
    let square = |side: f32| [0.0, 0.0, side, side];
    let boxes = [(square(2.0), 0.9), (square(2.5), 0.8), (square(4096.0), 0.9), (square(-5.0), 0.9)];
    let found = suppress(&one_class(&boxes), &EVAL);
    assert_eq!((scores(&found), found.not_finite), (vec![0.8], 0));
    let broken = [
        ([0.0, 0.0, f32::NAN, 5.0], 0.9),
        ([0.0, 0.0, f32::INFINITY, 5.0], 0.9),
        ([0.0, 0.0, 5.0, 5.0], f32::NAN),
        ([0.0, 0.0, 5.0, 5.0], 0.9),
    ];
    let found = suppress(&one_class(&broken), &EVAL);
    assert_eq!((scores(&found), found.not_finite), (vec![0.9], 3));
}

#[test]
fn equal_scores_keep_the_order_of_the_candidates_and_caps_hold() {
    let apart: Vec<_> = (0..40).map(|i| ([20.0 * i as f32, 0.0, 20.0 * i as f32 + 10.0, 10.0], 0.5)).collect();
    let found = suppress(&one_class(&apart), &NmsSettings { max_detections: 7, ..EVAL });
    let lefts: Vec<_> = found.detections.iter().map(|d| d.bbox_xyxy[0]).collect();
    assert_eq!(lefts, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0]);
    let found = suppress(&one_class(&apart), &NmsSettings { pre_nms_top_k: 3, ..EVAL });
    let lefts: Vec<_> = found.detections.iter().map(|d| d.bbox_xyxy[0]).collect();
    assert_eq!(lefts, [0.0, 20.0, 40.0]);
}

/// Random boxes of random classes, many of them overlapping, many scores equal.
fn crowd(n: usize, classes: usize) -> Candidates {
    let mut rng = Rng::new(7, "nms-test", 0, n as u64);
    let mut candidates = Candidates { classes, ..Candidates::default() };
    for _ in 0..n {
        let [x, y, w, h] = [60.0, 60.0, 40.0, 40.0].map(|side| (side * rng.uniform()) as f32);
        candidates.boxes_xyxy.push([x, y, x + w + 3.0, y + h + 3.0]);
        candidates.objectness.push(rng.below(9) as f32 / 8.0);
        candidates.class_scores.extend((0..classes).map(|_| rng.below(5) as f32 / 4.0));
    }
    candidates
}

/// The definition, word by word: take the best box left, drop what it overlaps in its class, repeat.
fn oracle(candidates: &Candidates, settings: &NmsSettings) -> Vec<Detected> {
    let (mut left, _) = score(candidates, settings);
    let mut kept = Vec::new();
    let place = |one: &Scored| (-one.score, one.candidate, one.class);
    while let Some(best) = left.iter().copied().min_by(|a, b| place(a).partial_cmp(&place(b)).unwrap()) {
        let bbox = candidates.boxes_xyxy[best.candidate];
        kept.push(Detected { bbox_xyxy: bbox, score: best.score, class: best.class });
        left.retain(|one| {
            let same = (one.candidate, one.class) == (best.candidate, best.class);
            let other = candidates.boxes_xyxy[one.candidate];
            !same && (one.class != best.class || iou(&bbox, &other) <= settings.iou)
        });
    }
    kept.truncate(settings.max_detections);
    kept
}

#[test]
fn agrees_with_the_definition() {
    for labels in [Labels::Multi, Labels::Single] {
        let settings = NmsSettings { labels, max_detections: 50, ..EVAL };
        let candidates = crowd(300, 4);
        let found = suppress(&candidates, &settings);
        assert!(found.detections.len() > 20);
        assert_eq!(found.detections, oracle(&candidates, &settings));
        assert_eq!(found, suppress(&candidates, &settings));
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    assert_eq!(EVAL.check(), Ok(()));
    let bad = [
        NmsSettings { confidence: f32::NAN, ..EVAL },
        NmsSettings { confidence: 1.0, ..EVAL },
        NmsSettings { iou: 1.5, ..EVAL },
        NmsSettings { pre_nms_top_k: 0, ..EVAL },
        NmsSettings { max_detections: 0, ..EVAL },
    ];
    for settings in bad {
        assert!(settings.check().is_err(), "{settings:?}");
    }
    let text = "confidence = 0.25\niou = 0.45\nlabels = \"single\"\npre-nms-top-k = 30000\nmax-detections = 300";
    let parsed: NmsSettings = toml::from_str(text).unwrap();
    assert_eq!((parsed.labels, parsed.pre_nms_top_k), (Labels::Single, 30_000));
    assert!(toml::from_str::<NmsSettings>(&format!("{text}\nmerge = true")).is_err());
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![any::<f32>(), -50.0..50.0f32, Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)]
}

proptest! {
    #[test]
    fn any_numbers_give_finite_ordered_detections(
        rows in prop::collection::vec(prop::collection::vec(any_number(), 7), 0..40),
        labels in prop_oneof![Just(Labels::Multi), Just(Labels::Single)],
    ) {
        let mut candidates = Candidates { classes: 2, ..Candidates::default() };
        for row in &rows {
            candidates.boxes_xyxy.push([row[0], row[1], row[2], row[3]]);
            candidates.objectness.push(row[4]);
            candidates.class_scores.extend(&row[5..]);
        }
        let found = suppress(&candidates, &NmsSettings { labels, max_detections: 10, ..EVAL });
        let broken = rows.iter().filter(|row| row.iter().any(|v| !v.is_finite())).count();
        prop_assert_eq!(found.not_finite, broken);
        prop_assert!(found.detections.len() <= 10);
        prop_assert!(found.detections.iter().all(|d| d.score > EVAL.confidence && d.bbox_xyxy.iter().all(|v| v.is_finite())));
        prop_assert!(found.detections.is_sorted_by(|a, b| a.score >= b.score));
    }
}
