//! The tape as a whole, by central differences: a value with several readers, shortcuts, concatenation, upsampling.

#![allow(clippy::unwrap_used)] // tests

mod common;

use common::{assert_gradients, backward, random};
use wrs_nn::{
    Buffer, Conv, ConvBn, ConvBnConfig, ConvConfig, Dims, Gradients, InputGradient, NnError, NormConfig, Params,
    ParamsBuilder, Pass, Value, concat, upsample_nearest,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;

const DIMS: Dims = Dims { n: 2, h: 6, w: 10, c: 3 };

struct Net {
    stem: ConvBn,
    down: ConvBn,
    inner: ConvBn,
    head: Conv,
}

fn conv_bn(scope: &mut wrs_nn::Scope<'_>, conv: ConvConfig) -> ConvBn {
    // A smooth activation, so that differences see no kinks.
    let activation = Activation::Identity;
    ConvBn::new(scope, ConvBnConfig { conv, norm: NormConfig::default(), activation })
}

impl Net {
    fn new() -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let stem = conv_bn(&mut root.sub("stem"), ConvConfig::same(3, 5, 3));
        let down = conv_bn(&mut root.sub("down"), ConvConfig::same(5, 7, 3).with_stride(2));
        let inner = conv_bn(&mut root.sub("inner"), ConvConfig::same(7, 7, 1));
        let head = Conv::new(&mut root.sub("head"), ConvConfig::same(12, 4, 3));
        (Self { stem, down, inner, head }, builder.build(1))
    }

    /// `stem` has two readers and `down` two more; one output is read inside the network, too.
    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let stem = self.stem.forward(pass, x)?;
        let down = self.down.forward(pass, &stem)?;
        let inner = self.inner.forward_residual(pass, &down, &down)?;
        let up = upsample_nearest(pass, &inner, 2)?;
        let joined = concat(pass, &[&up, &stem])?;
        Ok(vec![self.head.forward(pass, &joined)?, inner])
    }
}

#[test]
fn every_gradient_agrees_with_central_differences() {
    let (net, params) = Net::new();
    assert_gradients(&|pass, x| net.forward(pass, x), &params, DIMS, &random("x", DIMS.len()));
}

#[test]
fn gradients_add_up_until_they_are_reset() {
    let (net, params) = Net::new();
    let forward = |pass: &mut Pass<'_>, x: &Value| net.forward(pass, x);
    let x = random("x", DIMS.len());
    let mut once = Gradients::new(&params);
    backward(&forward, &params, DIMS, &x, &mut once);
    let mut twice = Gradients::new(&params);
    backward(&forward, &params, DIMS, &x, &mut twice);
    backward(&forward, &params, DIMS, &x, &mut twice);
    let (a, b) = (once.finish().host().to_vec(), twice.finish().host().to_vec());
    assert!(a.iter().any(|v| v.abs() > 1e-3));
    for (a, b) in a.iter().zip(&b) {
        assert!((2.0 * a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{a} twice is not {b}");
    }
    twice.reset();
    backward(&forward, &params, DIMS, &x, &mut twice);
    assert_eq!(a, twice.finish().host());
    twice.reset();
    assert!(twice.finish().host().iter().all(|v| *v == 0.0), "nothing was contributed");
}

#[test]
fn statistics_follow_the_batch_only_when_told() {
    let (net, mut params) = Net::new();
    let x = random("x", DIMS.len());
    let before = params.statistics().host().to_vec();
    let mut pass = Pass::train(&params, Algorithms::Exact);
    let input = pass.input(DIMS, x.into(), InputGradient::Skipped);
    net.forward(&mut pass, &input).unwrap();
    let mut tape = pass.into_tape().unwrap();
    assert_eq!(before, params.statistics().host());
    tape.update_statistics(&mut params).unwrap();
    let mean = params.values(params.find("stem.bn.running_mean").unwrap());
    assert!(mean.iter().any(|v| *v != 0.0));
    // A second call has nothing left to fold in.
    let after = params.statistics().host().to_vec();
    tape.update_statistics(&mut params).unwrap();
    assert_eq!(after, params.statistics().host());
}

#[test]
fn a_plan_has_shapes_and_no_numbers() {
    let (net, params) = Net::new();
    let mut pass = Pass::plan(&params);
    let x = pass.input(DIMS, Buffer::default(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x).unwrap();
    assert_eq!(outputs[0].dims(), Dims { c: 4, ..DIMS });
    assert_eq!(outputs[1].dims(), Dims { n: 2, h: 3, w: 5, c: 7 });
    assert!(outputs.iter().all(|v| v.buffer().is_empty()));
    let (full, half) = (2 * DIMS.pixels(), 2 * DIMS.pixels() / 4);
    let expected = full * 27 * 5 + half * 45 * 7 + half * 7 * 7 + full * 108 * 4;
    assert_eq!(pass.flops(), expected as u64);
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let (net, params) = Net::new();
    let mut pass = Pass::eval(&params, Algorithms::Exact);
    let dims = Dims { c: 4, ..DIMS };
    let x = pass.input(dims, Buffer::zeros(dims.len()), InputGradient::Skipped);
    let error = net.forward(&mut pass, &x).unwrap_err().to_string();
    assert!(error.contains("stem") && error.contains("expected 3") && error.contains("got 4"), "{error}");
}
