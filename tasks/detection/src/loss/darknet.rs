//! Darknet's loss of YOLOv3 (Redmon and Farhadi 2018; spec'd by its `yolo_layer.c`).
//!
//! Every gradient is prediction minus target, times `2 - w * h` (fractions of the input's sides) for the box: small objects
//! count up to twice.  Sums over everything, divided by the pictures; there are no other gains.  What Darknet prints as its
//! loss is the sum of the squared gradients; here it is the function these are the gradients of.
//!
//! With a single class Darknet trains that class too; see [`super`].

use serde::{Deserialize, Serialize};

use super::coordinates::{self, Weights};
use super::{Loss, LossError, LossStep, Sample, check_setting, is_share};
use crate::assign::Truth;
use crate::assign::best_anchor::assign;

/// Darknet's settings of a `[yolo]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DarknetSettings {
    /// A predictor whose box overlaps a truth by a higher IoU does not learn that there is nothing (`ignore_thresh`: 0.7 in
    /// yolov3.cfg, 0.5 in yolov3-voc.cfg).
    pub ignore_threshold: f64,
}

impl DarknetSettings {
    pub(super) fn check(&self) -> Result<(), LossError> {
        check_setting("ignore-threshold", self.ignore_threshold, "between 0 and 1", is_share)
    }

    pub(super) fn compute(&self, sample: Sample<'_>, step: LossStep) -> Result<Loss, LossError> {
        let targets = assign(sample.truths, sample.maps, sample.anchors, self.ignore_threshold);
        let images = sample.maps.first().map_or(1, |map| map.n.max(1));
        let weights = Weights { gains: [1.0 / images as f64; 3], margin: 0.0, of_truth };
        coordinates::compute(sample, &targets, &weights, step)
    }
}

/// The square of a side counts half, so that its gradient is the difference itself.
fn of_truth(truth: &Truth) -> [f64; 2] {
    let [.., w, h] = truth.cxcywh.map(f64::from);
    // No truth is larger than its picture; one that claims to be must not turn the gradient round.
    let weight = 2.0 - (w * h).min(1.0);
    [weight, 0.5 * weight]
}
