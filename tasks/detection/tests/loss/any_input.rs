//! What holds of every loss for any logits and truths.

use proptest::prelude::*;
use wrs_detection::anchors::Anchors;
use wrs_detection::assign::Truth;
use wrs_detection::loss::{DarknetSettings, Loss, LossSettings};

use crate::mmdet::YOLOV3 as MMDET;
use crate::{AFTER_WARM_UP, Batch, PAPER, SMALL_ANCHORS};

const CLASSES: usize = 2;
/// Logits of two pictures of 32 x 64 px.
const LOGITS: usize = 2 * (2 + 8 + 32) * 3 * (5 + CLASSES);

fn all() -> [LossSettings; 3] {
    let darknet = DarknetSettings { ignore_threshold: 0.5 };
    [LossSettings::Giou(PAPER), LossSettings::Darknet(darknet), LossSettings::Mmdet(MMDET)]
}

fn compute(settings: &LossSettings, logits: &[f32], truths: &[Truth]) -> Loss {
    let mut logits = logits.iter().copied();
    let batch = Batch::filled(2, [32, 64], CLASSES, || logits.next().unwrap());
    let anchors = Anchors::from_sizes(&SMALL_ANCHORS).unwrap();
    batch.loss_by(settings.clone(), &anchors, truths, AFTER_WARM_UP).unwrap()
}

fn logit() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -4f32..4.0, 1 => -1e30f32..1e30, 1 => Just(0.0)]
}

fn logits() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(logit(), LOGITS)
}

/// Boxes of any kind: far outside, without an area, upside down.
fn truths() -> impl Strategy<Value = Vec<Truth>> {
    let side = prop_oneof![6 => 0.01f32..1.0, 1 => -1f32..3.0, 1 => Just(0.0), 1 => Just(f32::MIN_POSITIVE)];
    let place = prop_oneof![6 => 0f32..1.0, 1 => -5f32..5.0, 1 => Just(1.0)];
    let truth = (0..2usize, 0..CLASSES, [place.clone(), place], [side.clone(), side]);
    let truth = truth.prop_map(|(image, class, [x, y], [w, h])| Truth { image, class, cxcywh: [x, y, w, h] });
    proptest::collection::vec(truth, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn finite_logits_give_finite_losses(logits in logits(), truths in truths()) {
        for settings in all() {
            let loss = compute(&settings, &logits, &truths);
            prop_assert!(loss.total.is_finite(), "{settings:?}");
            let finite = loss.gradients.iter().all(|level| level.host().iter().all(|g| g.is_finite()));
            prop_assert!(finite, "{settings:?}");
            prop_assert!(loss.unmatched <= truths.len());
        }
    }

    #[test]
    fn the_order_of_truths_decides_only_who_has_a_shared_predictor(logits in logits(), truths in truths()) {
        let backwards: Vec<Truth> = truths.iter().rev().copied().collect();
        for settings in all() {
            let (one, other) = (compute(&settings, &logits, &truths), compute(&settings, &logits, &backwards));
            prop_assert_eq!((&one.pairs, one.ignored), (&other.pairs, other.ignored), "{:?}", settings);
            prop_assert_eq!(one.objectness.to_bits(), other.objectness.to_bits(), "{:?}", settings);
            if matches!(settings, LossSettings::Giou(_)) {
                prop_assert!((one.total - other.total).abs() <= 1e-9 * one.total.abs());
            }
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_threads(logits in logits(), truths in truths()) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| all().map(|settings| compute(&settings, &logits, &truths)))
        };
        for (one, four) in on(1).into_iter().zip(on(4)) {
            prop_assert_eq!(one.total.to_bits(), four.total.to_bits());
            for (one, four) in one.gradients.iter().zip(&four.gradients) {
                let bits = |level: &[f32]| level.iter().map(|g| g.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(one.host()), bits(four.host()));
            }
        }
    }
}
