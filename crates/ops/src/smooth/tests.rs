use super::*;
use crate::oracle::{assert_close, normals, same_in_any_pool, to_f64};

const ALL: [Smooth; 3] = [Smooth::Logistic, Smooth::Swish, Smooth::Mish];

/// The definitions, in `f64`.
fn oracle(activation: Smooth, x: f64) -> f64 {
    match activation {
        Smooth::Logistic => 1.0 / (1.0 + (-x).exp()),
        Smooth::Swish => x / (1.0 + (-x).exp()),
        Smooth::Mish => x * x.exp().ln_1p().tanh(),
    }
}

/// Five points, whose error is some `step^4`.
fn slope(activation: Smooth, x: f64) -> f64 {
    let step = 1e-3;
    let at = |k: f64| oracle(activation, x + k * step);
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step)
}

fn values(isa: Isa, activation: Smooth, x: &[f32]) -> Vec<f32> {
    let mut y = vec![f32::NAN; x.len()];
    forward(isa, activation, x, &mut y);
    y
}

fn slopes(isa: Isa, activation: Smooth, x: &[f32]) -> Vec<f32> {
    let mut gx = vec![f32::NAN; x.len()];
    backward(isa, activation, x, &vec![1.0; x.len()], &mut gx, Store::Overwrite);
    gx
}

/// Every value within some units in the last place of the oracle: small ones keep their digits, too.
fn assert_relative(got: &[f32], x: &[f32], oracle: impl Fn(f64) -> f64, tolerance: f64, what: &str) {
    for (got, x) in got.iter().zip(x) {
        let expected = oracle(f64::from(*x));
        let room = tolerance * expected.abs().max(1e-37);
        assert!((f64::from(*got) - expected).abs() <= room, "{what} of {x}: expected {expected}, got {got}");
    }
}

#[test]
fn values_keep_their_digits_from_small_to_large() {
    let x: Vec<f32> = (-8000..=8000).map(|i| i as f32 / 100.0).chain([1e-20, -1e-20, 1e-4, -1e-4]).collect();
    for activation in ALL {
        for &isa in Isa::available() {
            let what = format!("{isa:?} {activation:?}");
            assert_relative(&values(isa, activation, &x), &x, |x| oracle(activation, x), 6e-7, &what);
        }
    }
}

#[test]
fn slopes_agree_with_differences() {
    let x: Vec<f32> = (-3000..=3000).map(|i| i as f32 / 100.0).collect();
    for activation in ALL {
        for &isa in Isa::available() {
            let expected: Vec<f64> = x.iter().map(|x| slope(activation, f64::from(*x))).collect();
            assert_close(&slopes(isa, activation, &x), &expected, 6e-7, &format!("{isa:?} {activation:?}"));
        }
    }
}

#[test]
fn values_and_slopes_by_hand() {
    for &isa in Isa::available() {
        assert_eq!(values(isa, Smooth::Logistic, &[0.0]), [0.5]);
        assert_eq!(slopes(isa, Smooth::Logistic, &[0.0]), [0.25]);
        assert_eq!(values(isa, Smooth::Swish, &[0.0]), [0.0]);
        assert_eq!(slopes(isa, Smooth::Swish, &[0.0]), [0.5]);
        // tanh(ln 2) = 3 / 5.
        assert_eq!(values(isa, Smooth::Mish, &[0.0]), [0.0]);
        assert!((slopes(isa, Smooth::Mish, &[0.0])[0] - 0.6).abs() < 1e-7);
    }
}

#[test]
fn nothing_breaks_far_out() {
    for &isa in Isa::available() {
        for activation in ALL {
            for x in [90.0, 1e4, 1e30, f32::MAX] {
                let top = if activation == Smooth::Logistic { 1.0 } else { x };
                assert_eq!(values(isa, activation, &[x]), [top], "{activation:?}");
                assert!(values(isa, activation, &[-x])[0].abs() < 1e-35, "{activation:?}");
                let flat = if activation == Smooth::Logistic { 0.0 } else { 1.0 };
                assert!((slopes(isa, activation, &[x])[0] - flat).abs() < 1e-35, "{activation:?}");
                assert!(slopes(isa, activation, &[-x])[0].abs() < 1e-35, "{activation:?}");
            }
            assert!(values(isa, activation, &[f32::NAN])[0].is_nan());
            assert!(slopes(isa, activation, &[f32::NAN])[0].is_nan());
        }
    }
}

#[test]
fn gradients_are_multiplied_and_stored_as_told_in_any_pool() {
    let (x, gy) = (normals(70_001, "x"), normals(70_001, "gy"));
    for activation in ALL {
        let expected: Vec<f64> =
            to_f64(&x).iter().zip(&gy).map(|(x, gy)| 0.5 + f64::from(*gy) * slope(activation, *x)).collect();
        for &isa in Isa::available() {
            let gx = same_in_any_pool(|| {
                let mut gx = vec![0.5; x.len()];
                backward(isa, activation, &x, &gy, &mut gx, Store::Accumulate);
                gx
            });
            assert_close(&gx, &expected, 6e-7, &format!("{isa:?} {activation:?}"));
            same_in_any_pool(|| values(isa, activation, &x));
        }
    }
}

#[test]
fn lengths_are_checked() {
    assert!(smooth(Smooth::Mish, &[0.0; 2], &mut [0.0]).is_err());
    assert!(smooth_backward(Smooth::Mish, &[0.0; 2], &[0.0; 1], &mut [0.0; 2], Store::Overwrite).is_err());
    assert!(smooth_backward(Smooth::Mish, &[0.0; 2], &[0.0; 2], &mut [0.0; 1], Store::Overwrite).is_err());
}
