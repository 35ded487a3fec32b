//! Running statistics measured anew.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use wrs_nn::{
    Buffer, Calibration, Conv, ConvBn, ConvBnConfig, ConvConfig, Dims, InputGradient, NnError, NormConfig, Params,
    ParamsBuilder, Pass, SingleValue, Value, dropout,
};
use wrs_ops::Activation;
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

struct Net {
    stem: ConvBn,
    inner: ConvBn,
    head: Conv,
}

impl Net {
    /// A momentum of 1, with which training's rule keeps the last batch alone.
    fn new() -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let config = |conv| ConvBnConfig {
            conv,
            norm: NormConfig { momentum: 1.0, ..NormConfig::default() },
            activation: Activation::LeakyRelu(0.1),
        };
        let stem = ConvBn::new(&mut root.sub("stem"), config(ConvConfig::same(3, 5, 3)));
        let inner = ConvBn::new(&mut root.sub("inner"), config(ConvConfig::same(5, 5, 3)));
        let head = Conv::new(&mut root.sub("head"), ConvConfig::same(5, 4, 1));
        (Self { stem, inner, head }, builder.build(1))
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let stem = self.stem.forward(pass, x)?;
        let inner = self.inner.forward_residual(pass, &stem, &stem)?;
        let inner = dropout(pass, &inner, 0.0, "drop")?;
        self.head.forward(pass, &inner)
    }

    fn run(&self, pass: &mut Pass<'_>, (dims, x): &(Dims, Vec<f32>)) -> Result<Value, NnError> {
        let x = pass.input(*dims, x.clone().into(), InputGradient::Skipped);
        self.forward(pass, &x)
    }

    /// The statistics after a calibration on these batches.
    fn calibrated(&self, params: &Params, batches: &[&(Dims, Vec<f32>)]) -> Params {
        let mut params = params.clone();
        let mut calibration = Calibration::new(&params);
        for batch in batches {
            let mut pass = Pass::calibrate(&params, Algorithms::Exact);
            self.run(&mut pass, batch).unwrap();
            calibration.add(pass).unwrap();
        }
        calibration.finish(&mut params).unwrap();
        params
    }

    /// The statistics that training's rule gives for one batch.
    fn trained(&self, params: &Params, batch: &(Dims, Vec<f32>)) -> Params {
        let mut params = params.clone();
        let mut pass = Pass::train(&params, Algorithms::Exact).with_draws(0, 0);
        self.run(&mut pass, batch).unwrap();
        pass.into_tape().unwrap().update_statistics(&mut params).unwrap();
        params
    }
}

fn batch(n: usize, h: usize, purpose: &str) -> (Dims, Vec<f32>) {
    let dims = Dims { n, h, w: 5, c: 3 };
    let mut rng = Rng::new(5, purpose, 0, 0);
    (dims, (0..dims.len()).map(|_| rng.normal() as f32).collect())
}

/// Rounding of the unbiased variance to f32, once here and twice in training's rule.
const ROUNDING: f32 = 2.5e-7;

fn assert_same(a: &Params, b: &Params, what: &str) {
    for (a, b) in a.statistics().host().iter().zip(b.statistics().host()) {
        assert!((a - b).abs() <= ROUNDING * a.abs(), "{what}: {a} is not {b}");
    }
    assert_eq!(a.trainable().host(), b.trainable().host());
}

#[test]
fn one_batch_gives_its_own_statistics_and_equal_ones_the_same() {
    let (net, params) = Net::new();
    let a = batch(2, 6, "a");
    let once = net.calibrated(&params, &[&a]);
    assert_ne!(once.statistics().host(), params.statistics().host());
    let trained = net.trained(&params, &a);
    assert_same(&once, &trained, "one batch");
    let mean = params.find("inner.bn.running_mean").unwrap();
    assert_eq!(once.values(mean), trained.values(mean));
    assert_eq!(once.statistics().host(), net.calibrated(&params, &[&a; 7]).statistics().host());
}

#[test]
fn batches_are_weighted_by_their_pixels_in_any_order() {
    let (net, params) = Net::new();
    let batches = [batch(2, 6, "a"), batch(1, 4, "b"), batch(3, 7, "c")];
    let [a, b, c] = &batches;
    let got = net.calibrated(&params, &[a, b, c]);
    for order in [[a, c, b], [c, b, a], [b, a, c]] {
        assert_same(&got, &net.calibrated(&params, &order), "order");
    }
    let each: Vec<Params> = batches.iter().map(|batch| net.trained(&params, batch)).collect();
    let pixels: Vec<f64> = batches.iter().map(|(dims, _)| dims.pixels() as f64).collect();
    for (i, got) in got.statistics().host().iter().enumerate() {
        let of = |net: &Params| f64::from(net.statistics().host()[i]);
        let sum: f64 = each.iter().zip(&pixels).map(|(net, pixels)| pixels * of(net)).sum();
        let expected = sum / pixels.iter().sum::<f64>();
        assert!((f64::from(*got) - expected).abs() <= 3e-7 * expected.abs().max(0.1), "{got} is not {expected}");
    }
}

#[test]
fn a_calibrating_pass_computes_what_training_does_and_keeps_no_activation() {
    let (net, params) = Net::new();
    let a = batch(2, 6, "a");
    let mut pass = Pass::calibrate(&params, Algorithms::Exact);
    let calibrating = net.run(&mut pass, &a).unwrap();
    let mut training = Pass::train(&params, Algorithms::Exact).with_draws(0, 0);
    assert_eq!(calibrating.buffer().host(), net.run(&mut training, &a).unwrap().buffer().host());
    assert!(matches!(pass.into_tape(), Err(NnError::NotTraining)));
    assert!(matches!(Calibration::new(&params).add(training), Err(NnError::NotCalibrating)));
}

#[test]
fn a_norm_that_only_single_values_reached_keeps_its_statistics() {
    let mut builder = ParamsBuilder::new();
    let config =
        ConvBnConfig { conv: ConvConfig::same(3, 4, 1), norm: NormConfig::default(), activation: Activation::Identity };
    let layer = ConvBn::new(&mut builder.root(), config).with_single_value(SingleValue::RunningStatistics);
    let params = builder.build(0);
    let calibrated = |batches: &[usize]| {
        let (mut calibration, mut params) = (Calibration::new(&params), params.clone());
        for &n in batches {
            let dims = Dims { n, h: 1, w: 1, c: 3 };
            let mut pass = Pass::calibrate(&params, Algorithms::Exact);
            let x: Vec<f32> = (0..dims.len()).map(|i| (i * i % 7) as f32).collect();
            let x = pass.input(dims, x.into(), InputGradient::Skipped);
            layer.forward(&mut pass, &x).unwrap();
            calibration.add(pass).unwrap();
        }
        calibration.finish(&mut params).unwrap();
        params.statistics().host().to_vec()
    };
    assert_eq!(calibrated(&[1, 1]), params.statistics().host());
    assert_ne!(calibrated(&[3]), params.statistics().host());
    assert_eq!(calibrated(&[1, 3, 1]), calibrated(&[3]));
}

#[test]
fn frozen_norms_are_left_and_norms_without_a_batch_are_named() {
    let (net, mut params) = Net::new();
    params.freeze("inner");
    let a = batch(2, 6, "a");
    let after = net.calibrated(&params, &[&a]);
    let same = |name: &str| after.values(after.find(name).unwrap()) == params.values(params.find(name).unwrap());
    assert!(same("inner.bn.running_mean") && same("inner.bn.running_var"));
    assert!(!same("stem.bn.running_mean") && !same("stem.bn.running_var"));

    let before = params.clone();
    let error = Calibration::new(&params).finish(&mut params).unwrap_err();
    assert!(error.to_string().contains("stem.bn.running_mean"), "{error}");
    assert_eq!(params.statistics().host(), before.statistics().host());

    let mut other = ParamsBuilder::new().build(0);
    assert!(matches!(Calibration::new(&before).finish(&mut other), Err(NnError::Shape { .. })));
    let mut pass = Pass::calibrate(&before, Algorithms::Exact);
    net.run(&mut pass, &a).unwrap();
    assert!(matches!(Calibration::new(&other).add(pass), Err(NnError::Shape { .. })));
    let mut plan = Pass::plan(&before);
    let x = plan.input(a.0, Buffer::default(), InputGradient::Skipped);
    net.forward(&mut plan, &x).unwrap();
    assert!(matches!(Calibration::new(&before).add(plan), Err(NnError::NotCalibrating)));
}
