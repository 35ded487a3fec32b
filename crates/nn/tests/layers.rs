//! Layers by hand and by central differences: pooling, shortcuts, dropout, smooth activations, groups.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

mod common;

use common::{assert_gradients, outputs, random};
use wrs_nn::{
    Buffer, Conv, ConvBn, ConvBnConfig, ConvConfig, ConvInit, Corners, Dims, InputGradient, NnError, NormConfig,
    Params, ParamsBuilder, Pass, PoolConfig, Scope, SingleValue, Smooth, Value, activate, add, dropout,
    global_average_pool, max_pool, resize_bilinear,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;

const DIMS: Dims = Dims { n: 2, h: 5, w: 6, c: 4 };

fn no_params() -> Params {
    ParamsBuilder::new().build(0)
}

/// A permutation of values a fifth of a unit apart and not at 0: small steps change no maximum and no sign.
fn apart(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 77) % 241) as f32 / 5.0 - 19.9).collect()
}

#[test]
fn pools_pass_their_gradients_on() {
    for config in [PoolConfig::square(2, 2, 0), PoolConfig::square(3, 1, 1), PoolConfig::darknet(2, 1, 1)] {
        let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![max_pool(pass, x, config)?]);
        assert_gradients(&forward, &no_params(), DIMS, &apart(DIMS.len()));
    }
    let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![global_average_pool(pass, x)?]);
    assert_gradients(&forward, &no_params(), DIMS, &random("x", DIMS.len()));
    let mean = outputs(&forward, &no_params(), Dims { n: 1, h: 1, w: 3, c: 1 }, &[1.0, 2.0, 6.0]);
    assert_eq!((mean[0].dims(), mean[0].buffer().host()), (Dims { n: 1, h: 1, w: 1, c: 1 }, &[3.0][..]));
}

#[test]
fn resized_maps_pass_their_gradients_on() {
    for corners in [Corners::Edges, Corners::Centres] {
        for size in [[5, 6], [13, 11], [3, 2], [1, 1]] {
            let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![resize_bilinear(pass, x, size, corners)?]);
            assert_gradients(&forward, &no_params(), DIMS, &random("x", DIMS.len()));
        }
        // A single pixel fills the map, and its gradient is the sum of the map's.
        let broadcast = |pass: &mut Pass<'_>, x: &Value| Ok(vec![resize_bilinear(pass, x, [3, 5], corners)?]);
        let single = Dims { n: 2, h: 1, w: 1, c: 2 };
        let y = outputs(&broadcast, &no_params(), single, &[1.5, -2.0, 0.25, 8.0]);
        assert_eq!(y[0].dims(), Dims { h: 3, w: 5, ..single });
        let (first, second) = y[0].buffer().host().split_at(30);
        assert!(
            first.chunks(2).all(|pixel| pixel == [1.5, -2.0]) && second.chunks(2).all(|pixel| pixel == [0.25, 8.0])
        );
        assert_gradients(&broadcast, &no_params(), single, &random("x", 4));
    }
    let params = no_params();
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    let x = pass.input(DIMS, Buffer::zeros(DIMS.len()), InputGradient::Skipped);
    assert!(resize_bilinear(&mut pass, &x, [0, 3], Corners::Edges).is_err());
}

/// A pooled map behind a convolution with norm, that takes batches of one.
fn pooled() -> (ConvBn, Params) {
    let mut builder = ParamsBuilder::new();
    let layer = conv_bn(&mut builder.root(), ConvConfig::same(4, 3, 1));
    let mut params = builder.build(4);
    for (name, values) in [("bn.running_mean", [0.3, -0.2, 0.1]), ("bn.running_var", [0.5, 2.0, 1.5])] {
        params.values_mut(params.find(name).unwrap()).copy_from_slice(&values);
    }
    (layer.with_single_value(SingleValue::RunningStatistics), params)
}

#[test]
fn a_norm_may_take_a_single_value_by_its_running_statistics() {
    let (layer, mut params) = pooled();
    let forward = |pass: &mut Pass<'_>, x: &Value| {
        let pooled = global_average_pool(pass, x)?;
        Ok(vec![layer.forward(pass, &pooled)?])
    };
    let one = Dims { n: 1, ..DIMS };
    let x = random("x", one.len());
    assert_gradients(&forward, &params, one, &x);
    let before = params.clone();
    let mut pass = Pass::train(&params, Algorithms::Exact);
    let input = pass.input(one, x.clone().into(), InputGradient::Skipped);
    let trained = forward(&mut pass, &input).unwrap().remove(0);
    let mut tape = pass.into_tape().unwrap();
    tape.update_statistics(&mut params).unwrap();
    assert_eq!(params.statistics().host(), before.statistics().host());
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    let input = pass.input(one, x.into(), InputGradient::Skipped);
    let evaluated = forward(&mut pass, &input).unwrap().remove(0);
    let pairs = trained.buffer().host().iter().zip(evaluated.buffer().host());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    // Two values have statistics of their own.
    let y = outputs(&forward, &params, DIMS, &random("x", DIMS.len()));
    let [first, second] = [0, 3].map(|i| y[0].buffer().host()[i]);
    assert!((first + second).abs() < 1e-5 && first.abs() > 0.9, "{first} {second}");
}

#[test]
fn darknets_pools_have_darknets_sizes() {
    let params = no_params();
    // (h + padding - size) / stride + 1
    for (size, stride, padding, h, expected) in [
        (2, 2, 1, 416, 208),
        (2, 2, 1, 13, 7),
        (2, 1, 1, 13, 13),
        (5, 1, 4, 13, 13),
        (13, 1, 12, 7, 7),
        (3, 2, 0, 7, 3),
    ] {
        let mut pass = Pass::plan(&params);
        let x = pass.input(Dims { n: 1, h, w: h, c: 3 }, Buffer::default(), InputGradient::Skipped);
        let y = max_pool(&mut pass, &x, PoolConfig::darknet(size, stride, padding)).unwrap();
        assert_eq!(y.dims(), Dims { n: 1, h: expected, w: expected, c: 3 });
    }
}

#[test]
fn sums_pass_their_gradients_on() {
    // A value with three readers, twice the same one, and a slope at every sum far from 0.
    for activation in [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.1)] {
        let forward = |pass: &mut Pass<'_>, x: &Value| {
            let pooled = max_pool(pass, x, PoolConfig::square(1, 1, 0))?;
            Ok(vec![add(pass, &[x, &pooled, x], activation)?, pooled])
        };
        assert_gradients(&forward, &no_params(), DIMS, &apart(DIMS.len()));
        let y = outputs(&forward, &no_params(), Dims { n: 1, h: 1, w: 2, c: 1 }, &[1.0, -2.0]);
        assert_eq!(y[0].buffer().host(), [3.0, -6.0 * activation.negative_slope()]);
    }
    let params = no_params();
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    let mut input = |c| pass.input(Dims { c, ..DIMS }, Buffer::zeros(DIMS.pixels() * c), InputGradient::Skipped);
    let (a, b) = (input(4), input(3));
    let error = add(&mut pass, &[&a, &b], Activation::Identity).unwrap_err().to_string();
    assert!(error.contains("expected [2, 5, 6, 4], got [2, 5, 6, 3]"), "{error}");
    assert!(add(&mut pass, &[], Activation::Identity).is_err());
}

#[test]
fn smooth_activations_pass_their_gradients_on() {
    for activation in [Smooth::Mish, Smooth::Swish, Smooth::Logistic] {
        let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![activate(pass, x, activation)?]);
        assert_gradients(&forward, &no_params(), DIMS, &random("x", DIMS.len()));
    }
}

#[test]
fn dropout_passes_the_gradients_of_what_it_kept() {
    let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![dropout(pass, x, 0.4, "a")?]);
    let x = random("x", DIMS.len());
    assert_gradients(&forward, &no_params(), DIMS, &x);
    let y = outputs(&forward, &no_params(), DIMS, &x);
    let dropped = y[0].buffer().host().iter().filter(|v| **v == 0.0).count();
    assert!((60..130).contains(&dropped), "{dropped} of {}", x.len());
}

#[test]
fn dropout_draws_by_layer_and_step_and_only_in_training() {
    let (params, x) = (no_params(), random("x", DIMS.len()));
    let run = |pass: Pass<'_>, layer: &str| -> Result<Vec<f32>, NnError> {
        let mut pass = pass;
        let x = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
        Ok(dropout(&mut pass, &x, 0.5, layer)?.into_buffer().host().to_vec())
    };
    let train = |step| Pass::train(&params, Algorithms::Exact).with_draws(1, step);
    let base = run(train(0), "a").unwrap();
    assert_eq!(base, run(train(0), "a").unwrap());
    assert_ne!(base, run(train(1), "a").unwrap());
    assert_ne!(base, run(train(0), "b").unwrap());
    assert_eq!(run(Pass::eval(&params, Algorithms::Exact), "a").unwrap(), x);
    let mut undrawn = Pass::train(&params, Algorithms::Exact);
    let input = undrawn.input(DIMS, x.clone().into(), InputGradient::Wanted);
    assert_eq!(dropout(&mut undrawn, &input, 0.0, "a").unwrap().buffer().host(), x);
    let error = run(Pass::train(&params, Algorithms::Exact), "classifier.drop").unwrap_err();
    assert!(matches!(&error, NnError::NoDraws { layer } if layer == "classifier.drop"), "{error}");
}

fn conv_bn(scope: &mut Scope<'_>, conv: ConvConfig) -> ConvBn {
    let (norm, activation) = (NormConfig::default(), Activation::Identity);
    ConvBn::new(scope, ConvBnConfig { conv, norm, activation })
}

#[test]
fn grouped_and_depthwise_convolutions_pass_their_gradients_on() {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    let grouped = |config: ConvConfig, groups| ConvConfig { groups, ..config };
    let expand = conv_bn(&mut root.sub("expand"), grouped(ConvConfig::same(4, 12, 1), 2));
    let depthwise = conv_bn(&mut root.sub("depthwise"), grouped(ConvConfig::same(12, 12, 3), 12).with_stride(2));
    let multiplied = Conv::new(&mut root.sub("multiplied"), grouped(ConvConfig::same(12, 24, 3), 12));
    let params = builder.build(1);
    let shape = |name: &str| params.get(params.find(name).unwrap()).shape.clone();
    assert_eq!(shape("expand.conv.weight"), [12, 1, 1, 2]);
    assert_eq!(shape("depthwise.conv.weight"), [12, 3, 3, 1]);
    let forward = |pass: &mut Pass<'_>, x: &Value| {
        let x = expand.forward(pass, x)?;
        let x = depthwise.forward(pass, &x)?;
        Ok(vec![multiplied.forward(pass, &x)?])
    };
    assert_gradients(&forward, &params, DIMS, &random("x", DIMS.len()));
}

#[test]
fn groups_see_their_own_channels_alone() {
    let mut builder = ParamsBuilder::new();
    let config = ConvConfig { groups: 2, ..ConvConfig::same(4, 2, 1) };
    let conv = Conv::new(&mut builder.root(), config);
    let mut params = builder.build(0);
    let weight = params.find("weight").unwrap();
    params.values_mut(weight).copy_from_slice(&[1.0, 10.0, 100.0, 1000.0]);
    params.values_mut(conv.bias()).fill(0.5);
    let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![conv.forward(pass, x)?]);
    let y = outputs(&forward, &params, Dims { n: 1, h: 1, w: 1, c: 4 }, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(y[0].buffer().host(), [21.5, 4300.5]);
}

#[test]
fn an_activation_behind_a_plain_convolution_is_in_values_and_gradients() {
    for activation in [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.1)] {
        let mut builder = ParamsBuilder::new();
        let conv = Conv::new(&mut builder.root().sub("c"), ConvConfig::same(4, 2, 1)).with_activation(activation);
        let mut params = builder.build(2);
        // Sums that no step of the differences takes across the kink.
        params.values_mut(params.find("c.weight").unwrap()).iter_mut().for_each(|w| *w *= 0.5);
        params.values_mut(conv.bias()).copy_from_slice(&[3.0, -3.0]);
        let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![conv.forward(pass, x)?]);
        let x = random("x", DIMS.len());
        assert_gradients(&forward, &params, DIMS, &x);
        let y = outputs(&forward, &params, DIMS, &x);
        let slope = activation.negative_slope();
        let second: Vec<f32> = y[0].buffer().host().iter().skip(1).step_by(2).copied().collect();
        assert!(second.iter().all(|v| *v <= 0.0 && *v >= -5.0 * slope), "{activation:?}");
        assert!(slope == 0.0 || second.iter().any(|v| *v < 0.0));
    }
}

#[test]
fn first_values_are_pytorchs_or_normal_by_a_fan() {
    let drawn = |init| {
        let mut builder = ParamsBuilder::new();
        let config = ConvConfig { groups: 2, ..ConvConfig::same(32, 256, 3).with_init(init) };
        Conv::new(&mut builder.root(), config);
        let params = builder.build(7);
        ["weight", "bias"].map(|name| params.values(params.find(name).unwrap()).to_vec())
    };
    let variance = |v: &[f32]| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / v.len() as f64;
    let fan_in: f64 = 16.0 * 9.0;
    let bound = (1.0 / fan_in.sqrt()) as f32;
    let [weight, bias] = drawn(ConvInit::PyTorch);
    assert!(weight.iter().chain(&bias).all(|v| v.abs() <= bound));
    assert!((variance(&weight) * fan_in * 3.0 - 1.0).abs() < 0.05 && bias.iter().any(|v| *v != 0.0));
    let [weight, bias] = drawn(ConvInit::FanIn);
    assert!((variance(&weight) * fan_in / 2.0 - 1.0).abs() < 0.05);
    // A normal draw goes beyond what a uniform one of its variance could reach.
    assert!(weight.iter().any(|v| f64::from(*v) > (6.0 / fan_in).sqrt()));
    assert!(bias.iter().all(|v| *v == 0.0));
    let [weight, bias] = drawn(ConvInit::FanOut);
    let fan_out: f64 = 256.0 * 9.0;
    assert!((variance(&weight) * fan_out / 2.0 - 1.0).abs() < 0.05);
    assert!(weight.iter().any(|v| f64::from(*v) > (6.0 / fan_out).sqrt()));
    assert!(bias.iter().all(|v| *v == 0.0));
    let [weight, bias] = drawn(ConvInit::Normal { std: 0.01 });
    assert!((variance(&weight) / 1e-4 - 1.0).abs() < 0.05 && bias.iter().all(|v| *v == 0.0));
}
