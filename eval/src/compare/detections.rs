//! Arms of detectors.

use crate::compare::matches::{Matches, Scratch};
use crate::compare::resampled::Resampled;
use crate::compare::{ApMetric, Arm, CompareError, CompareOptions, Comparison, RunFault, compare};
use crate::records::{Detection, GroundTruth};

impl Resampled for Matches {
    type Scratch = Scratch;

    fn value(&self, weights: &[u32], scratch: &mut Scratch) -> Option<f64> {
        self.ap(weights, scratch)
    }
}

/// Compares what the runs of two arms detect in the images of one ground truth.
///
/// The same arguments give the same bytes, whatever the order of runs, images and threads.
///
/// # Errors
/// Arms without runs, with a seed twice, or with different seeds; options out of range; fewer than two images; records
/// that [`crate::evaluate_detections`] refuses; a ground truth without objects, or with so few that too many draws miss
/// them all.
pub fn compare_detections(
    ground_truth: &GroundTruth,
    a: &Arm<'_, Detection>,
    b: &Arm<'_, Detection>,
    options: &CompareOptions<ApMetric>,
) -> Result<Comparison<ApMetric>, CompareError> {
    compare(a, b, ground_truth.image_ids.len(), options, |detections| {
        Matches::new(ground_truth, detections, options.metric).map_err(RunFault::Detections)
    })
}
