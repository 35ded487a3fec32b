//! A few optimizer steps against stored f64 PyTorch losses, with and without WRS.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;

use serde::Deserialize;
use wrs_nn::{Buffer, Dims, Gradients, InputGradient, Params, Pass, Role, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rows::row_norms;
use wrs_optim::schedule::Curve;
use wrs_optim::{
    AdamConfig, DecayScope, Groups, OptimizerConfig, RunLength, Schedule, Select, StepSettings, Wrs, WrsConfig,
};

use crate::parity::from_nchw;
use crate::rule::{Finding, Quantity, Report, Strictness};
use crate::{GoldenError, Network, fill, uniform};

/// Filter norms, where a rescale came last: they are then 1.
const RESCALED_NORM_BOUND: f64 = 1e-5;

/// Filter norms otherwise.
const NORM_BOUND: f64 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    args: Settings,
    train: Vec<f64>,
    eval: Vec<f64>,
    norms: BTreeMap<String, f64>,
    f32_error: Errors,
}

#[derive(Deserialize)]
struct Errors {
    train: Vec<f64>,
    eval: Vec<f64>,
}

#[derive(Deserialize)]
struct Settings {
    model: String,
    batch: usize,
    height: usize,
    width: usize,
    steps: usize,
    optimizer: Kind,
    momentum: f64,
    nesterov: bool,
    lr: f64,
    decay: f64,
    tau: u64,
    literal: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sgdm,
    Adam,
    Adamw,
}

impl Settings {
    /// PyTorch's optimizer of that name, with its defaults.
    fn optimizer(&self) -> OptimizerConfig {
        let adam = AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
        match self.optimizer {
            Kind::Sgdm => OptimizerConfig::Sgd { momentum: self.momentum, nesterov: self.nesterov },
            Kind::Adam => OptimizerConfig::Adam(adam),
            Kind::Adamw => OptimizerConfig::Adamw(adam),
        }
    }

    fn wrs(&self) -> Option<WrsConfig> {
        let tau = NonZeroU64::new(self.tau)?;
        let (select, literal) = (Select::Filters, self.literal);
        Some(WrsConfig { tau, select, literal, rescale_at_start: false, angles: false, active: None })
    }

    /// Ours: a constant rate, decay on everything but the rescaled weights.
    fn step(&self, groups: &Groups) -> StepSettings {
        let schedule = Schedule { curve: Curve::Constant, warm_up: None };
        let length = RunLength { steps: self.steps as u64, steps_per_epoch: NonZeroU64::MIN };
        groups.settings(self.lr, self.optimizer().momentum(), &schedule.at(0, length), 0)
    }
}

/// The name of the network that a golden curve speaks of.
///
/// # Errors
/// [`GoldenError::File`] when the file cannot be read.
pub fn curve_model(path: &Path) -> Result<String, GoldenError> {
    Ok(read(path)?.args.model)
}

fn read(path: &Path) -> Result<Golden, GoldenError> {
    let fail = |reason: String| GoldenError::File { path: path.display().to_string(), reason };
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))
}

/// Trains a network as a golden curve says, and judges every loss and the final filter norms.
///
/// # Errors
/// [`GoldenError`] when the file cannot be read or describes another network.
pub fn judge_curve(mut network: Network, path: &Path, algorithms: Algorithms) -> Result<Report, GoldenError> {
    let golden = read(path)?;
    fill(&mut network.params);
    let (train, eval) = run(&mut network, &golden.args, algorithms)?;
    let mut report = Report::default();
    let curves = [("train", train, &golden.train, &golden.f32_error.train)];
    for (group, ours, exact, own) in curves.into_iter().chain([("eval", eval, &golden.eval, &golden.f32_error.eval)]) {
        for (step, ((ours, exact), own)) in ours.iter().zip(exact).zip(own).enumerate() {
            let bound = strictness(algorithms).bound(Quantity::Output, *own);
            report.findings.push(finding(group, format!("{group}.{step}"), *ours, *exact, bound));
        }
    }
    let rescaled_last = golden.args.tau > 0 && (golden.args.steps as u64).is_multiple_of(golden.args.tau);
    let bound = if rescaled_last { RESCALED_NORM_BOUND } else { NORM_BOUND };
    let norms = filter_norms(&network.params);
    for (name, exact) in &golden.norms {
        let ours = norms.get(name).ok_or_else(|| GoldenError::Mismatch(format!("no filter is called `{name}`")))?;
        report.findings.push(finding("norms", name.clone(), *ours, *exact, bound));
    }
    Ok(report)
}

fn strictness(algorithms: Algorithms) -> Strictness {
    match algorithms {
        Algorithms::Exact => Strictness::Exact,
        Algorithms::Fast => Strictness::Fast,
    }
}

fn finding(group: &str, key: String, ours: f64, exact: f64, bound: f64) -> Finding {
    Finding { key, group: group.to_owned(), error: (ours - exact).abs() / exact.abs(), bound }
}

/// The loss before each step, and in evaluation mode after it.
fn run(
    network: &mut Network,
    settings: &Settings,
    algorithms: Algorithms,
) -> Result<(Vec<f64>, Vec<f64>), GoldenError> {
    let wrs = settings.wrs();
    let rescaled = wrs.as_ref().map_or_else(Vec::new, |w| w.select.tensors(&network.params));
    let groups = Groups::by_role(&network.params, DecayScope::All, settings.decay, &rescaled)?;
    let step = settings.step(&groups);
    let mut optimizer = settings.optimizer().build(groups)?;
    if let Some(config) = wrs {
        optimizer = Box::new(Wrs::new(optimizer, &network.params, config)?);
    }
    let dims = Dims { n: settings.batch, h: settings.height, w: settings.width, c: 3 };
    let input: Buffer = from_nchw(&uniform("input", dims.len()), dims).into();
    let mut gradients = Gradients::new(&network.params);
    let (mut train, mut eval) = (Vec::new(), Vec::new());
    for _ in 0..settings.steps {
        let mut pass = Pass::train(&network.params, algorithms);
        let x = pass.input(dims, input.clone(), InputGradient::Skipped);
        let outputs = (network.forward)(&mut pass, &x)?;
        let mut tape = pass.into_tape()?;
        let (loss, seeds) = mean_squares(outputs);
        train.push(loss);
        tape.update_statistics(&mut network.params)?;
        gradients.reset();
        tape.backward(&network.params, seeds, &mut gradients, None)?;
        optimizer.step(&mut network.params, &mut gradients, &step)?;
        let mut pass = Pass::eval(&network.params, algorithms);
        let x = pass.input(dims, input.clone(), InputGradient::Skipped);
        eval.push(mean_squares((network.forward)(&mut pass, &x)?).0);
    }
    Ok((train, eval))
}

/// `sum_k mean((out_k - target_k)^2)` and its gradient by each output.
fn mean_squares(outputs: Vec<Value>) -> (f64, Vec<(Value, Buffer)>) {
    let (mut loss, mut seeds) = (0.0, Vec::new());
    for (k, out) in outputs.into_iter().enumerate() {
        let target = from_nchw(&uniform(&format!("target.{k}"), out.dims().len()), out.dims());
        let n = target.len() as f64;
        let values = out.buffer().host().iter().zip(&target);
        let differences: Vec<f64> = values.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
        loss += differences.iter().map(|d| d * d).sum::<f64>() / n;
        let gradient: Vec<f32> = differences.iter().map(|d| (2.0 * d / n) as f32).collect();
        seeds.push((out, gradient.into()));
    }
    (loss, seeds)
}

/// For each convolution before a norm, the dot product of its filter norms with a probe.
fn filter_norms(params: &Params) -> BTreeMap<String, f64> {
    let mut norms = BTreeMap::new();
    for filter in params.filters() {
        let p = params.get(filter.weight);
        debug_assert_eq!(p.role, Role::ConvWeight);
        let name = p.name.trim_end_matches(".weight").to_owned();
        let mut rows = vec![0.0; p.shape[0]];
        let row_len = p.shape[1..].iter().product();
        if row_norms(params.values(filter.weight), row_len, &mut rows).is_ok() {
            let probe = uniform(&format!("norms.{name}"), rows.len());
            norms.insert(name, rows.iter().zip(&probe).map(|(n, p)| n * f64::from(*p)).sum());
        }
    }
    norms
}
