//! Judges our optimizers, schedules and WRS against a golden training curve of the PyTorch references.
//!
//! `cargo run --release --example curve -- CURVE.json [--exact]`; exits 7 when the rule is broken.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use wrs_counting::model::CsrNet;
use wrs_detection::model::YoloV3;
use wrs_golden::{Network, curve_model, judge_curve};
use wrs_ops::conv::Algorithms;
use wrs_segmentation::model::DeepLabV3;

#[derive(Parser)]
struct Arguments {
    /// A file of the reference's curve script; it names its network.
    golden: PathBuf,
    /// Keeps to the direct kernels, and judges strictly.
    #[arg(long)]
    exact: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let network = match curve_model(&arguments.golden)?.as_str() {
        "yolov3" => {
            let (net, params) = YoloV3::reference();
            Network { params, forward: Box::new(move |pass, x| net.forward(pass, x)) }
        }
        "deeplabv3" => {
            let (net, params) = DeepLabV3::reference();
            Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?.logits])) }
        }
        "csrnet" => {
            let (net, params) = CsrNet::reference();
            Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?])) }
        }
        other => bail!("{}: no network is called `{other}` here", arguments.golden.display()),
    };
    let algorithms = if arguments.exact { Algorithms::Exact } else { Algorithms::Fast };
    let report = judge_curve(network, &arguments.golden, algorithms)?;
    println!("{report}");
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::from(7) })
}
