//! Greedy suppression of overlapping boxes, class by class.
//!
//! Loops over classes instead of moving each class's boxes apart by an offset: in f32 the offset of class 79 leaves steps of
//! 1/32 pixel, and IoUs change.

use std::cmp::Ordering;

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
    if scored.len() > settings.pre_nms_top_k {
        // An untrained network gives millions: only the part that is kept is worth sorting.
        scored.select_nth_unstable_by(settings.pre_nms_top_k, best_first);
        scored.truncate(settings.pre_nms_top_k);
    }
    scored.sort_unstable_by(best_first);
    let mut by_class: Vec<Vec<Scored>> = vec![Vec::new(); candidates.classes];
    for one in scored {
        by_class[one.class].push(one);
    }
    let mut kept: Vec<Scored> = by_class.iter().flat_map(|class| greedy(class, candidates, settings)).collect();
    kept.sort_unstable_by(best_first);
    kept.truncate(settings.max_detections);
    let detected = |&Scored { score, candidate, class }: &Scored| Detected {
        bbox_xyxy: candidates.boxes_xyxy[candidate],
        score,
        class,
    };
    Suppressed { detections: kept.iter().map(detected).collect(), not_finite }
}

/// Score descending, then place among the candidates, then class: no two are equal, so every sort gives the same order.
fn best_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.total_cmp(&a.score).then(a.candidate.cmp(&b.candidate)).then(a.class.cmp(&b.class))
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
        let labelled = products.enumerate().map(|(class, score)| Scored { score, candidate, class }).filter(above);
        match settings.labels {
            _ if candidates.classes == 1 => scored.push(Scored { score: objectness, candidate, class: 0 }),
            Labels::Multi => scored.extend(labelled),
            Labels::Single => {
                scored.extend(labelled.reduce(|best, one| if one.score > best.score { one } else { best }));
            }
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
mod tests;
