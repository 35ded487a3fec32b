//! The losses against other programs' numbers.
//!
//! `pytorch.json`, the giou loss: from a script of about fifty lines under PyTorch 2.15 in f64 that follows the definition in
//! `loss/giou_blend.rs`: logits from `torch.randn` times 1.5, objectness 2 lower, rounded to hundredths and stored as such;
//! matches by `nonzero(iou > 0.20)`; the box term by autograd through `min(exp(t), 1000)`; the targets of objectness by
//! `scatter_reduce(..., "amax")` of the detached GIoU; both cross-entropies by `binary_cross_entropy_with_logits`, mean
//! reduction; the gradients by `backward()` on the sum of the three terms.  Three cases: two classes with a shared predictor,
//! a centre at 1.0 and a truth nobody owns; a single class; no match at stride 32.
//!
//! `mmdet.json`: from mmdetection's own code under PyTorch 2.15 in f64, its `YOLOV3Head.loss` with `GridAssigner`,
//! `YOLOBBoxCoder` and `YOLOAnchorGenerator` as its YOLOv3 configurations set them up, every positive and negative sampled.
//! Three cases: truths that share a prior; a larger input of one picture; no truths.
//!
//! `darknet.json`: from Darknet's own `forward_yolo_layer` on the CPU, in its f32, one layer a level, `truth_thresh` 1; the
//! gradient is its `delta` times -1 over the pictures.  Two cases, each with two truths of different classes in one predictor;
//! thresholds 0.5 and 0.3.

use serde::Deserialize;
use wrs_detection::anchors::{Anchors, LevelMap};
use wrs_detection::assign::Truth;
use wrs_detection::loss::{DarknetSettings, GiouSettings, LossSettings, LossStep, YoloLoss};

use crate::mmdet::YOLOV3 as MMDET;

/// Our cross-entropies are f32; their gradients keep about six digits.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Golden {
    settings: GiouSettings,
    cases: Vec<Case>,
}

/// What another program computed; its settings are the test's.
#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    batch: usize,
    height: usize,
    width: usize,
    classes: usize,
    #[serde(default)]
    giou_ratio: f64,
    anchors: Vec<[f32; 2]>,
    truths: Vec<(usize, usize, f32, f32, f32, f32)>,
    pairs: Vec<usize>,
    #[serde(default)]
    ignored: usize,
    #[serde(rename = "box")]
    box_term: Option<f64>,
    objectness: Option<f64>,
    class: Option<f64>,
    #[serde(default)]
    ignore_threshold: f64,
    logits_times_100: Vec<Vec<i32>>,
    gradients: Vec<Vec<f64>>,
}

fn check(case: &Case, settings: LossSettings) -> f64 {
    let logits: Vec<Vec<f32>> = case
        .logits_times_100
        .iter()
        .map(|level| level.iter().map(|&hundredths| (f64::from(hundredths) / 100.0) as f32).collect())
        .collect();
    let maps: Vec<_> = logits
        .iter()
        .zip([32, 16, 8])
        .map(|(logits, stride)| LevelMap { n: case.batch, h: case.height / stride, w: case.width / stride, logits })
        .collect();
    let truths: Vec<_> =
        case.truths.iter().map(|&(image, class, x, y, w, h)| Truth { image, class, cxcywh: [x, y, w, h] }).collect();
    let anchors = Anchors::from_sizes(&case.anchors).unwrap();
    let step = LossStep { giou_ratio: case.giou_ratio, scale: 1.0 };
    let loss = YoloLoss::new(anchors, case.classes, settings).unwrap().compute(&maps, &truths, step).unwrap();

    assert_eq!((loss.pairs, loss.ignored), (case.pairs.clone(), case.ignored));
    let terms = [(loss.box_term, case.box_term), (loss.objectness, case.objectness), (loss.class, case.class)];
    for (got, expected) in terms.into_iter().filter_map(|(got, expected)| Some((got, expected?))) {
        assert!((got - expected).abs() <= TOLERANCE * expected.abs(), "got {got}, expected {expected}");
    }
    let mut largest = 0f64;
    for (level, (got, expected)) in loss.gradients.iter().zip(&case.gradients).enumerate() {
        assert_eq!(got.len(), expected.len());
        let scale = expected.iter().fold(0f64, |max, g| max.max(g.abs()));
        for (i, (&got, &expected)) in got.host().iter().zip(expected).enumerate() {
            let error = (f64::from(got) - expected).abs() / scale;
            largest = largest.max(error);
            assert!(error <= TOLERANCE, "level {level}, logit {i}: got {got}, expected {expected}");
        }
    }
    largest
}

#[test]
fn loss_and_gradients_are_pytorchs() {
    let golden: Golden = serde_json::from_str(include_str!("pytorch.json")).unwrap();
    assert_eq!(golden.cases.len(), 3);
    for case in &golden.cases {
        let largest = check(case, LossSettings::Giou(golden.settings.clone()));
        println!("{} classes: largest difference of a gradient, of the level's largest: {largest:.1e}", case.classes);
    }
}

#[test]
fn loss_and_gradients_are_mmdetections() {
    let golden: Cases = serde_json::from_str(include_str!("mmdet.json")).unwrap();
    assert_eq!(golden.cases.len(), 3);
    assert!(golden.cases.iter().any(|case| case.ignored > 0));
    for case in &golden.cases {
        let largest = check(case, LossSettings::Mmdet(MMDET));
        println!(
            "{} truths: largest difference of a gradient, of the level's largest: {largest:.1e}",
            case.truths.len()
        );
    }
}

#[test]
fn gradients_are_darknets() {
    let golden: Cases = serde_json::from_str(include_str!("darknet.json")).unwrap();
    assert_eq!(golden.cases.len(), 2);
    for case in &golden.cases {
        assert!(case.ignored > 20);
        let settings = DarknetSettings { ignore_threshold: case.ignore_threshold };
        let largest = check(case, LossSettings::Darknet(settings));
        println!("{} classes: largest difference of a gradient, of the level's largest: {largest:.1e}", case.classes);
    }
}
