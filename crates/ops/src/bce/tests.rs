use super::*;
use crate::oracle::{assert_close, finite_differences, normals, same_in_any_pool, to_f64};

fn oracle(x: f64, t: f64, positive: f64) -> f64 {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    (1.0 - t) * softplus(x) + positive * t * softplus(-x)
}

#[test]
fn exp_and_logarithm_are_good_to_the_last_places() {
    for i in 0..200_000 {
        let a = i as f32 * 4.4e-4;
        let e = f64::from(-a).exp();
        if a <= 87.336 {
            assert!((f64::from(exp_of_negative(a)) - e).abs() <= 2.0 * 1.2e-7 * e, "e^-{a}");
        } else {
            assert!(f64::from(exp_of_negative(a)) <= 1.2e-38);
        }
        let u = i as f32 / 199_999.0;
        let l = f64::from(u).ln_1p();
        assert!((f64::from(ln_1p(u)) - l).abs() <= 2.5 * 1.2e-7 * l, "ln(1 + {u})");
    }
    assert_eq!(exp_of_negative(0.0), 1.0);
    assert_eq!(exp_of_negative(1e30), 0.0);
    assert_eq!(exp_of_negative(f32::INFINITY), 0.0);
}

#[test]
fn values_by_hand() {
    let ln2 = std::f64::consts::LN_2;
    let logits = [0.0, 0.0, 1e4, -1e4, 1e4, -1e4];
    let targets = [0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let loss = bce_with_logits(&Bce::new(&logits, &targets)).unwrap();
    assert!((loss - (2.0 * ln2 + 2e4)).abs() < 1e-3, "{loss}");
    let mut g = [f32::NAN; 6];
    bce_with_logits_backward(&Bce::new(&logits, &targets), 2.0, &mut g, Store::Overwrite).unwrap();
    assert_eq!(g, [1.0, -1.0, 0.0, 0.0, 2.0, -2.0]);

    let weighted = Bce { weights: Some(&[3.0]), positive: 2.0, ..Bce::new(&logits[1..2], &targets[1..2]) };
    assert!((bce_with_logits(&weighted).unwrap() - 6.0 * ln2).abs() < 1e-6);
    bce_with_logits_backward(&weighted, 1.0, &mut g[..1], Store::Accumulate).unwrap();
    assert_eq!(g[0], 1.0 - 3.0);
}

#[test]
fn a_logit_that_is_not_a_number_is_seen() {
    let mut g = [0.0];
    let args = Bce::new(&[f32::NAN], &[1.0]);
    assert!(bce_with_logits(&args).unwrap().is_nan());
    bce_with_logits_backward(&args, 1.0, &mut g, Store::Overwrite).unwrap();
    assert!(g[0].is_nan());
}

#[test]
fn confident_logits_keep_the_digits_of_their_gradient() {
    let (logits, targets) = ([30.0, -30.0, 80.0], [1.0, 0.0, 1.0]);
    let mut g = [0.0; 3];
    bce_with_logits_backward(&Bce::new(&logits, &targets), 1.0, &mut g, Store::Overwrite).unwrap();
    for (g, e) in g.iter().zip([-(-30.0f64).exp(), (-30.0f64).exp(), -(-80.0f64).exp()]) {
        assert!((f64::from(*g) / e - 1.0).abs() < 1e-5, "expected {e}, got {g}");
    }
}

#[test]
fn loss_and_gradient_agree_with_the_oracle_for_every_instruction_set_and_pool() {
    let n = 2 * blocks::VALUES + 77;
    let logits: Vec<f32> = normals(n, "logits").iter().map(|x| 4.0 * x).collect();
    let targets: Vec<f32> = normals(n, "targets").iter().map(|t| t.abs().fract()).collect();
    let weights = normals(n, "weights");
    let args = Bce { logits: &logits, targets: &targets, weights: Some(&weights), positive: 1.7 };
    let values = logits.iter().zip(&targets).zip(&weights);
    let expected: f64 = values.map(|((x, t), w)| f64::from(*w) * oracle(f64::from(*x), f64::from(*t), 1.7)).sum();
    for &isa in Isa::available() {
        let bytes = same_in_any_pool(|| {
            let loss = total(isa, &args);
            assert!((loss - expected).abs() < 1e-7 * n as f64, "expected {expected}, got {loss}");
            vec![f32::from_bits((loss.to_bits() >> 32) as u32), f32::from_bits(loss.to_bits() as u32)]
        });
        assert_eq!(bytes.len(), 2);
        let got = same_in_any_pool(|| {
            let mut g = vec![1.0; n];
            gradient(isa, &args, 0.5, &mut g, Store::Accumulate);
            g
        });
        let exact: Vec<f64> = (0..n)
            .map(|i| {
                let [x, t, w] = [logits[i], targets[i], weights[i]].map(f64::from);
                let sigmoid = 1.0 / (1.0 + (-x).exp());
                1.0 + 0.5 * w * ((1.0 - t) * sigmoid - 1.7 * t * (1.0 - sigmoid))
            })
            .collect();
        assert_close(&got, &exact, 3e-7, "gradient");
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let (logits, targets) = (normals(33, "logits"), normals(33, "targets"));
    let targets: Vec<f32> = targets.iter().map(|t| t.abs().min(1.0)).collect();
    let args = Bce { positive: 0.6, ..Bce::new(&logits, &targets) };
    let mut g = vec![0.0; 33];
    bce_with_logits_backward(&args, 1.0, &mut g, Store::Overwrite).unwrap();
    let slopes = finite_differences(&to_f64(&logits), 1e-5, |x| {
        x.iter().zip(&targets).map(|(&x, &t)| oracle(x, f64::from(t), f64::from(0.6f32))).sum()
    });
    assert_close(&g, &slopes, 1e-6, "gradient");
}

#[test]
fn lengths_are_checked() {
    assert!(bce_with_logits(&Bce::new(&[0.0; 2], &[0.0; 3])).is_err());
    let args = Bce { weights: Some(&[0.0; 3]), ..Bce::new(&[0.0; 2], &[0.0; 2]) };
    assert!(bce_with_logits_backward(&args, 1.0, &mut [0.0; 2], Store::Overwrite).is_err());
    assert!(bce_with_logits_backward(&Bce::new(&[0.0; 2], &[0.0; 2]), 1.0, &mut [0.0; 3], Store::Overwrite).is_err());
}

#[test]
fn weighted_values_are_pytorchs() {
    // F.binary_cross_entropy_with_logits(logits, targets, weights, pos_weight=1.7, reduction="sum") of PyTorch 2.
    let args =
        Bce { logits: &[0.3, -2.0, 5.0], targets: &[0.2, 1.0, 0.0], weights: Some(&[1.0, 2.0, 0.5]), positive: 1.7 };
    assert!((bce_with_logits(&args).unwrap() - 10.606_879_234_313_965).abs() < 2e-6);
    let mut g = [0.0; 3];
    bce_with_logits_backward(&args, 1.0, &mut g, Store::Overwrite).unwrap();
    assert_close(&g, &[0.314_864_426_851_272_6, -2.994_710_206_985_473_6, 0.496_653_586_626_052_86], 1e-7, "gradient");
}
