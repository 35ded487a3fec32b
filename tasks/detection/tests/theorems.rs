//! The paper's theorems on the real network's layers, at a small width: what weight rescaling rests on.

#![allow(clippy::unwrap_used)] // tests

use wrs_backbones::Darknet53Config;
use wrs_detection::model::YoloV3;
use wrs_nn::{Buffer, Dims, Gradients, InputGradient, NormConfig, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

const DIMS: Dims = Dims { n: 2, h: 128, w: 128, c: 3 };

/// A norm must see at least so many values for its gradient to be orthogonal to working precision.
const VALUES_PER_CHANNEL: usize = 32;

/// The theorems are about norms without an epsilon; this one is too small to be felt.
const NO_EPS: f32 = 1e-10;

fn network(eps: f32) -> (YoloV3, Params) {
    YoloV3::new(&Darknet53Config { width: 0.25, norm: NormConfig { eps, momentum: 0.1 } }, 5, 3, 7)
}

fn pixels() -> Buffer {
    let mut rng = Rng::new(3, "pixels", 0, 0);
    (0..DIMS.len()).map(|_| rng.uniform() as f32).collect::<Vec<_>>().into()
}

/// The gradient of half the mean square of the outputs.
fn gradient(net: &YoloV3, params: &Params) -> Gradients {
    let mut pass = Pass::train(params, Algorithms::Exact);
    let x = pass.input(DIMS, pixels(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x).unwrap();
    let seeds = outputs
        .into_iter()
        .map(|out| {
            let n = out.dims().len() as f32;
            let seed: Vec<f32> = out.buffer().host().iter().map(|v| v / n).collect();
            (out, seed.into())
        })
        .collect();
    let mut gradients = Gradients::new(params);
    pass.into_tape().unwrap().backward(params, seeds, &mut gradients, None).unwrap();
    gradients
}

fn evaluate(net: &YoloV3, params: &Params) -> Vec<f32> {
    let mut pass = Pass::eval(params, Algorithms::Exact);
    let x = pass.input(DIMS, pixels(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap().iter().flat_map(|v| v.buffer().host().to_vec()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Values per channel that the norm behind each filter sees, by name of the weight.
fn values_per_channel(name: &str) -> usize {
    let stride = match name.split('.').collect::<Vec<_>>().as_slice() {
        ["backbone", "stem", ..] => 1,
        ["backbone", "stages", stage, ..] => 2 << stage.parse::<usize>().unwrap(),
        // A route works at the stride of the level above the one it feeds.
        ["necks" | "heads" | "routes", level, ..] => 32 >> level.parse::<usize>().unwrap(),
        _ => panic!("{name}"),
    };
    DIMS.n * (DIMS.h / stride) * (DIMS.w / stride)
}

/// Calls `judge` with name, weights and gradient of each filter whose norm sees enough values and whose gradient is not
/// negligible: under a thousandth of the typical one there is nothing but rounding.
fn for_each_filter(judge: impl Fn(&str, &[f32], &[f32])) {
    let (net, params) = network(NO_EPS);
    let mut gradients = gradient(&net, &params);
    let flat = gradients.finish().host();
    let root_mean_square = (dot(flat, flat) / flat.len() as f64).sqrt();
    let mut judged = 0;
    for filter in params.filters() {
        let p = params.get(filter.weight);
        if values_per_channel(&p.name) < VALUES_PER_CHANNEL {
            continue;
        }
        let row_len = p.shape[1..].iter().product();
        let least = 1e-3 * root_mean_square * (row_len as f64).sqrt();
        let (weights, gradients) = (params.values(filter.weight), &flat[p.range.clone()]);
        for (row, (w, g)) in weights.chunks(row_len).zip(gradients.chunks(row_len)).enumerate() {
            if dot(g, g).sqrt() > least {
                judge(&format!("{} row {row}", p.name), w, g);
                judged += 1;
            }
        }
    }
    assert!(judged > 3000, "only {judged} filters were judged");
}

/// Theorem 3.1: the gradient is orthogonal to each filter that feeds a norm.
#[test]
fn the_gradient_is_orthogonal_to_each_filter() {
    for_each_filter(|name, w, g| {
        let cosine = dot(w, g).abs() / (dot(w, w).sqrt() * dot(g, g).sqrt());
        assert!(cosine < 1e-4, "{name}: |<w, g>| / (|w| |g|) = {cosine:.2e}");
    });
}

/// Corollary 3.3: a step of plain SGD grows each filter's squared norm by lr^2 |g|^2.
#[test]
fn a_step_grows_each_filter_by_its_squared_length() {
    for_each_filter(|name, w, g| {
        // A step of a tenth of the filter's length: above the 0.05 from which f32 shows the growth.
        let lr = (0.1 * dot(w, w).sqrt() / dot(g, g).sqrt()) as f32;
        let moved: Vec<f32> = w.iter().zip(g).map(|(w, g)| w - lr * g).collect();
        let growth = dot(&moved, &moved) - dot(w, w);
        let expected = f64::from(lr).powi(2) * dot(g, g);
        let error = (growth - expected).abs() / expected;
        assert!(error < 1e-3, "{name}: growth {growth:.3e}, lr^2 |g|^2 {expected:.3e}");
    });
}

/// A rescale leaves evaluation mode as it was; the literal form, which leaves the statistics, does not.
#[test]
fn evaluation_survives_a_rescale_unless_literal() {
    use std::num::NonZeroU64;
    use wrs_optim::{DecayScope, Groups, Momentum, Optimizer, Select, Sgd, Wrs, WrsConfig};
    let (net, mut params) = network(1e-5);
    // Statistics of real activations, so that the norms are what training would leave.
    for _ in 0..20 {
        let mut pass = Pass::train(&params, Algorithms::Exact);
        let x = pass.input(DIMS, pixels(), InputGradient::Skipped);
        net.forward(&mut pass, &x).unwrap();
        pass.into_tape().unwrap().update_statistics(&mut params).unwrap();
    }
    let before = evaluate(&net, &params);
    let largest = before.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let change = |literal: bool| {
        let mut params = params.clone();
        let config = WrsConfig {
            tau: NonZeroU64::MIN,
            select: Select::Filters,
            literal,
            rescale_at_start: true,
            angles: false,
            active: None,
        };
        let groups = Groups::by_role(&params, DecayScope::All, 0.0, &[]).unwrap();
        let mut wrs = Wrs::new(Sgd::new(groups, Momentum::Classical), &params, config).unwrap();
        wrs.start(&mut params).unwrap();
        let after = evaluate(&net, &params);
        let largest_change = before.iter().zip(&after).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        f64::from(largest_change / largest)
    };
    let (synced, literal) = (change(false), change(true));
    assert!(synced < EVAL_TOLERANCE, "statistics in step: {synced:.2e}");
    assert!(literal > 100.0 * EVAL_TOLERANCE, "literal: {literal:.2e}");
}

/// What a rescale may change of the outputs, against the largest of them: eps is felt a little more or less.
const EVAL_TOLERANCE: f64 = 1e-5;
