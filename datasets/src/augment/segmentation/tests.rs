use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::label_map::VOID;

const PADDING: [u8; 3] = [124, 116, 255];
const NO_JITTER: HsvGains = HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 };
const DEEPLAB: SegmentationAugment = SegmentationAugment {
    crop: 24,
    scale: [0.5, 2.0],
    scale_step: None,
    flip_left_right: 0.5,
    hsv: NO_JITTER,
    padding: PADDING,
};

/// Levels between neighbours of the coded picture.
const STEP: u8 = 16;

/// Every pixel says where it lies: the picture by its red and green, the mask by its label.
fn coded(width: usize, height: usize) -> LabelledImage {
    let at = |i: usize| (i % width, i / width);
    let pixels = (0..width * height).flat_map(|i| [at(i).0 as u8 * STEP, at(i).1 as u8 * STEP, 0]).collect();
    let labels = (0..width * height).map(|i| i as u8).collect();
    LabelledImage {
        image: ImageRgb8 { size: ImageSize { width, height }, pixels },
        labels: LabelMap { width, height, labels },
        notes: Vec::new(),
    }
}

fn draw(index: usize) -> Draw {
    Draw { seed: 3, epoch: 1, index }
}

proptest! {
    /// Rows 11, 33 and 35 of the edge cases: padding is void, no label arises, picture and mask stay together.
    #[test]
    fn a_coded_pair_stays_a_pair_under_every_draw(
        width in 1usize..16, height in 1usize..16, crop in 1usize..40, index in 0usize..10_000,
    ) {
        let source = coded(width, height);
        let LabelledImage { image, labels, .. } = SegmentationAugment { crop, ..DEEPLAB }.apply(&source, draw(index)).unwrap();
        prop_assert_eq!((image.size, labels.width, labels.height), (ImageSize::square(crop), crop, crop));
        for (i, &label) in labels.labels.iter().enumerate() {
            let [red, green, blue] = image.at(i % crop, i / crop);
            prop_assert_eq!(label == VOID, [red, green, blue] == PADDING);
            if label != VOID {
                prop_assert!(source.labels.labels.contains(&label));
                // The mask has the nearest pixel, the picture a blend: they are half a pixel apart at most, and a rounding.
                let (x, y) = (usize::from(label) % width, usize::from(label) / width);
                let apart = |level: u8, at: usize| (f64::from(level) / f64::from(STEP) - at as f64).abs();
                prop_assert!(apart(red, x) < 0.6 && apart(green, y) < 0.6, "{red} {green} at {x}, {y}");
            }
        }
    }

    #[test]
    fn a_draw_is_a_function_of_seed_epoch_and_index(index in 0usize..1000) {
        let source = coded(15, 13);
        let sample = |draw| DEEPLAB.apply(&source, draw).unwrap();
        prop_assert_eq!(sample(draw(index)), sample(draw(index)));
        let others = [Draw { seed: 4, ..draw(index) }, Draw { epoch: 2, ..draw(index) }, draw(index + 1)];
        prop_assert!(others.into_iter().any(|other| sample(other) != sample(draw(index))));
    }

    #[test]
    fn sizes_are_truncated_and_never_vanish(width in 1usize..5000, height in 1usize..5000, factor in 0.01f64..4.0) {
        let size = scaled_size(ImageSize { width, height }, factor);
        prop_assert_eq!(size.width, ((width as f64 * factor).trunc() as usize).max(1));
        prop_assert_eq!(size.height, ((height as f64 * factor).trunc() as usize).max(1));
    }
}

#[test]
fn every_offset_and_both_facings_are_drawn() {
    let augment = SegmentationAugment { crop: 12, scale: [1.0, 1.0], ..DEEPLAB };
    let drawn: BTreeSet<_> = (0..600)
        .map(|index| augment.draw(ImageSize { width: 15, height: 12 }, draw(index)))
        .inspect(|crop| assert_eq!((crop.top, crop.scaled), (0, ImageSize { width: 15, height: 12 })))
        .map(|crop| (crop.left, crop.facing == Facing::Mirrored))
        .collect();
    let expected: BTreeSet<_> = (0..=3).flat_map(|left| [(left, false), (left, true)]).collect();
    assert_eq!(drawn, expected);
}

#[test]
fn factors_are_of_the_range_or_of_its_steps() {
    let factors: Vec<f64> = (0..2000).map(|index| DEEPLAB.factor(draw(index))).collect();
    let (least, most) = factors.iter().fold((9.0f64, 0.0f64), |(a, b), &factor| (a.min(factor), b.max(factor)));
    let mean = factors.iter().sum::<f64>() / 2000.0;
    assert!(
        (0.5..0.51).contains(&least) && (1.99..2.0).contains(&most) && (mean - 1.25).abs() < 0.04,
        "{least} {most}"
    );
    let steps = SegmentationAugment { scale_step: Some(0.25), ..DEEPLAB };
    let drawn: BTreeSet<u64> = (0..500).map(|index| (steps.factor(draw(index)) * 100.0).round() as u64).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [50, 75, 100, 125, 150, 175, 200]);
    let tenths = SegmentationAugment { scale_step: Some(0.1), ..DEEPLAB };
    assert!((0..2000).any(|index| tenths.factor(draw(index)) > 1.999));
}

#[test]
fn colour_jitter_changes_the_picture_alone() {
    let source = coded(15, 13);
    let jitter = SegmentationAugment { hsv: HsvGains { hue: 0.1, saturation: 0.5, value: 0.5 }, ..DEEPLAB };
    let (plain, jittered) = (DEEPLAB.apply(&source, draw(1)).unwrap(), jitter.apply(&source, draw(1)).unwrap());
    assert_eq!(plain.labels, jittered.labels);
    assert_ne!(plain.image, jittered.image);
}

#[test]
fn settings_that_allow_no_sample_are_refused() {
    let refused = |augment: SegmentationAugment| match augment.apply(&coded(4, 4), draw(0)) {
        Err(DataError::Option { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    for scale in [[0.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [1.0, f64::INFINITY]] {
        assert_eq!(refused(SegmentationAugment { scale, ..DEEPLAB }), "scale");
    }
    assert_eq!(refused(SegmentationAugment { scale_step: Some(0.0), ..DEEPLAB }), "scale-step");
    assert_eq!(refused(SegmentationAugment { crop: 0, ..DEEPLAB }), "crop");
    assert_eq!(refused(SegmentationAugment { flip_left_right: 1.5, ..DEEPLAB }), "flip-left-right");
}
