use std::f64::consts::PI;

use proptest::prelude::*;
use wrs_nn::{ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, Dims, InputGradient, NormConfig, ParamsBuilder, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rows;

use super::*;
use crate::tiny_net::{bits, conv_bn, gradient, id, plain_factors, step, tiny_net};
use crate::{Adam, AdamConfig, Decay, DecayScope, Momentum, Sgd};

const FILTERS: [&str; 2] = ["a.conv.weight", "b.conv.weight"];

fn every(tau: u64) -> WrsConfig {
    WrsConfig {
        tau: NonZeroU64::new(tau).unwrap(),
        select: Select::Filters,
        literal: false,
        rescale_at_start: false,
        angles: true,
        active: None,
    }
}

fn groups(params: &Params, select: Select) -> Groups {
    Groups::by_role(params, DecayScope::All, 0.5, &select.tensors(params)).unwrap()
}

fn sgd(params: &Params, config: WrsConfig) -> Wrs<Sgd> {
    let inner = Sgd::new(groups(params, config.select), Momentum::Nesterov);
    Wrs::new(inner, params, config).unwrap()
}

/// A step whose update is zero: no gradient, no learning rate.
fn still(wrs: &mut Wrs<Sgd>, params: &mut Params, epoch: u64) -> Option<WrsReport> {
    let settings = wrs.groups().settings(0.0, 0.9, &plain_factors(), epoch);
    wrs.step(params, &mut Gradients::new(params), &settings).unwrap().rescale
}

fn norms(params: &Params, name: &str) -> Vec<f64> {
    let at = id(params, name);
    let shape = &params.get(at).shape;
    let mut norms = vec![0.0; shape[0]];
    rows::row_norms(params.values(at), shape[1..].iter().product(), &mut norms).unwrap();
    norms
}

/// `gamma * (w . x + bias - mean) / sqrt(var) + beta` of filter `a`, row by row: evaluation mode without eps.
fn evaluated(params: &Params, x: [f64; 2]) -> Vec<f64> {
    let of = |name: &str, row: usize| f64::from(params.values(id(params, name))[row]);
    let row = |o: usize| {
        let conv = of("a.conv.weight", 2 * o) * x[0] + of("a.conv.weight", 2 * o + 1) * x[1] + of("a.conv.bias", o);
        let normed = (conv - of("a.bn.running_mean", o)) / of("a.bn.running_var", o).sqrt();
        of("a.bn.weight", o) * normed + of("a.bn.bias", o)
    };
    (0..3).map(row).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

#[test]
fn rows_rescaled_in_the_steps_own_walk_are_those_of_a_second_walk() {
    let after = |mut wrs: Wrs<Box<dyn Optimizer>>| {
        let mut params = tiny_net(5);
        let reports: Vec<_> = (0..4).map(|i| step(&mut wrs, &mut params, i).rescale.unwrap().all.norm_mean).collect();
        (bits(&params), reports, wrs.state().buffers[0].1.host().to_vec())
    };
    for select in [Select::Filters, Select::AllWeights] {
        for adam in [false, true] {
            let made = |angles| {
                let params = tiny_net(5);
                let config = AdamConfig { beta1: 0.9, beta2: 0.99, eps: 1e-8 };
                let groups = groups(&params, select);
                let inner: Box<dyn Optimizer> = if adam {
                    Box::new(Adam::new(groups, config, Decay::Decoupled).unwrap())
                } else {
                    Box::new(Sgd::new(groups, Momentum::Nesterov))
                };
                Wrs::new(inner, &params, WrsConfig { select, angles, ..every(1) }).unwrap()
            };
            assert_eq!(after(made(false)), after(made(true)), "{select:?}, Adam: {adam}");
        }
    }
}

#[test]
fn a_rescaling_around_a_rescaling_has_both() {
    let mut params = tiny_net(5);
    let outer = WrsConfig { select: Select::AllWeights, angles: false, ..every(1) };
    let mut both = Wrs::new(sgd(&params, every(1)), &params, outer).unwrap();
    assert_eq!(step(&mut both, &mut params, 0).rescale.unwrap().tensors.len(), 4);
    for name in FILTERS.into_iter().chain(["head.weight", "linear.weight"]) {
        assert!(norms(&params, name).iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{name}");
    }
}

proptest! {
    #[test]
    fn a_rescale_keeps_directions_and_gives_norm_one_once_and_for_all(seed in any::<u64>(), magnitude in -6i32..6) {
        let mut params = tiny_net(seed);
        for name in FILTERS {
            params.values_mut(id(&params, name)).iter_mut().for_each(|w| *w *= 10f32.powi(magnitude));
        }
        let before = params.clone();
        let mut wrs = sgd(&params, every(1));
        let report = still(&mut wrs, &mut params, 0).unwrap();
        for name in FILTERS {
            prop_assert!(norms(&params, name).iter().all(|norm| (norm - 1.0).abs() < 1e-6));
            let (at, row_len) = (id(&params, name), if name == FILTERS[0] { 2 } else { 27 });
            let angles = rows::row_angles(before.values(at), params.values(at), row_len).unwrap();
            prop_assert!(angles.iter().all(|&angle| angle < 1e-6), "{angles:?}");
        }
        let expected: Vec<f64> = FILTERS.iter().flat_map(|name| norms(&before, name)).collect();
        let mean = expected.iter().sum::<f64>() / 7.0;
        prop_assert_eq!((report.all.rows, report.all.rows_skipped), (7, 0));
        prop_assert!((report.all.norm_mean / mean - 1.0).abs() < 1e-12);
        prop_assert_eq!(report.all.norm_max, expected.iter().copied().fold(0.0, f64::max));
        prop_assert_eq!(report.all.norm_min, expected.iter().copied().fold(f64::INFINITY, f64::min));

        let once = bits(&params);
        still(&mut wrs, &mut params, 0).unwrap();
        prop_assert_eq!(bits(&params), once);
    }

    #[test]
    fn evaluation_mode_is_unchanged_unless_literal(seed in any::<u64>(), x in -2.0f64..2.0, y in -2.0f64..2.0) {
        let before = tiny_net(seed);
        prop_assume!(norms(&before, "a.conv.weight").iter().all(|&norm| norm > 0.05));
        let [synced, literal] = [false, true].map(|literal| {
            let mut params = before.clone();
            still(&mut sgd(&params, WrsConfig { literal, ..every(1) }), &mut params, 0).unwrap();
            params
        });
        let function = evaluated(&before, [x, y]);
        prop_assert!(largest_difference(&evaluated(&synced, [x, y]), &function) < 1e-5);
        prop_assert_eq!(literal.statistics().host(), before.statistics().host());
        let bias = id(&before, "a.conv.bias");
        prop_assert_eq!(literal.values(bias), before.values(bias));
        prop_assert_eq!(norms(&literal, "a.conv.weight"), norms(&synced, "a.conv.weight"));
    }
}

#[test]
fn statistics_are_scaled_by_the_factor_and_its_square() {
    let mut params = tiny_net(3);
    params.values_mut(id(&params, "a.conv.weight")).copy_from_slice(&[3.0, 4.0, 0.0, 0.5, 1.0, 0.0]);
    params.values_mut(id(&params, "a.conv.bias")).fill(1.0);
    params.values_mut(id(&params, "a.bn.running_mean")).fill(10.0);
    let mut literal = params.clone();
    still(&mut sgd(&params, every(1)), &mut params, 0).unwrap();
    assert_eq!(params.values(id(&params, "a.conv.weight")), [0.6, 0.8, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!(params.values(id(&params, "a.conv.bias")), [0.2, 2.0, 1.0]);
    assert_eq!(params.values(id(&params, "a.bn.running_mean")), [2.0, 20.0, 10.0]);
    assert_eq!(params.values(id(&params, "a.bn.running_var")), [0.08, 8.0, 2.0]);

    let function = evaluated(&literal, [0.3, -0.7]);
    still(&mut sgd(&literal, WrsConfig { literal: true, ..every(1) }), &mut literal, 0).unwrap();
    assert!(largest_difference(&evaluated(&literal, [0.3, -0.7]), &function) > 0.1);
}

#[test]
fn rows_without_a_norm_are_left_and_counted() {
    let mut params = tiny_net(0);
    let at = id(&params, "a.conv.weight");
    params.values_mut(at).copy_from_slice(&[0.0, 0.0, 1e-13, 0.0, 2e-12, 0.0]);
    let report = still(&mut sgd(&params, every(1)), &mut params, 0).unwrap();
    assert_eq!(params.values(at), [0.0, 0.0, 1e-13, 0.0, 1.0, 0.0]);
    assert_eq!((report.all.rows, report.all.rows_skipped, report.all.norm_min), (7, 2, 0.0));
    assert_eq!(report.tensors.iter().map(|(_, stats)| stats.rows_skipped).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn tau_counts_optimizer_steps_and_the_first_rescale_comes_after_tau() {
    let mut params = tiny_net(0);
    let mut wrs = sgd(&params, every(3));
    assert_eq!(wrs.start(&mut params).unwrap(), StepReport::default());
    for made in 1..=10 {
        let report = step(&mut wrs, &mut params, 0).rescale;
        assert_eq!(
            report.as_ref().map(|report| (report.step, report.steps_since)),
            (made % 3 == 0).then_some((made, 3))
        );
        let is_unit = norms(&params, "b.conv.weight").iter().all(|norm| (norm - 1.0).abs() < 1e-6);
        assert_eq!(is_unit, made % 3 == 0, "step {made}");
    }
}

#[test]
fn outside_its_epochs_it_sleeps_and_keeps_counting() {
    let mut params = tiny_net(0);
    let mut wrs = sgd(&params, WrsConfig { active: Some(2..4), ..every(2) });
    let rescaled: Vec<u64> =
        (1..=15).filter(|made| step(&mut wrs, &mut params, (made - 1) / 3).rescale.is_some()).collect();
    // Three steps an epoch: epochs 2 and 3 are steps 7 to 12.
    assert_eq!(rescaled, [8, 10, 12]);
}

#[test]
fn a_rescale_before_the_first_step_is_asked_for() {
    let mut params = tiny_net(0);
    let config = WrsConfig { rescale_at_start: true, ..every(10) };
    let report = sgd(&params, config.clone()).start(&mut params).unwrap().rescale.unwrap();
    assert_eq!((report.step, report.steps_since, report.all.angle_per_step), (0, 0, None));
    assert!(norms(&params, "a.conv.weight").iter().all(|norm| (norm - 1.0).abs() < 1e-6));
    let late = WrsConfig { active: Some(1..9), ..config };
    assert_eq!(sgd(&params, late).start(&mut params).unwrap().rescale, None);
}

#[test]
fn the_angle_is_since_the_last_rescale_and_per_step() {
    let mut builder = ParamsBuilder::new();
    conv_bn(&mut builder.root().sub("a"), &[2, 1, 1, 2], false);
    let mut params = builder.build(0);
    let at = id(&params, "a.conv.weight");
    params.values_mut(at).copy_from_slice(&[1.0, 0.0, 0.0, 2.0]);
    let mut wrs = sgd(&params, every(2));
    // At lr 1 and momentum 0 a step adds (0, 1/2) to the first row and nothing to the second.
    let mut two_steps = || {
        let mut last = None;
        for _ in 0..2 {
            let settings = wrs.groups().settings(1.0, 0.0, &plain_factors(), 0);
            let mut gradients = Gradients::new(&params);
            let first = params.get(at).range.start;
            gradients.finish().host_mut()[first + 1] = -0.5;
            last = wrs.step(&mut params, &mut gradients, &settings).unwrap().rescale;
        }
        let report = last.unwrap();
        assert_eq!(report.tensors, [(at, report.all)]);
        report.all.angle_per_step.unwrap()
    };
    // First from (1, 0) to (1, 1); then from (1, 1) / sqrt 2 to (1, 1 + sqrt 2) / sqrt 2, whose angle is 3 pi / 8.
    for turned in [PI / 4.0, PI / 8.0] {
        assert!((two_steps() - turned / 2.0 / 2.0).abs() < 1e-7);
    }
    let without = WrsConfig { angles: false, ..every(1) };
    assert_eq!(still(&mut sgd(&params, without), &mut params, 0).unwrap().all.angle_per_step, None);
}

#[test]
fn moments_are_kept_and_other_tensors_are_the_inner_optimizers() {
    let (mut plain_params, mut params) = (tiny_net(0), tiny_net(0));
    let mut wrs = sgd(&params, every(1));
    let mut plain = wrs.inner().clone();
    step(&mut plain, &mut plain_params, 0);
    step(&mut wrs, &mut params, 0);
    assert_eq!(wrs.inner().state().buffers[0].1.host(), plain.state().buffers[0].1.host());
    for name in ["head.weight", "linear.weight", "a.bn.weight", "b.bn.bias", "linear.bias"] {
        assert_eq!(params.values(id(&params, name)), plain_params.values(id(&params, name)), "{name}");
    }
}

#[test]
fn decay_does_not_touch_rescaled_rows() {
    let mut params = tiny_net(0);
    let before = params.clone();
    let mut wrs = sgd(&params, every(100));
    let settings = wrs.groups().settings(0.1, 0.0, &plain_factors(), 0);
    wrs.step(&mut params, &mut Gradients::new(&before), &settings).unwrap();
    for name in FILTERS {
        assert_eq!(params.values(id(&params, name)), before.values(id(&params, name)), "{name}");
    }
    // Decay 0.5 at learning rate 0.1.
    for name in ["head.weight", "a.bn.weight", "a.conv.bias"] {
        let pairs = params.values(id(&params, name)).iter().zip(before.values(id(&params, name)));
        assert!(pairs.into_iter().all(|(now, then)| (now / then - 0.95).abs() < 1e-6), "{name}");
    }
}

fn resumed_equals_uninterrupted<O: Optimizer>(make: impl Fn(&Params) -> Wrs<O>, cut: u64) {
    let (mut params, mut epoch) = (tiny_net(5), 0);
    let mut whole = make(&params);
    let mut run = |optimizer: &mut Wrs<O>, params: &mut Params, steps: std::ops::Range<u64>| {
        steps
            .filter_map(|made| {
                epoch = made / 4;
                step(optimizer, params, epoch).rescale
            })
            .collect::<Vec<_>>()
    };
    run(&mut whole, &mut params, 0..cut);
    let (mut saved, mut resumed_params) = (whole.state().to_saved(), params.clone());
    let expected = run(&mut whole, &mut params, cut..11);

    let mut resumed = make(&tiny_net(77));
    resumed.load_state(&mut saved).unwrap();
    saved.finish().unwrap();
    let got = run(&mut resumed, &mut resumed_params, cut..11);
    assert_eq!(got, expected);
    assert_eq!(bits(&resumed_params), bits(&params));
    assert_eq!(resumed.steps(), whole.steps());
}

#[test]
fn a_resumed_run_ends_with_the_same_bytes_and_reports() {
    let adam = AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    for cut in [1, 3, 5, 6] {
        resumed_equals_uninterrupted(|params| sgd(params, every(3)), cut);
        resumed_equals_uninterrupted(|params| sgd(params, WrsConfig { active: Some(1..3), ..every(2) }), cut);
        resumed_equals_uninterrupted(
            |params| {
                let inner = Adam::new(groups(params, Select::Filters), adam, Decay::Decoupled).unwrap();
                Wrs::new(inner, params, every(3)).unwrap()
            },
            cut,
        );
    }
}

#[test]
fn a_checkpoint_of_another_arm_is_refused() {
    let params = tiny_net(0);
    let (mut wrs, mut plain) = (sgd(&params, every(1)), sgd(&params, every(1)).inner().clone());
    let refusal = wrs.load_state(&mut plain.state().to_saved()).unwrap_err();
    assert!(matches!(refusal, OptimError::StateMissing { name: REFERENCE }));
    let mut saved = wrs.state().to_saved();
    plain.load_state(&mut saved).unwrap();
    assert!(saved.finish().unwrap_err().to_string().contains(RESCALED_AT));
}

#[test]
fn heads_are_rescaled_on_request() {
    let mut params = tiny_net(0);
    let config = WrsConfig { select: Select::AllWeights, ..every(1) };
    let mut wrs = sgd(&params, config);
    assert_eq!(wrs.tensors().count(), 4);
    let bias = params.values(id(&params, "head.bias")).to_vec();
    assert_eq!(still(&mut wrs, &mut params, 0).unwrap().all.rows, 11);
    for name in ["head.weight", "linear.weight"] {
        assert!(norms(&params, name).iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{name}");
    }
    assert_eq!(params.values(id(&params, "head.bias")), bias);
}

#[test]
fn a_shared_weight_is_rescaled_once_with_the_statistics_of_all_its_norms() {
    let mut builder = ParamsBuilder::new();
    conv_bn(&mut builder.root().sub("a"), &[3, 1, 1, 2], true);
    conv_bn(&mut builder.root().sub("b"), &[3, 1, 1, 2], false);
    let drawn = builder.build(0);
    let [first, second] = [drawn.filters()[0], drawn.filters()[1]];
    let mut builder = ParamsBuilder::new();
    conv_bn(&mut builder.root().sub("a"), &[3, 1, 1, 2], true);
    conv_bn(&mut builder.root().sub("b"), &[3, 1, 1, 2], false);
    builder.root().add_filter(wrs_nn::Filter { weight: first.weight, bias: first.bias, ..second });
    let mut params = builder.build(0);
    let targets = targets(&params, Select::Filters);
    assert_eq!(targets.len(), 2);
    params.values_mut(first.weight).copy_from_slice(&[2.0, 0.0, 2.0, 0.0, 2.0, 0.0]);
    params.values_mut(first.bias.unwrap()).fill(1.0);
    for mean in [first.mean, second.mean] {
        params.values_mut(mean).fill(4.0);
    }
    targets[0].rescale(&mut params, None).unwrap();
    assert_eq!(params.values(first.bias.unwrap()), [0.5; 3]);
    assert_eq!([params.values(first.mean), params.values(second.mean)], [[2.0; 3]; 2]);
    assert_eq!([params.values(first.var), params.values(second.var)], [[0.5; 3]; 2]);
}

/// A group's filter has its own input channels only: its row is that much shorter, and a depthwise one is its taps.
#[test]
fn rows_of_grouped_filters_are_rescaled_and_the_function_stays() {
    let dims = Dims { n: 2, h: 5, w: 4, c: 6 };
    for (groups, row_len) in [(1, 54), (2, 27), (3, 18), (6, 9)] {
        let conv = ConvConfig { groups, ..ConvConfig::same(6, 6, 3) };
        let config = ConvBnConfig { conv, norm: NormConfig::default(), activation: wrs_ops::Activation::Relu };
        let mut builder = ParamsBuilder::new();
        let block = ConvBn::new(&mut builder.root().sub("c"), config);
        let mut params = builder.build(3);
        params.values_mut(id(&params, "c.bn.running_mean")).fill(0.25);
        let run = |params: &Params, train: bool| {
            let exact = Algorithms::Exact;
            let mut pass = if train { Pass::train(params, exact) } else { Pass::eval(params, exact) };
            let x: Vec<f32> = (0..dims.len()).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
            let x = pass.input(dims, x.into(), InputGradient::Skipped);
            block.forward(&mut pass, &x).unwrap().buffer().host().to_vec()
        };
        let before = [false, true].map(|train| run(&params, train));
        let report = still(&mut sgd(&params, every(1)), &mut params, 0).unwrap();
        assert_eq!(report.all.rows, 6);
        assert_eq!(params.values(id(&params, "c.conv.weight")).len(), 6 * row_len);
        assert!(norms(&params, "c.conv.weight").iter().all(|norm| (norm - 1.0).abs() < 1e-6));
        // eps stays what it was beside a variance that grew or shrank: 1e-5 of it.
        for (before, after) in before.iter().zip([false, true].map(|train| run(&params, train))) {
            assert!(before.iter().any(|v| *v > 0.1));
            for (a, b) in before.iter().zip(&after) {
                assert!((a - b).abs() < 2e-4 * (1.0 + a.abs()), "{groups} groups: {a} became {b}");
            }
        }
    }
}

/// The bias of a block's convolution goes along with the mean that it is part of.
#[test]
fn a_block_with_a_bias_is_rescaled_and_the_function_stays() {
    let dims = Dims { n: 2, h: 5, w: 4, c: 6 };
    let norm = NormConfig { eps: 1e-10, momentum: 0.1 };
    let config = ConvBnConfig { conv: ConvConfig::same(6, 5, 3), norm, activation: wrs_ops::Activation::Relu };
    let mut builder = ParamsBuilder::new();
    let names = ConvBnNames { conv: "0", norm: "1" };
    let block = ConvBn::biased(&mut builder.root(), config, names);
    let mut params = builder.build(3);
    params.values_mut(id(&params, "0.bias")).copy_from_slice(&[0.5, -0.25, 1.0, 2.0, -1.0]);
    params.values_mut(id(&params, "1.running_mean")).fill(0.25);
    let run = |params: &Params, train: bool| {
        let exact = Algorithms::Exact;
        let mut pass = if train { Pass::train(params, exact) } else { Pass::eval(params, exact) };
        let x: Vec<f32> = (0..dims.len()).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        let x = pass.input(dims, x.into(), InputGradient::Skipped);
        block.forward(&mut pass, &x).unwrap().buffer().host().to_vec()
    };
    let before = params.clone();
    let mut literal = params.clone();
    still(&mut sgd(&params, every(1)), &mut params, 0).unwrap();
    for name in ["0.bias", "1.running_mean"] {
        let scaled = before.values(id(&before, name)).iter().zip(norms(&before, "0.weight"));
        for (got, (value, norm)) in params.values(id(&params, name)).iter().zip(scaled) {
            assert!((f64::from(*got) * norm - f64::from(*value)).abs() < 1e-6, "{name}");
        }
    }
    for train in [false, true] {
        let (a, b) = (run(&before, train), run(&params, train));
        assert!(a.iter().any(|v| *v > 0.1));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + a.abs())), "train {train}: {a:?} {b:?}");
    }

    // The paper leaves both, and the function in evaluation is another until the statistics have caught up.
    still(&mut sgd(&literal, WrsConfig { literal: true, ..every(1) }), &mut literal, 0).unwrap();
    assert_eq!(literal.values(id(&literal, "0.bias")), before.values(id(&before, "0.bias")));
    assert!(run(&before, false).iter().zip(run(&literal, false)).any(|(a, b)| (a - b).abs() > 0.1));
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let mut params = tiny_net(0);
    params.values_mut(id(&params, "b.conv.weight"))[30] = f32::NAN;
    let mut wrs = sgd(&params, every(1));
    let settings = wrs.groups().settings(0.0, 0.9, &plain_factors(), 0);
    let refusal = wrs.step(&mut params, &mut gradient(&tiny_net(0), 0), &settings).unwrap_err();
    assert!(matches!(refusal, OptimError::NotFinite { row: 1, .. }), "{refusal}");
    assert!(refusal.to_string().contains("b.conv.weight"), "{refusal}");
}

#[test]
fn nothing_to_rescale_no_epoch_and_other_networks_are_refused() {
    let empty = ParamsBuilder::new().build(0);
    let inner = |params: &Params| Sgd::new(groups(params, Select::Filters), Momentum::Classical);
    assert!(matches!(Wrs::new(inner(&empty), &empty, every(1)), Err(OptimError::NothingToRescale)));
    let mut params = tiny_net(0);
    let never = WrsConfig { active: Some(3..3), ..every(1) };
    assert!(matches!(Wrs::new(inner(&params), &params, never), Err(OptimError::Setting { .. })));
    let mut other = ParamsBuilder::new().build(0);
    assert!(matches!(sgd(&params, every(1)).start(&mut other), Err(OptimError::OtherNetwork { .. })));
    let mut wrs = sgd(&params, every(1));
    let settings = wrs.groups().settings(0.1, 0.9, &plain_factors(), 0);
    let refusal = wrs.step(&mut params, &mut Gradients::new(&other), &settings).unwrap_err();
    assert!(matches!(refusal, OptimError::OtherNetwork { what: "gradients", .. }));
}

#[test]
fn recipes_are_strict_and_round_trip() {
    let text = "tau = 10\nselect = \"filters\"\nliteral = false\nrescale-at-start = false\nangles = true\n";
    assert_eq!(toml::from_str::<WrsConfig>(text).unwrap(), every(10));
    let windowed = WrsConfig { active: Some(60..200), ..every(40) };
    assert_eq!(toml::from_str::<WrsConfig>(&toml::to_string(&windowed).unwrap()).unwrap(), windowed);
    for wrong in [text.replace("10", "0"), text.replace("literal", "litteral"), format!("{text}head = true")] {
        assert!(toml::from_str::<WrsConfig>(&wrong).is_err(), "{wrong}");
    }
}
