//! The binary `wrs`: train, evaluate and run YOLOv3, DeepLabv3 and CSRNet with or without weight rescaling.
//!
//! One file per verb, no arithmetic here.  Results go to stdout, talk to stderr.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the one place that talks to people

mod bench;
mod check;
mod compare;
mod eval;
mod exit;
mod export;
mod foreign;
mod predict;
mod prepare;
mod recipe;
mod source;
mod table;
mod task;
mod train;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use wrs_ops::conv::Algorithms;

/// Train, evaluate and run YOLOv3, DeepLabv3 and CSRNet with or without weight rescaling.  One binary, no Python.
#[derive(Parser)]
#[command(name = "wrs", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

const EXAMPLES: &str = "Examples:
  wrs train demo                                        a small detector on made-up scenes, minutes on a CPU
  wrs train demo-segmentation                           a small segmenter on made-up scenes
  wrs train demo-counting                               a small counter on made-up crowds
  wrs train coco/yolov3-wrs --data /data/coco           the paper's recipe for detection
  wrs train voc/deeplabv3-wrs --data /data/VOCdevkit    and for segmentation
  wrs train qnrf/csrnet-wrs --data /data/UCF-QNRF       and for counting
  wrs check bccd/yolov3-wrs --data /data/bccd           every problem of the data, before the first step
  wrs compare runs/*-wd-s* -- runs/*-wrs-s*             weight decay against rescaling, with intervals
  wrs train --resume runs/demo                          goes on where a run stopped, to the same bytes
  wrs eval runs/demo --json                             official numbers of its best weights
  wrs predict runs/demo 'pictures/*.jpg' --out drawn    pictures with what was found";

#[derive(Subcommand)]
enum Verb {
    /// Trains: a recipe's name or a TOML file, or goes on with a run
    Train(train::Arguments),
    /// Official metrics of a run, a weights file, or saved predictions
    Eval(eval::Arguments),
    /// Finds boxes in pictures, gives their pixels classes, or counts, and draws what it found
    Predict(predict::Arguments),
    /// Finds what is wrong with a recipe, its data and its weights before the first step
    Check(check::Arguments),
    /// Compares two arms of runs, weight decay against weight rescaling
    Compare(compare::Arguments),
    /// Makes data sets out of others: the augmented VOC 2012
    Prepare(prepare::Arguments),
    /// Writes weights in another form: safetensors, Darknet's
    Export(export::Arguments),
    /// Times the full-size network: a training step, an inference
    Bench(bench::Arguments),
}

/// Flags of every verb.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags of a command line
struct Global {
    /// One JSON document on stdout instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// No talk on stderr, errors excepted
    #[arg(short, long, global = true)]
    quiet: bool,
    /// No progress line
    #[arg(long, global = true)]
    no_progress: bool,
    /// Threads that compute; all processors without it.  No result depends on it
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Keeps to the direct convolution kernels: slower, closest to the definition
    #[arg(long, global = true)]
    exact: bool,
}

impl Global {
    fn algorithms(&self) -> Algorithms {
        if self.exact { Algorithms::Exact } else { Algorithms::Fast }
    }
}

/// Threads that prepare pictures, beside those that compute.
fn workers() -> usize {
    rayon::current_num_threads().min(8)
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(compare::flags_first(std::env::args_os().collect()));
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", exit::message(&error));
            ExitCode::from(exit::code(&error))
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Some(threads) = cli.global.threads {
        if threads == 0 {
            return Err(exit::usage("--threads: expected at least 1, got 0"));
        }
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    match &cli.verb {
        Verb::Train(arguments) => train::run(arguments, &cli.global),
        Verb::Eval(arguments) => eval::run(arguments, &cli.global),
        Verb::Predict(arguments) => predict::run(arguments, &cli.global),
        Verb::Check(arguments) => check::run(arguments, &cli.global),
        Verb::Compare(arguments) => compare::run(arguments, &cli.global),
        Verb::Prepare(arguments) => prepare::run(arguments, &cli.global),
        Verb::Export(arguments) => export::run(arguments, &cli.global),
        Verb::Bench(arguments) => bench::run(arguments, &cli.global),
    }
}
