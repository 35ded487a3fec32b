//! `wrs bench`: how long the full-size network takes on this machine.

use std::num::NonZeroU64;
use std::process::ExitCode;

use serde::Serialize;
use wrs_train::bench::Mode;
use wrs_train::memory;

use crate::{Global, exit};

#[derive(clap::Args)]
pub struct Arguments {
    /// The network
    #[arg(long, default_value = "yolov3")]
    model: Model,
    /// A training step (forward, backward, one SGD update; no loss) or an inference
    #[arg(long, default_value = "train")]
    mode: ModeName,
    /// Pictures at once
    #[arg(long, default_value_t = 2)]
    batch: usize,
    /// Side of the square input in pixels; YOLOv3's are multiples of 32, CSRNet's of 8
    #[arg(long, default_value_t = 416)]
    size: usize,
    /// Rescales the filters every so many steps of the training (WRS)
    #[arg(long, value_name = "STEPS")]
    rescale_every: Option<NonZeroU64>,
}

#[derive(Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Model {
    Yolov3,
    Deeplabv3,
    Csrnet,
}

#[derive(Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Train,
    Infer,
}

#[derive(Serialize)]
struct Report {
    model: Model,
    mode: ModeName,
    batch: usize,
    size: usize,
    threads: usize,
    /// The instruction set of the kernels.
    isa: &'static str,
    ms: f64,
    min_ms: f64,
    images_per_s: f64,
    /// The optimizer's part of a training step, rescaling included.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rescale_every: Option<NonZeroU64>,
    peak_rss_mib: Option<u64>,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let &Arguments { model, batch, size, .. } = arguments;
    let stride = match model {
        Model::Yolov3 => wrs_detection::model::MAX_STRIDE,
        Model::Deeplabv3 => 1,
        Model::Csrnet => wrs_counting::net::STRIDE,
    };
    if batch == 0 || size == 0 || !size.is_multiple_of(stride) {
        return Err(exit::usage(format!("expected --batch of at least 1 and --size a multiple of {stride}")));
    }
    let mode = match arguments.mode {
        ModeName::Train => Mode::Train { rescale_every: arguments.rescale_every },
        ModeName::Infer if arguments.rescale_every.is_some() => {
            return Err(exit::usage("--rescale-every belongs to --mode train: an inference moves no weight"));
        }
        ModeName::Infer => Mode::Infer,
    };
    let times = match model {
        Model::Yolov3 => wrs_detection::bench::time(mode, batch, size, global.algorithms())?,
        Model::Deeplabv3 => wrs_segmentation::bench::time(mode, batch, size, global.algorithms())?,
        Model::Csrnet => wrs_counting::bench::time(mode, batch, size, global.algorithms())?,
    };
    let ms = median(&times.runs);
    let report = Report {
        model,
        mode: arguments.mode,
        batch,
        size,
        threads: rayon::current_num_threads(),
        isa: wrs_ops::instruction_set().map_err(|error| exit::usage(error.to_string()))?,
        ms,
        min_ms: times.runs.iter().copied().fold(f64::INFINITY, f64::min),
        images_per_s: batch as f64 / (ms / 1e3),
        update_ms: (!times.updates.is_empty()).then(|| median(&times.updates)),
        rescale_every: arguments.rescale_every,
        peak_rss_mib: memory::peak_resident().map(|bytes| bytes >> 20),
    };
    if global.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "median {:.0} ms  least {:.0} ms  {:.2} images/s{}  peak memory {} MiB  ({} threads, {})",
            report.ms,
            report.min_ms,
            report.images_per_s,
            report.update_ms.map_or(String::new(), |ms| format!("  update {ms:.1} ms")),
            report.peak_rss_mib.map_or("?".to_owned(), |m| m.to_string()),
            report.threads,
            report.isa
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The middle one, the upper of two.
fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
