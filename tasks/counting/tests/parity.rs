//! The full-size network against PyTorch: outputs, every gradient, running statistics, and short trainings with and without WRS.
//!
//! The goldens come from the references' scripts, whose arithmetic is f64; the command that made each stands in its
//! metadata (of the `.safetensors`) or its `args` (of the curves).  At 75x101 every pooling drops a row or a column,
//! and no pre-activation lies so near its kink that a rounding bends a gradient (at 75x109 one of the fifth layer of the back end
//! does: 1e-3 of its norm's gradients).
//!
//! The curves' learning rates are small, so that a loss tells a wrong formula from a rounding: with Adam at 1e-4, parameters
//! changed by half a unit in the last place moved the third loss by 8e-4 in f64, more than PyTorch's f32 runs were off; at
//! 2e-6, changed by fifty such units, by 6e-5.  With and without WRS it differs by 6e-2.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests

use std::path::{Path, PathBuf};

use wrs_counting::model::CsrNet;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_golden::{Network, Report, judge_curve, judge_parity};
use wrs_ops::conv::Algorithms;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn network() -> Network {
    let (net, params) = CsrNet::reference();
    Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?])) }
}

fn assert_holds(report: &Report) {
    println!("{report}");
    assert!(report.passes(), "{report}");
}

#[test]
fn outputs_gradients_and_statistics_are_pytorchs() {
    let network = network();
    let tensors = network.params.iter().len();
    let report = judge_parity(network, &golden("csrnet_75x101.safetensors"), Algorithms::Exact).unwrap();
    assert_holds(&report);
    // The golden speaks of every tensor of ours (and the input), so the two lists of names are one.
    let judged = report.findings.iter().filter(|f| f.group == "grad.norm" || f.group == "stats").count();
    assert_eq!(judged, tensors + 1);
}

#[test]
fn the_fast_kernels_keep_to_their_rule() {
    assert_holds(&judge_parity(network(), &golden("csrnet_64x96.safetensors"), Algorithms::Fast).unwrap());
}

#[test]
fn trainings_follow_pytorchs() {
    for curve in ["csrnet_adam_wrs.json", "csrnet_sgd_literal.json", "csrnet_sgd.json"] {
        assert_holds(&judge_curve(network(), &golden(curve), Algorithms::Exact).unwrap());
    }
}

#[test]
#[ignore = "takes a quarter of a minute: every golden by both families of kernels"]
fn every_golden_holds_by_both_families_of_kernels() {
    for algorithms in [Algorithms::Exact, Algorithms::Fast] {
        for size in ["75x101", "64x96"] {
            assert_holds(&judge_parity(network(), &golden(&format!("csrnet_{size}.safetensors")), algorithms).unwrap());
        }
        for curve in ["adam_wrs", "sgd_literal", "sgd"] {
            assert_holds(&judge_curve(network(), &golden(&format!("csrnet_{curve}.json")), algorithms).unwrap());
        }
    }
}

/// The judge is worth something only if it can say no: the back end with other dilations, whose tensors are the same.
#[test]
fn a_network_that_differs_is_found_out() {
    let config = ModelConfig {
        backend: Backend::C,
        batch_norm: true,
        conv_bias: true,
        head: HeadActivation::None,
        width: 1.0,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    };
    let (net, params) = CsrNet::new(&config, 0);
    let network = Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?])) };
    let report = judge_parity(network, &golden("csrnet_64x96.safetensors"), Algorithms::Fast).unwrap();
    assert!(!report.passes(), "{report}");
}
