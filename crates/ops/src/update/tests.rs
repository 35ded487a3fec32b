use super::*;
use crate::oracle::{assert_close, normals, same_in_any_pool};

const N: usize = 2 * blocks::VALUES + 7;

fn close(got: f32, expected: f64) {
    assert!((f64::from(got) - expected).abs() <= 1e-7 * expected.abs(), "expected {expected}, got {got}");
}

fn plain(lr: f64) -> SgdStep {
    SgdStep { lr, momentum: 0.0, kind: Momentum::Classical, weight_decay: 0.0, velocity: Velocity::Running }
}

#[test]
fn sgd_by_hand() {
    let mut p = [1.0, -2.0];
    sgd(&mut p, &[0.5, 1.0], None, &SgdStep { weight_decay: 0.1, ..plain(0.1) }).unwrap();
    close(p[0], 1.0 - 0.1 * (0.5 + 0.1));
    close(p[1], -2.0 - 0.1 * (1.0 - 0.2));
}

#[test]
fn momentum_by_hand() {
    // Gradient 1 twice: velocities 1 and 1.9; Nesterov follows 1.9 and 2.71.
    for (kind, expected) in [(Momentum::Classical, [0.9, 0.71]), (Momentum::Nesterov, [0.81, 0.539])] {
        let (mut p, mut v) = ([1.0], [f32::NAN]);
        let mut step = SgdStep { momentum: 0.9, kind, velocity: Velocity::Fresh, ..plain(0.1) };
        sgd(&mut p, &[1.0], Some(&mut v), &step).unwrap();
        close(p[0], expected[0]);
        step.velocity = Velocity::Running;
        sgd(&mut p, &[1.0], Some(&mut v), &step).unwrap();
        close(p[0], expected[1]);
        close(v[0], 1.9);
    }
}

#[test]
fn adam_by_hand() {
    let base =
        AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: 1, weight_decay: 0.5, decay: Decay::Decoupled };
    // The first step is lr * sign(g), after the decay has taken lr * wd = 5 % off.
    let (mut p, mut m, mut v) = ([2.0], [0.0], [0.0]);
    adam(&mut p, &[-3.0], &mut m, &mut v, &base).unwrap();
    close(p[0], 2.0 * 0.95 + 0.1);
    close(m[0], -0.3);
    close(v[0], 0.009);
    // Coupled, the decay enters the gradient: -3 + 0.5 * 2 = -2.
    let (mut p, mut m, mut v) = ([2.0], [0.0], [0.0]);
    adam(&mut p, &[-3.0], &mut m, &mut v, &AdamStep { decay: Decay::Coupled, ..base }).unwrap();
    close(p[0], 2.1);
    close(m[0], -0.2);
    // The second: m = 0.9 * -0.2 + 0.1 * g, v = 0.999 * 0.004 + 0.001 * g^2, with g = 1 + 0.5 * 2.1.
    adam(&mut p, &[1.0], &mut m, &mut v, &AdamStep { decay: Decay::Coupled, step: 2, ..base }).unwrap();
    let g = 2.05;
    let (m2, v2): (f64, f64) = (-0.18 + 0.1 * g, 0.999 * 0.004 + 0.001 * g * g);
    let update = 0.1 * (m2 / 0.19) / ((v2 / (1.0 - 0.999 * 0.999)).sqrt() + 1e-8);
    assert!((f64::from(p[0]) - (2.1 - update)).abs() < 1e-6);
    assert!((f64::from(m[0]) - m2).abs() < 1e-8);
}

#[test]
fn every_value_of_every_block_is_updated_the_same_for_any_pool() {
    let (p0, g, v0) = (normals(N, "params"), normals(N, "grads"), normals(N, "velocity"));
    let step = SgdStep { momentum: 0.9, kind: Momentum::Nesterov, weight_decay: 0.01, ..plain(0.1) };
    let got = same_in_any_pool(|| {
        let (mut p, mut v) = (p0.clone(), v0.clone());
        sgd(&mut p, &g, Some(&mut v), &step).unwrap();
        p
    });
    let expected: Vec<f64> = (0..N)
        .map(|i| {
            let (p, g, v) = (f64::from(p0[i]), f64::from(g[i]), f64::from(v0[i]));
            let g = g + 0.01 * p;
            p - 0.1 * (g + 0.9 * (0.9 * v + g))
        })
        .collect();
    assert_close(&got, &expected, 1e-6, "sgd");
}

#[test]
fn adam_of_every_block_follows_the_formula() {
    let (p0, g, m0) = (normals(N, "params"), normals(N, "grads"), normals(N, "moments"));
    let v0: Vec<f32> = normals(N, "squares").iter().map(|v| v * v + 0.01).collect();
    let step = AdamStep {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        step: 7,
        weight_decay: 1e-2,
        decay: Decay::Decoupled,
    };
    let got = same_in_any_pool(|| {
        let (mut p, mut m, mut v) = (p0.clone(), m0.clone(), v0.clone());
        adam(&mut p, &g, &mut m, &mut v, &step).unwrap();
        p
    });
    let expected: Vec<f64> = (0..N)
        .map(|i| {
            let (p, g) = (f64::from(p0[i]), f64::from(g[i]));
            let m = 0.9 * f64::from(m0[i]) + 0.1 * g;
            let v = 0.999 * f64::from(v0[i]) + 0.001 * g * g;
            let (m, v) = (m / (1.0 - 0.9f64.powi(7)), v / (1.0 - 0.999f64.powi(7)));
            p * (1.0 - 1e-5) - 1e-3 * m / (v.sqrt() + 1e-8)
        })
        .collect();
    assert_close(&got, &expected, 1e-7, "adam");
}

/// A step of one formula over rows, and how the same comes about in two passes.
fn assert_rows_are_updated_and_rescaled(
    states: usize,
    fused: impl Fn(&mut [f32], &[f32], &mut [Vec<f32>], UnitRows) -> Rescaled + Sync,
    plain: impl Fn(&mut [f32], &[f32], &mut [Vec<f32>]),
) {
    // A task takes many rows of the first length and one of the last.
    for (rows, row_len) in [(5000, 27), (1, 1), (7, 4608), (3, 40_000)] {
        let unit = UnitRows { row_len, min_norm: 1e-12 };
        let n = rows * row_len;
        let (mut p, g) = (normals(n, "parameters"), normals(n, "gradients"));
        p[..row_len].fill(0.0);
        let begin: Vec<Vec<f32>> = (0..states).map(|i| normals(n, &format!("state {i}"))).collect();
        // Adam's second moment is a sum of squares.
        let begin: Vec<Vec<f32>> = begin.into_iter().map(|s| s.into_iter().map(f32::abs).collect()).collect();
        let (mut expected, mut expected_states) = (p.clone(), begin.clone());
        plain(&mut expected, &g, &mut expected_states);
        let norms = crate::rows::rescale_rows(&mut expected, unit).unwrap();
        let got = same_in_any_pool(|| {
            let (mut p, mut states) = (p.clone(), begin.clone());
            let rescaled = fused(&mut p, &g, &mut states, unit);
            assert_eq!(rescaled, norms);
            assert_eq!(states, expected_states);
            p
        });
        assert_eq!(got, expected);
    }
}

#[test]
fn rows_are_rescaled_in_the_same_pass() {
    for kind in [Momentum::Classical, Momentum::Nesterov] {
        let step = SgdStep { momentum: 0.9, kind, weight_decay: 1e-3, ..plain(0.1) };
        assert_rows_are_updated_and_rescaled(
            1,
            |p, g, states, unit| sgd_rows(p, g, &mut states[0], &step, unit).unwrap(),
            |p, g, states| sgd(p, g, Some(&mut states[0]), &step).unwrap(),
        );
    }
    let step =
        AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: 3, weight_decay: 0.5, decay: Decay::Coupled };
    assert_rows_are_updated_and_rescaled(
        2,
        |p, g, states, unit| {
            let [m, v] = states else { unreachable!() };
            adam_rows(p, g, m, v, &step, unit).unwrap()
        },
        |p, g, states| {
            let [m, v] = states else { unreachable!() };
            adam(p, g, m, v, &step).unwrap();
        },
    );
    let unit = |row_len| UnitRows { row_len, min_norm: 1e-12 };
    assert!(sgd_rows(&mut [0.0; 4], &[0.0; 4], &mut [0.0; 4], &plain(0.1), unit(3)).is_err());
    assert!(sgd_rows(&mut [0.0; 4], &[0.0; 4], &mut [0.0; 2], &plain(0.1), unit(2)).is_err());
    assert!(sgd_rows(&mut [0.0; 4], &[0.0; 2], &mut [0.0; 4], &plain(0.1), unit(2)).is_err());
}

#[test]
fn averages_scales_and_squares() {
    let (value, start) = (normals(N, "value"), normals(N, "average"));
    let got = same_in_any_pool(|| {
        let mut average = start.clone();
        ema(&mut average, &value, 0.999).unwrap();
        scale(&mut average, 2.0);
        average
    });
    let expected: Vec<f64> =
        start.iter().zip(&value).map(|(a, v)| 2.0 * (0.999 * f64::from(*a) + 0.001 * f64::from(*v))).collect();
    assert_close(&got, &expected, 1e-7, "ema");
    let squares: f64 = value.iter().map(|v| f64::from(*v).powi(2)).sum();
    assert!((sum_of_squares(&value) - squares).abs() < 1e-12 * squares);
    assert!((sum_of_squares(&[3.0, 4.0]) - 25.0).abs() < 1e-15);
    assert_eq!(sum_of_squares(&[]), 0.0);
    let mut same = start.clone();
    ema(&mut same, &start, 0.5).unwrap();
    assert_eq!(same, start);
}

#[test]
fn lengths_and_the_zeroth_step_are_refused() {
    assert!(sgd(&mut [0.0; 2], &[0.0; 3], None, &plain(0.1)).is_err());
    assert!(sgd(&mut [0.0; 2], &[0.0; 2], Some(&mut [0.0]), &plain(0.1)).is_err());
    assert!(ema(&mut [0.0; 2], &[0.0; 3], 0.5).is_err());
    let step =
        AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: 0, weight_decay: 0.0, decay: Decay::Coupled };
    let error = adam(&mut [0.0], &[0.0], &mut [0.0], &mut [0.0], &step).unwrap_err();
    assert_eq!(error.to_string(), "adam: step: expected a number from 1 on, got 0");
}

/// Three steps from (1, -2, 0.5) with gradients k (0.3, -1, 2) and decay 0.1, as `torch.optim` of PyTorch 2 takes them.
fn three_steps(mut step: impl FnMut(u64, &mut [f32], &[f32])) -> Vec<f32> {
    let mut p = vec![1.0, -2.0, 0.5];
    for k in 1..=3 {
        let g = [0.3, -1.0, 2.0].map(|g| g * k as f32);
        step(k, &mut p, &g);
    }
    p
}

#[test]
fn three_steps_are_pytorchs() {
    let adams = [
        (Decay::Coupled, [0.852_406_561_374_664_3, -1.852_916_240_692_138_7, 0.353_698_611_259_460_45]),
        (Decay::Decoupled, [0.839_655_756_950_378_4, -1.824_730_753_898_620_6, 0.347_118_347_883_224_5]),
    ];
    for (decay, expected) in adams {
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        let got = three_steps(|t, p, g| {
            let step = AdamStep { lr: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: t, weight_decay: 0.1, decay };
            adam(p, g, &mut m, &mut v, &step).unwrap();
        });
        assert_close(&got, &expected, 1e-7, &format!("{decay:?}"));
    }
    let sgds = [
        (Momentum::Nesterov, [0.743_028_163_909_912_1, -1.196_624_636_650_085_4, -0.967_107_236_385_345_5]),
        (Momentum::Classical, [0.829_854_488_372_802_7, -1.470_088_481_903_076_2, -0.462_067_544_460_296_63]),
    ];
    for (kind, expected) in sgds {
        let mut v = [f32::NAN; 3];
        let got = three_steps(|t, p, g| {
            let velocity = if t == 1 { Velocity::Fresh } else { Velocity::Running };
            let step = SgdStep { lr: 0.05, momentum: 0.9, kind, weight_decay: 0.1, velocity };
            sgd(p, g, Some(&mut v), &step).unwrap();
        });
        assert_close(&got, &expected, 1e-7, &format!("{kind:?}"));
    }
}

#[test]
fn the_first_value_that_is_not_finite_is_found() {
    let finite: Vec<f32> = normals(N, "finite").iter().map(|v| v * (f32::MAX / 8.0)).collect();
    assert_eq!(first_not_finite(&finite), None);
    assert_eq!(first_not_finite(&[]), None);
    assert_eq!(first_not_finite(&[f32::MAX, -f32::MAX, -0.0, f32::MIN_POSITIVE / 2.0]), None);
    for (at, value) in [(0, f32::INFINITY), (blocks::VALUES, f32::NEG_INFINITY), (N - 1, f32::NAN), (9, -f32::NAN)] {
        let mut values = finite.clone();
        values[at] = value;
        values[N - 1] = f32::NAN;
        assert_eq!(first_not_finite(&values), Some(at));
    }
}
