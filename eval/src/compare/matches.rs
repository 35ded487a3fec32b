//! COCO's average precision of any multiset of images, from one matching.
//!
//! Detections are matched within their image, so drawing an image twice or never changes no match: it changes how
//! often the image's detections stand in the ranking and its objects in the recall's denominator.  The matching is done
//! once, by hotcoco; a draw is one walk through the ranking.

use std::collections::BTreeMap;

use hotcoco::params::default_rec_thrs;
use hotcoco::{COCOeval, EvalImg, Params};

use crate::best_overlap::best_first;
use crate::coco_ap::evaluator;
use crate::compare::ApMetric;
use crate::error::EvalError;
use crate::records::{Detection, GroundTruth};

/// One bit a threshold of IoU.
type Thresholds = u16;

/// The matched detections of one run.
pub(crate) struct Matches {
    classes: Vec<Class>,
    thresholds: usize,
    recall_points: Vec<f64>,
}

#[derive(Default)]
struct Class {
    /// Images with objects that count, and how many.
    objects: Vec<(u32, u32)>,
    /// Detections, best first.
    ranked: Vec<Ranked>,
}

struct Ranked {
    image: u32,
    score: f64,
    /// Thresholds at which it is correct.
    correct: Thresholds,
    /// Thresholds at which it does not count.
    ignored: Thresholds,
    /// Whether it shares image and score with the one before.
    tied: bool,
}

impl Matches {
    /// Matches detections with objects at the IoU thresholds of `metric`.
    ///
    /// # Errors
    /// What [`crate::evaluate_detections`] refuses.
    pub fn new(ground_truth: &GroundTruth, detections: &[Detection], metric: ApMetric) -> Result<Self, EvalError> {
        let detections = ground_truth.validated(detections)?;
        let mut evaluation = evaluator(ground_truth, &detections)?;
        keep_thresholds(&mut evaluation.params, metric);
        evaluation.params.area_ranges.retain(|range| range.label == "all");
        evaluation.evaluate()?;

        let mut image_ids = ground_truth.image_ids.clone();
        image_ids.sort_unstable();
        let images: BTreeMap<u64, u32> = image_ids.into_iter().zip(0..).collect();
        let thresholds = evaluation.params.iou_thrs.len();
        Ok(Self { classes: classes(&evaluation, &images), thresholds, recall_points: default_rec_thrs() })
    }

    /// The average precision of the images in ascending order of id, each taken as often as its weight says; equal to
    /// the evaluation of a data set in which the copies of an image follow each other.  `None` when no object is left.
    pub fn ap(&self, weights: &[u32], scratch: &mut Scratch) -> Option<f64> {
        let (mut sum, mut defined) = (0.0, 0_u32);
        for class in &self.classes {
            let objects: u32 = class.objects.iter().map(|&(image, count)| weights[image as usize] * count).sum();
            if objects > 0 {
                scratch.walk(&class.ranked, weights, self.thresholds);
                sum += scratch.mean_precision(objects, &self.recall_points);
                defined += 1;
            }
        }
        (defined > 0).then(|| sum / f64::from(defined))
    }
}

fn keep_thresholds(params: &mut Params, metric: ApMetric) {
    let only = match metric {
        ApMetric::Ap => return,
        ApMetric::Ap50 => 0.5,
        ApMetric::Ap75 => 0.75,
    };
    // numpy's grid need not hold the decimal itself.
    let kept = params.iou_thr_idx(only);
    params.iou_thrs = kept.into_iter().map(|index| params.iou_thrs[index]).collect();
}

fn classes(evaluation: &COCOeval, images: &BTreeMap<u64, u32>) -> Vec<Class> {
    let mut classes: BTreeMap<u64, Class> = BTreeMap::new();
    let mut cells: Vec<(u32, &EvalImg)> =
        evaluation.eval_imgs().iter().flatten().filter_map(|cell| Some((*images.get(&cell.image_id)?, cell))).collect();
    cells.sort_by_key(|&(image, _)| image);
    for (image, cell) in cells {
        let class = classes.entry(cell.category_id).or_default();
        let objects = cell.num_gt_in_denominator() as u32;
        if objects > 0 {
            class.objects.push((image, objects));
        }
        let bits = |flag: &dyn Fn(usize) -> bool| -> Thresholds {
            (0..cell.dt_matched.num_rows()).filter(|&t| flag(t)).map(|t| 1 << t).sum()
        };
        for (d, &score) in cell.dt_scores.iter().enumerate() {
            let ignored = bits(&|t| cell.dt_ignore[(t, d)]);
            let correct = bits(&|t| cell.dt_matched[(t, d)]) & !ignored;
            class.ranked.push(Ranked { image, score, correct, ignored, tied: false });
        }
    }
    let mut classes: Vec<Class> = classes.into_values().collect();
    for class in &mut classes {
        class.ranked.sort_by(|a, b| best_first(a.score, b.score));
        for rank in 1..class.ranked.len() {
            let (before, this) = (&class.ranked[rank - 1], &class.ranked[rank]);
            class.ranked[rank].tied = before.image == this.image && best_first(before.score, this.score).is_eq();
        }
    }
    classes
}

/// Working space of [`Matches::ap`], worth keeping from draw to draw.
#[derive(Default)]
pub(crate) struct Scratch {
    seen: u32,
    tallies: Vec<Tally>,
}

/// The counts of one threshold on the way down the ranking.
#[derive(Default)]
struct Tally {
    correct: u32,
    ignored: u32,
    /// Correct detections so far and the precision, at every step of the recall.
    steps: Vec<(u32, f64)>,
}

impl Scratch {
    /// Counts the ranking of one class.
    fn walk(&mut self, ranked: &[Ranked], weights: &[u32], thresholds: usize) {
        self.seen = 0;
        self.tallies.resize_with(thresholds, Tally::default);
        for tally in &mut self.tallies {
            tally.correct = 0;
            tally.ignored = 0;
            tally.steps.clear();
        }
        for tied in ranked.chunk_by(|_, next| next.tied) {
            let weight = weights[tied[0].image as usize];
            if let [alone] = tied {
                self.count(alone, weight);
                continue;
            }
            // Copies of an image rank one whole image after the other.
            for _ in 0..weight {
                for detection in tied {
                    self.count(detection, 1);
                }
            }
        }
    }

    /// Counts `weight` copies of a detection.  Precision only grows along copies of a correct one, so its envelope is
    /// that of the last copy, and one step stands for all.
    fn count(&mut self, detection: &Ranked, weight: u32) {
        if weight == 0 {
            return;
        }
        self.seen += weight;
        for t in bits_of(detection.correct) {
            let tally = &mut self.tallies[t];
            tally.correct += weight;
            let counted = f64::from(self.seen - tally.ignored);
            // pycocotools adds numpy's spacing(1), which shows where a lone detection is correct.
            tally.steps.push((tally.correct, f64::from(tally.correct) / (counted + f64::EPSILON)));
        }
        for t in bits_of(detection.ignored) {
            self.tallies[t].ignored += weight;
        }
    }

    /// The mean over thresholds and recall points of the precision envelope, 0 where a recall is not reached.
    fn mean_precision(&self, objects: u32, recall_points: &[f64]) -> f64 {
        let reached = |correct: u32| {
            let recall = f64::from(correct) / f64::from(objects);
            recall_points.partition_point(|&point| point <= recall)
        };
        let mut sum = 0.0;
        for tally in &self.tallies {
            let mut envelope = 0.0_f64;
            let mut beyond = tally.steps.last().map_or(0, |&(correct, _)| reached(correct));
            for (index, &(_, precision)) in tally.steps.iter().enumerate().rev() {
                envelope = envelope.max(precision);
                let before = index.checked_sub(1).map_or(0, |previous| reached(tally.steps[previous].0));
                sum += envelope * (beyond - before) as f64;
                beyond = before;
            }
        }
        sum / (self.tallies.len() * recall_points.len()) as f64
    }
}

/// The positions of the bits that are set.
fn bits_of(mut bits: Thresholds) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = bits.trailing_zeros();
        bits &= bits.checked_sub(1)?;
        Some(position as usize)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Category, GtBox, evaluate_detections};

    /// Both sides add the same numbers, in different order.
    const TOLERANCE: f64 = 1e-12;
    const IMAGES: u64 = 4;

    fn any_bbox() -> impl Strategy<Value = [f64; 4]> {
        [0_u8..5, 0_u8..5, 1_u8..7, 1_u8..7].prop_map(|bbox| bbox.map(|v| f64::from(v) * 8.0))
    }

    /// Objects and crowds of three classes, and detections of four with few distinct scores.
    fn any_scene() -> impl Strategy<Value = (GroundTruth, Vec<Detection>)> {
        let objects = prop::collection::vec((1..=IMAGES, 1_u64..4, any_bbox(), 0_u8..6), 0..16);
        let found = prop::collection::vec((1..=IMAGES, 1_u64..5, any_bbox(), 0_u8..6), 0..40);
        (objects, found).prop_map(|(objects, found)| {
            let object = |(image_id, category_id, bbox, flag): (u64, u64, [f64; 4], u8)| {
                let area = bbox[2] * bbox[3];
                GtBox { image_id, category_id, bbox, area, is_crowd: flag == 0, difficult: flag == 1 }
            };
            let detection = |(image_id, category_id, bbox, score)| Detection {
                image_id,
                category_id,
                bbox,
                score: f64::from(score) / 5.0,
            };
            let ground_truth = GroundTruth {
                image_ids: (1..=IMAGES).collect(),
                categories: (1..5).map(|id| Category { id, name: id.to_string() }).collect(),
                boxes: objects.into_iter().map(object).collect(),
            };
            (ground_truth, found.into_iter().map(detection).collect())
        })
    }

    /// A data set with image `i` copied `weights[i - 1]` times, under ids that follow each other.
    fn copied(gt: &GroundTruth, detections: &[Detection], weights: &[u32]) -> (GroundTruth, Vec<Detection>) {
        let copies = |image: u64| (0..u64::from(weights[image as usize - 1])).map(move |copy| 100 * image + copy);
        let mut copy = GroundTruth { categories: gt.categories.clone(), ..GroundTruth::default() };
        copy.image_ids.extend(gt.image_ids.iter().flat_map(|&id| copies(id)));
        let boxes = gt.boxes.iter().flat_map(|b| copies(b.image_id).map(move |image_id| GtBox { image_id, ..*b }));
        copy.boxes.extend(boxes);
        let found = detections.iter();
        let found = found.flat_map(|d| copies(d.image_id).map(move |image_id| Detection { image_id, ..*d })).collect();
        (copy, found)
    }

    fn assert_same(got: Option<f64>, expected: Option<f64>) {
        match (got, expected) {
            (Some(got), Some(expected)) => assert!((got - expected).abs() < TOLERANCE, "{got} and {expected}"),
            _ => assert_eq!(got, expected),
        }
    }

    proptest! {
        #[test]
        fn every_image_once_is_the_evaluation((gt, found) in any_scene()) {
            let evaluated = evaluate_detections(&gt, &found).unwrap();
            let expected = [evaluated.ap, evaluated.ap50, evaluated.ap75];
            for (metric, expected) in ApMetric::ALL.into_iter().zip(expected) {
                let matches = Matches::new(&gt, &found, metric).unwrap();
                assert_same(matches.ap(&[1; IMAGES as usize], &mut Scratch::default()), expected);
            }
        }

        #[test]
        fn a_weight_is_that_many_copies_of_the_image(
            (gt, found) in any_scene(), draws in prop::collection::vec(prop::array::uniform4(0_u32..4), 3),
        ) {
            let matches = Matches::new(&gt, &found, ApMetric::Ap).unwrap();
            let at_half = Matches::new(&gt, &found, ApMetric::Ap50).unwrap();
            let mut scratch = Scratch::default();
            for weights in draws {
                let (gt, found) = copied(&gt, &found, &weights);
                let expected = evaluate_detections(&gt, &found).unwrap();
                assert_same(matches.ap(&weights, &mut scratch), expected.ap);
                assert_same(at_half.ap(&weights, &mut scratch), expected.ap50);
            }
        }
    }

    #[test]
    fn copies_worked_by_hand() {
        let (bbox, far) = ([0.0, 0.0, 40.0, 40.0], [100.0, 0.0, 40.0, 40.0]);
        let object =
            |image_id| GtBox { image_id, category_id: 1, bbox, area: 1600.0, is_crowd: false, difficult: false };
        let gt = GroundTruth {
            image_ids: vec![2, 1],
            categories: vec![Category { id: 1, name: "a".to_owned() }],
            boxes: vec![object(1), object(2)],
        };
        let detection = |image_id, bbox, score| Detection { image_id, category_id: 1, bbox, score };
        let found = [detection(2, bbox, 0.9), detection(1, far, 0.8)];
        let matches = Matches::new(&gt, &found, ApMetric::Ap).unwrap();
        let mut scratch = Scratch::default();
        // Image 1 has a wrong detection and a missed object, image 2 is perfect; the weights follow the ids.
        for (weights, expected) in
            [([1, 1], 51.0 / 101.0), ([2, 1], 34.0 / 101.0), ([1, 2], 67.0 / 101.0), ([0, 2], 1.0), ([2, 0], 0.0)]
        {
            assert_same(matches.ap(&weights, &mut scratch), Some(expected));
        }
        assert_eq!(matches.ap(&[0, 0], &mut scratch), None);
    }
}
