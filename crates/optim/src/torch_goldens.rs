//! Five steps of each optimizer against PyTorch's.
//!
//! Made with torch 2.15.0, f64, the gradients `G` and two groups, the second without decay and at another learning rate:
//!
//! ```python
//! import torch
//! G = [[0.5, -1.0, 2.0], [-0.25, 0.75, 1.5], [1.0, 0.0, -0.5], [0.125, -2.0, 0.25], [-1.5, 1.0, 0.5]]
//! def run(make):
//!     a = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
//!     b = torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
//!     o = make([{"params": [a]}, {"params": [b], "weight_decay": 0.0, "lr": 0.02}])
//!     for g in G:
//!         a.grad = torch.tensor(g[:2], dtype=torch.float64); b.grad = torch.tensor(g[2:], dtype=torch.float64)
//!         o.step()
//!     print(torch.cat([a, b]).tolist())
//! S, A, W = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
//! run(lambda p: S(p, lr=0.1, momentum=0.9, weight_decay=0.05))
//! run(lambda p: S(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True))
//! run(lambda p: S(p, lr=0.1, weight_decay=0.05))
//! run(lambda p: A(p, lr=0.1, betas=(0.8, 0.95), weight_decay=0.05))
//! run(lambda p: W(p, lr=0.1, betas=(0.8, 0.95), weight_decay=0.05))
//! ```

use wrs_nn::{Gradients, Init, ParamsBuilder, Role};

use crate::{AdamConfig, Group, GroupStep, Groups, OptimizerConfig, StepSettings, Warming};

const G: [[f32; 3]; 5] =
    [[0.5, -1.0, 2.0], [-0.25, 0.75, 1.5], [1.0, 0.0, -0.5], [0.125, -2.0, 0.25], [-1.5, 1.0, 0.5]];

/// Ours are f32 over five steps of values around 1.
const TOLERANCE: f64 = 5e-7;

const ADAM: AdamConfig = AdamConfig { beta1: 0.8, beta2: 0.95, eps: 1e-8 };

fn sgd(momentum: f64, nesterov: bool) -> OptimizerConfig {
    OptimizerConfig::Sgd { momentum, nesterov }
}

fn assert_golden(config: OptimizerConfig, expected: [f64; 3]) {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    let a = root.add("a", Role::LinearWeight, &[2, 1], Init::Constant(1.0));
    let b = root.add("b", Role::Bias, &[1], Init::Constant(0.5));
    let mut params = builder.build(0);
    params.values_mut(a)[1] = -2.0;
    let group = |name: &str, id, warming| Group {
        name: name.to_owned(),
        ids: vec![id],
        lr_scale: 1.0,
        weight_decay: 0.0,
        warming,
    };
    let groups = vec![group("a", a, Warming::Weights), group("b", b, Warming::Biases)];
    let mut optimizer = config.build(Groups::new(&params, groups).unwrap()).unwrap();
    let settings = StepSettings {
        groups: vec![GroupStep { lr: 0.1, weight_decay: 0.05 }, GroupStep { lr: 0.02, weight_decay: 0.0 }],
        momentum: config.momentum(),
        epoch: 0,
    };
    let mut gradients = Gradients::new(&params);
    for g in G {
        gradients.finish().host_mut().copy_from_slice(&g);
        optimizer.step(&mut params, &mut gradients, &settings).unwrap();
    }
    assert_eq!(optimizer.steps(), 5);
    for (got, expected) in params.trainable().host().iter().zip(expected) {
        assert!((f64::from(*got) - expected).abs() < TOLERANCE, "{config:?}: expected {expected}, got {got}");
    }
}

#[test]
fn sgd_with_coupled_decay() {
    assert_golden(sgd(0.0, false), [0.989_428_149_965_625, -1.827_363_171_806_25, 0.425]);
}

#[test]
fn sgd_with_momentum() {
    assert_golden(sgd(0.9, false), [0.676_626_604_715_624_9, -1.444_683_018_806_249_8, 0.240_626]);
}

#[test]
fn sgd_with_nesterov_momentum() {
    assert_golden(sgd(0.9, true), [0.704_149_231_118_066, -1.334_587_772_323_319_3, 0.191_563_400_000_000_02]);
}

#[test]
fn adam_with_coupled_decay() {
    let expected = [0.750_431_219_963_701_4, -1.784_450_852_058_15, 0.428_873_237_852_964_7];
    assert_golden(OptimizerConfig::Adam(ADAM), expected);
}

#[test]
fn adamw_with_decoupled_decay() {
    let expected = [0.752_345_562_899_919_9, -1.774_103_158_215_653, 0.428_873_237_852_964_7];
    assert_golden(OptimizerConfig::Adamw(ADAM), expected);
}
