//! One training step and one evaluation against stored f64 PyTorch numbers.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use wrs_nn::{Buffer, Dims, Gradients, InputGradient, Pass, Tape, Value};
use wrs_ops::conv::Algorithms;
use wrs_weights::to_file;

use crate::rule::{Finding, Quantity, Report, Strictness};
use crate::{GoldenError, Network, fill, uniform};

/// Gradient norms are compared against at least this share of the largest one.
const GRADIENT_FLOOR: f64 = 1e-4;

/// Judges a network against a golden file of outputs, gradients and running statistics.
///
/// The network is filled by name; whatever keys the file holds are compared, and a key this cannot compute is an error.
///
/// # Errors
/// [`GoldenError`] when the file cannot be read or describes another network.
pub fn judge_parity(mut network: Network, path: &Path, algorithms: Algorithms) -> Result<Report, GoldenError> {
    let golden = Golden::read(path)?;
    fill(&mut network.params);
    let ours = Computed::run(&mut network, golden.input, algorithms)?;
    let strictness = match algorithms {
        Algorithms::Exact => Strictness::Exact,
        Algorithms::Fast => Strictness::Fast,
    };
    let mut report = Report::default();
    for (key, expected) in &golden.values {
        let (group, quantity, error) = ours.error(key, expected, &golden)?;
        let own = golden.f32_errors.get(key).copied().unwrap_or(0.0);
        let bound = strictness.bound(quantity, own);
        report.findings.push(Finding { key: key.clone(), group: group.to_owned(), error, bound });
    }
    Ok(report)
}

struct Golden {
    input: Dims,
    values: BTreeMap<String, Vec<f64>>,
    f32_errors: BTreeMap<String, f64>,
    gradient_floor: f64,
}

impl Golden {
    fn read(path: &Path) -> Result<Self, GoldenError> {
        let fail = |reason: String| GoldenError::File { path: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| fail(e.to_string()))?;
        let settings = header.metadata().clone().unwrap_or_default();
        let number = |key: &str| {
            let text = settings.get(key).ok_or_else(|| fail(format!("metadata lacks `{key}`")))?;
            text.parse::<usize>().map_err(|e| fail(format!("metadata `{key}`: {e}")))
        };
        let input = Dims { n: number("batch")?, h: number("height")?, w: number("width")?, c: 3 };
        let (mut values, mut f32_errors) = (BTreeMap::new(), BTreeMap::new());
        let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(e.to_string()))?;
        for (key, tensor) in file.tensors() {
            let numbers: Vec<f64> = tensor
                .data()
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect();
            match key.strip_prefix("f32.") {
                Some(of) => f32_errors.insert(of.to_owned(), numbers.first().copied().unwrap_or(0.0)),
                None => values.insert(key, numbers).map(|_| 0.0),
            };
        }
        let largest = values.iter().filter(|(k, _)| k.starts_with("grad.norm.")).map(|(_, v)| v[0]).fold(0.0, f64::max);
        Ok(Self { input, values, f32_errors, gradient_floor: GRADIENT_FLOOR * largest })
    }
}

/// Everything the goldens speak of, in PyTorch's order.
struct Computed {
    outputs: BTreeMap<&'static str, Vec<Vec<f32>>>,
    gradients: BTreeMap<String, Vec<f32>>,
    statistics: BTreeMap<String, Vec<f32>>,
}

impl Computed {
    fn run(network: &mut Network, dims: Dims, algorithms: Algorithms) -> Result<Self, GoldenError> {
        let input = from_nchw(&uniform("input", dims.len()), dims);
        let mut pass = Pass::eval(&network.params, algorithms);
        let x = pass.input(dims, input.clone().into(), InputGradient::Skipped);
        let evaluated = (network.forward)(&mut pass, &x)?;
        let mut pass = Pass::train(&network.params, algorithms);
        let x = pass.input(dims, input.into(), InputGradient::Wanted);
        let trained = (network.forward)(&mut pass, &x)?;
        let tape = pass.into_tape()?;
        let outputs = BTreeMap::from([("eval", nchw(&evaluated)), ("train", nchw(&trained))]);
        let (gradients, statistics) = Self::backward(network, tape, trained, &x)?;
        Ok(Self { outputs, gradients, statistics })
    }

    #[allow(clippy::type_complexity)] // two maps by name, used once
    fn backward(
        network: &mut Network,
        mut tape: Tape,
        outputs: Vec<Value>,
        x: &Value,
    ) -> Result<(BTreeMap<String, Vec<f32>>, BTreeMap<String, Vec<f32>>), GoldenError> {
        tape.update_statistics(&mut network.params)?;
        let mut seeds: Vec<(Value, Buffer)> = Vec::new();
        for (k, out) in outputs.into_iter().enumerate() {
            let cotangent = from_nchw(&uniform(&format!("cotangent.{k}"), out.dims().len()), out.dims());
            seeds.push((out, cotangent.into()));
        }
        let mut sum = Gradients::new(&network.params);
        let gx = tape.backward(&network.params, seeds, &mut sum, Some(x))?;
        let flat = sum.finish();
        let (mut gradients, mut statistics) = (BTreeMap::new(), BTreeMap::new());
        for (id, p) in network.params.iter() {
            if p.role.is_trainable() {
                gradients.insert(p.name.clone(), to_file(p, &flat.host()[p.range.clone()]).into_owned());
            } else {
                statistics.insert(p.name.clone(), network.params.values(id).to_vec());
            }
        }
        let gx = gx.ok_or_else(|| GoldenError::Mismatch("no gradient reached the input".into()))?;
        gradients.insert("input".to_owned(), to_nchw(gx.host(), x.dims()));
        Ok((gradients, statistics))
    }

    /// The group, kind and error of one key, as the golden's script defines them.
    fn error(
        &self,
        key: &str,
        expected: &[f64],
        golden: &Golden,
    ) -> Result<(&'static str, Quantity, f64), GoldenError> {
        let unknown = || GoldenError::Mismatch(format!("the golden holds `{key}`, which this network has not"));
        let exact = expected[0];
        if let Some(name) = key.strip_prefix("grad.norm.") {
            let ours = norm(self.gradients.get(name).ok_or_else(unknown)?);
            let error = (ours - exact).abs() / exact.max(golden.gradient_floor);
            return Ok(("grad.norm", Quantity::Gradient, error));
        }
        if let Some(name) = key.strip_prefix("grad.dot.") {
            let ours = self.gradients.get(name).ok_or_else(unknown)?;
            let probe = uniform(&format!("probe.{name}"), ours.len());
            let of = golden.values.get(&format!("grad.norm.{name}")).ok_or_else(unknown)?[0];
            let scale = of.max(golden.gradient_floor) * norm(&probe);
            return Ok(("grad.dot", Quantity::Gradient, (dot(ours, &probe) - exact).abs() / scale));
        }
        if let Some(name) = key.strip_prefix("stats.") {
            let ours = self.statistics.get(name).ok_or_else(unknown)?;
            return Ok(("stats", Quantity::Output, largest_error(ours, expected)));
        }
        for (mode, group) in [("eval", "eval.out"), ("train", "train.out")] {
            let Some(rest) = key.strip_prefix(group).and_then(|r| r.strip_prefix('.')) else { continue };
            let (form, k) = rest.rsplit_once('.').unwrap_or(("", rest));
            let ours = k.parse().ok().and_then(|k: usize| self.outputs[mode].get(k)).ok_or_else(unknown)?;
            let error = match form {
                "norm" => (norm(ours) - exact).abs() / exact,
                "dot" => {
                    let probe = uniform(&format!("probe.out.{k}"), ours.len());
                    let of = golden.values.get(&format!("{group}.norm.{k}")).ok_or_else(unknown)?[0];
                    (dot(ours, &probe) - exact).abs() / (of * norm(&probe))
                }
                _ => largest_error(ours, expected),
            };
            return Ok((group, Quantity::Output, error));
        }
        Err(unknown())
    }
}

fn norm(values: &[f32]) -> f64 {
    dot(values, values).sqrt()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// max |a - b| / max |b|; infinite when sizes differ or a number is not finite.
fn largest_error(ours: &[f32], exact: &[f64]) -> f64 {
    let scale = exact.iter().fold(0.0, |m: f64, b| m.max(b.abs()));
    if ours.len() != exact.len() || ours.iter().any(|a| !a.is_finite()) {
        return f64::INFINITY;
    }
    ours.iter().zip(exact).fold(0.0, |m: f64, (a, b)| m.max((f64::from(*a) - b).abs())) / scale
}

fn nchw(outputs: &[Value]) -> Vec<Vec<f32>> {
    outputs.iter().map(|v| to_nchw(v.buffer().host(), v.dims())).collect()
}

/// `[N, H, W, C]` to `[N, C, H, W]`.
pub(crate) fn to_nchw(values: &[f32], d: Dims) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for image in values.chunks(d.h * d.w * d.c) {
        for c in 0..d.c {
            out.extend(image.iter().skip(c).step_by(d.c));
        }
    }
    out
}

/// `[N, C, H, W]` to `[N, H, W, C]`.
pub(crate) fn from_nchw(values: &[f32], d: Dims) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for image in values.chunks(d.h * d.w * d.c) {
        for pixel in 0..d.h * d.w {
            out.extend(image.iter().skip(pixel).step_by(d.h * d.w));
        }
    }
    out
}
