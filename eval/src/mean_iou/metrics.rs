//! What a confusion matrix says.

use serde::{Deserialize, Serialize};

use super::ConfusionMatrix;
use super::error::SegmentationError;

/// What the mean IoU makes of a class that neither the ground truth nor the prediction has a pixel of: its IoU is 0/0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentClasses {
    /// It is left out, as in mmsegmentation. A class that is predicted though the ground truth lacks it has IoU 0 and counts.
    #[default]
    Skip,
    /// It counts as 0, as in early versions of torchmetrics.
    Zero,
    /// It counts as 1: nothing was to be found and nothing was.
    One,
    /// The mean is undefined then, as in torchvision's reference.
    Nan,
    /// It is left out, and so is a class that is predicted though the ground truth lacks it, as in detectron2.
    GtOnly,
}

/// The numbers of a segmentation evaluation, as fractions.
///
/// `None`, JSON `null`, is "undefined": 0/0. Without a counted pixel every number is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentationMetrics {
    /// Mean of the classes' IoU.
    pub miou: Option<f64>,
    /// Correct pixels by all pixels.
    pub pixel_accuracy: Option<f64>,
    /// Mean of the classes' accuracy, over the classes of the ground truth.
    pub mean_accuracy: Option<f64>,
    /// Mean of the classes' IoU, weighted by their pixels in the ground truth.
    pub fw_iou: Option<f64>,
    /// How the mean IoU treats absent classes.
    pub absent_classes: AbsentClasses,
    /// Classes that the mean IoU is a mean over.
    pub classes_used: usize,
    /// Pixels counted.
    pub pixels: u64,
    /// Pixels left out: void in the ground truth.
    pub void_pixels: u64,
    /// Every class, ascending.
    pub per_class: Vec<SegmentationClassMetrics>,
}

/// The numbers of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentationClassMetrics {
    /// Its label.
    pub class_id: usize,
    /// Its name.
    pub name: String,
    /// Intersection over union; `None` where it is in neither map, whatever the mean makes of it.
    pub iou: Option<f64>,
    /// Correct pixels by pixels in the ground truth (recall); `None` where the ground truth lacks it.
    pub accuracy: Option<f64>,
    /// Dice coefficient, the F1 of its pixels; `None` where it is in neither map.
    pub dice: Option<f64>,
    /// Pixels in the ground truth.
    pub truth_pixels: u64,
    /// Pixels in the prediction, void of the ground truth not counted.
    pub predicted_pixels: u64,
}

impl ConfusionMatrix {
    /// The numbers so far. Sums of floats run over the classes in ascending order.
    pub fn metrics(&self, absent_classes: AbsentClasses) -> SegmentationMetrics {
        let truth = self.truth_pixels();
        let predicted = self.predicted_pixels();
        let correct: Vec<u64> = self.rows().enumerate().map(|(class, row)| row[class]).collect();
        let class = |class_id| class_metrics(class_id, correct[class_id], truth[class_id], predicted[class_id]);
        let per_class: Vec<_> = (0..self.num_classes).map(class).collect();
        let pixels = truth.iter().sum();
        let (miou, classes_used) = if pixels == 0 { (None, 0) } else { mean_iou(&per_class, absent_classes) };
        let weighted = |class: &SegmentationClassMetrics| class.iou.map(|iou| iou * class.truth_pixels as f64);
        SegmentationMetrics {
            miou,
            pixel_accuracy: ratio(correct.iter().sum(), pixels),
            mean_accuracy: mean(per_class.iter().filter_map(|class| class.accuracy)).0,
            fw_iou: (pixels > 0).then(|| per_class.iter().filter_map(weighted).sum::<f64>() / pixels as f64),
            absent_classes,
            classes_used,
            pixels,
            void_pixels: self.void_pixels,
            per_class,
        }
    }
}

impl SegmentationMetrics {
    /// The same with the names of the classes, in the order of their labels.
    ///
    /// # Errors
    /// Too few names or too many.
    pub fn named<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self, SegmentationError> {
        if names.len() != self.per_class.len() {
            return Err(SegmentationError::Names { expected: self.per_class.len(), got: names.len() });
        }
        for (class, name) in self.per_class.iter_mut().zip(names) {
            name.as_ref().clone_into(&mut class.name);
        }
        Ok(self)
    }
}

fn class_metrics(class_id: usize, correct: u64, truth_pixels: u64, predicted_pixels: u64) -> SegmentationClassMetrics {
    SegmentationClassMetrics {
        class_id,
        name: format!("class {class_id}"),
        iou: ratio(correct, truth_pixels + predicted_pixels - correct),
        accuracy: ratio(correct, truth_pixels),
        dice: ratio(2 * correct, truth_pixels + predicted_pixels),
        truth_pixels,
        predicted_pixels,
    }
}

/// The mean IoU and the classes it is over.
fn mean_iou(per_class: &[SegmentationClassMetrics], absent: AbsentClasses) -> (Option<f64>, usize) {
    let ious = per_class.iter().map(|class| class.iou);
    match absent {
        AbsentClasses::Zero => mean(ious.map(|iou| iou.unwrap_or(0.0))),
        AbsentClasses::One => mean(ious.map(|iou| iou.unwrap_or(1.0))),
        AbsentClasses::Nan if per_class.iter().any(|class| class.iou.is_none()) => (None, per_class.len()),
        AbsentClasses::Skip | AbsentClasses::Nan => mean(ious.flatten()),
        AbsentClasses::GtOnly => {
            mean(per_class.iter().filter(|class| class.truth_pixels > 0).filter_map(|class| class.iou))
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> (Option<f64>, usize) {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    ((count > 0).then(|| sum / count as f64), count)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
