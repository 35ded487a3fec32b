#![allow(clippy::float_cmp)] // equal where the very same sums are made

use wrs_datasets::PointXy;
use wrs_nn::{InputGradient, ParamsBuilder, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

use super::*;
use crate::posterior::{Annotation, Background, BayesianConfig};

const GRID: [usize; 2] = [5, 7];
const CELLS: usize = GRID[0] * GRID[1];

fn value(n: usize, values: &[f32]) -> Value {
    let params = ParamsBuilder::new().build(0);
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    pass.input(Dims { n, h: GRID[0], w: GRID[1], c: 1 }, values.to_vec().into(), InputGradient::Skipped)
}

fn posterior(points: &[(f64, f64)], background: Background) -> Posterior {
    let points: Vec<_> = points.iter().map(|&(x, y)| PointXy { x, y }).collect();
    let targets = (0..points.len()).map(|i| 1.0 - 0.2 * (i % 3) as f64).collect();
    let annotation = Annotation { points, targets, shorter_side_px: 64.0 };
    Posterior::new(&BayesianConfig { sigma_px: 8.0, background }, GRID, 8, &annotation)
}

/// Two crops with points, one without.
fn posteriors() -> Vec<Posterior> {
    let background = Background::Legacy { ratio: 0.15 };
    vec![
        posterior(&[(5.0, 7.0), (21.5, 18.0), (-9.0, 44.0), (40.0, 33.0)], background),
        posterior(&[], background),
        posterior(&[(50.0, 10.0), (50.0, 10.0)], Background::None),
    ]
}

fn raw(n: usize) -> Vec<f32> {
    let mut rng = Rng::new(4, "raw", 0, 0);
    // Away from the kink at 0.
    (0..n * CELLS).map(|_| (rng.range(0.05, 0.3) * if rng.chance(0.3) { -1.0 } else { 1.0 }) as f32).collect()
}

const HEADS: [HeadActivation; 3] = [HeadActivation::None, HeadActivation::Abs, HeadActivation::Relu];

#[test]
fn the_gradient_is_that_of_finite_differences_through_the_head() {
    let (posteriors, raw) = (posteriors(), raw(3));
    for head in HEADS {
        let at = |raw: &[f32]| loss(value(3, raw), head, &posteriors, 3).unwrap();
        let here = at(&raw);
        let gradient = here.seeds[0].1.host();
        for i in 0..raw.len() {
            let step = |by: f32| {
                let mut moved = raw.clone();
                moved[i] += by;
                at(&moved).total
            };
            // The loss is linear between kinks: the step may be large, and rounding is all that is left.
            let difference = (step(0.01) - step(-0.01)) / 0.02;
            assert!((difference - f64::from(gradient[i])).abs() < 1e-4, "{head:?} {i}: {difference} {}", gradient[i]);
        }
    }
}

#[test]
fn the_total_is_the_mean_and_counts_are_sums() {
    let (posteriors, raw) = (posteriors(), raw(3));
    let whole = loss(value(3, &raw), HeadActivation::Abs, &posteriors, 3).unwrap();
    assert!(whole.not_finite.is_empty());
    for (i, part) in raw.chunks(CELLS).enumerate() {
        let alone = loss(value(1, part), HeadActivation::Abs, &posteriors[i..=i], 1).unwrap();
        assert_eq!(alone.total, whole.per_image[i]);
        let count: f64 = part.iter().map(|raw| f64::from(raw.abs())).sum();
        assert_eq!(whole.counts[i], count);
        let slice = &whole.seeds[0].1.host()[i * CELLS..][..CELLS];
        for (got, alone) in slice.iter().zip(alone.seeds[0].1.host()) {
            assert!((3.0 * got - alone).abs() < 1e-6);
        }
    }
    assert!((whole.total - whole.per_image.iter().sum::<f64>() / 3.0).abs() < 1e-12);
}

#[test]
fn a_batch_without_any_points_has_a_loss() {
    let empty = || posterior(&[], Background::Current { ratio: 1.0 });
    let raw = raw(2);
    for head in HEADS {
        let loss = loss(value(2, &raw), head, &[empty(), empty()], 2).unwrap();
        let total = loss.counts.iter().map(|count| count.abs()).sum::<f64>() / 2.0;
        assert!((loss.total - total).abs() < 1e-12 && loss.not_finite.is_empty());
        for ((gradient, &raw), i) in loss.seeds[0].1.host().iter().zip(&raw).zip(0..) {
            assert_eq!(f64::from(*gradient), 0.5 * loss.counts[i / CELLS].signum() * f64::from(head.slope(raw)));
        }
    }
}

#[test]
fn at_its_kink_the_head_has_no_slope() {
    for (head, slope) in [(HeadActivation::None, true), (HeadActivation::Abs, false), (HeadActivation::Relu, false)] {
        let loss = loss(value(1, &[0.0; CELLS]), head, &posteriors()[..1], 1).unwrap();
        assert_eq!(loss.seeds[0].1.host().iter().any(|g| *g != 0.0), slope, "{head:?}");
        assert_eq!(loss.total, loss.per_image[0]);
    }
}

#[test]
fn outputs_that_are_not_finite_are_named_by_crop() {
    for head in HEADS {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut raw = raw(3);
            raw[CELLS + 3] = broken;
            raw[2 * CELLS] = broken;
            let loss = loss(value(3, &raw), head, &posteriors(), 3).unwrap();
            assert_eq!(loss.not_finite, [1, 2], "{head:?} {broken}");
        }
    }
}

#[test]
fn other_sizes_are_refused() {
    let message = |result: Result<Loss, CountingError>| result.unwrap_err().to_string();
    let got = message(loss(value(1, &raw(1)), HeadActivation::Abs, &posteriors(), 1));
    assert_eq!(got, "bayesian loss: posteriors: expected 1, one for each crop, got 3");
    let config = BayesianConfig { sigma_px: 8.0, background: Background::None };
    let annotation = Annotation { points: Vec::new(), targets: Vec::new(), shorter_side_px: 64.0 };
    let other = Posterior::new(&config, [5, 6], 8, &annotation);
    let got = message(loss(value(1, &raw(1)), HeadActivation::Abs, &[other], 1));
    assert_eq!(got, "bayesian loss: cells of a posterior: expected 5 x 7, got 30");
}
