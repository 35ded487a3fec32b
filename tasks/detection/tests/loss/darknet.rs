//! Darknet's loss by hand.

use std::f64::consts::LN_2;

use wrs_detection::anchors::{Anchors, LevelPlan};
use wrs_detection::assign::Truth;
use wrs_detection::loss::{DarknetSettings, Loss, LossError, LossSettings, LossStep, Term};

use crate::{AFTER_WARM_UP, Batch, FITTING, ONE_ANCHOR, assert_close, truth};

const YOLOV3: LossSettings = LossSettings::Darknet(DarknetSettings { ignore_threshold: 0.7 });
/// Predictors of a 32 x 32 px input.
const PREDICTORS: f64 = 63.0;

fn loss_with(settings: LossSettings, batch: &Batch, sizes: &[[f32; 2]], truths: &[Truth]) -> Loss {
    batch.loss_by(settings, &Anchors::from_sizes(sizes).unwrap(), truths, AFTER_WARM_UP).unwrap()
}

fn loss(batch: &Batch, sizes: &[[f32; 2]], truths: &[Truth]) -> Loss {
    loss_with(YOLOV3, batch, sizes, truths)
}

#[test]
fn one_truth_in_one_cell() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 1, FITTING)]);
    assert_eq!((loss.pairs, loss.unmatched, loss.ignored), (vec![1, 0, 0], 0, 0));
    // 16 of 32 px each way: the box counts 2 - 1/4.  Its centre is met, which costs ln 2 along each axis, and its sides are.
    assert_close(loss.box_term, 1.75 * 2.0 * LN_2);
    assert_close(loss.objectness, PREDICTORS * LN_2);
    assert_close(loss.class, 2.0 * LN_2);
    assert_close(loss.total, loss.box_term + loss.objectness + loss.class);
    let gradient = loss.gradients[0].host();
    assert_eq!(gradient[..7], [0.0, 0.0, 0.0, 0.0, -0.5, 0.5, -0.5]);
    assert_eq!(gradient[7..14], [0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]);
}

#[test]
fn gradients_are_prediction_minus_target_times_the_size_weight() {
    let batch = Batch::zeros(1, [32, 32], 2);
    // Centre (24, 8) px, 8 x 32 px.
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, [0.75, 0.25, 0.25, 1.0])]);
    let weight = 2.0 - 0.25;
    assert_close(loss.box_term, weight * (2.0 * LN_2 + 0.5 * LN_2 * LN_2 + 0.5 * LN_2 * LN_2));
    let gradient = loss.gradients[0].host();
    for (got, expected) in gradient.iter().zip([-0.25, 0.25, LN_2, -LN_2]) {
        assert_close((*got).into(), weight * expected);
    }
}

#[test]
fn the_sum_is_divided_by_the_pictures() {
    let truths = [truth(1, 1, FITTING)];
    let one = loss(&Batch::zeros(1, [32, 32], 2), &ONE_ANCHOR, &[truth(0, 1, FITTING)]);
    let four = loss(&Batch::zeros(4, [32, 32], 2), &ONE_ANCHOR, &truths);
    assert_close(four.box_term, one.box_term / 4.0);
    assert_close(four.objectness, one.objectness);
    assert_close(four.class, one.class / 4.0);
    assert_close(four.gradients[0].host()[21 + 4].into(), -0.5 / 4.0);
}

#[test]
fn a_scaled_centre_keeps_prediction_minus_target() {
    let mut anchors = Anchors::from_sizes(&ONE_ANCHOR).unwrap();
    anchors.levels[0].scale_xy = 2.0;
    let mut batch = Batch::zeros(1, [32, 32], 2);
    // sigmoid 3/4, so the centre is 2 * 3/4 - 1/2 = 1.
    batch.logits[0][0] = 3f32.ln();
    let loss = batch.loss_by(YOLOV3, &anchors, &[truth(0, 1, FITTING)], AFTER_WARM_UP).unwrap();
    assert_close(loss.gradients[0].host()[0].into(), 1.75 * (1.0 - 0.5));
}

#[test]
fn the_best_of_all_sizes_may_belong_to_no_level() {
    let plan = |stride, mask: [usize; 3]| LevelPlan { stride, mask: mask.to_vec(), scale_xy: 1.0 };
    let sizes = [[16.0, 16.0], [1.0, 1.0], [2.0, 1.0], [1.0, 2.0], [30.0, 30.0], [3.0, 3.0]];
    let batch = Batch::zeros(1, [32, 32], 2);
    let coarse = |mask| {
        let anchors = Anchors::deal(&sizes, &[plan(32, mask), plan(16, [1, 2, 5])]).unwrap();
        let loss = wrs_detection::loss::YoloLoss::new(anchors, 2, YOLOV3).unwrap();
        let loss = loss.compute(&batch.maps()[..2], &[truth(0, 1, FITTING)], AFTER_WARM_UP).unwrap();
        (loss.pairs, loss.unmatched, loss.box_term)
    };
    assert_eq!(coarse([1, 2, 4]), (vec![0, 0], 1, 0.0), "30 x 30 px would fit but is not the best");
    let owned = coarse([0, 1, 4]);
    assert_eq!((owned.0, owned.1), (vec![1, 0], 0));
}

#[test]
fn a_size_of_two_levels_trains_both() {
    let plan = |stride, mask: [usize; 3]| LevelPlan { stride, mask: mask.to_vec(), scale_xy: 1.0 };
    let anchors = Anchors::deal(&ONE_ANCHOR, &[plan(32, [6, 7, 8]), plan(16, [4, 5, 6]), plan(8, [0, 1, 2])]).unwrap();
    let batch = Batch::zeros(1, [32, 32], 2);
    let loss = batch.loss_by(YOLOV3, &anchors, &[truth(0, 1, FITTING)], AFTER_WARM_UP).unwrap();
    assert_eq!((loss.pairs, loss.unmatched), (vec![1, 1, 0], 0));
}

#[test]
fn the_later_of_two_truths_takes_the_box_and_both_classes_are_learned() {
    let batch = Batch::zeros(1, [32, 32], 3);
    let tall = [0.5, 0.5, 0.5, 1.0];
    let two = |truths: &[Truth]| {
        let loss = loss(&batch, &ONE_ANCHOR, truths);
        assert_eq!((loss.pairs, loss.unmatched), (vec![1, 0, 0], 1));
        loss.gradients[0].host()[..8].to_vec()
    };
    let fitting = two(&[truth(0, 2, tall), truth(0, 0, FITTING)]);
    assert_eq!(fitting[..4], [0.0; 4]);
    assert_eq!(fitting[4..], [-0.5, -0.5, 0.5, -0.5]);
    let later = two(&[truth(0, 0, FITTING), truth(0, 2, tall)]);
    assert_close(later[3].into(), -1.5 * LN_2);
    assert_eq!(later[4..], fitting[4..]);
    let same = two(&[truth(0, 0, FITTING), truth(0, 0, tall)]);
    assert_eq!(same[4..], [-0.5, -0.5, 0.5, 0.5]);
}

#[test]
fn a_prediction_that_overlaps_a_truth_is_ignored_above_the_threshold() {
    // At logits of 0 the second predictor of stride 32 says 16 x 8 px in the middle: half of the truth.
    let mut sizes = ONE_ANCHOR;
    sizes[7] = [16.0, 8.0];
    let batch = Batch::zeros(2, [32, 32], 2);
    let ignored = |ignore_threshold, class| {
        let settings = LossSettings::Darknet(DarknetSettings { ignore_threshold });
        let loss = loss_with(settings, &batch, &sizes, &[truth(1, class, FITTING)]);
        let gradient = loss.gradients[0].host();
        assert_eq!(gradient[21 + 4], -0.25, "the responsible predictor is never ignored");
        assert_eq!(gradient[7 + 4], 0.25, "the other picture has no truth");
        (loss.ignored, gradient[21 + 7 + 4], loss.objectness)
    };
    assert_eq!(ignored(0.5, 0).0, 0, "the threshold is strict");
    assert_eq!(ignored(0.5, 0).1, 0.25);
    for class in [0, 1] {
        let (count, gradient, objectness) = ignored(0.4999, class);
        assert_eq!((count, gradient), (1, 0.0));
        assert_close(objectness, (PREDICTORS - 0.5) * LN_2);
    }
}

#[test]
fn truths_below_a_thousandth_are_dropped() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let flat = [[0.5, 0.5, 0.0009, 0.5], [0.5, 0.5, 0.5, 0.0], [0.5, 0.5, -0.5, -0.5]];
    for cxcywh in flat {
        let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, cxcywh)]);
        assert_eq!((loss.pairs, loss.unmatched, loss.ignored, loss.box_term), (vec![0, 0, 0], 1, 0, 0.0));
    }
    let thin = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, [0.5, 0.5, 0.001, 0.5])]);
    assert_eq!(thin.unmatched, 0);
}

#[test]
fn a_centre_at_the_edge_trains_the_last_cell() {
    let batch = Batch::zeros(1, [32, 64], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, [1.0, 1.0, 0.25, 0.5])]);
    assert_eq!(loss.pairs, [1, 0, 0]);
    let (first, last) = loss.gradients[0].host().split_at(21);
    assert_eq!(first[..4], [0.0; 4]);
    for gradient in &last[..2] {
        assert_close((*gradient).into(), (2.0 - 0.125) * (0.5 - 1.0));
    }
}

#[test]
fn a_single_class_has_no_class_term() {
    let batch = Batch::random(5, 1, [32, 32], 1);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, FITTING)]);
    assert!(loss.class == 0.0 && loss.gradients[0].host()[5] == 0.0);
    assert!(loss.box_term > 0.0);
}

#[test]
fn a_batch_without_truths_or_pictures_learns_objectness_alone() {
    let loss_of = |batch: &Batch| loss(batch, &ONE_ANCHOR, &[]);
    let background = loss_of(&Batch::zeros(2, [32, 32], 2));
    assert_close(background.total, PREDICTORS * LN_2);
    assert_eq!((background.box_term, background.class, background.ignored), (0.0, 0.0, 0));
    assert_close(loss_of(&Batch::zeros(0, [32, 32], 2)).total, 0.0);
    assert_close(loss_of(&Batch::zeros(2, [0, 32], 2)).total, 0.0);
}

#[test]
fn a_level_without_cells_has_no_pairs() {
    let empty = Batch::zeros(1, [0, 32], 2);
    let loss = loss(&empty, &ONE_ANCHOR, &[truth(0, 0, FITTING)]);
    assert_eq!((loss.pairs, loss.unmatched, loss.total), (vec![0, 0, 0], 1, 0.0));
}

#[test]
fn what_is_not_finite_is_named() {
    let anchors = Anchors::from_sizes(&ONE_ANCHOR).unwrap();
    for (element, expected) in [(0, Term::Box), (3, Term::Box), (4, Term::Objectness), (6, Term::Class)] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut batch = Batch::zeros(2, [32, 32], 2);
            batch.logits[0][21 + element] = value;
            let error = batch.loss_by(YOLOV3, &anchors, &[truth(1, 1, FITTING)], AFTER_WARM_UP).unwrap_err();
            let named = matches!(&error, LossError::NotFinite { term, images } if *term == expected && images == &[1]);
            assert!(named, "{element} {value}: {error}");
        }
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    for ignore_threshold in [-0.1, 1.1, f64::NAN] {
        let settings = LossSettings::Darknet(DarknetSettings { ignore_threshold });
        let anchors = Anchors::from_sizes(&ONE_ANCHOR).unwrap();
        let refused = Batch::zeros(1, [32, 32], 2).loss_by(settings, &anchors, &[], AFTER_WARM_UP);
        assert!(matches!(refused, Err(LossError::Setting { key: "ignore-threshold", .. })));
    }
}

#[test]
fn the_scale_reaches_the_gradients_alone() {
    let batch = Batch::zeros(2, [32, 32], 2);
    let anchors = Anchors::from_sizes(&ONE_ANCHOR).unwrap();
    let step = LossStep { scale: 0.25, ..AFTER_WARM_UP };
    let quarter = batch.loss_by(YOLOV3, &anchors, &[truth(0, 1, FITTING)], step).unwrap();
    let whole = loss(&batch, &ONE_ANCHOR, &[truth(0, 1, FITTING)]);
    assert_close(quarter.total, whole.total);
    assert_eq!(quarter.gradients[0].host()[4] * 4.0, whole.gradients[0].host()[4]);
}
