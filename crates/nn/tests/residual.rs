//! A shortcut added before the activation: against `add`, by hand, in evaluation, frozen and calibrating.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

mod common;

use common::{assert_gradients, backward, outputs, random};
use wrs_nn::{
    Calibration, ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, Dims, Gradients, InputGradient, NnError, NormConfig,
    Params, ParamsBuilder, Pass, ResidualAt, Value, add,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;

const DIMS: Dims = Dims { n: 2, h: 5, w: 6, c: 3 };

/// Shifts every norm far from the activation's kink, half of the channels to either side, so that differences see none.
const SHIFT: f32 = 4.0;

struct Net {
    stem: ConvBn,
    inner: ConvBn,
}

impl Net {
    /// `inner` has the two names of a ResNet's block.
    fn new(activation: Activation) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let config = |conv, activation| ConvBnConfig { conv, norm: NormConfig::default(), activation };
        let stem = ConvBn::new(&mut root.sub("stem"), config(ConvConfig::same(3, 5, 3), Activation::Identity));
        let names = ConvBnNames { conv: "conv2", norm: "bn2" };
        let inner = ConvBn::named(&mut root.sub("block"), config(ConvConfig::same(5, 5, 3), activation), names);
        let mut params = builder.build(1);
        let beta = params.find("block.bn2.bias").unwrap();
        params.values_mut(beta).iter_mut().enumerate().for_each(|(c, b)| *b = if c % 2 == 0 { SHIFT } else { -SHIFT });
        for (name, least) in [("stem.bn.running_mean", -0.3), ("block.bn2.running_var", 0.5)] {
            let values = params.values_mut(params.find(name).unwrap());
            let drawn = random(name, values.len());
            values.iter_mut().zip(drawn).for_each(|(v, d)| *v = least + d.abs());
        }
        let gamma = params.find("block.bn2.weight").unwrap();
        params.values_mut(gamma).fill(0.4);
        let gamma = params.find("stem.bn.weight").unwrap();
        params.values_mut(gamma).fill(0.4);
        (Self { stem, inner }, params)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let stem = self.stem.forward(pass, x)?;
        Ok(vec![self.inner.forward_residual_at(pass, &stem, &stem, ResidualAt::BeforeActivation)?])
    }

    /// The same function of two layers: a block without activation, then [`add`].
    fn forward_apart(plain: &Self, activation: Activation, pass: &mut Pass<'_>, x: &Value) -> Vec<Value> {
        let stem = plain.stem.forward(pass, x).unwrap();
        let inner = plain.inner.forward(pass, &stem).unwrap();
        vec![add(pass, &[&inner, &stem], activation).unwrap()]
    }
}

/// Away from the shift, so that many sums lie near the kink.
fn unshifted(params: &mut Params) {
    params.values_mut(params.find("block.bn2.bias").unwrap()).fill(0.1);
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().any(|v| v.abs() > 1e-3));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 2e-5 * (1.0 + a.abs()), "{a} is not {b}");
    }
}

#[test]
fn the_names_are_those_asked_for() {
    let (_, params) = Net::new(Activation::Relu);
    let names: Vec<&str> = params.iter().map(|(_, p)| p.name.as_str()).skip(5).collect();
    let norm = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("block.bn2.{part}"));
    assert_eq!(names[0], "block.conv2.weight");
    assert_eq!(names[1..], norm);
    assert_eq!(params.get(params.filters()[1].weight).name, "block.conv2.weight");
}

/// One pixel per batch entry, a 1x1 convolution of weight 1: `norm` gives -1 and 1, the shortcut 0.5 and -3.
#[test]
fn the_sum_is_activated() {
    let mut builder = ParamsBuilder::new();
    let norm = NormConfig { eps: 0.0, momentum: 0.1 };
    let config = ConvBnConfig { conv: ConvConfig::same(1, 1, 1), norm, activation: Activation::Relu };
    let block = ConvBn::new(&mut builder.root(), config);
    let mut params = builder.build(0);
    params.values_mut(params.find("conv.weight").unwrap()).fill(1.0);
    let dims = Dims { n: 2, h: 1, w: 1, c: 1 };
    let run = |shortcut: [f32; 2], at| {
        let mut pass = Pass::train(&params, Algorithms::Exact);
        let x = pass.input(dims, vec![2.0, 4.0].into(), InputGradient::Skipped);
        let shortcut = pass.input(dims, shortcut.to_vec().into(), InputGradient::Wanted);
        let y = block.forward_residual_at(&mut pass, &x, &shortcut, at).unwrap();
        let values = y.buffer().host().to_vec();
        let tape = pass.into_tape().unwrap();
        let mut gradients = Gradients::new(&params);
        let seed = vec![(y, vec![3.0, 5.0].into())];
        let of_shortcut = tape.backward(&params, seed, &mut gradients, Some(&shortcut)).unwrap().unwrap();
        (values, of_shortcut.host().to_vec())
    };
    assert_eq!(run([0.5, -3.0], ResidualAt::BeforeActivation), (vec![0.0, 0.0], vec![0.0, 0.0]));
    assert_eq!(run([1.5, -0.5], ResidualAt::BeforeActivation), (vec![0.5, 0.5], vec![3.0, 5.0]));
    assert_eq!(run([0.5, 1.0], ResidualAt::BeforeActivation), (vec![0.0, 2.0], vec![0.0, 5.0]));
    assert_eq!(run([0.5, -3.0], ResidualAt::AfterActivation), (vec![0.5, -2.0], vec![3.0, 5.0]));
}

#[test]
fn gradients_agree_with_central_differences_whatever_is_frozen() {
    for prefixes in [
        &[][..],
        &["stem"],
        &["block"],
        &["block.bn2"],
        &["block.conv2"],
        &["block.bn2.weight"],
        &["block.bn2.running_mean"],
        &["stem", "block"],
    ] {
        for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
            let (net, mut params) = Net::new(activation);
            for prefix in prefixes {
                assert!(params.freeze(prefix) > 0, "{prefix}");
            }
            assert_gradients(&|pass, x| net.forward(pass, x), &params, DIMS, &random("x", DIMS.len()));
        }
    }
}

/// With sums on both sides of the kink, and the shortcut read by others before and behind the block.
#[test]
fn it_is_the_block_and_the_sum_apart() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let (net, mut params) = Net::new(activation);
        let (plain, _) = Net::new(Activation::Identity);
        unshifted(&mut params);
        let x = random("x", DIMS.len());
        let fused = |pass: &mut Pass<'_>, x: &Value| net.forward(pass, x);
        let apart = |pass: &mut Pass<'_>, x: &Value| Ok(Net::forward_apart(&plain, activation, pass, x));
        let [y, expected] = [outputs(&fused, &params, DIMS, &x), outputs(&apart, &params, DIMS, &x)];
        let (y, expected) = (y[0].buffer().host(), expected[0].buffer().host());
        assert!(expected.iter().any(|v| *v > 0.0) && expected.iter().any(|v| *v <= 0.0));
        close(y, expected);
        let [mut ours, mut theirs] = [Gradients::new(&params), Gradients::new(&params)];
        let gx = backward(&fused, &params, DIMS, &x, &mut ours).unwrap();
        let expected = backward(&apart, &params, DIMS, &x, &mut theirs).unwrap();
        close(gx.host(), expected.host());
        close(ours.finish().host(), theirs.finish().host());
    }
}

#[test]
fn evaluation_folds_to_the_function_of_frozen_training() {
    let (net, mut params) = Net::new(Activation::Relu);
    unshifted(&mut params);
    let x = random("x", DIMS.len());
    let evaluated = |params: &Params| {
        let mut pass = Pass::eval(params, Algorithms::Exact);
        let x = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
        net.forward(&mut pass, &x).unwrap().remove(0)
    };
    let expected = evaluated(&params);
    // Statistics alone are frozen, so that the training pass cannot fold.
    for name in ["stem.bn.running_mean", "block.bn2.running_mean"] {
        assert_eq!(params.freeze(name), 1);
    }
    let trained = outputs(&|pass, x| net.forward(pass, x), &params, DIMS, &x);
    close(trained[0].buffer().host(), expected.buffer().host());
    assert!(expected.buffer().host().contains(&0.0));
}

#[test]
fn a_calibrating_pass_collects_what_training_sees() {
    let (net, mut params) = Net::new(Activation::Relu);
    let x = random("x", DIMS.len());
    let mut calibration = Calibration::new(&params);
    let mut pass = Pass::calibrate(&params, Algorithms::Exact);
    let input = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
    let calibrated = net.forward(&mut pass, &input).unwrap().remove(0);
    calibration.add(pass).unwrap();
    let trained = outputs(&|pass, x| net.forward(pass, x), &params, DIMS, &x);
    assert_eq!(calibrated.buffer().host(), trained[0].buffer().host());
    let before = params.clone();
    calibration.finish(&mut params).unwrap();
    let id = params.find("block.bn2.running_mean").unwrap();
    assert_ne!(params.values(id), before.values(id));
}

/// The sign of the sum is gone then.
#[test]
fn a_negative_slope_is_refused_on_the_way_back() {
    let (net, params) = Net::new(Activation::LeakyRelu(-0.1));
    let mut pass = Pass::train(&params, Algorithms::Exact);
    let x = pass.input(DIMS, random("x", DIMS.len()).into(), InputGradient::Skipped);
    let y = net.forward(&mut pass, &x).unwrap().remove(0);
    let seed = vec![1.0; y.dims().len()];
    let mut gradients = Gradients::new(&params);
    let error = pass.into_tape().unwrap().backward(&params, vec![(y, seed.into())], &mut gradients, None).unwrap_err();
    assert!(error.to_string().contains("layer block.conv2: "), "{error}");
    assert!(error.to_string().contains("negative slope"), "{error}");
}
