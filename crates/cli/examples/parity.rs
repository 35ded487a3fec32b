//! Judges one of our networks against a golden of the PyTorch references: outputs, every gradient, running statistics.
//!
//! `cargo run --release --example parity -- MODEL GOLDEN.safetensors [--exact]`, the model being `yolov3`, `deeplabv3` or `csrnet`;
//! exits 7 when the rule is broken.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wrs_counting::model::CsrNet;
use wrs_detection::model::YoloV3;
use wrs_golden::{Network, judge_parity};
use wrs_ops::conv::Algorithms;
use wrs_segmentation::model::DeepLabV3;

#[derive(Parser)]
struct Arguments {
    /// The network.
    model: Model,
    /// A file of the reference's parity script.
    golden: PathBuf,
    /// Keeps to the direct kernels, and judges strictly.
    #[arg(long)]
    exact: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Model {
    Yolov3,
    Deeplabv3,
    Csrnet,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let network = match arguments.model {
        Model::Yolov3 => {
            let (net, params) = YoloV3::reference();
            Network { params, forward: Box::new(move |pass, x| net.forward(pass, x)) }
        }
        Model::Deeplabv3 => {
            let (net, params) = DeepLabV3::reference();
            Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?.logits])) }
        }
        Model::Csrnet => {
            let (net, params) = CsrNet::reference();
            Network { params, forward: Box::new(move |pass, x| Ok(vec![net.forward(pass, x)?])) }
        }
    };
    let algorithms = if arguments.exact { Algorithms::Exact } else { Algorithms::Fast };
    let report = judge_parity(network, &arguments.golden, algorithms)?;
    println!("{report}");
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::from(7) })
}
