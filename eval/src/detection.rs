//! All numbers of a detection evaluation in one document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::coco_ap::{CocoSummary, coco_ap};
use crate::error::EvalError;
use crate::paper_ap::{PaperMetrics, paper_metrics};
use crate::records::{Detection, GroundTruth};
use crate::voc_ap::{VocClassMetrics, VocMetrics, VocPixels, voc_metrics};

/// COCO's twelve numbers, the same per class, the paper's and Pascal VOC's, all as fractions.
///
/// `None`, JSON `null`, is "undefined": no class has an object that counts (pycocotools writes -1 there).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionMetrics {
    /// Average precision, mean over IoU 0.50 to 0.95, recall points and classes.
    pub ap: Option<f64>,
    /// Average precision at IoU 0.50.
    pub ap50: Option<f64>,
    /// Average precision at IoU 0.75.
    pub ap75: Option<f64>,
    /// Average precision over objects of area up to 32².
    pub ap_small: Option<f64>,
    /// Average precision over objects of area 32² to 96².
    pub ap_medium: Option<f64>,
    /// Average precision over objects of area from 96².
    pub ap_large: Option<f64>,
    /// Average recall with one detection per image and class.
    pub ar1: Option<f64>,
    /// Average recall with ten detections per image and class.
    pub ar10: Option<f64>,
    /// Average recall with a hundred detections per image and class.
    pub ar100: Option<f64>,
    /// Average recall over objects of area up to 32².
    pub ar_small: Option<f64>,
    /// Average recall over objects of area 32² to 96².
    pub ar_medium: Option<f64>,
    /// Average recall over objects of area from 96².
    pub ar_large: Option<f64>,
    /// Every category of the ground truth, ids ascending.
    pub per_class: Vec<ClassMetrics>,
    /// mAP@0.5, precision, recall and F1 as the paper's code base computes them.
    pub paper: PaperMetrics,
    /// Pascal VOC's mean average precisions, boxes taken as continuous.
    pub voc: VocMetrics,
}

/// COCO's and VOC's numbers of one class; `None` where the class has no object that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// The category's id.
    pub category_id: u64,
    /// The category's name.
    pub name: String,
    /// Average precision, mean over IoU 0.50 to 0.95.
    pub ap: Option<f64>,
    /// Average precision at IoU 0.50.
    pub ap50: Option<f64>,
    /// Average precision at IoU 0.75.
    pub ap75: Option<f64>,
    /// Average precision over objects of area up to 32².
    pub ap_small: Option<f64>,
    /// Average precision over objects of area 32² to 96².
    pub ap_medium: Option<f64>,
    /// Average precision over objects of area from 96².
    pub ap_large: Option<f64>,
    /// Average recall with a hundred detections per image.
    pub ar100: Option<f64>,
    /// VOC 2007's average precision; here only objects that are neither crowds nor difficult count.
    pub voc07: Option<f64>,
    /// VOC 2010 to 2012's average precision, over the same objects.
    pub voc12: Option<f64>,
    /// Objects of the class, crowds not counted.
    pub ground_truths: usize,
    /// Detections of the class.
    pub detections: usize,
}

/// Scores detections against ground truth: COCO's protocol, the paper's and VOC's.
///
/// No detections give 0 for every class that has objects.  A class without objects counts in no mean, and its
/// detections cost nothing; without any object every number is `None`.  Detections with equal scores rank by image
/// id, and within one image and class in the order given, as in pycocotools.
///
/// # Errors
/// Whatever [`GroundTruth::validate`] and [`GroundTruth::validate_detections`] refuse.
pub fn evaluate_detections(
    ground_truth: &GroundTruth,
    detections: &[Detection],
) -> Result<DetectionMetrics, EvalError> {
    let ordered = ground_truth.validated(detections)?;
    let coco = coco_ap(ground_truth, &ordered)?;
    let paper = paper_metrics(ground_truth, &ordered);
    let voc = voc_metrics(ground_truth, &ordered, VocPixels::Continuous);
    let CocoSummary { ap, ap50, ap75, ap_small, ap_medium, ap_large, .. } = coco.overall;
    let CocoSummary { ar1, ar10, ar100, ar_small, ar_medium, ar_large, .. } = coco.overall;
    let per_class = class_table(ground_truth, &ordered, &coco.per_class, &voc.per_class);
    Ok(DetectionMetrics {
        ap,
        ap50,
        ap75,
        ap_small,
        ap_medium,
        ap_large,
        ar1,
        ar10,
        ar100,
        ar_small,
        ar_medium,
        ar_large,
        per_class,
        paper,
        voc,
    })
}

fn class_table(
    ground_truth: &GroundTruth,
    detections: &[&Detection],
    summaries: &[(u64, CocoSummary)],
    voc: &[VocClassMetrics],
) -> Vec<ClassMetrics> {
    let names: BTreeMap<u64, &str> = ground_truth.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
    let mut objects: BTreeMap<u64, usize> = BTreeMap::new();
    for gt in ground_truth.boxes.iter().filter(|gt| !gt.is_crowd) {
        *objects.entry(gt.category_id).or_default() += 1;
    }
    let mut found: BTreeMap<u64, usize> = BTreeMap::new();
    for detection in detections {
        *found.entry(detection.category_id).or_default() += 1;
    }
    let count = |counts: &BTreeMap<u64, usize>, id| counts.get(&id).copied().unwrap_or(0);
    let voc: BTreeMap<u64, &VocClassMetrics> = voc.iter().map(|class| (class.category_id, class)).collect();
    let row = |&(category_id, summary): &(u64, CocoSummary)| {
        let CocoSummary { ap, ap50, ap75, ap_small, ap_medium, ap_large, ar100, .. } = summary;
        ClassMetrics {
            category_id,
            name: names.get(&category_id).copied().unwrap_or_default().to_owned(),
            ap,
            ap50,
            ap75,
            ap_small,
            ap_medium,
            ap_large,
            ar100,
            voc07: voc.get(&category_id).map(|class| class.voc07),
            voc12: voc.get(&category_id).map(|class| class.voc12),
            ground_truths: count(&objects, category_id),
            detections: count(&found, category_id),
        }
    };
    summaries.iter().map(row).collect()
}
