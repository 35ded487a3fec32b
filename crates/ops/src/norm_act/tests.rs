//! Against the norm written out in `f64`: values, statistics, and gradients by finite differences.

use super::backward::{apply, before_activation, terms};
use super::stats::statistics;
use super::*;
use crate::Store;
use crate::oracle::{assert_close, finite_differences, normals, same_in_any_pool, to_f64};
use proptest::prelude::*;

const EPS: f32 = 1e-5;
const ACTIVATIONS: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.1)];
const RESIDUALS: [Option<ResidualAt>; 3] =
    [None, Some(ResidualAt::BeforeActivation), Some(ResidualAt::AfterActivation)];

/// Mean, biased variance.
fn oracle_stats(shape: ChannelsLast, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let ChannelsLast { rows, channels } = shape;
    let column = |c: usize| z.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    let var = (0..channels).map(|c| column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows as f64).collect();
    (mean, var)
}

struct Oracle {
    shape: ChannelsLast,
    statistics: Option<(Vec<f64>, Vec<f64>)>,
    activation: Activation,
    at: Option<ResidualAt>,
}

impl Oracle {
    fn forward(&self, z: &[f64], gamma: &[f64], beta: &[f64], residual: &[f64]) -> Vec<f64> {
        let (mean, var) = self.statistics.clone().unwrap_or_else(|| oracle_stats(self.shape, z));
        let slope = f64::from(self.activation.negative_slope());
        (0..z.len())
            .map(|i| {
                let c = i % self.shape.channels;
                let mut v = (z[i] - mean[c]) / (var[c] + f64::from(EPS)).sqrt() * gamma[c] + beta[c];
                if self.at == Some(ResidualAt::BeforeActivation) {
                    v += residual[i];
                }
                v = if v > 0.0 { v } else { slope * v };
                if self.at == Some(ResidualAt::AfterActivation) {
                    v += residual[i];
                }
                v
            })
            .collect()
    }
}

struct Case {
    shape: ChannelsLast,
    z: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    residual: Vec<f32>,
    gy: Vec<f32>,
}

fn case(rows: usize, channels: usize) -> Case {
    let shape = ChannelsLast { rows, channels };
    let n = shape.values();
    let values = |purpose: &str, n| normals(n, &format!("{purpose} {rows} {channels}"));
    let z = values("z", n).iter().map(|v| 2.0 * v + 0.7).collect();
    let gamma = values("gamma", channels).iter().map(|v| 1.0 + 0.3 * v).collect();
    Case { shape, z, gamma, beta: values("beta", channels), residual: values("residual", n), gy: values("gy", n) }
}

#[test]
fn statistics_agree_with_the_oracle() {
    for (rows, channels) in [(2, 1), (3, 3), (257, 21), (700, 64), (100, 255), (33, 1040), (519, 80)] {
        let case = case(rows, channels);
        let (mean, var) = oracle_stats(case.shape, &to_f64(&case.z));
        for &isa in Isa::available() {
            let got = same_in_any_pool(|| {
                let stats = statistics(isa, case.shape, &case.z, EPS);
                [stats.mean, stats.var, stats.inv_std].concat()
            });
            let inv_std: Vec<f64> = var.iter().map(|v| 1.0 / (v + f64::from(EPS)).sqrt()).collect();
            assert_close(&got, &[mean.clone(), var.clone(), inv_std].concat(), 2e-6, &format!("{isa:?} {channels}"));
        }
    }
}

#[test]
fn a_mean_that_is_large_against_the_spread_does_not_cancel_it() {
    let shape = ChannelsLast { rows: 3000, channels: 5 };
    let mut z: Vec<f32> = normals(shape.values(), "far").iter().map(|v| v + 1e4).collect();
    // The first row of a block is the pivot: an outlier there must not matter.
    z[0] = 1e4 + 30.0;
    let (mean, var) = oracle_stats(shape, &to_f64(&z));
    for &isa in Isa::available() {
        let stats = statistics(isa, shape, &z, EPS);
        for c in 0..5 {
            assert!((f64::from(stats.mean[c]) - mean[c]).abs() < 1e-3);
            assert!((f64::from(stats.var[c]) / var[c] - 1.0).abs() < 1e-5, "{} against {}", stats.var[c], var[c]);
        }
    }
}

#[test]
fn running_statistics_by_hand() {
    // 1 and 3: mean 2, biased variance 1, unbiased 2.
    let stats = batch_stats(ChannelsLast { rows: 2, channels: 1 }, &[1.0, 3.0], 0.0).unwrap();
    assert_eq!(stats, BatchStats { mean: vec![2.0], inv_std: vec![1.0], var: vec![1.0] });
    let (mut mean, mut var) = ([0.0], [1.0]);
    update_running(&stats, 2, 0.25, &mut mean, &mut var).unwrap();
    assert_eq!((mean, var), ([0.5], [1.25]));
    let error = update_running(&stats, 1, 0.25, &mut mean, &mut var).unwrap_err();
    assert!(error.to_string().contains("at least 2"), "{error}");
    assert!(batch_stats(ChannelsLast { rows: 1, channels: 2 }, &[1.0, 3.0], 0.0).is_err());
}

#[test]
fn forward_agrees_with_the_oracle() {
    for (rows, channels) in [(5, 1), (700, 3), (40, 21), (30, 64), (9, 255)] {
        let case = case(rows, channels);
        for (activation, at) in ACTIVATIONS.into_iter().flat_map(|a| RESIDUALS.map(|r| (a, r))) {
            let oracle = Oracle { shape: case.shape, statistics: None, activation, at };
            let [z, gamma, beta, residual] = [&case.z, &case.gamma, &case.beta, &case.residual].map(|v| to_f64(v));
            let expected = oracle.forward(&z, &gamma, &beta, &residual);
            for &isa in Isa::available() {
                let got = same_in_any_pool(|| {
                    let stats = statistics(isa, case.shape, &case.z, EPS);
                    let affine = Affine::new(&case.gamma, &case.beta, &stats).unwrap();
                    let mut y = vec![f32::NAN; case.z.len()];
                    forward(isa, &case.z, &affine, activation, at.map(|at| (&case.residual[..], at)), &mut y);
                    y
                });
                assert_close(&got, &expected, 1e-6, &format!("{isa:?} {channels} {activation:?} {at:?}"));
            }
        }
    }
}

/// Gradients of z, gamma, beta and the residual, one behind the other.
fn gradients(
    isa: Isa,
    case: &Case,
    given: Option<&BatchStats>,
    activation: Activation,
    at: Option<ResidualAt>,
) -> Vec<f32> {
    let stats = given.cloned().unwrap_or_else(|| statistics(isa, case.shape, &case.z, EPS));
    let affine = Affine::new(&case.gamma, &case.beta, &stats).unwrap();
    let mut y = vec![0.0; case.z.len()];
    forward(isa, &case.z, &affine, activation, at.map(|at| (&case.residual[..], at)), &mut y);
    // In front of a sum's activation there is one gradient, for the norm and for the residual.
    let mut gy = case.gy.clone();
    let before = at == Some(ResidualAt::BeforeActivation);
    if before {
        before_activation(isa, activation.negative_slope(), &y, &mut gy);
    }
    let args = NormBackward {
        shape: case.shape,
        z: &case.z,
        affine: &affine,
        stats: &stats,
        statistics: if given.is_some() { Statistics::Frozen } else { Statistics::Batch },
        activation: if before { Activation::Identity } else { activation },
    };
    let (mut gamma, mut beta) = (vec![f32::NAN; case.gamma.len()], vec![f32::NAN; case.gamma.len()]);
    let parameters = NormGradients { gamma: Some(&mut gamma), beta: Some(&mut beta), store: Store::Overwrite };
    let mut gz = vec![f32::NAN; case.z.len()];
    let terms = terms(isa, &args, &gy, Some(parameters));
    apply(isa, &args, &terms, Some(&gy), &mut gz);
    let mut in_place = gy.clone();
    apply(isa, &args, &terms, None, &mut in_place);
    assert_eq!(gz, in_place);
    let residual = if at.is_some() { gy } else { vec![0.0; case.z.len()] };
    [gz, gamma, beta, residual].concat()
}

fn check_gradients(rows: usize, channels: usize, frozen: Option<&BatchStats>) {
    let case = case(rows, channels);
    for (activation, at) in ACTIVATIONS.into_iter().flat_map(|a| RESIDUALS.map(|r| (a, r))) {
        let statistics = frozen.map(|stats| (to_f64(&stats.mean), to_f64(&stats.var)));
        let oracle = Oracle { shape: case.shape, statistics, activation, at };
        let (n, gy) = (case.z.len(), to_f64(&case.gy));
        let inputs = to_f64(&[&case.z[..], &case.gamma, &case.beta, &case.residual].concat());
        let expected = finite_differences(&inputs, 1e-6, |inputs| {
            let (z, rest) = inputs.split_at(n);
            let (gamma, rest) = rest.split_at(channels);
            let (beta, residual) = rest.split_at(channels);
            oracle.forward(z, gamma, beta, residual).iter().zip(&gy).map(|(y, g)| y * g).sum()
        });
        for &isa in Isa::available() {
            let got = same_in_any_pool(|| gradients(isa, &case, frozen, activation, at));
            assert_close(&got, &expected, 5e-6, &format!("{isa:?} {rows}x{channels} {activation:?} {at:?}"));
        }
    }
}

#[test]
fn gradients_through_batch_statistics_are_the_slopes_of_the_oracle() {
    for (rows, channels) in [(2, 1), (7, 3), (13, 17), (5, 21), (3, 80)] {
        check_gradients(rows, channels, None);
    }
}

#[test]
fn gradients_with_frozen_statistics_are_the_slopes_of_the_oracle() {
    let (mean, var) = (normals(19, "mean"), normals(19, "var"));
    let var: Vec<f32> = var.iter().map(|v| v * v + 0.1).collect();
    check_gradients(6, 19, Some(&BatchStats::from_moments(&mean, &var, EPS).unwrap()));
}

/// Gradients of z, gamma and beta in closed form, in f64, where finite differences would take too long; no activation.
fn closed_form(case: &Case) -> [Vec<f64>; 3] {
    let ChannelsLast { rows, channels } = case.shape;
    let (mean, var) = oracle_stats(case.shape, &to_f64(&case.z));
    let (rows, n) = (rows as f64, case.z.len());
    let (mut sums, mut products) = (vec![0.0; channels], vec![0.0; channels]);
    let deviation = |c: usize| (var[c] + f64::from(EPS)).sqrt();
    let normed = |i: usize| (f64::from(case.z[i]) - mean[i % channels]) / deviation(i % channels);
    for i in 0..n {
        sums[i % channels] += f64::from(case.gy[i]);
        products[i % channels] += f64::from(case.gy[i]) * normed(i);
    }
    let gz = |i: usize| {
        let c = i % channels;
        let g = f64::from(case.gy[i]) - sums[c] / rows - normed(i) * products[c] / rows;
        f64::from(case.gamma[c]) / deviation(c) * g
    };
    [(0..n).map(gz).collect(), products, sums]
}

#[test]
fn many_blocks_add_up() {
    let case = case(1111, 37);
    let (n, [gz, products, sums]) = (case.z.len(), closed_form(&case));
    for &isa in Isa::available() {
        let got = gradients(isa, &case, None, Activation::Identity, None);
        assert_close(&got[..n], &gz, 1e-6, "gz");
        assert_close(&got[n..n + 37], &products, 1e-6, "ggamma");
        assert_close(&got[n + 37..n + 74], &sums, 1e-6, "gbeta");
    }
}

proptest! {
    #![proptest_config(crate::oracle::cases(40))]

    /// Statistics and gradients of any size, by every instruction set in every pool.
    #[test]
    fn any_size_agrees_with_the_closed_form(rows in 3..700usize, channels in 1..90usize) {
        let case = case(rows, channels);
        let (mean, var) = oracle_stats(case.shape, &to_f64(&case.z));
        let (expected, moments) = (closed_form(&case).concat(), [mean, var].concat());
        for &isa in Isa::available() {
            let what = format!("{isa:?} {rows}x{channels}");
            let got = same_in_any_pool(|| {
                let stats = statistics(isa, case.shape, &case.z, EPS);
                [stats.mean, stats.var].concat()
            });
            // The pivot of a block may lie some deviations off: the digits that it costs are not the sums' fault.
            assert_close(&got, &moments, 2e-5, &what);
            let got = same_in_any_pool(|| gradients(isa, &case, None, Activation::Identity, None));
            // Three rows may lie close together: what they are divided by is then small.
            assert_close(&got[..expected.len()], &expected, 2e-5, &what);
            same_in_any_pool(|| gradients(isa, &case, None, Activation::LeakyRelu(0.1), Some(ResidualAt::BeforeActivation)));
        }
    }
}

#[test]
fn slopes_at_zero_are_pytorchs() {
    let shape = ChannelsLast { rows: 2, channels: 1 };
    let stats = BatchStats::from_moments(&[0.0], &[1.0], 0.0).unwrap();
    let affine = Affine::new(&[1.0], &[0.0], &stats).unwrap();
    for (activation, expected) in [(Activation::Relu, 0.0), (Activation::LeakyRelu(0.25), 0.25)] {
        let args = NormBackward {
            shape,
            z: &[0.0, 1.0],
            affine: &affine,
            stats: &stats,
            statistics: Statistics::Frozen,
            activation,
        };
        let mut g = [1.0, 1.0];
        norm_act_backward_in_place(&args, &mut g, None).unwrap();
        assert_eq!(g, [expected, 1.0]);
    }
}

#[test]
fn accumulating_adds_to_what_is_there() {
    let shape = ChannelsLast { rows: 2, channels: 1 };
    let stats = BatchStats::from_moments(&[1.0], &[4.0], 0.0).unwrap();
    let affine = Affine::new(&[1.0], &[0.0], &stats).unwrap();
    let args = NormBackward {
        shape,
        z: &[3.0, 5.0],
        affine: &affine,
        stats: &stats,
        statistics: Statistics::Frozen,
        activation: Activation::Identity,
    };
    let (mut gamma, mut beta, mut gz) = ([10.0], [20.0], [0.0; 2]);
    let parameters = NormGradients { gamma: Some(&mut gamma), beta: Some(&mut beta), store: Store::Accumulate };
    norm_act_backward(&args, &[1.0, 2.0], &mut gz, Some(parameters)).unwrap();
    // x = 1 and 2, so ggamma = 1 + 4 and gbeta = 3.
    assert_eq!((gamma, beta, gz), ([15.0], [23.0], [0.5, 1.0]));
    let mut gx = [5.0, 6.0];
    activation_backward(Activation::Relu, &[0.0, 2.0], &mut gx).unwrap();
    assert_eq!(gx, [0.0, 6.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let shape = ChannelsLast { rows: 2, channels: 2 };
    let stats = BatchStats::from_moments(&[0.0; 2], &[1.0; 2], EPS).unwrap();
    let affine = Affine::new(&[1.0; 2], &[0.0; 2], &stats).unwrap();
    assert!(Affine::new(&[1.0; 3], &[0.0; 3], &stats).is_err());
    assert!(BatchStats::from_moments(&[0.0; 2], &[1.0; 3], EPS).is_err());
    // Three times the inverse of three modulo 2^64 is 1.
    let absurd = ChannelsLast { rows: usize::MAX / 3 * 2 + 1, channels: 3 };
    assert!(batch_stats(absurd, &[0.0], EPS).is_err());
    let error = norm_act(shape, &[0.0; 3], &affine, Activation::Relu, None, &mut [0.0; 4]).unwrap_err();
    assert_eq!(error.to_string(), "norm_act: z: expected 4 values, got 3");
    let short = Some((&[0.0; 3][..], ResidualAt::AfterActivation));
    assert!(norm_act(shape, &[0.0; 4], &affine, Activation::Relu, short, &mut [0.0; 4]).is_err());
    let args = NormBackward {
        shape,
        z: &[0.0; 4],
        affine: &affine,
        stats: &stats,
        statistics: Statistics::Batch,
        activation: Activation::Identity,
    };
    assert!(norm_act_backward_in_place(&args, &mut [0.0; 3], None).is_err());
    let error = activation_backward(Activation::LeakyRelu(-0.1), &[0.0; 4], &mut [0.0; 4]).unwrap_err();
    assert!(error.to_string().contains("negative slope"), "{error}");
}
