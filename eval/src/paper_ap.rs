//! mAP@0.5, precision, recall and F1 by the rules of the code base the paper was run on (YOLOv3 in PyTorch, 2020).
//!
//! Where it differs from COCO: a detection is judged against its one best-overlapping object only, with no second
//! choice; IoU must exceed 0.5; crowds are left out rather than excused; no cap on detections; the curve gets the
//! end points (0, 0) and (r + 0.001, 0), is interpolated *linearly* at 101 points and integrated by the trapezoid
//! rule; precision and recall are read off the curve at confidence 0.1.  The result lies up to two points under COCO's
//! AP50 on the same detections, so both are always given.
//!
//! That code base works in the padded network frame, ours in pixels of the original image, which the letterbox
//! scales by one factor: IoUs agree up to rounding as long as boxes were clipped to the image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::best_overlap::{Judged, LEAST_IOU, Outcome, Target, best_first, judge};
use crate::records::{Detection, GroundTruth};

/// The confidence at which precision, recall and F1 are read.
pub const PAPER_CONFIDENCE: f64 = 0.1;
/// The IoU that a correct detection must exceed.
pub const PAPER_IOU: f64 = LEAST_IOU;

/// Guards 0/0 where a class has neither precision nor recall; the code base's value.
const EPSILON: f64 = 1e-16;
/// Points of recall at which the curve is sampled.
const SAMPLES: u32 = 101;
/// How far behind the last recall the curve falls to zero.
const TAIL: f64 = 1e-3;

/// The paper's four numbers: plain means over the classes that have objects, `None` when no class has.
///
/// `f1` is the mean of the classes' F1, not the F1 of the mean precision and recall.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PaperMetrics {
    /// Mean average precision at IoU 0.5.
    pub map50: Option<f64>,
    /// Mean precision at confidence 0.1.
    pub precision: Option<f64>,
    /// Mean recall at confidence 0.1.
    pub recall: Option<f64>,
    /// Mean F1 at confidence 0.1.
    pub f1: Option<f64>,
    /// The classes that have objects, category ids ascending; not part of the JSON document.
    #[serde(skip)]
    pub per_class: Vec<PaperClassMetrics>,
}

/// The paper's four numbers of one class that has objects.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PaperClassMetrics {
    /// The category's id.
    pub category_id: u64,
    /// Average precision at IoU 0.5.
    pub ap50: f64,
    /// Precision at confidence 0.1.
    pub precision: f64,
    /// Recall at confidence 0.1.
    pub recall: f64,
    /// `2PR / (P + R)`.
    pub f1: f64,
}

/// Scores `detections`, which are validated and sorted by image and category, by the paper's rules.
pub(crate) fn paper_metrics(ground_truth: &GroundTruth, detections: &[&Detection]) -> PaperMetrics {
    let mut objects: BTreeMap<(u64, u64), Vec<Target>> = BTreeMap::new();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for gt in ground_truth.boxes.iter().filter(|gt| !gt.is_crowd) {
        let target = Target { bbox: gt.bbox, excused: false };
        objects.entry((gt.image_id, gt.category_id)).or_default().push(target);
        *counts.entry(gt.category_id).or_default() += 1;
    }
    let mut judged: BTreeMap<u64, Vec<Judged>> = BTreeMap::new();
    for group in detections.chunk_by(|a, b| (a.image_id, a.category_id) == (b.image_id, b.category_id)) {
        let Detection { image_id, category_id, .. } = *group[0];
        let objects = objects.get(&(image_id, category_id)).map_or(&[][..], Vec::as_slice);
        judged.entry(category_id).or_default().extend(judge(group, objects, 0.0));
    }
    let class = |(&category_id, &object_count): (&u64, &usize)| {
        let judged = judged.get(&category_id).map_or(&[][..], Vec::as_slice);
        PaperClassMetrics { category_id, ..class_metrics(judged, object_count) }
    };
    let per_class: Vec<PaperClassMetrics> = counts.iter().map(class).collect();
    let mean = |of: fn(&PaperClassMetrics) -> f64| {
        (!per_class.is_empty()).then(|| per_class.iter().map(of).sum::<f64>() / per_class.len() as f64)
    };
    PaperMetrics {
        map50: mean(|c| c.ap50),
        precision: mean(|c| c.precision),
        recall: mean(|c| c.recall),
        f1: mean(|c| c.f1),
        per_class,
    }
}

/// The numbers of one class with `object_count > 0` objects; the category id is left at 0.
fn class_metrics(judged: &[Judged], object_count: usize) -> PaperClassMetrics {
    let mut ranked = judged.to_vec();
    ranked.sort_by(|a, b| best_first(a.score, b.score));
    let Some(last) = ranked.len().checked_sub(1) else { return PaperClassMetrics::default() };

    let mut hits = 0.0;
    let mut recalls = Vec::with_capacity(ranked.len());
    let mut precisions = Vec::with_capacity(ranked.len());
    for (rank, detection) in ranked.iter().enumerate() {
        hits += f64::from(u8::from(detection.outcome == Outcome::Correct));
        recalls.push(hits / (object_count as f64 + EPSILON));
        precisions.push(hits / (rank + 1) as f64);
    }

    // Negated, the scores ascend as the interpolation wants them.
    let confidences: Vec<f64> = ranked.iter().map(|detection| -detection.score).collect();
    let precision = interpolate(-PAPER_CONFIDENCE, &confidences, &precisions);
    let recall = interpolate(-PAPER_CONFIDENCE, &confidences, &recalls);
    let end = (recalls[last] + TAIL).min(1.0);
    PaperClassMetrics {
        category_id: 0,
        ap50: area_under_envelope(&recalls, &precisions, end),
        precision,
        recall,
        f1: 2.0 * precision * recall / (precision + recall + EPSILON),
    }
}

/// The area under the precision envelope from (0, 0) through the curve to (`end`, 0), by the trapezoid rule on
/// [`SAMPLES`] linearly interpolated points.
fn area_under_envelope(recalls: &[f64], precisions: &[f64], end: f64) -> f64 {
    let x: Vec<f64> = [0.0].iter().chain(recalls).chain(&[end]).copied().collect();
    let mut envelope: Vec<f64> = [0.0].iter().chain(precisions).chain(&[0.0]).copied().collect();
    for index in (1..envelope.len()).rev() {
        envelope[index - 1] = envelope[index - 1].max(envelope[index]);
    }
    let step = 1.0 / f64::from(SAMPLES - 1);
    let grid: Vec<f64> = (0..SAMPLES).map(|i| if i + 1 == SAMPLES { 1.0 } else { f64::from(i) * step }).collect();
    let heights: Vec<f64> = grid.iter().map(|&at| interpolate(at, &x, &envelope)).collect();
    let trapezoid = |i: usize| (grid[i + 1] - grid[i]) * (heights[i + 1] + heights[i]) / 2.0;
    (0..grid.len() - 1).map(trapezoid).sum()
}

/// Linear interpolation of `y` over non-descending `x`, constant beyond the ends; where `x` repeats, the last point
/// of the repetition counts (numpy's `interp`).  Both slices have the same length, at least 1.
fn interpolate(at: f64, x: &[f64], y: &[f64]) -> f64 {
    let beyond = x.partition_point(|&value| value <= at);
    let Some(left) = beyond.checked_sub(1) else { return y[0] };
    if beyond == x.len() || x[left].total_cmp(&at).is_eq() {
        return y[left];
    }
    let slope = (y[beyond] - y[left]) / (x[beyond] - x[left]);
    slope * (at - x[left]) + y[left]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_numpys() {
        // np.interp(at, [0, 1, 1, 3], [5, 6, 8, 4])
        let (x, y) = ([0.0, 1.0, 1.0, 3.0], [5.0, 6.0, 8.0, 4.0]);
        for (at, expected) in [(-1.0, 5.0), (0.0, 5.0), (0.5, 5.5), (1.0, 8.0), (2.0, 6.0), (3.0, 4.0), (9.0, 4.0)] {
            assert_eq!(interpolate(at, &x, &y).to_bits(), f64::to_bits(expected), "at {at}");
        }
        assert_eq!(interpolate(7.0, &[0.0], &[2.0]).to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn the_envelope_fills_dips() {
        // Recall 1/2 at precision 1/2, then recall 1 at precision 2/3: the envelope is 2/3 up to the drop at 1.
        let area = area_under_envelope(&[0.5, 1.0], &[0.5, 2.0 / 3.0], 1.0);
        assert!((area - (99.0 + 0.5) / 100.0 * 2.0 / 3.0).abs() < 1e-12, "{area}");
    }
}
