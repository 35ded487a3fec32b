//! The losses by hand, against their definitions in f64, and against other programs.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
// Where nothing is rounded, values are equal.
#![allow(clippy::float_cmp)]

mod any_input;
mod darknet;
mod definition;
mod goldens;
mod mmdet;
mod one_box_each;

use std::f64::consts::LN_2;

use wrs_detection::anchors::{Anchors, COCO_ANCHORS, LevelMap};
use wrs_detection::assign::{Truth, TruthError};
use wrs_detection::loss::{GiouSettings, Loss, LossError, LossSettings, LossStep, Term, YoloLoss};
use wrs_ops::rng::Rng;

/// The gains of the paper's recipe.
const PAPER: GiouSettings =
    GiouSettings { iou_threshold: 0.20, box_gain: 3.54, objectness_gain: 64.3, class_gain: 37.4 };
const AFTER_WARM_UP: LossStep = LossStep { giou_ratio: 1.0, scale: 1.0 };
/// Anchors that fit a 32 x 64 px input.
const SMALL_ANCHORS: [[f32; 2]; 9] = [
    [3.0, 4.0],
    [5.0, 9.0],
    [10.0, 7.0],
    [9.0, 18.0],
    [19.0, 14.0],
    [18.0, 36.0],
    [35.0, 27.0],
    [30.0, 44.0],
    [60.0, 30.0],
];
/// Only the first anchor of stride 32 is of a size that truths have.
const ONE_ANCHOR: [[f32; 2]; 9] = {
    let mut sizes = [[1.0, 1.0]; 9];
    sizes[6] = [16.0, 16.0];
    sizes
};

/// The logits of a batch whose input has `height` by `width` pixels.
struct Batch {
    n: usize,
    height: usize,
    width: usize,
    classes: usize,
    logits: [Vec<f32>; 3],
}

impl Batch {
    fn filled(n: usize, [height, width]: [usize; 2], classes: usize, mut value: impl FnMut() -> f32) -> Self {
        let logits = [32, 16, 8].map(|stride| {
            let predictors = n * (height / stride) * (width / stride) * 3;
            (0..predictors * (5 + classes)).map(|_| value()).collect()
        });
        Self { n, height, width, classes, logits }
    }

    fn zeros(n: usize, input: [usize; 2], classes: usize) -> Self {
        Self::filled(n, input, classes, || 0.0)
    }

    fn random(seed: u64, n: usize, input: [usize; 2], classes: usize) -> Self {
        let mut rng = Rng::new(seed, "loss-test", 0, 0);
        Self::filled(n, input, classes, || (rng.normal() * 1.2) as f32)
    }

    fn maps(&self) -> Vec<LevelMap<'_>> {
        let levels = self.logits.iter().zip([32, 16, 8]);
        levels
            .map(|(logits, stride)| LevelMap { n: self.n, h: self.height / stride, w: self.width / stride, logits })
            .collect()
    }

    fn loss(&self, anchors: &[[f32; 2]], truths: &[Truth], step: LossStep) -> Result<Loss, LossError> {
        self.loss_by(LossSettings::Giou(PAPER), &Anchors::from_sizes(anchors).unwrap(), truths, step)
    }

    fn loss_by(
        &self,
        settings: LossSettings,
        anchors: &Anchors,
        truths: &[Truth],
        step: LossStep,
    ) -> Result<Loss, LossError> {
        YoloLoss::new(anchors.clone(), self.classes, settings)?.compute(&self.maps(), truths, step)
    }
}

fn truth(image: usize, class: usize, cxcywh: [f32; 4]) -> Truth {
    Truth { image, class, cxcywh }
}

#[track_caller]
fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-6 * expected.abs().max(1.0), "got {got}, expected {expected}");
}

/// A 32 x 32 px input whose truth is exactly what the first predictor of stride 32 says at logits of 0.
const FITTING: [f32; 4] = [0.5, 0.5, 0.5, 0.5];

#[test]
fn one_truth_in_one_cell() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let loss = batch.loss(&ONE_ANCHOR, &[truth(0, 1, FITTING)], AFTER_WARM_UP).unwrap();
    assert_eq!((loss.pairs, loss.unmatched), (vec![1, 0, 0], 0));
    assert_close(loss.box_term, 0.0);
    // A logit of 0 costs ln 2 whatever its target, and each of the three levels is a mean.
    assert_close(loss.objectness, 64.3 * 3.0 * LN_2);
    assert_close(loss.class, 37.4 * 2.0 / 80.0 * LN_2);
    assert_close(loss.total, loss.box_term + loss.objectness + loss.class);

    let gradient = loss.gradients[0].host();
    // Three predictors of seven logits; the first is matched.
    assert_close(gradient[4].into(), -64.3 * 0.5 / 3.0);
    assert_close(gradient[7 + 4].into(), 64.3 * 0.5 / 3.0);
    assert_close(gradient[5].into(), 37.4 * 2.0 / 80.0 * 0.5 / 2.0);
    assert_close(gradient[6].into(), -37.4 * 2.0 / 80.0 * 0.5 / 2.0);
    assert_eq!(gradient[7..11], [0.0; 4], "an unmatched predictor has no box to learn");
}

#[test]
fn a_box_of_half_the_area() {
    // As tall and half as wide: GIoU 1/2.
    let batch = Batch::zeros(1, [32, 32], 2);
    let step = LossStep { giou_ratio: 0.5, scale: 1.0 };
    let loss = batch.loss(&ONE_ANCHOR, &[truth(0, 0, [0.5, 0.5, 0.25, 0.5])], step).unwrap();
    assert_close(loss.box_term, 3.54 * 0.5);
    let gradient = loss.gradients[0].host();
    // GIoU = truth / prediction here, so its derivative by tw is -GIoU.
    assert_close(gradient[2].into(), 3.54 * 0.5);
    // The objectness target is 1/2 + 1/2 * 1/2.
    assert_close(gradient[4].into(), 64.3 / 3.0 * (0.5 - 0.75));
}

#[test]
fn a_level_or_a_batch_without_truths_learns_objectness_alone() {
    let batch = Batch::random(3, 2, [32, 64], 2);
    let loss = batch.loss(&SMALL_ANCHORS, &[], AFTER_WARM_UP).unwrap();
    assert_eq!((loss.box_term, loss.class, loss.pairs, loss.unmatched), (0.0, 0.0, vec![0, 0, 0], 0));
    assert!(loss.total.is_finite() && loss.total > 0.0);
    for gradient in &loss.gradients {
        for predictor in gradient.host().chunks_exact(7) {
            assert!(predictor[4] > 0.0, "every objectness is pushed down");
            assert!(predictor.iter().enumerate().all(|(e, &g)| e == 4 || g == 0.0));
        }
    }
    let empty = Batch::zeros(0, [32, 64], 2);
    assert_close(empty.loss(&SMALL_ANCHORS, &[], AFTER_WARM_UP).unwrap().total, 0.0);
}

#[test]
fn of_two_truths_in_one_predictor_the_best_fitting_gives_the_objectness_target() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let pair = [truth(0, 0, [0.5, 0.5, 0.25, 0.5]), truth(0, 1, FITTING)];
    let swapped = [pair[1], pair[0]];
    for truths in [pair, swapped] {
        let loss = batch.loss(&ONE_ANCHOR, &truths, AFTER_WARM_UP).unwrap();
        assert_eq!(loss.pairs, [2, 0, 0]);
        // The means are over pairs, not over predictors.
        assert_close(loss.box_term, 3.54 * 0.25);
        let gradient = loss.gradients[0].host();
        assert_close(gradient[4].into(), 64.3 / 3.0 * (0.5 - 1.0));
        // Each class is pulled up by one truth and down by the other.
        assert_close(gradient[5].into(), 0.0);
        assert_close(gradient[6].into(), 0.0);
    }
}

#[test]
fn a_centre_on_the_right_edge_trains_the_last_cell() {
    let batch = Batch::zeros(1, [32, 64], 2);
    let loss = batch.loss(&ONE_ANCHOR, &[truth(0, 0, [1.0, 1.0, 0.25, 0.5])], AFTER_WARM_UP).unwrap();
    assert_eq!(loss.pairs, [1, 0, 0]);
    let gradient = loss.gradients[0].host();
    let (first, last) = gradient.split_at(21);
    assert_eq!(first[..4], [0.0; 4]);
    assert!(last[0] < 0.0 && last[1] < 0.0, "the centre is pulled right and down");
}

#[test]
fn a_single_class_has_no_class_term() {
    let batch = Batch::random(5, 1, [32, 32], 1);
    let loss = batch.loss(&ONE_ANCHOR, &[truth(0, 0, FITTING)], AFTER_WARM_UP).unwrap();
    let gradient = loss.gradients[0].host();
    assert!(loss.class == 0.0 && gradient[5] == 0.0, "no class term");
    assert!(loss.box_term > 0.0 && gradient[2] != 0.0, "but a box");
}

#[test]
fn the_scale_reaches_the_gradients_alone() {
    let batch = Batch::random(9, 2, [32, 64], 3);
    let truths = [truth(0, 2, [0.3, 0.4, 0.2, 0.4]), truth(1, 0, [0.6, 0.6, 0.5, 0.7])];
    let whole = batch.loss(&SMALL_ANCHORS, &truths, AFTER_WARM_UP).unwrap();
    let eighth = batch.loss(&SMALL_ANCHORS, &truths, LossStep { scale: 0.125, ..AFTER_WARM_UP }).unwrap();
    assert_eq!(whole.total.to_bits(), eighth.total.to_bits());
    for (whole, eighth) in whole.gradients.iter().zip(&eighth.gradients) {
        for (whole, eighth) in whole.host().iter().zip(eighth.host()) {
            assert!((whole * 0.125 - eighth).abs() <= 1e-6 * whole.abs());
        }
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let truths = [truth(1, 1, FITTING)];
    let refused = |image: usize, element: usize, value: f32| {
        let mut batch = Batch::zeros(3, [32, 32], 2);
        // Stride 32 has one cell of three predictors of seven logits a picture; the first predictor is matched.
        batch.logits[0][image * 21 + element] = value;
        match batch.loss(&ONE_ANCHOR, &truths, AFTER_WARM_UP) {
            Err(LossError::NotFinite { term, images }) => Some((term, images)),
            Err(other) => panic!("{other}"),
            Ok(loss) => {
                assert!(loss.total.is_finite());
                None
            }
        }
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for element in 0..4 {
            assert_eq!(refused(1, element, value), Some((Term::Box, vec![1])), "{element} {value}");
        }
        assert_eq!(refused(2, 4, value), Some((Term::Objectness, vec![2])));
        assert_eq!(refused(1, 6, value), Some((Term::Class, vec![1])));
        assert_eq!(refused(0, 6, value), None, "not matched, so not in the loss");
    }
}

#[test]
fn logits_far_out_give_finite_gradients() {
    let far = [1e4, -1e4, 1e4, -1e4, 1e4, -1e4, 1e4];
    let mut logits = far.into_iter().cycle();
    let batch = Batch::filled(1, [32, 32], 2, || logits.next().unwrap());
    let loss = batch.loss(&ONE_ANCHOR, &[truth(0, 0, FITTING)], AFTER_WARM_UP).unwrap();
    assert!(loss.total.is_finite());
    assert!(loss.gradients.iter().all(|gradient| gradient.host().iter().all(|g| g.is_finite())));
}

#[test]
fn foreign_truths_maps_and_settings_are_refused() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let image = batch.loss(&COCO_ANCHORS, &[truth(1, 0, FITTING)], AFTER_WARM_UP).unwrap_err();
    assert!(matches!(image, LossError::Truth(TruthError::Image { image: 1, batch: 1, .. })), "{image}");
    let class = batch.loss(&COCO_ANCHORS, &[truth(0, 2, FITTING)], AFTER_WARM_UP).unwrap_err();
    assert!(matches!(class, LossError::Truth(TruthError::Class { class: 2, classes: 2, .. })), "{class}");
    for step in [LossStep { giou_ratio: 1.5, scale: 1.0 }, LossStep { giou_ratio: 1.0, scale: f64::NAN }] {
        assert!(matches!(batch.loss(&COCO_ANCHORS, &[], step), Err(LossError::Setting { .. })));
    }

    let anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
    let other = YoloLoss::new(anchors.clone(), 3, LossSettings::Giou(PAPER)).unwrap();
    assert!(matches!(other.compute(&batch.maps(), &[], AFTER_WARM_UP), Err(LossError::Shape(_))));
    let settings = [
        GiouSettings { iou_threshold: 1.0, ..PAPER },
        GiouSettings { box_gain: -1.0, ..PAPER },
        GiouSettings { class_gain: f64::INFINITY, ..PAPER },
    ];
    for settings in settings {
        assert!(matches!(
            YoloLoss::new(anchors.clone(), 2, LossSettings::Giou(settings)),
            Err(LossError::Setting { .. })
        ));
    }
    assert!(YoloLoss::new(anchors, 0, LossSettings::Giou(PAPER)).is_err());
}
