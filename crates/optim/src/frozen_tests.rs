//! Frozen tensors through whole steps of every optimizer.

use wrs_nn::{
    Conv, ConvBn, ConvBnConfig, ConvConfig, Dims, Gradients, InputGradient, NormConfig, Params, ParamsBuilder, Pass,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

use crate::tiny_net::{id, plain_factors, tiny_net};
use crate::{
    AdamConfig, DecayScope, Ema, EmaConfig, Group, Groups, OptimError, Optimizer, OptimizerConfig, Select, Warming,
    Wrs, WrsConfig, clip_grad_norm,
};

const DIMS: Dims = Dims { n: 2, h: 4, w: 4, c: 3 };

struct Net {
    stem: ConvBn,
    inner: ConvBn,
    head: Conv,
}

fn net() -> (Net, Params) {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    let config = |conv| ConvBnConfig { conv, norm: NormConfig::default(), activation: Activation::LeakyRelu(0.1) };
    let stem = ConvBn::new(&mut root.sub("stem"), config(ConvConfig::same(3, 5, 3)));
    let inner = ConvBn::new(&mut root.sub("inner"), config(ConvConfig::same(5, 5, 1)));
    let head = Conv::new(&mut root.sub("head"), ConvConfig::same(5, 2, 1));
    let mut params = builder.build(4);
    // A sum with zero would lose this sign.
    params.values_mut(id(&params, "stem.bn.bias")).fill(-0.0);
    params.values_mut(id(&params, "stem.bn.running_mean")).fill(-0.0);
    (Net { stem, inner, head }, params)
}

/// A step along the gradient of the sum of the outputs' squares, the average behind it.
fn step(net: &Net, params: &mut Params, optimizer: &mut dyn Optimizer, ema: &mut Ema) {
    let mut rng = Rng::new(1, "x", optimizer.steps(), 0);
    let x: Vec<f32> = (0..DIMS.len()).map(|_| rng.normal() as f32).collect();
    let mut gradients = Gradients::new(params);
    let mut pass = Pass::train(params, Algorithms::Exact);
    let x = pass.input(DIMS, x.into(), InputGradient::Skipped);
    let stem = net.stem.forward(&mut pass, &x).unwrap();
    let inner = net.inner.forward_residual(&mut pass, &stem, &stem).unwrap();
    let y = net.head.forward(&mut pass, &inner).unwrap();
    let gy = y.buffer().clone();
    let mut tape = pass.into_tape().unwrap();
    tape.update_statistics(params).unwrap();
    tape.backward(params, vec![(y, gy)], &mut gradients, None).unwrap();
    clip_grad_norm(&mut gradients, 1.0);
    let settings = optimizer.groups().settings(0.1, 0.9, &plain_factors(), 0);
    optimizer.step(params, &mut gradients, &settings).unwrap();
    ema.update(params).unwrap();
}

fn bits(params: &Params, below: &str) -> Vec<u32> {
    let windows = params.iter().filter(|(_, p)| p.name.starts_with(below));
    windows.flat_map(|(id, _)| params.values(id).iter().map(|v| v.to_bits())).collect()
}

#[test]
fn a_frozen_part_is_the_same_to_the_last_bit_after_steps_of_every_optimizer() {
    let adam = AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let sgd = OptimizerConfig::Sgd { momentum: 0.9, nesterov: true };
    for config in [sgd, OptimizerConfig::Adam(adam), OptimizerConfig::Adamw(adam)] {
        let (net, mut params) = net();
        assert_eq!(params.freeze("stem"), 5);
        let before = params.clone();
        let rescaled = Select::Filters.tensors(&params);
        assert_eq!(rescaled, [id(&params, "inner.conv.weight")]);
        let groups = Groups::by_role(&params, DecayScope::All, 0.5, &rescaled).unwrap();
        let wrs = WrsConfig {
            tau: std::num::NonZeroU64::MIN,
            select: Select::Filters,
            literal: false,
            rescale_at_start: false,
            angles: true,
            active: None,
        };
        let mut optimizer = Wrs::new(config.build(groups).unwrap(), &params, wrs).unwrap();
        let mut ema = Ema::new(EmaConfig { decay: 0.9, ramp: 1.0 }, &params).unwrap();
        for _ in 0..3 {
            step(&net, &mut params, &mut optimizer, &mut ema);
        }
        assert_eq!(bits(&params, "stem."), bits(&before, "stem."), "{config:?}");
        assert_eq!(bits(ema.params(), "stem."), bits(&before, "stem."), "{config:?}");
        for other in ["inner.", "head."] {
            assert_ne!(bits(&params, other), bits(&before, other), "{config:?}");
            assert_ne!(bits(ema.params(), other), bits(&before, other), "{config:?}");
        }
    }
}

#[test]
fn frozen_tensors_are_in_no_group() {
    let mut params = tiny_net(0);
    params.freeze("a");
    params.freeze("head.bias");
    let groups = Groups::by_role(&params, DecayScope::All, 0.5, &[]).unwrap();
    let names: Vec<_> = groups.iter().flat_map(|group| &group.ids).map(|&id| params.get(id).name.as_str()).collect();
    assert_eq!(names, ["b.conv.weight", "head.weight", "linear.weight", "b.bn.weight", "b.bn.bias", "linear.bias"]);
    let mut all: Vec<Group> = groups.iter().cloned().collect();
    all.push(Group {
        name: "frozen".to_owned(),
        ids: vec![id(&params, "a.bn.weight")],
        lr_scale: 1.0,
        weight_decay: 0.0,
        warming: Warming::Weights,
    });
    let refusal = Groups::new(&params, all).unwrap_err();
    assert!(matches!(&refusal, OptimError::Frozen { tensor } if tensor == "a.bn.weight"), "{refusal}");
}

#[test]
fn groups_made_before_a_freeze_are_refused() {
    let mut params = tiny_net(0);
    let groups = Groups::by_role(&params, DecayScope::All, 0.5, &[]).unwrap();
    let mut optimizer = OptimizerConfig::Sgd { momentum: 0.9, nesterov: false }.build(groups).unwrap();
    params.freeze("linear.weight");
    let refusal = optimizer.start(&mut params).unwrap_err();
    assert!(refusal.to_string().contains("linear.weight"), "{refusal}");
    let settings = optimizer.groups().settings(0.1, 0.9, &plain_factors(), 0);
    let mut gradients = Gradients::new(&params);
    assert!(matches!(optimizer.step(&mut params, &mut gradients, &settings), Err(OptimError::Frozen { .. })));
}

/// A weight in front of a frozen norm is no filter: nothing undoes a scale there.
#[test]
fn a_filter_is_rescaled_only_where_neither_it_nor_its_norm_is_frozen() {
    for frozen in ["a.conv.weight", "a.conv.bias", "a.bn", "a.bn.running_var"] {
        let mut params = tiny_net(0);
        params.freeze(frozen);
        assert_eq!(Select::Filters.tensors(&params), [id(&params, "b.conv.weight")], "{frozen}");
        let all = Select::AllWeights.tensors(&params);
        assert_eq!(all.contains(&id(&params, "a.conv.weight")), frozen != "a.conv.weight", "{frozen}");
    }
}
