//! Our parts in plain candle programs: a backbone as a [`ModuleT`] under a candle head, and weight rescaling around one of candle's
//! optimizers.
//!
//! `cargo run --release --example candle [-- WEIGHTS]`, the weights being torchvision's resnet18 or of its names (`.pth` or
//! safetensors); without them the backbone's filters are random, which is enough to tell stripes from their turns.

#![allow(clippy::print_stdout)]

use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::ensure;
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{
    AdamW, BatchNorm, Conv2dConfig, Module, ModuleT, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss, ops,
};
use wrs_backbones::{Features, ResNet, ResNetConfig, ResNetDepth};
use wrs_nn::ParamsBuilder;
use wrs_ops::rng::Rng;
use wrs_optim::{CandleFilter, CandleWrs};
use wrs_weights::{Strictness, load_into};

const SIDE: usize = 64;
const PICTURES: usize = 32;

fn main() -> anyhow::Result<()> {
    a_head_on_our_backbone(std::env::args_os().nth(1).map(PathBuf::from))?;
    rescaling_in_a_candle_network()
}

/// Stripes that lie and stripes that stand, by turns, in noise: `[N, 3, side, side]` and the classes.
fn stripes(count: usize) -> candle_core::Result<(Tensor, Tensor)> {
    let mut values = Vec::with_capacity(count * 3 * SIDE * SIDE);
    for i in 0..count {
        let mut rng = Rng::new(0, "stripes", 0, i as u64);
        let (phase, period) = (rng.uniform() * 8.0, 6.0 + 6.0 * rng.uniform());
        for _ in 0..3 {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let along = (if i % 2 == 0 { x } else { y }) as f64;
                    values.push(
                        ((along + phase) / period * std::f64::consts::TAU).sin() as f32 + 0.3 * rng.normal() as f32,
                    );
                }
            }
        }
    }
    let classes: Vec<u32> = (0..count).map(|i| (i % 2) as u32).collect();
    Ok((Tensor::from_vec(values, (count, 3, SIDE, SIDE), &Device::Cpu)?, Tensor::new(classes, &Device::Cpu)?))
}

fn accuracy(logits: &Tensor, classes: &Tensor) -> candle_core::Result<f32> {
    logits.argmax(D::Minus1)?.eq(classes)?.to_dtype(DType::F32)?.mean_all()?.to_scalar()
}

fn a_head_on_our_backbone(weights: Option<PathBuf>) -> anyhow::Result<()> {
    let mut builder = ParamsBuilder::new();
    let config = ResNetConfig::new(ResNetDepth::R18);
    let backbone = ResNet::new(&mut builder.root(), &config);
    let mut params = builder.build(0);
    if let Some(path) = weights {
        let report = load_into(&mut params, &path, Strictness::Partial)?;
        println!("{}", report.lines(&path.display().to_string()).join("\n"));
    }
    let features = Features { backbone: &backbone, params: &params };

    let (pictures, classes) = stripes(PICTURES)?;
    let pooled = features.forward_t(&pictures, false)?.mean((2, 3))?; // [N, 512]
    let vars = VarMap::new();
    let head = candle_nn::linear(pooled.dim(1)?, 2, VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
    let mut adam = AdamW::new(head_vars(&vars), ParamsAdamW { lr: 1e-2, ..ParamsAdamW::default() })?;
    for _ in 0..100 {
        adam.backward_step(&loss::cross_entropy(&head.forward(&pooled)?, &classes)?)?;
    }
    let right = accuracy(&head.forward(&pooled)?, &classes)?;
    println!("a candle head on our ResNet-18: {:.0} % of {PICTURES} pictures right", 100.0 * right);
    ensure!(right > 0.9, "expected the head to learn its pictures, got {right}");
    Ok(())
}

/// The head's tensors by name, so that two runs give one result.
fn head_vars(vars: &VarMap) -> Vec<Var> {
    let by_name =
        vars.data().lock().map(|data| data.iter().map(|(name, var)| (name.clone(), var.clone())).collect::<Vec<_>>());
    let mut named = by_name.unwrap_or_default();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named.into_iter().map(|(_, var)| var).collect()
}

/// A small candle network of one convolution behind a batch norm.
struct Small {
    filters: Var,
    norm: BatchNorm,
    head: Var,
}

impl Small {
    fn new() -> candle_core::Result<Self> {
        let normal = |shape: &[usize], purpose| {
            let mut rng = Rng::new(0, purpose, 0, 0);
            let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| 0.2 * rng.normal() as f32).collect();
            Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
        };
        let ones = |value: f32| Tensor::full(value, 8, &Device::Cpu);
        Ok(Self {
            filters: normal(&[8, 3, 3, 3], "filters")?,
            norm: BatchNorm::new(8, ones(0.0)?, ones(1.0)?, ones(1.0)?, ones(0.0)?, 1e-5)?,
            head: normal(&[2, 8], "head")?,
        })
    }

    fn logits(&self, xs: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let config = Conv2dConfig { padding: 1, stride: 2, ..Conv2dConfig::default() };
        let z = candle_nn::Conv2d::new(self.filters.as_tensor().clone(), None, config).forward(xs)?;
        let pooled = self.norm.forward_t(&z, train)?.sqr()?.mean((2, 3))?; // energies, [N, 8]
        pooled.matmul(&self.head.t()?)
    }
}

fn rescaling_in_a_candle_network() -> anyhow::Result<()> {
    let (pictures, classes) = stripes(PICTURES)?;
    let net = Small::new()?;
    let adam = AdamW::new_lr(vec![net.filters.clone(), net.head.clone()], 2e-2)?;
    // The norm's statistics follow each rescale, so evaluation stays what it is.
    let filter = CandleFilter { weight: net.filters.clone(), bias: None, norms: vec![net.norm.clone()] };
    let mut wrs = CandleWrs::wrap(adam, vec![filter], NonZeroU64::MIN)?;
    for _ in 0..60 {
        wrs.backward_step(&loss::cross_entropy(&net.logits(&pictures, true)?, &classes)?)?;
    }
    let norms: Vec<f32> = net.filters.flatten_from(1)?.sqr()?.sum(1)?.sqrt()?.to_vec1()?;
    let right = accuracy(&ops::softmax(&net.logits(&pictures, true)?, D::Minus1)?, &classes)?;
    println!(
        "WRS around candle's AdamW: {:.0} % right, filters of norm {:.6} to {:.6}",
        100.0 * right,
        norms.iter().copied().fold(f32::INFINITY, f32::min),
        norms.iter().copied().fold(0.0, f32::max)
    );
    ensure!(right > 0.9 && norms.iter().all(|norm| (norm - 1.0).abs() < 1e-6), "expected unit norms, got {norms:?}");
    Ok(())
}
