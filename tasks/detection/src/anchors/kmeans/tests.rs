use proptest::prelude::*;
use wrs_ops::rng::Rng;

use super::*;

/// Boxes spread by up to `spread` around planted sizes.
fn planted(sizes: &[[f64; 2]], of_each: usize, spread: f64) -> Vec<[f64; 2]> {
    let mut rng = Rng::new(3, "planted", 0, 0);
    let mut boxes: Vec<[f64; 2]> = sizes
        .iter()
        .flat_map(|size| vec![*size; of_each])
        .map(|size| size.map(|side| side * rng.range(1.0 - spread, 1.0 + spread)))
        .collect();
    rng.shuffle(&mut boxes);
    boxes
}

#[test]
fn one_centre_is_the_median() {
    // Widths 10, 12, 12, 90 and heights 20, 20, 22, 30: of two in the middle the lower.
    let boxes = [[10.0, 20.0], [12.0, 22.0], [90.0, 30.0], [12.0, 20.0]];
    let fitted = fit_anchors(&boxes, 1, 0).unwrap();
    assert_eq!(fitted.sizes, [[12.0, 20.0]]);
    let expected = (200.0 / 240.0 + 240.0 / 264.0 + 240.0 / 2700.0 + 1.0) / 4.0;
    assert!((fitted.mean_best_iou - expected).abs() < 1e-12);
}

#[test]
fn equal_boxes_weigh_as_many() {
    let mut boxes = vec![[10.0, 10.0]; 5];
    boxes.extend([[40.0, 30.0], [50.0, 60.0], [60.0, 30.0], [70.0, 30.0]]);
    assert_eq!(fit_anchors(&boxes, 1, 0).unwrap().sizes, [[10.0, 10.0]]);
}

#[test]
fn as_many_centres_as_sizes_are_the_sizes() {
    let boxes = [[30.0, 10.0], [5.0, 5.0], [30.0, 10.0], [4.0, 90.0]];
    for seed in 0..5 {
        let fitted = fit_anchors(&boxes, 3, seed).unwrap();
        assert_eq!(fitted.sizes, [[5.0, 5.0], [30.0, 10.0], [4.0, 90.0]], "by area");
        assert!((fitted.mean_best_iou - 1.0).abs() < 1e-12);
    }
}

#[test]
fn planted_clusters_are_found_from_any_seed() {
    let sizes = [[10.0, 13.0], [16.0, 40.0], [60.0, 30.0], [60.0, 160.0], [200.0, 140.0], [380.0, 390.0]];
    let boxes = planted(&sizes, 200, 0.08);
    for seed in 0..10 {
        let fitted = fit_anchors(&boxes, sizes.len(), seed).unwrap();
        for (found, planted) in fitted.sizes.iter().zip(sizes) {
            for (found, planted) in found.iter().zip(planted) {
                assert!((f64::from(*found) / planted - 1.0).abs() < 0.02, "seed {seed}: {:?}", fitted.sizes);
            }
        }
        assert!(fitted.mean_best_iou > 0.9);
    }
}

#[test]
fn the_fit_by_hand() {
    // IoU 1, 1/4, and none above 1/2 with 100 x 1.
    let fit = anchor_fit(&[[8.0, 8.0], [2.0, 2.0]], &[[8.0, 8.0], [4.0, 4.0], [100.0, 1.0]], 0.25);
    assert_eq!((fit.boxes, fit.covered), (3, 1.0 / 3.0));
    let slim = 8.0 / (64.0 + 100.0 - 8.0);
    assert!((fit.mean_best_iou - (1.0 + 0.25 + slim) / 3.0).abs() < 1e-15);
    assert_eq!(anchor_fit(&[[8.0, 8.0]], &[], 0.2), AnchorFit { boxes: 0, mean_best_iou: 0.0, covered: 0.0 });
    assert_eq!(anchor_fit(&[], &[[8.0, 8.0]], 0.2), AnchorFit { boxes: 1, mean_best_iou: 0.0, covered: 0.0 });
}

#[test]
fn boxes_that_cannot_be_fitted_are_refused() {
    let few = fit_anchors(&[[3.0, 4.0], [3.0, 4.0], [5.0, 4.0]], 3, 0);
    assert_eq!(few, Err(AnchorError::Distinct { expected: 3, got: 2 }));
    assert_eq!(fit_anchors(&[], 1, 0), Err(AnchorError::Distinct { expected: 1, got: 0 }));
    for side in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        let bad = fit_anchors(&[[3.0, 4.0], [3.0, side]], 1, 0);
        assert!(matches!(bad, Err(AnchorError::Box { index: 1, .. })), "{side}");
    }
    assert_eq!(fit_anchors(&[[3.0, 4.0]], 0, 0), Err(AnchorError::Count { expected: 1, got: 0 }));
}

#[test]
fn a_box_without_a_weight_is_never_drawn() {
    assert_eq!(draw(&[0.0, 2.0, 0.0, 2.0, 0.0], 0.0), Some(1));
    assert_eq!(draw(&[0.0, 2.0, 0.0, 2.0, 0.0], 0.499), Some(1));
    assert_eq!(draw(&[0.0, 2.0, 0.0, 2.0, 0.0], 0.5), Some(3));
    assert_eq!(draw(&[0.0, 2.0, 0.0, 2.0, 0.0], 1.0), Some(3));
    assert_eq!(draw(&[0.0, 0.0], 0.5), None);
}

fn boxes() -> impl Strategy<Value = Vec<[f64; 2]>> {
    proptest::collection::vec([1.0..700.0, 1.0..700.0], 12..80)
}

proptest! {
    #[test]
    fn never_worse_than_its_seeds(boxes in boxes(), k in 1..9usize, seed in 0..4u64) {
        let fitted = fit_anchors(&boxes, k, seed).unwrap();
        let seeds = Tally::new(&boxes).unwrap().seeds(k, seed);
        let seeds: Vec<[f32; 2]> = seeds.into_iter().map(|size| size.map(|side| side as f32)).collect();
        prop_assert_eq!(seeds.len(), k);
        prop_assert!(fitted.mean_best_iou >= anchor_fit(&seeds, &boxes, 0.0).mean_best_iou - 1e-6);
        prop_assert!(fitted.sizes.is_sorted_by(|a, b| a[0] * a[1] <= b[0] * b[1]));
        prop_assert!(fitted.mean_best_iou <= 1.0);
    }

    #[test]
    fn the_order_of_boxes_does_not_matter(boxes in boxes(), k in 1..9usize, seed in 0..4u64) {
        let mut shuffled = boxes.clone();
        Rng::new(seed, "shuffle", 0, 0).shuffle(&mut shuffled);
        let (one, other) = (fit_anchors(&boxes, k, seed).unwrap(), fit_anchors(&shuffled, k, seed).unwrap());
        prop_assert_eq!((one.sizes, one.rounds), (other.sizes, other.rounds));
    }

    #[test]
    fn the_unit_does_not_matter(boxes in boxes(), k in 1..9usize) {
        let doubled: Vec<[f64; 2]> = boxes.iter().map(|size| size.map(|side| 2.0 * side)).collect();
        let (one, other) = (fit_anchors(&boxes, k, 1).unwrap(), fit_anchors(&doubled, k, 1).unwrap());
        let sizes: Vec<[f32; 2]> = one.sizes.iter().map(|size| size.map(|side| 2.0 * side)).collect();
        prop_assert_eq!(sizes, other.sizes);
    }

    #[test]
    fn more_anchors_cover_no_less(boxes in boxes(), seed in 0..4u64) {
        let sizes = fit_anchors(&boxes, 6, seed).unwrap().sizes;
        let (few, all) = (anchor_fit(&sizes[..3], &boxes, 0.4), anchor_fit(&sizes, &boxes, 0.4));
        prop_assert!(all.mean_best_iou >= few.mean_best_iou && all.covered >= few.covered);
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let mut rng = Rng::new(9, "boxes", 0, 0);
    let boxes: Vec<[f64; 2]> = (0..3 * BLOCK).map(|_| [rng.range(1.0, 600.0), rng.range(1.0, 600.0)]).collect();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit_anchors(&boxes, 9, 0).unwrap())
    };
    assert_eq!(on(1), on(3));
}
