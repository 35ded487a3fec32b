//! The matching that Pascal VOC and the paper's code base share: each detection answers for the one object it
//! overlaps most, and an object answers once.

use std::cmp::Ordering;

use crate::records::Detection;

/// The IoU that a correct detection must exceed.
pub(crate) const LEAST_IOU: f64 = 0.5;

/// An object to be found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    /// Whether detections of it are left out of the count (difficult objects, crowds).
    pub excused: bool,
}

/// What a detection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The first detection of an object.
    Correct,
    /// Of nothing, or of an object already found.
    Wrong,
    /// Of an excused object: neither.
    Excused,
}

/// One judged detection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub score: f64,
    pub outcome: Outcome,
}

/// Judges the detections of one image and class, best score first, by their overlap with `targets`.
///
/// The best overlap decides alone: there is no second choice when its object is taken or excused.  `margin` is added
/// to every width and height: 0 for boxes with continuous edges, 1 for first and last pixels.
pub(crate) fn judge(detections: &[&Detection], targets: &[Target], margin: f64) -> Vec<Judged> {
    let mut ranked = detections.to_vec();
    ranked.sort_by(|a, b| best_first(a.score, b.score));
    let mut taken = vec![false; targets.len()];
    let judge_one = |detection: &Detection| {
        let overlaps = targets.iter().map(|target| iou(detection.bbox, target.bbox, margin)).enumerate();
        // Of equal overlaps the first object wins, as the argmax of both code bases has it.
        let best = overlaps.fold(None, |best, (index, iou)| match best {
            Some((_, held)) if held >= iou => best,
            _ => Some((index, iou)),
        });
        let outcome = match best.filter(|&(_, iou)| iou > LEAST_IOU) {
            Some((index, _)) if targets[index].excused => Outcome::Excused,
            Some((index, _)) if !std::mem::replace(&mut taken[index], true) => Outcome::Correct,
            _ => Outcome::Wrong,
        };
        Judged { score: detection.score, outcome }
    };
    ranked.into_iter().map(judge_one).collect()
}

/// The order of finite scores, largest first; adding zero makes -0 and 0 equal.
pub(crate) fn best_first(a: f64, b: f64) -> Ordering {
    (b + 0.0).total_cmp(&(a + 0.0))
}

/// Intersection over union of two `[x, y, width, height]` boxes whose sides grow by `margin`; 0 when both are empty.
fn iou([ax, ay, aw, ah]: [f64; 4], [bx, by, bw, bh]: [f64; 4], margin: f64) -> f64 {
    let w = (ax + aw).min(bx + bw) - ax.max(bx) + margin;
    let h = (ay + ah).min(by + bh) - ay.max(by) + margin;
    let intersection = w.max(0.0) * h.max(0.0);
    let union = (aw + margin) * (ah + margin) + (bw + margin) * (bh + margin) - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_boxes() {
        let unit = [0.0, 0.0, 2.0, 2.0];
        let cases = [([0.0, 0.0, 2.0, 2.0], 1.0), ([1.0, 0.0, 2.0, 2.0], 1.0 / 3.0), ([2.0, 0.0, 2.0, 2.0], 0.0)];
        for (other, expected) in cases {
            assert!((iou(unit, other, 0.0) - expected).abs() < 1e-15, "{other:?}");
        }
        assert_eq!(iou([0.0; 4], [0.0; 4], 0.0).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn inclusive_boxes_hold_their_last_pixel() {
        // Pixels 0..=2 and 2..=4 share one column of three: 3 of 9 + 9 - 3.
        let (a, b) = ([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0]);
        assert!((iou(a, b, 1.0) - 3.0 / 15.0).abs() < 1e-15);
        // One pixel each, the same: a box of no extent is a pixel here.
        assert!((iou([4.0, 4.0, 0.0, 0.0], [4.0, 4.0, 0.0, 0.0], 1.0) - 1.0).abs() < 1e-15);
        assert_eq!(iou(a, [3.0, 0.0, 2.0, 2.0], 1.0).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn an_excused_object_excuses_without_being_taken() {
        let bbox = [0.0, 0.0, 10.0, 10.0];
        let beside = [2.0, 0.0, 10.0, 10.0];
        let targets = [Target { bbox, excused: true }, Target { bbox: beside, excused: false }];
        let detection = |bbox, score| Detection { image_id: 1, category_id: 1, bbox, score };
        let detections = [detection(bbox, 0.9), detection(bbox, 0.8), detection(beside, 0.7), detection(beside, 0.6)];
        let judged = judge(&detections.iter().collect::<Vec<_>>(), &targets, 0.0);
        let outcomes: Vec<Outcome> = judged.iter().map(|j| j.outcome).collect();
        assert_eq!(outcomes, [Outcome::Excused, Outcome::Excused, Outcome::Correct, Outcome::Wrong]);
    }
}
