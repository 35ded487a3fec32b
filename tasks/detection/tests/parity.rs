//! The full-size network against PyTorch: outputs, every gradient, running statistics, and a short training with WRS.
//!
//! The goldens come from the references' scripts, whose arithmetic is f64; the command that made each stands in its
//! metadata (of `yolov3_64x96.safetensors`) or its `args` (of the curves), whose learning rates are small: at larger ones
//! PyTorch's own f32 losses are percents off after three steps, and judge nothing.  `yolov3_sgd_wrs` is that far off even so
//! in training; its losses in evaluation and its norms are sharp.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests

use std::path::{Path, PathBuf};

use wrs_detection::model::YoloV3;
use wrs_golden::{Network, Report, judge_curve, judge_parity};
use wrs_ops::conv::Algorithms;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn network() -> Network {
    let (net, params) = YoloV3::reference();
    Network { params, forward: Box::new(move |pass, x| net.forward(pass, x)) }
}

fn assert_holds(report: &Report) {
    println!("{report}");
    assert!(report.passes(), "{report}");
}

#[test]
fn outputs_gradients_and_statistics_are_pytorchs() {
    assert_holds(&judge_parity(network(), &golden("yolov3_64x96.safetensors"), Algorithms::Exact).unwrap());
}

#[test]
fn trainings_with_rescaling_follow_pytorchs() {
    for curve in ["yolov3_sgd_wrs.json", "yolov3_adamw_wrs.json", "yolov3_sgd_literal.json"] {
        assert_holds(&judge_curve(network(), &golden(curve), Algorithms::Exact).unwrap());
    }
}

#[test]
fn the_fast_kernels_keep_to_their_rule() {
    assert_holds(&judge_parity(network(), &golden("yolov3_64x96.safetensors"), Algorithms::Fast).unwrap());
    assert_holds(&judge_curve(network(), &golden("yolov3_adamw_wrs.json"), Algorithms::Fast).unwrap());
}

/// The judge is worth something only if it can say no.
#[test]
fn a_network_that_differs_is_found_out() {
    let (net, params) = YoloV3::reference();
    // Gives two outputs in the wrong order.
    let skewed = move |pass: &mut wrs_nn::Pass<'_>, x: &wrs_nn::Value| {
        let mut outputs = net.forward(pass, x)?;
        outputs.swap(0, 1);
        Ok(outputs)
    };
    let network = Network { params, forward: Box::new(skewed) };
    let judged = judge_parity(network, &golden("yolov3_64x96.safetensors"), Algorithms::Exact);
    assert!(judged.map_or(true, |report| !report.passes()));
}
