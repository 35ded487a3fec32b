//! mmdetection's loss of YOLOv3 (its `YOLOV3Head`).
//!
//! Sums over all pictures of a micro-batch, not divided by their number: a learning rate that fits goes with a batch of eight
//! a device, as in its configurations.  Its squares of the sides are not halved.
//!
//! With a single class mmdetection trains that class too; see [`super`].

use serde::{Deserialize, Serialize};

use super::coordinates::{self, Weights};
use super::{Loss, LossError, LossStep, Sample, check_setting, is_factor, is_share};
use crate::assign::grid::{Thresholds, assign};

/// How far mmdetection keeps a centre's target from the edges of its cell, in cells.
const MARGIN: f64 = 1e-6;

/// mmdetection's settings of a head and its assigner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MmdetSettings {
    /// A prior in the cell of a truth's centre learns the truth it overlaps by a higher IoU (`pos_iou_thr`: 0.5).
    pub positive_iou: f64,
    /// A prior that overlaps a truth by a higher IoU does not learn that there is nothing (`neg_iou_thr`: 0.5).
    pub negative_iou: f64,
    /// Gain of the box term (`loss_weight` of `loss_xy` and `loss_wh`: 2).
    pub box_gain: f64,
    /// Gain of the objectness term (`loss_weight` of `loss_conf`: 1).
    pub objectness_gain: f64,
    /// Gain of the class term (`loss_weight` of `loss_cls`: 1).
    pub class_gain: f64,
}

impl MmdetSettings {
    pub(super) fn check(&self) -> Result<(), LossError> {
        check_setting("positive-iou", self.positive_iou, "between 0 and 1", is_share)?;
        check_setting("negative-iou", self.negative_iou, "between 0 and 1", is_share)?;
        let gains =
            [("box-gain", self.box_gain), ("objectness-gain", self.objectness_gain), ("class-gain", self.class_gain)];
        gains.into_iter().try_for_each(|(key, gain)| check_setting(key, gain, "a finite number, at least 0", is_factor))
    }

    pub(super) fn compute(&self, sample: Sample<'_>, step: LossStep) -> Result<Loss, LossError> {
        let thresholds = Thresholds { positive: self.positive_iou, negative: self.negative_iou };
        let targets = assign(sample.truths, sample.maps, sample.anchors, thresholds);
        let gains = [self.box_gain, self.objectness_gain, self.class_gain];
        let weights = Weights { gains, margin: MARGIN, of_truth: |_| [1.0, 1.0] };
        coordinates::compute(sample, &targets, &weights, step)
    }
}
