//! A convolution's bias before a batch norm: the norm takes it out again, and nothing else may see that it is there.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

mod common;

use common::{assert_gradients, backward, outputs, random};
use wrs_nn::{
    Calibration, ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, Dims, Gradients, InputGradient, NnError, NormConfig,
    Params, ParamsBuilder, Pass, SingleValue, Value,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;

const DIMS: Dims = Dims { n: 2, h: 7, w: 6, c: 3 };

/// Two convolutions under torchvision's indices, the second one with its taps apart.
struct Net {
    first: ConvBn,
    second: ConvBn,
}

impl Net {
    fn new(is_biased: bool, activation: Activation) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let mut block = |conv: ConvConfig, conv_name: &str, norm_name: &str| {
            let config = ConvBnConfig { conv, norm: NormConfig::default(), activation };
            let names = ConvBnNames { conv: conv_name, norm: norm_name };
            if is_biased { ConvBn::biased(&mut root, config, names) } else { ConvBn::named(&mut root, config, names) }
        };
        let first = block(ConvConfig::same(3, 5, 3), "0", "1");
        let second = block(ConvConfig::same(5, 4, 3).with_dilation(2), "4", "5");
        let mut params = builder.build(1);
        for (name, least) in [("0.bias", -0.6), ("4.bias", -0.4), ("1.running_mean", -0.3), ("5.running_var", 0.5)] {
            let Some(id) = params.find(name) else { continue };
            let drawn = random(name, params.values(id).len());
            params.values_mut(id).iter_mut().zip(drawn).for_each(|(v, d)| *v = least + d.abs());
        }
        (Self { first, second }, params)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let x = self.first.forward(pass, x)?;
        Ok(vec![self.second.forward(pass, &x)?])
    }
}

fn values<'p>(params: &'p Params, name: &str) -> &'p [f32] {
    params.values(params.find(name).unwrap())
}

fn evaluated(net: &Net, mut pass: Pass<'_>, x: &[f32]) -> Vec<f32> {
    let x = pass.input(DIMS, x.to_vec().into(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap().remove(0).buffer().host().to_vec()
}

fn assert_near(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}");
    }
}

#[test]
fn the_bias_stands_behind_the_weight_and_in_the_filter() {
    let (_, params) = Net::new(true, Activation::Relu);
    let names: Vec<&str> = params.iter().map(|(_, p)| p.name.as_str()).take(6).collect();
    assert_eq!(names, ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]);
    for (filter, name) in params.filters().iter().zip(["0.bias", "4.bias"]) {
        assert_eq!(filter.bias, params.find(name));
    }
    let (_, plain) = Net::new(false, Activation::Relu);
    assert!(plain.filters().iter().all(|filter| filter.bias.is_none()) && plain.find("0.bias").is_none());
}

/// Under batch statistics, where the bias has no slope, and under frozen ones, where it has.
#[test]
fn gradients_agree_with_central_differences() {
    for frozen in [&[][..], &["1.running_mean"], &["1", "5"], &["0.weight", "1"], &["0.bias"]] {
        let (net, mut params) = Net::new(true, Activation::Identity);
        for name in frozen {
            assert!(params.freeze(name) > 0, "{name}");
        }
        assert_gradients(&|pass, x| net.forward(pass, x), &params, DIMS, &random("x", DIMS.len()));
    }
}

#[test]
fn under_batch_statistics_the_bias_has_no_gradient_and_under_frozen_ones_it_has() {
    let gradient = |frozen: &[&str]| {
        let (net, mut params) = Net::new(true, Activation::Relu);
        for name in frozen {
            assert!(params.freeze(name) > 0, "{name}");
        }
        let mut gradients = Gradients::new(&params);
        // Twice, so that what one pass writes the other one adds to.
        for _ in 0..2 {
            backward(&|pass, x| net.forward(pass, x), &params, DIMS, &random("x", DIMS.len()), &mut gradients);
        }
        let flat = gradients.finish().host().to_vec();
        ["0.bias", "4.bias"].map(|name| flat[params.get(params.find(name).unwrap()).range.clone()].to_vec())
    };
    let [first, second] = gradient(&[]);
    assert!(first.iter().chain(&second).all(|g| *g == 0.0));
    let [first, second] = gradient(&["5.running_var"]);
    assert!(first.iter().all(|g| *g == 0.0) && second.iter().any(|g| g.abs() > 1e-3));
}

/// The bytes of everything but the running means are those of the network without biases.
#[test]
fn training_is_that_without_the_bias_and_the_running_mean_includes_it() {
    let step = |is_biased: bool| {
        let (net, mut params) = Net::new(is_biased, Activation::Relu);
        let mut pass = Pass::train(&params, Algorithms::Exact);
        let x = pass.input(DIMS, random("x", DIMS.len()).into(), InputGradient::Skipped);
        let y = net.forward(&mut pass, &x).unwrap().remove(0);
        pass.into_tape().unwrap().update_statistics(&mut params).unwrap();
        (y.buffer().host().to_vec(), params)
    };
    let ((biased, after), (plain, without)) = (step(true), step(false));
    assert_eq!(biased, plain);
    assert_eq!(values(&after, "5.running_var"), values(&without, "5.running_var"));
    for (mean, bias) in [("1.running_mean", "0.bias"), ("5.running_mean", "4.bias")] {
        let expected: Vec<f32> =
            values(&without, mean).iter().zip(values(&after, bias)).map(|(mean, bias)| mean + 0.1 * bias).collect();
        assert_near(values(&after, mean), &expected, 1e-6);
        assert!(values(&after, bias).iter().any(|b| b.abs() > 0.2));
    }
}

#[test]
fn evaluation_adds_the_bias_before_the_mean_is_taken_out() {
    let x = random("x", DIMS.len());
    let (net, params) = Net::new(true, Activation::Relu);
    let (plain, mut moved) = Net::new(false, Activation::Relu);
    for (mean, bias) in [("1.running_mean", "0.bias"), ("5.running_mean", "4.bias")] {
        let id = moved.find(mean).unwrap();
        moved.values_mut(id).iter_mut().zip(values(&params, bias)).for_each(|(mean, bias)| *mean -= bias);
    }
    let folded = evaluated(&net, Pass::eval(&params, Algorithms::Exact), &x);
    assert_near(&folded, &evaluated(&plain, Pass::eval(&moved, Algorithms::Exact), &x), 1e-6);
    let mut frozen = params.clone();
    for name in ["1.running_mean", "5.running_mean"] {
        assert_eq!(frozen.freeze(name), 1);
    }
    assert_near(&evaluated(&net, Pass::train(&frozen, Algorithms::Exact), &x), &folded, 1e-5);

    let mut shifted = params.clone();
    let bias = shifted.find("0.bias").unwrap();
    shifted.values_mut(bias).iter_mut().for_each(|b| *b += 0.5);
    assert_ne!(evaluated(&net, Pass::eval(&shifted, Algorithms::Exact), &x), folded, "the bias is read");
}

#[test]
fn an_observing_pass_evaluates_and_measures() {
    let x = random("x", DIMS.len());
    let (net, mut params) = Net::new(true, Activation::Relu);
    let observed = |params: &Params| {
        let mut pass = Pass::observe(params, Algorithms::Exact);
        let input = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
        let y = net.forward(&mut pass, &input).unwrap().remove(0).buffer().host().to_vec();
        let (mut calibration, mut measured) = (Calibration::new(params), params.clone());
        calibration.add(pass).unwrap();
        calibration.finish(&mut measured).unwrap();
        (y, measured)
    };
    let (y, measured) = observed(&params);
    assert_near(&y, &evaluated(&net, Pass::eval(&params, Algorithms::Exact), &x), 1e-6);

    // The first norm sees what it sees in training; the second one behind running statistics, which are others here.
    let mut calibration = Calibration::new(&params);
    let mut pass = Pass::calibrate(&params, Algorithms::Exact);
    let input = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
    net.forward(&mut pass, &input).unwrap();
    calibration.add(pass).unwrap();
    let mut calibrated = params.clone();
    calibration.finish(&mut calibrated).unwrap();
    assert_eq!(values(&measured, "1.running_mean"), values(&calibrated, "1.running_mean"));
    assert_ne!(values(&measured, "5.running_mean"), values(&calibrated, "5.running_mean"));

    params.freeze("1");
    let (_, measured) = observed(&params);
    assert_eq!(values(&measured, "1.running_var"), values(&params, "1.running_var"));
    assert_ne!(values(&measured, "5.running_var"), values(&params, "5.running_var"));
}

#[test]
fn a_single_value_takes_the_running_statistics_with_the_bias() {
    let mut builder = ParamsBuilder::new();
    let config =
        ConvBnConfig { conv: ConvConfig::same(3, 4, 1), norm: NormConfig::default(), activation: Activation::Identity };
    let names = ConvBnNames { conv: "0", norm: "1" };
    let layer = ConvBn::biased(&mut builder.root(), config, names).with_single_value(SingleValue::RunningStatistics);
    let params = builder.build(0);
    let one = Dims { n: 1, h: 1, w: 1, c: 3 };
    let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![layer.forward(pass, x)?]);
    assert_gradients(&forward, &params, one, &random("x", 3));
    let trained = outputs(&forward, &params, one, &random("x", 3)).remove(0).buffer().host().to_vec();
    let mut pass = Pass::observe(&params, Algorithms::Exact);
    let x = pass.input(one, random("x", 3).into(), InputGradient::Skipped);
    let observed = layer.forward(&mut pass, &x).unwrap().buffer().host().to_vec();
    assert_near(&observed, &trained, 1e-6);
    let (mut calibration, mut after) = (Calibration::new(&params), params.clone());
    calibration.add(pass).unwrap();
    calibration.finish(&mut after).unwrap();
    assert_eq!(after.statistics().host(), params.statistics().host());
}
