//! Frozen tensors: their names, norms with running statistics, and where backward stops.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

mod common;

use common::{assert_gradients, backward, outputs, random};
use wrs_nn::{
    Conv, ConvBn, ConvBnConfig, ConvConfig, Dims, Gradients, InputGradient, NnError, NormConfig, Params, ParamsBuilder,
    Pass, Scope, Value,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;

const DIMS: Dims = Dims { n: 2, h: 5, w: 6, c: 3 };

struct Net {
    stem: ConvBn,
    inner: ConvBn,
    head: Conv,
}

impl Net {
    fn new(activation: Activation) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let block = |scope: &mut Scope<'_>, conv| {
            ConvBn::new(scope, ConvBnConfig { conv, norm: NormConfig::default(), activation })
        };
        let stem = block(&mut root.sub("stem"), ConvConfig::same(3, 5, 3));
        let inner = block(&mut root.sub("inner"), ConvConfig::same(5, 5, 3));
        let head = Conv::new(&mut root.sub("head"), ConvConfig::same(5, 4, 1));
        let mut params = builder.build(1);
        for (name, least) in [("stem.bn.running_mean", -0.3), ("inner.bn.running_var", 0.5)] {
            let values = params.values_mut(params.find(name).unwrap());
            let drawn = random(name, values.len());
            values.iter_mut().zip(drawn).for_each(|(v, d)| *v = least + d.abs());
        }
        (Self { stem, inner, head }, params)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let stem = self.stem.forward(pass, x)?;
        let inner = self.inner.forward_residual(pass, &stem, &stem)?;
        Ok(vec![self.head.forward(pass, &inner)?])
    }
}

#[test]
fn names_freeze_at_their_dots() {
    let (_, mut params) = Net::new(Activation::Identity);
    assert_eq!(params.freeze("ste"), 0);
    assert_eq!(params.freeze(""), 0);
    assert_eq!(params.freeze("stem."), 0);
    assert_eq!(params.freeze("head.bias"), 1);
    assert_eq!(params.freeze("stem.bn"), 4);
    assert_eq!(params.freeze("stem"), 5);
    let frozen = |name: &str| params.is_frozen(params.find(name).unwrap());
    assert!(frozen("stem.conv.weight") && frozen("stem.bn.running_var") && frozen("head.bias"));
    assert!(!frozen("head.weight") && !frozen("inner.bn.weight"));
}

/// Frozen parts below, above, between and inside a block: every gradient that is left is the slope.
#[test]
fn gradients_through_frozen_parts_agree_with_central_differences() {
    for prefixes in [
        &["stem"][..],
        &["inner"],
        &["head"],
        &["stem", "inner"],
        &["inner", "head"],
        &["inner.bn"],
        &["inner.conv"],
        &["inner.bn.weight"],
        &["stem.bn.bias"],
        &["inner.bn.running_mean"],
        &["stem", "inner", "head"],
    ] {
        let (net, mut params) = Net::new(Activation::Identity);
        for prefix in prefixes {
            assert!(params.freeze(prefix) > 0, "{prefix}");
        }
        assert_gradients(&|pass, x| net.forward(pass, x), &params, DIMS, &random("x", DIMS.len()));
    }
}

/// The input is not wanted here, so that backward stops at the first layer that learns.
#[test]
fn what_is_above_a_frozen_part_learns_the_same_whether_backward_stops_or_not() {
    for activation in [Activation::Identity, Activation::LeakyRelu(0.1)] {
        let (net, mut params) = Net::new(activation);
        params.freeze("stem");
        let x = random("x", DIMS.len());
        let mut through = Gradients::new(&params);
        let gx = backward(&|pass, x| net.forward(pass, x), &params, DIMS, &x, &mut through);
        assert!(gx.is_some());

        let mut pass = Pass::train(&params, Algorithms::Exact);
        let input = pass.input(DIMS, x.into(), InputGradient::Skipped);
        let output = net.forward(&mut pass, &input).unwrap().remove(0);
        let cotangent = random("cotangent 0", output.dims().len());
        let mut stopped = Gradients::new(&params);
        pass.into_tape().unwrap().backward(&params, vec![(output, cotangent.into())], &mut stopped, None).unwrap();
        let (through, stopped) = (through.finish().host().to_vec(), stopped.finish().host().to_vec());
        assert!(stopped.iter().any(|g| g.abs() > 1e-3));
        for (a, b) in through.iter().zip(&stopped) {
            // The folded norm rounds once less.
            assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{a} is not {b}");
        }
    }
}

#[test]
fn a_frozen_norm_is_the_one_of_evaluation_and_records_nothing() {
    let (net, mut params) = Net::new(Activation::LeakyRelu(0.1));
    for prefix in ["stem", "inner", "head"] {
        assert!(params.freeze(prefix) > 0, "{prefix}");
    }
    let x = random("x", DIMS.len());
    let trained = outputs(&|pass, x| net.forward(pass, x), &params, DIMS, &x);
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    let input = pass.input(DIMS, x.clone().into(), InputGradient::Skipped);
    let evaluated = net.forward(&mut pass, &input).unwrap();
    assert_eq!(trained[0].buffer().host(), evaluated[0].buffer().host());

    let (net, mut params) = Net::new(Activation::LeakyRelu(0.1));
    params.freeze("inner");
    let before = params.clone();
    let mut pass = Pass::train(&params, Algorithms::Exact);
    let input = pass.input(DIMS, x.into(), InputGradient::Skipped);
    net.forward(&mut pass, &input).unwrap();
    pass.into_tape().unwrap().update_statistics(&mut params).unwrap();
    let same = |name: &str| params.values(params.find(name).unwrap()) == before.values(before.find(name).unwrap());
    assert!(same("inner.bn.running_mean") && same("inner.bn.running_var"));
    assert!(!same("stem.bn.running_mean") && !same("stem.bn.running_var"));
}

#[test]
fn a_frozen_norm_over_a_single_value_is_no_error() {
    let mut builder = ParamsBuilder::new();
    let config =
        ConvBnConfig { conv: ConvConfig::same(3, 4, 1), norm: NormConfig::default(), activation: Activation::Identity };
    let block = ConvBn::new(&mut builder.root().sub("block"), config);
    let mut params = builder.build(0);
    let dims = Dims { n: 1, h: 1, w: 1, c: 3 };
    let run = |params: &Params| {
        let mut pass = Pass::train(params, Algorithms::Exact);
        let x = pass.input(dims, vec![1.0; 3].into(), InputGradient::Skipped);
        block.forward(&mut pass, &x).map(|_| ())
    };
    assert!(matches!(run(&params), Err(NnError::SingleValueNorm { .. })));
    params.freeze("block.bn");
    run(&params).unwrap();
}

#[test]
fn gradients_made_before_the_freeze_stay_zero_too() {
    let (net, mut params) = Net::new(Activation::Identity);
    let mut gradients = Gradients::new(&params);
    params.freeze("stem");
    let x = random("x", DIMS.len());
    backward(&|pass, x| net.forward(pass, x), &params, DIMS, &x, &mut gradients);
    let window = params.get(params.find("stem.conv.weight").unwrap()).range.clone();
    let flat = gradients.finish();
    assert!(flat.host()[window].iter().all(|g| *g == 0.0));
    assert!(flat.host().iter().any(|g| *g != 0.0));
}
