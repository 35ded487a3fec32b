//! ResNets against torchvision's: outputs of every stage, gradients, running statistics.
//!
//! The goldens come from the references' `parity.py`, whose arithmetic is f64, given torchvision's networks and the outputs of
//! their four stages; the command that made each stands in its metadata.  `resnet50_narrow` is torchvision's ResNet-50 with an
//! eighth of every layer's channels, output stride 16 and multi-grid (1, 2, 4).

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests

use std::path::Path;

use wrs_backbones::{Backbone, OutputStride, ResNet, ResNetConfig, ResNetDepth};
use wrs_golden::{Network, judge_parity};
use wrs_nn::ParamsBuilder;
use wrs_ops::conv::Algorithms;

fn narrow50() -> ResNetConfig {
    let (output_stride, multi_grid) = (OutputStride::Sixteen, Some([1, 2, 4]));
    ResNetConfig { output_stride, multi_grid, width: 0.125, ..ResNetConfig::new(ResNetDepth::R50) }
}

fn network(config: &ResNetConfig) -> Network {
    let mut builder = ParamsBuilder::new();
    let net = ResNet::new(&mut builder.root(), config);
    Network { params: builder.build(0), forward: Box::new(move |pass, x| net.forward(pass, x)) }
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn assert_parity(config: &ResNetConfig, name: &str) {
    for algorithms in [Algorithms::Exact, Algorithms::Fast] {
        let network = network(config);
        let tensors = network.params.iter().len();
        let report = judge_parity(network, &golden(name), algorithms).unwrap();
        println!("{report}");
        assert!(report.passes(), "{report}");
        // The golden speaks of every tensor of ours (and the input), so the two lists of names are one.
        let judged = report.findings.iter().filter(|f| f.group == "grad.norm" || f.group == "stats").count();
        assert_eq!(judged, tensors + 1);
    }
}

#[test]
fn resnet18_is_torchvisions() {
    assert_parity(&ResNetConfig::new(ResNetDepth::R18), "resnet18_65x49.safetensors");
}

#[test]
fn a_narrow_resnet50_with_dilation_and_multi_grid_is_torchvisions() {
    assert_parity(&narrow50(), "resnet50_narrow_67x49.safetensors");
}

/// The judge is worth something only if it can say no.
#[test]
fn other_dilations_are_found_out() {
    let config = ResNetConfig { multi_grid: None, ..narrow50() };
    let path = golden("resnet50_narrow_67x49.safetensors");
    assert!(!judge_parity(network(&config), &path, Algorithms::Exact).unwrap().passes());
}
