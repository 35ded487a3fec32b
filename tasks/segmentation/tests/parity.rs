//! The full-size network against PyTorch: outputs, every gradient, running statistics, and a short training with WRS.
//!
//! The goldens come from the references' scripts, whose arithmetic is f64; the command that made each stands in its
//! metadata (of `deeplabv3_81x113.safetensors` and `deeplabv3_64x96.safetensors`) or its `args` (of the curves).

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests

use std::path::{Path, PathBuf};

use wrs_golden::{Network, Report, judge_curve, judge_parity};
use wrs_nn::{Corners, Pass, Value, resize_bilinear};
use wrs_ops::conv::Algorithms;
use wrs_segmentation::model::DeepLabV3;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn network() -> Network {
    let (net, params) = DeepLabV3::reference();
    Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?.logits])) }
}

fn assert_holds(report: &Report) {
    println!("{report}");
    assert!(report.passes(), "{report}");
}

#[test]
fn outputs_gradients_and_statistics_are_pytorchs() {
    assert_holds(&judge_parity(network(), &golden("deeplabv3_81x113.safetensors"), Algorithms::Exact).unwrap());
}

#[test]
fn the_fast_kernels_keep_to_their_rule() {
    assert_holds(&judge_parity(network(), &golden("deeplabv3_64x96.safetensors"), Algorithms::Fast).unwrap());
}

#[test]
fn trainings_with_rescaling_follow_pytorchs() {
    for curve in ["deeplabv3_adamw_wrs.json", "deeplabv3_sgd_literal.json"] {
        assert_holds(&judge_curve(network(), &golden(curve), Algorithms::Exact).unwrap());
    }
}

#[test]
#[ignore = "takes half a minute: every golden by both families of kernels"]
fn every_golden_holds_by_both_families_of_kernels() {
    for algorithms in [Algorithms::Exact, Algorithms::Fast] {
        for size in ["81x113", "64x96"] {
            let golden = golden(&format!("deeplabv3_{size}.safetensors"));
            assert_holds(&judge_parity(network(), &golden, algorithms).unwrap());
        }
        for curve in ["adamw_wrs", "sgd_literal"] {
            let golden = golden(&format!("deeplabv3_{curve}.json"));
            assert_holds(&judge_curve(network(), &golden, algorithms).unwrap());
        }
    }
}

/// The judge is worth something only if it can say no: logits that grow from the centres of the corner pixels.
#[test]
fn a_network_that_differs_is_found_out() {
    let (net, params) = DeepLabV3::reference();
    let skewed = move |pass: &mut Pass<'_>, x: &Value| {
        let low = net.forward_low(pass, x)?;
        Ok(vec![resize_bilinear(pass, &low, [x.dims().h, x.dims().w], Corners::Centres)?])
    };
    let network = Network { params, forward: Box::new(skewed) };
    let report = judge_parity(network, &golden("deeplabv3_81x113.safetensors"), Algorithms::Fast).unwrap();
    assert!(!report.passes(), "{report}");
}
