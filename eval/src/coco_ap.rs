//! COCO's average precision and recall for boxes, through the crate `hotcoco`.
//!
//! The protocol is pycocotools': ten IoU thresholds, 101 recall points, at most 100 detections per image *and class*,
//! areas closed on both ends, crowds that excuse any number of detections.  hotcoco uses numpy's threshold grids bit
//! for bit; parity with pycocotools is tested on stored numbers.  Annotations get ids of our own here, so ids of a
//! file that are 0 or repeat cannot disturb the matching as they do in pycocotools.

use hotcoco::{Annotation, COCO, COCOeval, Dataset, Image, IouType};

use crate::error::EvalError;
use crate::records::{Detection, GroundTruth};

/// The twelve numbers of COCO's table over one set of classes, as fractions; `None` where no object counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct CocoSummary {
    pub ap: Option<f64>,
    pub ap50: Option<f64>,
    pub ap75: Option<f64>,
    pub ap_small: Option<f64>,
    pub ap_medium: Option<f64>,
    pub ap_large: Option<f64>,
    pub ar1: Option<f64>,
    pub ar10: Option<f64>,
    pub ar100: Option<f64>,
    pub ar_small: Option<f64>,
    pub ar_medium: Option<f64>,
    pub ar_large: Option<f64>,
}

impl CocoSummary {
    /// Reads the summary off `number`, which takes COCO's own names and gives -1 for "undefined", as pycocotools does.
    fn from_names(number: impl Fn(&str) -> f64) -> Self {
        let defined = |name: &str| Some(number(name)).filter(|&value| value >= 0.0);
        Self {
            ap: defined("AP"),
            ap50: defined("AP50"),
            ap75: defined("AP75"),
            ap_small: defined("APs"),
            ap_medium: defined("APm"),
            ap_large: defined("APl"),
            ar1: defined("AR1"),
            ar10: defined("AR10"),
            ar100: defined("AR100"),
            ar_small: defined("ARs"),
            ar_medium: defined("ARm"),
            ar_large: defined("ARl"),
        }
    }
}

/// COCO's numbers over all classes, and per class with its category id, ascending.
pub(crate) struct CocoResult {
    pub overall: CocoSummary,
    pub per_class: Vec<(u64, CocoSummary)>,
}

/// Scores `detections` by COCO's protocol.  Both lists must have been validated.
///
/// # Errors
/// What the evaluator itself reports; none is expected of validated records.
pub(crate) fn coco_ap(ground_truth: &GroundTruth, detections: &[&Detection]) -> Result<CocoResult, EvalError> {
    let mut evaluation = evaluator(ground_truth, detections)?;
    evaluation.evaluate()?;
    evaluation.accumulate();
    // `summarize` would print the table; this computes the same numbers in silence.
    evaluation.summarize_lines();
    let overall = evaluation.get_results(None, false);
    let overall = CocoSummary::from_names(|name| overall.get(name).copied().unwrap_or(UNDEFINED));
    Ok(CocoResult { overall, per_class: per_class(&evaluation) })
}

/// The evaluator of validated records, sorted by image, with COCO's parameters; nothing is matched yet.
///
/// # Errors
/// What the evaluator itself reports; none is expected of validated records.
pub(crate) fn evaluator(ground_truth: &GroundTruth, detections: &[&Detection]) -> Result<COCOeval, EvalError> {
    let gt = COCO::from_dataset(dataset(ground_truth));
    let results = detections.iter().map(|d| Annotation {
        image_id: d.image_id,
        category_id: d.category_id,
        bbox: Some(d.bbox),
        score: Some(d.score),
        ..Annotation::default()
    });
    let dt = gt.load_res_anns(results.collect())?;
    Ok(COCOeval::new(gt, dt, IouType::Bbox))
}

/// What pycocotools and hotcoco write where there is nothing to average.
const UNDEFINED: f64 = -1.0;

fn dataset(ground_truth: &GroundTruth) -> Dataset {
    let mut boxes: Vec<_> = ground_truth.boxes.iter().collect();
    // Of two objects with equal IoU the later is matched, so their order must come from the records alone.
    boxes.sort_by_key(|b| (b.image_id, b.category_id));
    let annotations = (1..).zip(boxes).map(|(id, b)| Annotation {
        id,
        image_id: b.image_id,
        category_id: b.category_id,
        bbox: Some(b.bbox),
        area: Some(b.area),
        iscrowd: b.is_crowd,
        ..Annotation::default()
    });
    let images = ground_truth.image_ids.iter().map(|&id| Image { id, ..Image::default() });
    let categories = ground_truth.categories.iter().map(|category| hotcoco::Category {
        id: category.id,
        // Names play no part in the numbers; an empty one would make the evaluator print a warning.
        name: category.id.to_string(),
        ..hotcoco::Category::default()
    });
    Dataset {
        images: images.collect(),
        annotations: annotations.collect(),
        categories: categories.collect(),
        ..Dataset::default()
    }
}

/// The twelve numbers of each class alone: the same definitions, one category at a time.
fn per_class(evaluation: &COCOeval) -> Vec<(u64, CocoSummary)> {
    let Some(accumulated) = evaluation.accumulated() else { return Vec::new() };
    let params = &evaluation.params;
    let definitions = evaluation.metric_defs();
    let shape = accumulated.shape;
    let number = |name: &str, k: usize| {
        let definition = definitions.iter().find(|definition| definition.name == name)?;
        let a = params.area_ranges.iter().position(|range| range.label == definition.area_lbl)?;
        let m = params.max_dets.iter().position(|&max_det| max_det == definition.max_det)?;
        let thresholds = match definition.iou_thr {
            Some(iou) => {
                let t = params.iou_thr_idx(iou)?;
                t..t + 1
            }
            None => 0..shape.t,
        };
        let values: Vec<f64> = if definition.ap {
            let at = |t| (0..shape.r).map(move |r| accumulated.precision[shape.precision_idx(t, r, k, a, m)]);
            thresholds.flat_map(at).collect()
        } else {
            thresholds.map(|t| accumulated.recall[shape.recall_idx(t, k, a, m)]).collect()
        };
        // Undefined for one threshold is undefined for all: it says that the class has no object in the range.
        values.iter().all(|&v| v > UNDEFINED).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let ids = accumulated.cat_ids.iter().enumerate();
    ids.map(|(k, &id)| (id, CocoSummary::from_names(|name| number(name, k).unwrap_or(UNDEFINED)))).collect()
}
