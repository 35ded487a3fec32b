//! Average precision by Pascal VOC's rules (Everingham et al. 2010 and 2015), of both generations.
//!
//! A detection is correct if the object it overlaps most is overlapped by more than half and not yet found; more
//! detections of it are wrong.  Detections of difficult objects (and of COCO's crowds) count neither way, and such
//! objects are never missed.  No cap on detections.  VOC07 averages the best precision at eleven recalls, VOC10 and
//! later take the whole area under the precision envelope.
//!
//! Where published codes part ways: the paper says "exceed 50%", which is followed here, and the devkit's Matlab
//! accepts exactly half; a recall of exactly 3/10 reaches the point 0.3 here, and misses it in numpy's
//! `arange(0, 1.1, 0.1)`.

use std::collections::BTreeMap;

use hotcoco::metrics::counts::average_precision_all_points;
use serde::{Deserialize, Serialize};

use crate::best_overlap::{Judged, Outcome, Target, best_first, judge};
use crate::error::EvalError;
use crate::records::{Detection, GroundTruth};

/// What the corners of boxes mean when their overlap is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VocPixels {
    /// Edges on a continuous axis: a box is as wide as its width says.  VOC's corners give these when 1 is taken
    /// off the minima, and the overlaps are then the devkit's.
    #[default]
    Continuous,
    /// First and last pixel: a box is one pixel wider and higher than the difference of its corners, the devkit's
    /// `+1`.  For records that hold VOC's corners as they are.
    Inclusive,
}

impl VocPixels {
    fn margin(self) -> f64 {
        match self {
            Self::Continuous => 0.0,
            Self::Inclusive => 1.0,
        }
    }
}

/// VOC's two means over the classes that have objects, as fractions; `None` when no class has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VocMetrics {
    /// Mean average precision at eleven recalls (VOC 2007).
    pub map07: Option<f64>,
    /// Mean area under the precision envelope (VOC 2010 to 2012).
    pub map12: Option<f64>,
    /// The classes that have objects, category ids ascending; not part of the JSON document.
    #[serde(skip)]
    pub per_class: Vec<VocClassMetrics>,
}

/// VOC's two numbers of one class that has objects which are not difficult.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VocClassMetrics {
    /// The category's id.
    pub category_id: u64,
    /// Average precision at eleven recalls.
    pub voc07: f64,
    /// Area under the precision envelope.
    pub voc12: f64,
}

/// Scores detections by VOC's rules alone, with a say in what box corners mean; [`crate::evaluate_detections`] takes
/// them as continuous.
///
/// Detections with equal scores rank by image id, and within one image and class in the order given.
///
/// # Errors
/// Whatever [`GroundTruth::validate`] and [`GroundTruth::validate_detections`] refuse.
pub fn evaluate_voc(
    ground_truth: &GroundTruth,
    detections: &[Detection],
    pixels: VocPixels,
) -> Result<VocMetrics, EvalError> {
    Ok(voc_metrics(ground_truth, &ground_truth.validated(detections)?, pixels))
}

/// Scores `detections`, which are validated and sorted by image and category, by VOC's rules.
pub(crate) fn voc_metrics(ground_truth: &GroundTruth, detections: &[&Detection], pixels: VocPixels) -> VocMetrics {
    let mut targets: BTreeMap<(u64, u64), Vec<Target>> = BTreeMap::new();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for gt in &ground_truth.boxes {
        let target = Target { bbox: gt.bbox, excused: gt.difficult || gt.is_crowd };
        targets.entry((gt.image_id, gt.category_id)).or_default().push(target);
        if !target.excused {
            *counts.entry(gt.category_id).or_default() += 1;
        }
    }
    let mut judged: BTreeMap<u64, Vec<Judged>> = BTreeMap::new();
    for group in detections.chunk_by(|a, b| (a.image_id, a.category_id) == (b.image_id, b.category_id)) {
        let Detection { image_id, category_id, .. } = *group[0];
        let targets = targets.get(&(image_id, category_id)).map_or(&[][..], Vec::as_slice);
        judged.entry(category_id).or_default().extend(judge(group, targets, pixels.margin()));
    }
    let class = |(&category_id, &objects): (&u64, &usize)| {
        let curve = Curve::new(judged.get(&category_id).map_or(&[][..], Vec::as_slice), objects);
        VocClassMetrics { category_id, voc07: curve.at_eleven_recalls(), voc12: curve.area() }
    };
    let per_class: Vec<VocClassMetrics> = counts.iter().map(class).collect();
    let mean = |of: fn(&VocClassMetrics) -> f64| {
        (!per_class.is_empty()).then(|| per_class.iter().map(of).sum::<f64>() / per_class.len() as f64)
    };
    VocMetrics { map07: mean(|c| c.voc07), map12: mean(|c| c.voc12), per_class }
}

/// Correct and wrong detections of one class so far, rank by rank; excused ones have no rank.
struct Curve {
    correct: Vec<f64>,
    wrong: Vec<f64>,
    objects: usize,
}

impl Curve {
    fn new(judged: &[Judged], objects: usize) -> Self {
        let mut ranked: Vec<&Judged> = judged.iter().filter(|j| j.outcome != Outcome::Excused).collect();
        ranked.sort_by(|a, b| best_first(a.score, b.score));
        let so_far = |counted: Outcome| {
            let mut count = 0.0;
            let step = |j: &&Judged| {
                count += f64::from(u8::from(j.outcome == counted));
                count
            };
            ranked.iter().map(step).collect()
        };
        Self { correct: so_far(Outcome::Correct), wrong: so_far(Outcome::Wrong), objects }
    }

    /// The mean over the recalls 0, 0.1 … 1 of the best precision at that recall or beyond, 0 where it is not reached.
    fn at_eleven_recalls(&self) -> f64 {
        const POINTS: u32 = 11;
        let best_from = |point: u32| {
            // Tenths are compared as whole numbers: counts divided by counts land on them exactly.
            let needed = f64::from(point) * self.objects as f64;
            let reached = self.correct.partition_point(|&correct| correct * f64::from(POINTS - 1) < needed);
            let ranks = self.correct[reached..].iter().zip(&self.wrong[reached..]);
            ranks.map(|(&correct, &wrong)| correct / (correct + wrong)).fold(0.0, f64::max)
        };
        (0..POINTS).map(best_from).sum::<f64>() / f64::from(POINTS)
    }

    /// The area under the precision envelope over all recalls.
    fn area(&self) -> f64 {
        average_precision_all_points(&self.correct, &self.wrong, self.objects)
    }
}
