//! Greedy suppression of overlapping boxes, class by class.
//!
//! Loops over classes instead of moving each class's boxes apart by an offset: in f32 the offset of class 79 leaves steps of
//! 1/32 pixel, and IoUs change.

use serde::{Deserialize, Serialize};

use crate::decode::Candidates;

/// Sides in pixels of the network's input a box must lie between to be kept.
const SIDE_RANGE: (f32, f32) = (2.0, 4096.0);

/// How many classes one box may be reported for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Every class whose score is above the confidence: what average precision is measured with.
    Multi,
    /// The best class only: what a picture is drawn with.
    Single,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NmsSettings {
    /// Objectness and score must be above it.
    pub confidence: f32,
    /// A box is dropped when its IoU with a kept one of its class is above it.
    pub iou: f32,
    /// Classes per box.
    pub labels: Labels,
    /// Best-scored candidates of a picture that are looked at: bounds the time an untrained network costs.
    pub pre_nms_top_k: usize,
    /// Detections of a picture.
    pub max_detections: usize,
}

/// A setting outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nms: {key}: expected {expected}, got {got}")]
pub struct NmsSettingError {
    /// The recipe's key.
    pub key: &'static str,
    /// What would be in range.
    pub expected: &'static str,
    /// What was given.
    pub got: String,
}

impl NmsSettings {
    /// # Errors
    /// [`NmsSettingError`] for the first setting outside its range.
    pub fn check(&self) -> Result<(), NmsSettingError> {
        let refuse = |key, expected, got| Err(NmsSettingError { key, expected, got });
        if !(0.0..1.0).contains(&self.confidence) {
            return refuse("confidence", "at least 0 and below 1", self.confidence.to_string());
        }
        if !(0.0..=1.0).contains(&self.iou) {
            return refuse("iou", "between 0 and 1", self.iou.to_string());
        }
        for (key, count) in [("pre-nms-top-k", self.pre_nms_top_k), ("max-detections", self.max_detections)] {
            if count == 0 {
                return refuse(key, "at least 1", count.to_string());
            }
        }
        Ok(())
    }
}

/// A box the network reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detected {
    /// Edges, in pixels of the network's input.
    pub bbox_xyxy: [f32; 4],
    /// Objectness times class probability; with a single class the objectness.
    pub score: f32,
    /// Contiguous class index, from 0.
    pub class: usize,
}

/// The detections of one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suppressed {
    /// Best score first; equal scores in the order of the candidates, then of the classes.
    pub detections: Vec<Detected>,
    /// Candidates with a box or score that is not a finite number: dropped, and a sign that the network is broken.
    pub not_finite: usize,
}

/// One candidate as one class.
#[derive(Clone, Copy)]
struct Scored {
    score: f32,
    candidate: usize,
    class: usize,
}

/// Keeps the best boxes of each class and drops those that overlap a better one of the same class.
///
/// The work is at most `pre_nms_top_k * max_detections` IoUs a picture.
pub fn suppress(candidates: &Candidates, settings: &NmsSettings) -> Suppressed {
    let (mut scored, not_finite) = score(candidates, settings);
    best_first(&mut scored);
    scored.truncate(settings.pre_nms_top_k);
    let mut by_class: Vec<Vec<Scored>> = vec![Vec::new(); candidates.classes];
    for one in scored {
        by_class[one.class].push(one);
    }
    let mut kept: Vec<Scored> = by_class.iter().flat_map(|class| greedy(class, candidates, settings)).collect();
    best_first(&mut kept);
    kept.truncate(settings.max_detections);
    let detected = |&Scored { score, candidate, class }: &Scored| Detected {
        bbox_xyxy: candidates.boxes_xyxy[candidate],
        score,
        class,
    };
    Suppressed { detections: kept.iter().map(detected).collect(), not_finite }
}

/// Score descending, then place among the candidates, then class: the same order whatever the sort does with ties.
fn best_first(scored: &mut [Scored]) {
    scored.sort_unstable_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.candidate.cmp(&b.candidate)).then(a.class.cmp(&b.class))
    });
}

/// The candidates above the confidence under each of their classes, and how many were not finite.
fn score(candidates: &Candidates, settings: &NmsSettings) -> (Vec<Scored>, usize) {
    let mut scored = Vec::new();
    let mut not_finite = 0;
    for (candidate, (bbox, &objectness)) in candidates.boxes_xyxy.iter().zip(&candidates.objectness).enumerate() {
        let classes = class_scores(candidates, candidate);
        if !bbox.iter().chain([&objectness]).chain(classes).all(|v| v.is_finite()) {
            not_finite += 1;
            continue;
        }
        if objectness <= settings.confidence || !has_plausible_size(bbox) {
            continue;
        }
        let above = |&Scored { score, .. }: &Scored| score > settings.confidence;
        let products = classes.iter().map(|probability| objectness * probability);
        let labelled =
            products.enumerate().map(|(class, score)| Scored { score, candidate, class }).filter(above);
        match settings.labels {
            _ if candidates.classes == 1 => scored.push(Scored { score: objectness, candidate, class: 0 }),
            Labels::Multi => scored.extend(labelled),
            Labels::Single => scored.extend(labelled.reduce(|best, one| if one.score > best.score { one } else { best })),
        }
    }
    (scored, not_finite)
}

/// The class probabilities of one candidate; none with a single class.
fn class_scores(candidates: &Candidates, candidate: usize) -> &[f32] {
    match candidates.classes {
        1 => &[],
        k => &candidates.class_scores[candidate * k..][..k],
    }
}

fn has_plausible_size([x0, y0, x1, y1]: &[f32; 4]) -> bool {
    let plausible = |side: f32| side > SIDE_RANGE.0 && side < SIDE_RANGE.1;
    plausible(x1 - x0) && plausible(y1 - y0)
}

/// Greedy suppression within one class, best first.
fn greedy(class: &[Scored], candidates: &Candidates, settings: &NmsSettings) -> Vec<Scored> {
    let mut kept: Vec<Scored> = Vec::new();
    for &one in class {
        // No class can put more than the whole picture's share into the result.
        if kept.len() == settings.max_detections {
            break;
        }
        let bbox = &candidates.boxes_xyxy[one.candidate];
        let overlaps = |other: &Scored| iou(bbox, &candidates.boxes_xyxy[other.candidate]) > settings.iou;
        if !kept.iter().any(overlaps) {
            kept.push(one);
        }
    }
    kept
}

/// Intersection over union of two boxes with sides above 0.
fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |b: &[f32; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let overlap = w * h;
    overlap / (area(a) + area(b) - overlap)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(found.detections.len(), 3);
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
        while let Some(best) = left.iter().copied().min_by(|a, b| {
            (-a.score, a.candidate, a.class).partial_cmp(&(-b.score, b.candidate, b.class)).unwrap()
        }) {
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
}
