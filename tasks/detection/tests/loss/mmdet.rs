//! mmdetection's loss by hand.

use std::f64::consts::LN_2;

use wrs_detection::anchors::Anchors;
use wrs_detection::assign::Truth;
use wrs_detection::loss::{Loss, LossError, LossSettings, MmdetSettings};

use crate::{AFTER_WARM_UP, Batch, FITTING, ONE_ANCHOR, assert_close, truth};

/// The values of mmdetection's configurations.
pub const YOLOV3: MmdetSettings =
    MmdetSettings { positive_iou: 0.5, negative_iou: 0.5, box_gain: 2.0, objectness_gain: 1.0, class_gain: 1.0 };
/// Predictors of a 32 x 32 px input.
const PREDICTORS: f64 = 63.0;

fn loss_with(settings: MmdetSettings, batch: &Batch, sizes: &[[f32; 2]], truths: &[Truth]) -> Loss {
    let anchors = Anchors::from_sizes(sizes).unwrap();
    batch.loss_by(LossSettings::Mmdet(settings), &anchors, truths, AFTER_WARM_UP).unwrap()
}

fn loss(batch: &Batch, sizes: &[[f32; 2]], truths: &[Truth]) -> Loss {
    loss_with(YOLOV3, batch, sizes, truths)
}

/// [`ONE_ANCHOR`] with another size at a place.
fn with_size(place: usize, size: [f32; 2]) -> [[f32; 2]; 9] {
    let mut sizes = ONE_ANCHOR;
    sizes[place] = size;
    sizes
}

#[test]
fn one_truth_in_one_cell() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 1, FITTING)]);
    assert_eq!((loss.pairs, loss.unmatched, loss.ignored), (vec![1, 0, 0], 0, 0));
    assert_close(loss.box_term, 2.0 * 2.0 * LN_2);
    assert_close(loss.objectness, PREDICTORS * LN_2);
    assert_close(loss.class, 2.0 * LN_2);
    let gradient = loss.gradients[0].host();
    assert_eq!(gradient[..7], [0.0, 0.0, 0.0, 0.0, -0.5, 0.5, -0.5]);
}

#[test]
fn sides_cost_twice_the_whole_square_and_pictures_are_not_averaged() {
    // 8 x 32 px at (24, 8) px, over 16 x 16 px in the middle; the picture with it twice counts twice.
    let cxcywh = [0.75, 0.25, 0.25, 1.0];
    let batch = Batch::zeros(2, [32, 32], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, cxcywh), truth(1, 0, cxcywh)]);
    assert_eq!(loss.pairs, [2, 0, 0]);
    assert_close(loss.box_term, 2.0 * 2.0 * (2.0 * LN_2 + 2.0 * LN_2 * LN_2));
    assert_close(loss.objectness, 2.0 * PREDICTORS * LN_2);
    let gradient = loss.gradients[0].host();
    for (got, expected) in gradient.iter().zip([-0.5, 0.5, 4.0 * LN_2, -4.0 * LN_2]) {
        assert_close((*got).into(), expected);
    }
}

#[test]
fn a_truth_takes_its_best_prior_however_bad_and_all_of_several_equal() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let sizes = with_size(7, [16.0, 16.0]);
    // 6 x 6 px: IoU 36 / 256.
    let small = loss(&batch, &sizes, &[truth(0, 0, [0.5, 0.5, 0.1875, 0.1875])]);
    assert_eq!((small.pairs, small.unmatched, small.ignored), (vec![2, 0, 0], 0, 0));
}

#[test]
fn a_good_responsible_prior_learns_too_above_the_threshold() {
    let batch = Batch::zeros(1, [32, 32], 2);
    // Half of the truth, exactly.
    let sizes = with_size(7, [16.0, 8.0]);
    let with = |positive_iou, negative_iou| {
        let settings = MmdetSettings { positive_iou, negative_iou, ..YOLOV3 };
        let loss = loss_with(settings, &batch, &sizes, &[truth(0, 0, FITTING)]);
        (loss.pairs[0], loss.ignored, loss.gradients[0].host()[7 + 4])
    };
    assert_eq!(with(0.5, 0.5), (1, 0, 0.5), "neither positive nor ignored at the threshold");
    assert_eq!(with(0.4999, 0.5), (2, 0, -0.5));
    assert_eq!(with(0.5, 0.4999), (1, 1, 0.0));
}

#[test]
fn priors_beside_the_truth_are_ignored() {
    let batch = Batch::zeros(1, [32, 32], 2);
    // Stride 8, 24 x 24 px; the truth on the cell at (20, 20) px.  A cell to the side: 16 / 32 = 1/2.
    let sizes = with_size(0, [24.0, 24.0]);
    let cxcywh = [0.625, 0.625, 0.75, 0.75];
    let with = |negative_iou| {
        let settings = MmdetSettings { negative_iou, ..YOLOV3 };
        let loss = loss_with(settings, &batch, &sizes, &[truth(0, 0, cxcywh)]);
        assert_eq!(loss.pairs, [0, 0, 1]);
        (loss.ignored, loss.objectness)
    };
    let (ignored, objectness) = with(0.5);
    assert_eq!(ignored, 0, "background at the threshold");
    assert_close(objectness, PREDICTORS * LN_2);
    let (ignored, objectness) = with(0.4999);
    assert_eq!(ignored, 4);
    assert_close(objectness, (PREDICTORS - 4.0) * LN_2);
}

#[test]
fn a_prior_learns_the_truth_it_overlaps_most_even_of_another_cell() {
    // Stride 16 has 16 x 16 px.  The first truth's centre is at 15 px, in the left cell; the right cell holds that of the
    // small second truth, of which its prior covers less than the 7 / 25 of the first.
    let batch = Batch::zeros(1, [32, 32], 2);
    let mut sizes = [[1.0, 1.0]; 9];
    (sizes[3], sizes[8]) = ([16.0, 16.0], [4.0, 4.0]);
    let settings = MmdetSettings { positive_iou: 0.25, negative_iou: 0.25, ..YOLOV3 };
    let truths = [truth(0, 0, [0.46875, 0.25, 0.5, 0.5]), truth(0, 1, [0.53125, 0.4375, 0.125, 0.125])];
    let loss = loss_with(settings, &batch, &sizes, &truths);
    // The first takes the prior of its own cell; the right one learns the first; the second takes 4 x 4 px.
    assert_eq!((loss.pairs, loss.unmatched), (vec![1, 2, 0], 0));
    let gradient = loss.gradients[1].host();
    let right = &gradient[21..28];
    // The centre is at 15 px, left of the cell that begins at 16 px: the target is its edge.
    assert_close(right[0].into(), 2.0 * (0.5 - 1e-6));
    assert_eq!((right[5], right[6]), (-0.5, 0.5), "and the class is the first one's");
}

#[test]
fn the_later_of_two_truths_takes_a_shared_prior() {
    let batch = Batch::zeros(1, [32, 32], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, FITTING), truth(0, 1, FITTING)]);
    assert_eq!((loss.pairs, loss.unmatched), (vec![1, 0, 0], 1));
    assert_eq!(loss.gradients[0].host()[5..7], [0.5, -0.5]);
}

#[test]
fn a_centre_at_the_edge_trains_the_last_cell() {
    let batch = Batch::zeros(1, [32, 64], 2);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, [1.0, 1.0, 0.5, 1.0])]);
    assert_eq!(loss.pairs, [1, 0, 0]);
    let (first, last) = loss.gradients[0].host().split_at(21);
    assert_eq!(first[..4], [0.0; 4]);
    assert_close(last[0].into(), 2.0 * (0.5 - (1.0 - 1e-6)));
}

#[test]
fn a_single_class_has_no_class_term() {
    let batch = Batch::random(5, 1, [32, 32], 1);
    let loss = loss(&batch, &ONE_ANCHOR, &[truth(0, 0, FITTING)]);
    assert!(loss.class == 0.0 && loss.gradients[0].host()[5] == 0.0);
    assert!(loss.box_term > 0.0);
}

#[test]
fn a_batch_without_truths_pictures_or_cells_learns_objectness_alone() {
    let background = loss(&Batch::zeros(2, [32, 32], 2), &ONE_ANCHOR, &[]);
    assert_close(background.total, 2.0 * PREDICTORS * LN_2);
    assert_eq!((background.pairs, background.ignored), (vec![0, 0, 0], 0));
    assert_close(loss(&Batch::zeros(0, [32, 32], 2), &ONE_ANCHOR, &[]).total, 0.0);
    let empty = loss(&Batch::zeros(1, [32, 0], 2), &ONE_ANCHOR, &[truth(0, 0, FITTING)]);
    assert_eq!((empty.pairs, empty.unmatched, empty.total), (vec![0, 0, 0], 1, 0.0));
    let flat = loss(&Batch::zeros(1, [32, 32], 2), &ONE_ANCHOR, &[truth(0, 0, [0.5, 0.5, 0.5, 0.0])]);
    assert_eq!((flat.pairs, flat.unmatched), (vec![0, 0, 0], 1), "nor does a truth without an area");
}

#[test]
fn settings_outside_their_range_are_refused() {
    let refused = [
        MmdetSettings { positive_iou: 1.1, ..YOLOV3 },
        MmdetSettings { negative_iou: f64::NAN, ..YOLOV3 },
        MmdetSettings { class_gain: -1.0, ..YOLOV3 },
    ];
    for settings in refused {
        let anchors = Anchors::from_sizes(&ONE_ANCHOR).unwrap();
        let settings = LossSettings::Mmdet(settings);
        let refused = Batch::zeros(1, [32, 32], 2).loss_by(settings, &anchors, &[], AFTER_WARM_UP);
        assert!(matches!(refused, Err(LossError::Setting { .. })));
    }
}
