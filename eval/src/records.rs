//! Ground truth and detections as plain records, and what must hold before they are scored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{EvalError, IdField, IdList, RecordKind};

/// One object of the ground truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GtBox {
    /// The image the object is in.
    pub image_id: u64,
    /// Its category.
    pub category_id: u64,
    /// `[x, y, width, height]` in pixels of the original image, `x y` the top left corner.
    pub bbox: [f64; 4],
    /// Area in square pixels that decides small, medium or large; COCO's is the area of the mask, not of the box.
    pub area: f64,
    /// Whether this is a region of many objects: it excuses detections and is never missed.
    pub is_crowd: bool,
    /// Whether VOC's annotators called it hard to recognise: VOC's metrics leave it out, all others count it.
    pub difficult: bool,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The id that boxes and detections carry.
    pub id: u64,
    /// The name shown in tables.
    pub name: String,
}

/// The images of a split, its categories and its objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroundTruth {
    /// Every image, with or without objects.
    pub image_ids: Vec<u64>,
    /// Every category, with or without objects.
    pub categories: Vec<Category>,
    /// Every object.
    pub boxes: Vec<GtBox>,
}

/// One detection, the record of a COCO results file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The image it was made on.
    pub image_id: u64,
    /// Its category.
    pub category_id: u64,
    /// `[x, y, width, height]` in pixels of the original image, `x y` the top left corner.
    pub bbox: [f64; 4],
    /// Confidence: larger ranks first.
    pub score: f64,
}

impl GroundTruth {
    /// Checks that the ground truth can be scored against; worth calling before a training that evaluates later.
    ///
    /// # Errors
    /// Image or category ids that repeat, boxes of unlisted images or categories, boxes or areas that are not
    /// finite, negative widths or heights.
    pub fn validate(&self) -> Result<(), EvalError> {
        let images = unique(RecordKind::Image, self.image_ids.iter().copied())?;
        let categories = unique(RecordKind::Category, self.categories.iter().map(|c| c.id))?;
        let kind = RecordKind::Annotation;
        require_known(kind, IdField::Image, &images, self.boxes.iter().map(|b| b.image_id))?;
        require_known(kind, IdField::Category, &categories, self.boxes.iter().map(|b| b.category_id))?;
        for (index, gt) in self.boxes.iter().enumerate() {
            let &GtBox { image_id, bbox, area, .. } = gt;
            if !is_box(bbox) {
                return Err(EvalError::BadBox { kind, index, image_id, bbox });
            }
            if !area.is_finite() {
                return Err(EvalError::BadArea { index, image_id, area });
            }
        }
        Ok(())
    }

    /// Checks that `detections` can be scored against this ground truth.
    ///
    /// # Errors
    /// Detections of unlisted images or categories, scores or boxes that are not finite, negative widths or heights.
    pub fn validate_detections(&self, detections: &[Detection]) -> Result<(), EvalError> {
        let images: BTreeSet<u64> = self.image_ids.iter().copied().collect();
        let categories: BTreeSet<u64> = self.categories.iter().map(|c| c.id).collect();
        let kind = RecordKind::Detection;
        require_known(kind, IdField::Image, &images, detections.iter().map(|d| d.image_id))?;
        require_known(kind, IdField::Category, &categories, detections.iter().map(|d| d.category_id))?;
        detections.iter().enumerate().try_for_each(|(index, detection)| require_finite(index, detection))
    }

    /// Validates both sides and sorts the detections by image and category, the order every evaluator here wants;
    /// within one image and category they keep the order given.
    pub(crate) fn validated<'d>(&self, detections: &'d [Detection]) -> Result<Vec<&'d Detection>, EvalError> {
        self.validate()?;
        self.validate_detections(detections)?;
        let mut ordered: Vec<&Detection> = detections.iter().collect();
        ordered.sort_by_key(|d| (d.image_id, d.category_id));
        Ok(ordered)
    }
}

/// Checks the numbers of one detection.
///
/// # Errors
/// A score or box that is not finite, a negative width or height.
pub(crate) fn require_finite(index: usize, detection: &Detection) -> Result<(), EvalError> {
    let &Detection { image_id, bbox, score, .. } = detection;
    if !is_box(bbox) {
        return Err(EvalError::BadBox { kind: RecordKind::Detection, index, image_id, bbox });
    }
    if !score.is_finite() {
        return Err(EvalError::BadScore { index, image_id, score });
    }
    Ok(())
}

/// Whether corners and area are finite and the sides not negative.
fn is_box([x, y, w, h]: [f64; 4]) -> bool {
    // Two huge finite sides would multiply to infinity and make the IoU NaN.
    [x + w, y + h, w * h].iter().all(|v| v.is_finite()) && w >= 0.0 && h >= 0.0
}

fn unique(kind: RecordKind, ids: impl Iterator<Item = u64>) -> Result<BTreeSet<u64>, EvalError> {
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<u64> = ids.filter(|&id| !seen.insert(id)).collect();
    if repeated.is_empty() {
        Ok(seen)
    } else {
        Err(EvalError::DuplicateIds { kind, ids: IdList(repeated.into_iter().collect()) })
    }
}

fn require_known(
    kind: RecordKind,
    field: IdField,
    known: &BTreeSet<u64>,
    ids: impl Iterator<Item = u64>,
) -> Result<(), EvalError> {
    let unknown: BTreeSet<u64> = ids.filter(|id| !known.contains(id)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(EvalError::UnknownIds { kind, field, ids: IdList(unknown.into_iter().collect()) })
    }
}
