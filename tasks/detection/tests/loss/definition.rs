//! The loss as its definition reads, in f64 loops, and its gradient by central differences.

use wrs_detection::assign::Truth;
use wrs_detection::loss::LossStep;

use crate::{Batch, PAPER, SMALL_ANCHORS, truth};

/// Half the distance between two points of a difference quotient.
const STEP: f64 = 1e-5;

/// One level in f64.
struct Level {
    h: usize,
    w: usize,
    priors: Vec<[f64; 2]>,
    logits: Vec<f64>,
}

/// A matched predictor: where its logits start, its anchor in cells, its box, its class.
struct Match {
    start: usize,
    prior: [f64; 2],
    target: [f64; 4],
    class: usize,
}

fn levels(batch: &Batch, anchors: &[[f32; 2]; 9]) -> Vec<Level> {
    let of_level = |(i, stride): (usize, usize)| Level {
        h: batch.height / stride,
        w: batch.width / stride,
        priors: anchors[3 * (2 - i)..][..3].iter().map(|a| a.map(|side| f64::from(side) / stride as f64)).collect(),
        logits: batch.logits[i].iter().copied().map(f64::from).collect(),
    };
    [32, 16, 8].into_iter().enumerate().map(of_level).collect()
}

fn matches(level: &Level, truths: &[Truth], classes: usize) -> Vec<Match> {
    let mut found = Vec::new();
    for truth in truths {
        let [x, y, w, h] = truth.cxcywh.map(f64::from);
        let [x, y, w, h] = [x * level.w as f64, y * level.h as f64, w * level.w as f64, h * level.h as f64];
        let column = x.floor().clamp(0.0, level.w as f64 - 1.0);
        let row = y.floor().clamp(0.0, level.h as f64 - 1.0);
        for (anchor, &prior) in level.priors.iter().enumerate() {
            let overlap = w.min(prior[0]) * h.min(prior[1]);
            if overlap / (w * h + prior[0] * prior[1] - overlap) > PAPER.iou_threshold {
                let cell = (truth.image * level.h + row as usize) * level.w + column as usize;
                let start = (cell * 3 + anchor) * (5 + classes);
                found.push(Match { start, prior, target: [x - column, y - row, w, h], class: truth.class });
            }
        }
    }
    found
}

fn giou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let edges = |[x, y, w, h]: [f64; 4]| [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
    let (p, q) = (edges(a), edges(b));
    let overlap = (p[2].min(q[2]) - p[0].max(q[0])).max(0.0) * (p[3].min(q[3]) - p[1].max(q[1])).max(0.0);
    let hull = (p[2].max(q[2]) - p[0].min(q[0])) * (p[3].max(q[3]) - p[1].min(q[1]));
    let union = a[2] * a[3] + b[2] * b[3] - overlap;
    overlap / union - (hull - union) / hull
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Binary cross-entropy of a logit.
fn bce(x: f64, target: f64) -> f64 {
    -(target * sigmoid(x).ln() + (1.0 - target) * sigmoid(-x).ln())
}

fn giou_of(level: &Level, m: &Match) -> f64 {
    let t = &level.logits[m.start..];
    let side = |t: f64, prior: f64| t.min(1000f64.ln()).exp() * prior;
    giou([sigmoid(t[0]), sigmoid(t[1]), side(t[2], m.prior[0]), side(t[3], m.prior[1])], m.target)
}

/// The objectness targets, which the gradient takes for constants.
fn objectness_targets(level: &Level, matches: &[Match], classes: usize, giou_ratio: f64) -> Vec<f64> {
    let mut targets = vec![0.0; level.logits.len() / (5 + classes)];
    for m in matches {
        let target = &mut targets[m.start / (5 + classes)];
        *target = (1.0 - giou_ratio + giou_ratio * giou_of(level, m).max(0.0)).max(*target);
    }
    targets
}

/// The three terms of a level with their gains.
fn terms(level: &Level, matches: &[Match], targets: &[f64], classes: usize) -> [f64; 3] {
    let n = matches.len().max(1) as f64;
    let box_mean = matches.iter().map(|m| 1.0 - giou_of(level, m)).sum::<f64>() / n;
    let objectness = targets.iter().enumerate().map(|(i, &t)| bce(level.logits[i * (5 + classes) + 4], t)).sum::<f64>();
    let class = |m: &Match| -> f64 {
        (0..classes).map(|c| bce(level.logits[m.start + 5 + c], if c == m.class { 1.0 } else { 0.0 })).sum()
    };
    let class_mean = if classes > 1 { matches.iter().map(class).sum::<f64>() / (n * classes as f64) } else { 0.0 };
    [
        PAPER.box_gain * box_mean,
        PAPER.objectness_gain * objectness / targets.len() as f64,
        PAPER.class_gain * classes as f64 / 80.0 * class_mean,
    ]
}

/// Compares the terms and every element of the gradient.
fn check(batch: &Batch, truths: &[Truth], step: LossStep) {
    let loss = batch.loss(&SMALL_ANCHORS, truths, step).unwrap();
    let mut sums = [0.0; 3];
    let mut largest = 0f64;
    for (i, mut level) in levels(batch, &SMALL_ANCHORS).into_iter().enumerate() {
        let matches = matches(&level, truths, batch.classes);
        assert_eq!(loss.pairs[i], matches.len(), "level {i}");
        let targets = objectness_targets(&level, &matches, batch.classes, step.giou_ratio);
        let here = terms(&level, &matches, &targets, batch.classes);
        sums.iter_mut().zip(here).for_each(|(sum, term)| *sum += term);
        let got = loss.gradients[i].host();
        let scale = got.iter().fold(0f64, |max, &g| max.max(f64::from(g).abs()));
        for (j, &got) in got.iter().enumerate() {
            let mut at = |offset: f64| {
                let logit = level.logits[j];
                level.logits[j] += offset;
                let total: f64 = terms(&level, &matches, &targets, batch.classes).iter().sum();
                level.logits[j] = logit;
                total
            };
            let expected = step.scale * (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let error = (f64::from(got) - expected).abs() / scale;
            largest = largest.max(error);
            assert!(error < 2e-6, "level {i}, logit {j}: got {got}, expected {expected}");
        }
    }
    for (got, expected) in [loss.box_term, loss.objectness, loss.class].into_iter().zip(sums) {
        assert!((got - expected).abs() <= 1e-6 * expected.abs(), "got {got}, expected {expected}");
    }
    println!("largest difference of a gradient, of the level's largest: {largest:.1e}");
}

/// Truths of every level, two of them in one predictor, one with its centre on the edge, one nobody owns.
fn truths(classes: usize) -> Vec<Truth> {
    vec![
        truth(0, 0, [0.31, 0.42, 0.9, 0.85]),
        truth(0, classes - 1, [0.33, 0.44, 0.8, 0.9]),
        truth(1, classes - 1, [1.0, 1.0, 0.3, 0.4]),
        truth(1, 0, [0.62, 0.13, 0.06, 0.2]),
        truth(1, 0, [0.2, 0.8, 0.01, 0.01]),
    ]
}

#[test]
fn every_gradient_is_the_definitions() {
    let step = LossStep { giou_ratio: 0.6, scale: 0.25 };
    check(&Batch::random(1, 2, [32, 64], 3), &truths(3), step);
    check(&Batch::random(2, 2, [64, 32], 3), &truths(3), step);
}

#[test]
fn every_gradient_is_the_definitions_with_a_single_class() {
    check(&Batch::random(4, 2, [32, 64], 1), &truths(1), LossStep { giou_ratio: 1.0, scale: 1.0 });
}

#[test]
fn every_gradient_is_the_definitions_without_truths() {
    check(&Batch::random(6, 1, [32, 64], 2), &[], LossStep { giou_ratio: 1.0, scale: 1.0 });
}
