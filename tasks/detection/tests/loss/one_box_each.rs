//! Darknet's and mmdetection's losses against the rules read word for word: every predictor is compared with every truth, in
//! f64, and gradients are central differences.

use wrs_detection::anchors::{Anchors, LevelPlan, yolov3_levels};
use wrs_detection::assign::Truth;
use wrs_detection::loss::{DarknetSettings, LossSettings, LossStep, MmdetSettings};
use wrs_ops::rng::Rng;

use crate::mmdet::YOLOV3;
use crate::{Batch, SMALL_ANCHORS};

/// Half the distance between two points of a difference quotient.
const STEP: f64 = 1e-4;
const IGNORE: f64 = 0.3;
/// Low thresholds: there are few cells here, and most hold a truth's centre.
const MMDET: MmdetSettings = MmdetSettings { positive_iou: 0.4, negative_iou: 0.2, ..YOLOV3 };

/// A predictor: where it stands, what it says, and what it is to learn.
struct Predictor {
    image: usize,
    level: usize,
    cell: [f64; 2],
    /// Its place in the list of sizes, its anchor in pixels.
    size: usize,
    anchor: [f64; 2],
    stride: f64,
    scale_xy: f64,
    logits: Vec<f64>,
    objectness: Option<f64>,
    /// Offsets in the cell, logarithms of the sides, weights of both.
    coordinates: Option<([f64; 4], [f64; 2])>,
    classes: Vec<usize>,
}

/// The predictors in the order of the gradients.
fn predictors(batch: &Batch, anchors: &Anchors) -> Vec<Predictor> {
    let mut all = Vec::new();
    for (index, (map, level)) in batch.maps().iter().zip(&anchors.levels).enumerate() {
        let mut logits = map.logits.chunks_exact(5 + batch.classes);
        for image in 0..map.n {
            for row in 0..map.h {
                for column in 0..map.w {
                    for &size in &level.mask {
                        all.push(Predictor {
                            image,
                            level: index,
                            cell: [column as f64, row as f64],
                            size,
                            anchor: anchors.sizes[size].map(f64::from),
                            stride: level.stride as f64,
                            scale_xy: level.scale_xy,
                            logits: logits.next().unwrap().iter().copied().map(f64::from).collect(),
                            objectness: Some(0.0),
                            coordinates: None,
                            classes: Vec::new(),
                        });
                    }
                }
            }
        }
    }
    all
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Edges in pixels of a box given by centre and sides.
fn edges([x, y, w, h]: [f64; 4]) -> [f64; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let (p, q) = (edges(a), edges(b));
    let overlap = (p[2].min(q[2]) - p[0].max(q[0])).max(0.0) * (p[3].min(q[3]) - p[1].max(q[1])).max(0.0);
    overlap / (a[2] * a[3] + b[2] * b[3] - overlap)
}

impl Predictor {
    /// The centre as the decoder reads it, from the corner of the cell.
    fn offset(&self, axis: usize) -> f64 {
        self.scale_xy * sigmoid(self.logits[axis]) - (self.scale_xy - 1.0) / 2.0
    }

    fn predicted(&self) -> [f64; 4] {
        let centre = |axis: usize| (self.cell[axis] + self.offset(axis)) * self.stride;
        let side = |axis: usize| self.anchor[axis] * self.logits[2 + axis].exp();
        [centre(0), centre(1), side(0), side(1)]
    }

    fn prior(&self) -> [f64; 4] {
        let centre = |axis: usize| (self.cell[axis] + 0.5) * self.stride;
        [centre(0), centre(1), self.anchor[0], self.anchor[1]]
    }

    fn holds(&self, truth: [f64; 4], input: [f64; 2]) -> bool {
        [0, 1].iter().all(|&axis| {
            let last = input[axis] / self.stride - 1.0;
            (truth[axis] / self.stride).floor().clamp(0.0, last) == self.cell[axis]
        })
    }

    fn learn(&mut self, truth: [f64; 4], margin: f64, weights: [f64; 2]) {
        let offset = |axis: usize| (truth[axis] / self.stride - self.cell[axis]).clamp(margin, 1.0 - margin);
        let side = |axis: usize| (truth[2 + axis] / self.anchor[axis]).ln();
        self.objectness = Some(1.0);
        self.coordinates = Some(([offset(0), offset(1), side(0), side(1)], weights));
    }

    /// Box, objectness and class.
    fn terms(&self, classes: usize) -> [f64; 3] {
        let bce = |x: f64, target: f64| -(target * sigmoid(x).ln() + (1.0 - target) * sigmoid(-x).ln());
        let objectness = self.objectness.map_or(0.0, |target| bce(self.logits[4], target));
        let Some((target, [centre, side])) = self.coordinates else { return [0.0, objectness, 0.0] };
        let mut sum = 0.0;
        for axis in [0, 1] {
            // The sigmoid that decodes to the target.
            let wanted = (target[axis] + (self.scale_xy - 1.0) / 2.0) / self.scale_xy;
            sum += centre * self.scale_xy * bce(self.logits[axis], wanted);
            sum += side * (self.logits[2 + axis] - target[2 + axis]).powi(2);
        }
        let of_class = |class: usize| bce(self.logits[5 + class], f64::from(u8::from(self.classes.contains(&class))));
        let class = if classes > 1 { (0..classes).map(of_class).sum() } else { 0.0 };
        [sum, objectness, class]
    }
}

fn input(batch: &Batch) -> [f64; 2] {
    [batch.width as f64, batch.height as f64]
}

fn in_pixels(batch: &Batch, truth: &Truth) -> [f64; 4] {
    let [x, y, w, h] = truth.cxcywh.map(f64::from);
    let [width, height] = input(batch);
    [x * width, y * height, w * width, h * height]
}

fn darknet(all: &mut [Predictor], batch: &Batch, anchors: &Anchors, truths: &[Truth]) {
    for p in &mut *all {
        let of_image = truths.iter().filter(|truth| truth.image == p.image);
        let best = of_image.map(|truth| iou(p.predicted(), in_pixels(batch, truth))).fold(0.0, f64::max);
        if best > IGNORE {
            p.objectness = None;
        }
    }
    for truth in truths {
        let cxcywh = in_pixels(batch, truth);
        let mut best = (0, 0.0);
        for (size, anchor) in anchors.sizes.iter().enumerate() {
            let [w, h] = anchor.map(f64::from);
            let iou = iou([0.0, 0.0, w, h], [0.0, 0.0, cxcywh[2], cxcywh[3]]);
            if iou > best.1 {
                best = (size, iou);
            }
        }
        for p in &mut *all {
            if p.image == truth.image && p.size == best.0 && p.holds(cxcywh, input(batch)) {
                let weight = 2.0 - f64::from(truth.cxcywh[2]) * f64::from(truth.cxcywh[3]);
                p.learn(cxcywh, 0.0, [weight, weight / 2.0]);
                p.classes.push(truth.class);
            }
        }
    }
}

fn mmdet(all: &mut [Predictor], batch: &Batch, truths: &[Truth]) {
    for image in 0..batch.n {
        let truths: Vec<&Truth> = truths.iter().filter(|truth| truth.image == image).collect();
        let boxes: Vec<[f64; 4]> = truths.iter().map(|truth| in_pixels(batch, truth)).collect();
        let mut assigned: Vec<Option<usize>> = Vec::new();
        let of_image: Vec<usize> = (0..all.len()).filter(|&p| all[p].image == image).collect();
        let mut overlaps = Vec::new();
        for &p in &of_image {
            let ious: Vec<f64> = boxes.iter().map(|&truth| iou(all[p].prior(), truth)).collect();
            let highest = ious.iter().copied().fold(0.0, f64::max);
            all[p].objectness = if highest <= MMDET.negative_iou { Some(0.0) } else { None };
            let responsible = boxes.iter().any(|&truth| all[p].holds(truth, input(batch)));
            let positive = responsible && highest > MMDET.positive_iou;
            assigned.push(if positive { ious.iter().position(|&iou| iou == highest) } else { None });
            overlaps.push(if responsible { ious } else { vec![-1.0; boxes.len()] });
        }
        for truth in 0..boxes.len() {
            let highest = overlaps.iter().map(|ious| ious[truth]).fold(-1.0, f64::max);
            if highest > 0.0 {
                for (assigned, _) in assigned.iter_mut().zip(&overlaps).filter(|(_, ious)| ious[truth] == highest) {
                    *assigned = Some(truth);
                }
            }
        }
        for (p, assigned) in of_image.into_iter().zip(assigned) {
            let Some(truth) = assigned else { continue };
            all[p].learn(boxes[truth], 1e-6, [1.0, 1.0]);
            all[p].classes = vec![truths[truth].class];
        }
    }
}

/// Compares counts, terms and every element of the gradient.
fn check(batch: &Batch, anchors: &Anchors, truths: &[Truth], settings: LossSettings) -> [usize; 3] {
    let mut all = predictors(batch, anchors);
    let gains = if matches!(settings, LossSettings::Darknet(_)) {
        darknet(&mut all, batch, anchors, truths);
        [1.0 / batch.n as f64; 3]
    } else {
        mmdet(&mut all, batch, truths);
        [2.0, 1.0, 1.0]
    };
    let step = LossStep { giou_ratio: 0.3, scale: 0.5 };
    let loss = batch.loss_by(settings, anchors, truths, step).unwrap();
    let ignored = all.iter().filter(|p| p.objectness.is_none() && p.coordinates.is_none()).count();
    assert_eq!(loss.ignored, ignored);
    for (level, &pairs) in loss.pairs.iter().enumerate() {
        assert_eq!(pairs, all.iter().filter(|p| p.level == level && p.coordinates.is_some()).count(), "level {level}");
    }
    let mut sums = [0.0; 3];
    for p in &all {
        sums.iter_mut().zip(p.terms(batch.classes)).zip(gains).for_each(|((sum, term), gain)| *sum += gain * term);
    }
    for (got, expected) in [loss.box_term, loss.objectness, loss.class].into_iter().zip(sums) {
        assert!((got - expected).abs() <= 1e-6 * expected.abs(), "got {got}, expected {expected}");
    }
    let got: Vec<f32> = loss.gradients.iter().flat_map(|level| level.host().to_vec()).collect();
    let mut got = got.into_iter();
    for p in &mut all {
        for element in 0..p.logits.len() {
            let mut at = |offset: f64| {
                let logit = p.logits[element];
                p.logits[element] += offset;
                let total: f64 = p.terms(batch.classes).into_iter().zip(gains).map(|(term, gain)| gain * term).sum();
                p.logits[element] = logit;
                total
            };
            let expected = step.scale * (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let got = f64::from(got.next().unwrap());
            assert!((got - expected).abs() <= 2e-6 * expected.abs().max(0.1), "{element}: {got}, expected {expected}");
        }
    }
    assert!(got.next().is_none());
    [loss.pairs.iter().sum(), ignored, loss.unmatched]
}

/// Truths of the anchors' sizes and others, some on an edge, some crowded into one corner.
fn truths(rng: &mut Rng, batch: &Batch, count: usize) -> Vec<Truth> {
    let truth = |_| {
        let side = |rng: &mut Rng| (0.05 + 0.9 * rng.uniform().powi(2)) as f32;
        let place = |rng: &mut Rng| match rng.below(6) {
            0 => 1.0,
            1 | 2 => rng.range(0.2, 0.3) as f32,
            _ => rng.uniform() as f32,
        };
        let cxcywh = [place(rng), place(rng), side(rng), side(rng)];
        Truth { image: rng.below(batch.n), class: rng.below(batch.classes), cxcywh }
    };
    (0..count).map(truth).collect()
}

fn check_random(settings: &LossSettings, anchors: &Anchors, classes: usize) {
    let mut sums = [0; 3];
    for seed in 0..6 {
        let input = if seed % 2 == 0 { [32, 64] } else { [96, 32] };
        let mut batch = Batch::random(seed, 3, input, classes);
        // Sides nearer the anchors', so that predictions overlap truths.
        batch.logits.iter_mut().flatten().for_each(|logit| *logit *= 0.5);
        let truths = truths(&mut Rng::new(seed, "truths", 0, 0), &batch, 40);
        let found = check(&batch, anchors, &truths, settings.clone());
        sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
    }
    assert!(sums[0] > 100 && sums[1] > 20 && sums[2] > 5, "pairs, ignored, unmatched {sums:?}: the cases are too tame");
}

fn both() -> [LossSettings; 2] {
    [LossSettings::Darknet(DarknetSettings { ignore_threshold: IGNORE }), LossSettings::Mmdet(MMDET)]
}

#[test]
fn every_value_and_gradient_is_the_rules() {
    let anchors = Anchors::from_sizes(&SMALL_ANCHORS).unwrap();
    for settings in both() {
        check_random(&settings, &anchors, 3);
        check_random(&settings, &anchors, 1);
    }
}

#[test]
fn every_value_and_gradient_is_the_rules_with_scaled_centres_and_a_size_of_two_levels() {
    let mut plans: Vec<LevelPlan> = yolov3_levels();
    for plan in &mut plans {
        plan.scale_xy = 1.2;
    }
    plans[1].mask = vec![3, 4, 5, 6];
    let anchors = Anchors::deal(&SMALL_ANCHORS, &plans).unwrap();
    for settings in both() {
        for seed in 0..3 {
            let logits = Batch::random(seed, 2, [32, 64], 8).logits;
            // Four anchors at stride 16 and 5 + 2 logits each: cut from a longer list.
            let [coarse, middle, fine] = logits;
            let cut = |logits: Vec<f32>, predictors: usize| logits[..predictors * 7].to_vec();
            let logits = [cut(coarse, 2 * 2 * 3), cut(middle, 2 * 8 * 4), cut(fine, 2 * 32 * 3)];
            let batch = Batch { n: 2, height: 32, width: 64, classes: 2, logits };
            check(&batch, &anchors, &truths(&mut Rng::new(seed, "truths", 1, 0), &batch, 30), settings.clone());
        }
    }
}
