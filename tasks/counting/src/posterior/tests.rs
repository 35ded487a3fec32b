#![allow(clippy::float_cmp)] // equal where the very same sums are made

mod dense;
mod invariants;
mod size;

use std::collections::BTreeMap;

use proptest::prelude::*;
use wrs_ops::rng::Rng;

use super::*;
use dense::Dense;

/// The house's own numbers: crop of 512, stride 8, sigma 8.
pub(super) const GRID: [usize; 2] = [64, 64];
pub(super) const STRIDE: usize = 8;

pub(super) fn config(background: Background) -> BayesianConfig {
    BayesianConfig { sigma_px: 8.0, background }
}

pub(super) fn backgrounds() -> [Background; 4] {
    [
        Background::None,
        Background::Legacy { ratio: 0.15 },
        Background::Current { ratio: 1.0 },
        Background::NoisyCc { ratio: 0.15, alpha: 8.0 },
    ]
}

/// Points whose targets are 1.
pub(super) fn ones(points: Vec<PointXy>, shorter_side_px: f64) -> Annotation {
    Annotation { targets: vec![1.0; points.len()], points, shorter_side_px }
}

/// Points anywhere in the crop and up to 90 px beside it.
pub(super) fn scattered(n: usize, rng: &mut Rng) -> Vec<PointXy> {
    (0..n).map(|_| PointXy { x: rng.range(-90.0, 602.0), y: rng.range(-90.0, 602.0) }).collect()
}

pub(super) fn density(cells: usize, rng: &mut Rng) -> Vec<f32> {
    (0..cells).map(|_| rng.range(0.0, 0.2) as f32).collect()
}

/// The two points of the specification's vectors, on a crop of 32.
fn two_points(background: Background, shorter_side_px: f64) -> (BayesianConfig, Annotation) {
    let points = vec![PointXy { x: 5.0, y: 7.0 }, PointXy { x: 21.5, y: 18.0 }];
    (config(background), Annotation { points, targets: vec![1.0, 0.6], shorter_side_px })
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-5 * expected.abs().max(0.1), "{got} {expected}");
}

struct Known {
    background: Background,
    side: f64,
    expected: &'static [f64],
    loss: f64,
    /// At cells 0, 3, 5, 10, 15.
    gradient: [f64; 5],
    /// Of the last row at cells 0, 3, 10, 12, 15.
    shares: Option<[f64; 5]>,
}

const KNOWN: [Known; 4] = [
    Known {
        background: Background::None,
        side: 512.0,
        expected: &[1.548_748, 5.251_252],
        loss: 5.2,
        gradient: [1.0; 5],
        shares: Some([0.020_924, 0.912_280, 0.953_880, 0.569_374, 0.998_448]),
    },
    Known {
        background: Background::Current { ratio: 1.0 },
        side: 512.0,
        expected: &[1.526_078, 5.221_060, 0.052_862],
        loss: 5.2,
        gradient: [1.0; 5],
        shares: None,
    },
    Known {
        background: Background::Legacy { ratio: 0.15 },
        side: 64.0,
        expected: &[0.547_727, 1.795_044, 4.457_229],
        loss: 6.104_546,
        gradient: [-0.108_917, 0.968_087, 0.417_543, 0.944_950, 0.999_206],
        shares: Some([0.433_692, 0.818_095, 0.403_184, 0.850_703, 0.744_117]),
    },
    Known {
        background: Background::Current { ratio: 1.0 },
        side: 64.0,
        expected: &[0.672_297, 2.292_607, 3.835_096],
        loss: 5.855_406,
        gradient: [-0.877_148, 0.971_383, 0.291_204, 0.908_309, 0.999_093],
        shares: Some([0.041_367, 0.836_882, 0.005_950, 0.926_344, 0.707_820]),
    },
];

#[test]
fn the_known_vectors() {
    let density: Vec<f32> = (1..=16).map(|i| 0.05 * i as f32).collect();
    for known in &KNOWN {
        let (config, annotation) = two_points(known.background, known.side);
        let posterior = Posterior::new(&config, [4, 4], STRIDE, &annotation);
        let (mut expected, background) = posterior.expectations(&density);
        let last_row = match background {
            Some(background) => {
                expected.push(background);
                posterior.background.clone()
            }
            None => share_of(&posterior, 1),
        };
        assert_eq!(expected.len(), known.expected.len());
        expected.iter().zip(known.expected).for_each(|(got, known)| close(*got, *known));
        let mut gradient = vec![0.0; 16];
        close(posterior.loss(&density, &mut gradient, 1.0), known.loss);
        [0, 3, 5, 10, 15].iter().zip(known.gradient).for_each(|(cell, g)| close(f64::from(gradient[*cell]), g));
        for (cell, share) in [0, 3, 10, 12, 15].into_iter().zip(known.shares.into_iter().flatten()) {
            close(f64::from(last_row[cell]), share);
        }
        let dense = Dense::new(&config, [4, 4], STRIDE, &annotation);
        dense.expectations(&density).iter().zip(known.expected).for_each(|(got, known)| close(*got, *known));
    }
}

/// One point's share of every cell.
fn share_of(posterior: &Posterior, point: usize) -> Vec<f32> {
    let of_cell = |row: BTreeMap<usize, f32>| row.get(&point).copied().unwrap_or(0.0);
    posterior.rows.iter().map(|row| of_cell(row.collect())).collect()
}

#[test]
fn the_background_overtakes_the_nearest_point_where_it_is_said_to() {
    let reach = |background: Background, side: f64| {
        let annotation = ones(vec![PointXy { x: 4.0, y: 4.0 }], side);
        // Cells of a pixel, so that the place is found to a pixel.
        let config = BayesianConfig { sigma_px: 8.0, background };
        let posterior = Posterior::new(&config, [8, 256], 1, &annotation);
        (4..256).find(|x| posterior.background[3 * 256 + x] > 0.5).unwrap() - 4
    };
    for (side, legacy, current) in [(512.0, 38, 22), (1024.0, 77, 32), (2048.0, 154, 45)] {
        for (background, expected) in
            [(Background::Legacy { ratio: 0.15 }, legacy), (Background::Current { ratio: 1.0 }, current)]
        {
            assert!(reach(background, side).abs_diff(expected) <= 1, "{background:?} {side}");
        }
    }
}

#[test]
fn a_crop_without_points_pays_for_all_its_density() {
    for background in backgrounds() {
        let posterior = Posterior::new(&config(background), [2, 2], STRIDE, &ones(Vec::new(), 512.0));
        let mut gradient = [9.0; 4];
        for (density, loss, slope) in
            [([1.0, 2.0, 0.0, 0.5], 3.5, 0.25), ([1.0, -2.0, 0.0, 0.0], 1.0, -0.25), ([0.0; 4], 0.0, 0.0)]
        {
            assert_eq!(posterior.loss(&density, &mut gradient, 0.25), loss);
            assert_eq!(gradient, [slope; 4]);
        }
        assert_eq!(posterior.expectations(&[1.0; 4]), (Vec::new(), None));
    }
}

#[test]
fn a_point_that_lies_nowhere_or_has_no_target_makes_the_loss_nan() {
    let here = PointXy { x: 3.0, y: 3.0 };
    for nowhere in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        for points in [vec![PointXy { x: nowhere, ..here }], vec![here, PointXy { y: nowhere, ..here }]] {
            for background in backgrounds() {
                let posterior = Posterior::new(&config(background), [2, 2], STRIDE, &ones(points.clone(), 512.0));
                let mut gradient = [9.0; 4];
                assert!(posterior.loss(&[1.0; 4], &mut gradient, 1.0).is_nan());
                assert!(gradient.iter().all(|g| g.abs() <= 1.0));
            }
        }
    }
    let lacking = Annotation { points: vec![here, here], targets: vec![1.0], shorter_side_px: 512.0 };
    let posterior = Posterior::new(&config(Background::None), [2, 2], STRIDE, &lacking);
    assert!(posterior.loss(&[1.0; 4], &mut [0.0; 4], 1.0).is_nan());
}

#[test]
fn a_recipe_spells_the_background_and_wrong_numbers_are_refused_by_their_key() {
    let read = |text: &str| toml::from_str::<BayesianConfig>(text);
    for (text, background) in [
        ("background = \"none\"", backgrounds()[0]),
        ("[background]\nlegacy = { ratio = 0.15 }", backgrounds()[1]),
        ("[background]\ncurrent = { ratio = 1.0 }", backgrounds()[2]),
        ("[background]\nnoisy-cc = { ratio = 0.15, alpha = 8.0 }", backgrounds()[3]),
    ] {
        let got = read(&format!("sigma-px = 8.0\n{text}")).unwrap();
        assert_eq!(got, config(background));
        got.check().unwrap();
        assert_eq!(read(&toml::to_string(&got).unwrap()).unwrap(), got);
    }
    for text in ["background = \"none\"", "sigma-px = 8.0", "sigma-px = 8.0\nbackground = \"none\"\nsigma = 1.0"] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("sigma-px = 8.0\n[background]\nlegacy = { ratio = 1.0, alpha = 2.0 }").is_err());
    for (sigma_px, background, key) in [
        (0.0, Background::None, "loss.sigma-px"),
        (f64::INFINITY, Background::None, "loss.sigma-px"),
        (8.0, Background::Legacy { ratio: -0.1 }, "loss.background.legacy.ratio"),
        (8.0, Background::Current { ratio: f64::NAN }, "loss.background.current.ratio"),
        (8.0, Background::NoisyCc { ratio: 0.0, alpha: 1.0 }, "loss.background.noisy-cc.ratio"),
        (8.0, Background::NoisyCc { ratio: 1.0, alpha: -1.0 }, "loss.background.noisy-cc.alpha"),
    ] {
        assert_eq!(BayesianConfig { sigma_px, background }.check().unwrap_err().key, key);
    }
}
