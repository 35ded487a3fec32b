//! What WRS, the loss and a training promise on a small CSRNet.

#![allow(clippy::unwrap_used)] // tests

use std::num::NonZeroU64;

use wrs_counting::loss::loss;
use wrs_counting::model::CsrNet;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_counting::posterior::{Annotation, Background, BayesianConfig, Posterior};
use wrs_datasets::PointXy;
use wrs_nn::{Dims, Gradients, InputGradient, Params, Pass, Role};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_optim::{
    AdamConfig, DecayScope, OptimizerConfig, Regularizer, RunLength, Schedule, Select, WrsConfig, schedule::Curve,
};

const SIDE: usize = 48;
const BATCH: usize = 2;
const DIMS: Dims = Dims { n: BATCH, h: SIDE, w: SIDE, c: 3 };
const ADAM: OptimizerConfig = OptimizerConfig::Adam(AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 });

fn config() -> ModelConfig {
    ModelConfig {
        backend: Backend::B,
        batch_norm: true,
        conv_bias: true,
        head: HeadActivation::Abs,
        width: 0.125,
        // The variance's share of what a norm divides by: with less of it, rescaling moves less.
        norm_eps: 1e-10,
        norm_momentum: 0.1,
    }
}

fn arm(literal: bool, rescale_at_start: bool) -> Regularizer {
    let rescale = WrsConfig {
        tau: NonZeroU64::MIN,
        select: Select::Filters,
        literal,
        rescale_at_start,
        angles: false,
        active: None,
    };
    Regularizer::Wrs { rescale, weight_decay: 1e-4, decay_scope: DecayScope::All }
}

fn pixels() -> Vec<f32> {
    let mut rng = Rng::new(3, "pixels", 0, 0);
    (0..DIMS.len()).map(|_| rng.range(-1.5, 1.5) as f32).collect()
}

/// A crop with three people, and one with nobody.
fn posteriors() -> Vec<Posterior> {
    let loss = BayesianConfig { sigma_px: 8.0, background: Background::Legacy { ratio: 0.15 } };
    let points = [(10.0, 12.0), (30.0, 40.0), (33.0, 41.0)].map(|(x, y)| PointXy { x, y }).to_vec();
    let of = |points: Vec<PointXy>| {
        let targets = vec![1.0; points.len()];
        Posterior::new(&loss, [SIDE / 8; 2], 8, &Annotation { points, targets, shorter_side_px: 512.0 })
    };
    vec![of(points), of(Vec::new())]
}

/// Forward, loss and, where wanted, the way back and the norms' statistics.
fn computed(net: &CsrNet, params: &mut Params, gradients: Option<&mut Gradients>) -> f64 {
    let mut pass = Pass::train(params, Algorithms::Exact);
    let x = pass.input(DIMS, pixels().into(), InputGradient::Skipped);
    let raw = net.forward(&mut pass, &x).unwrap();
    drop(x);
    let value = loss(raw, net.activation(), &posteriors(), BATCH).unwrap();
    let mut tape = pass.into_tape().unwrap();
    if let Some(gradients) = gradients {
        gradients.reset();
        tape.update_statistics(params).unwrap();
        tape.backward(params, value.seeds, gradients, None).unwrap();
    }
    value.total
}

fn densities(net: &CsrNet, params: &Params) -> Vec<f32> {
    let mut pass = Pass::eval(params, Algorithms::Exact);
    let x = pass.input(DIMS, pixels().into(), InputGradient::Skipped);
    let raw = net.forward(&mut pass, &x).unwrap();
    net.density(&raw)
}

/// Norms that have seen some batches.
fn trained() -> (CsrNet, Params) {
    let (net, mut params) = CsrNet::new(&config(), 5);
    let mut gradients = Gradients::new(&params);
    for _ in 0..20 {
        computed(&net, &mut params, Some(&mut gradients));
    }
    (net, params)
}

fn row_norms(params: &Params, name: &str) -> Vec<f64> {
    let id = params.find(name).unwrap();
    let (values, rows) = (params.values(id), params.get(id).shape[0]);
    let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    values.chunks_exact(values.len() / rows).map(norm).collect()
}

#[test]
fn every_filter_before_a_norm_is_rescaled_at_every_step_and_the_head_is_not() {
    let (net, mut params) = trained();
    let mut optimizer = arm(false, false).build_optimizer(&ADAM, &params).unwrap();
    let mut gradients = Gradients::new(&params);
    let (constant, length) =
        (Schedule { curve: Curve::Constant, warm_up: None }, RunLength { steps: 9, steps_per_epoch: NonZeroU64::MIN });
    for _ in 0..2 {
        computed(&net, &mut params, Some(&mut gradients));
        let settings = optimizer.groups().settings(1e-3, 0.0, &constant.at(0, length), 0);
        assert!(optimizer.step(&mut params, &mut gradients, &settings).unwrap().rescale.is_some());
        let convs = params.iter().filter(|(_, p)| p.role == Role::ConvWeight).count();
        assert_eq!((convs, params.filters().len()), (17, 16), "all but the head");
        for filter in params.filters().to_vec() {
            let name = params.get(filter.weight).name.clone();
            assert!(row_norms(&params, &name).iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{name}");
        }
        assert!((row_norms(&params, "output_layer.weight")[0] - 1.0).abs() > 1e-3);
    }
}

#[test]
fn a_rescale_leaves_evaluation_as_it_is_and_the_papers_does_not() {
    let (net, params) = trained();
    let before = densities(&net, &params);
    let largest = before.iter().fold(0.0_f32, |most, density| most.max(*density));
    let moved = |literal: bool| {
        let mut rescaled = params.clone();
        let report = arm(literal, true).build_optimizer(&ADAM, &rescaled).unwrap().start(&mut rescaled).unwrap();
        assert!(report.rescale.is_some());
        let behind = densities(&net, &rescaled);
        before.iter().zip(behind).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
    };
    let (synced, literal) = (moved(false), moved(true));
    println!("largest change of a density: {synced:.1e} synced, {literal:.1e} literal");
    assert!(synced < 1e-5 && literal > 1e-3, "{synced} {literal}");
}

#[test]
fn a_step_of_several_batches_is_the_mean_over_all_their_crops() {
    let (net, params) = trained();
    let of = |crops: usize| {
        let mut pass = Pass::eval(&params, Algorithms::Exact);
        let x = pass.input(DIMS, pixels().into(), InputGradient::Skipped);
        let raw = net.forward(&mut pass, &x).unwrap();
        loss(raw, net.activation(), &posteriors(), crops).unwrap()
    };
    let (alone, part) = (of(BATCH), of(4 * BATCH));
    assert!((alone.total - 4.0 * part.total).abs() < 1e-9 * alone.total);
    for (whole, quarter) in alone.seeds[0].1.host().iter().zip(part.seeds[0].1.host()) {
        assert!((whole - 4.0 * quarter).abs() < 1e-6, "{whole} {quarter}");
    }
}
