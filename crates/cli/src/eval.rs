//! `wrs eval`: official metrics of a run, a weights file, or saved detections.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wrs_datasets::{DetectionDataset, Split};
use wrs_detection::DetectionError;
use wrs_detection::evaluate::{Detector, Evaluation, evaluate};
use wrs_detection::net::Network;
use wrs_detection::recipe::Recipe;
use wrs_detection::sample;
use wrs_detection::saved::SavedNet;
use wrs_eval::{DetectionMetrics, evaluate_detections, read_detections, read_ground_truth, write_detections};
use wrs_train::run_dir::RunFiles;

use crate::source::{self, DarknetFlags, Source};
use crate::{Global, exit, table};

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's directory, or a weights file, ours or Darknet's; nothing with --pred
    #[arg(value_name = "RUN|WEIGHTS", required_unless_present_any = ["pred", "weights"])]
    source: Option<PathBuf>,
    /// The same, by a flag
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "pred"])]
    weights: Option<PathBuf>,
    /// The data set's folder; a run knows its own
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Another split than the recipe's: train, val, or the name of an annotation file
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Scores detections saved in COCO's results form instead of running a network
    #[arg(long, value_name = "FILE", requires = "gt", conflicts_with = "source")]
    pred: Option<PathBuf>,
    /// Their ground truth, an instances file
    #[arg(long, value_name = "FILE", requires = "pred")]
    gt: Option<PathBuf>,
    /// What the files are about
    #[arg(long, value_name = "TASK", default_value = "detection")]
    task: Task,
    /// Writes the detections in COCO's results form
    #[arg(long, value_name = "FILE", conflicts_with = "pred")]
    save: Option<PathBuf>,
    #[command(flatten)]
    darknet: DarknetFlags,
    /// Exits 7 unless a metric reaches a value, a fraction: --min ap50=0.6
    #[arg(long, value_name = "METRIC=VALUE")]
    min: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Task {
    Detection,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let Task::Detection = arguments.task;
    if arguments.pred.is_some() && arguments.darknet.any() {
        return Err(exit::usage("--cfg, --names, --resize and --size belong to a network; --pred runs none"));
    }
    let metrics = match (&arguments.pred, &arguments.gt, arguments.source.as_ref().or(arguments.weights.as_ref())) {
        (Some(pred), Some(gt), _) => of_files(pred, gt, global)?,
        (_, _, Some(source)) => of_network(source, arguments, global)?,
        _ => return Err(exit::usage("nothing to evaluate\nhelp: name a run, a weights file, or --pred and --gt")),
    };
    if global.json {
        println!("{}", serde_json::to_string_pretty(&metrics)?);
    } else {
        println!("{}", table::detection(&metrics));
    }
    for gate in &arguments.min {
        check_gate(gate, &metrics)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_files(pred: &Path, gt: &Path, global: &Global) -> anyhow::Result<DetectionMetrics> {
    let truth = read_ground_truth(gt)?;
    if !global.quiet {
        truth.warnings.iter().for_each(|warning| eprintln!("note: {warning}"));
    }
    Ok(evaluate_detections(&truth.ground_truth, &read_detections(pred)?)?)
}

fn of_network(named: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<DetectionMetrics> {
    let Source { saved, run } = source::load(named, &arguments.darknet, global)?;
    let result = match (&arguments.data, &run) {
        (Some(data), _) => on_folder(&saved, data, arguments, global)?,
        (None, Some(files)) => of_run(files, &saved, arguments.split.as_deref(), global)?,
        (None, None) => return Err(exit::usage("a weights file needs --data DIR")),
    };
    if let Some(path) = &arguments.save {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        write_detections(file, &result.detections)?;
    }
    if result.not_finite > 0 && !global.quiet {
        eprintln!("note: {} candidates with numbers that are not finite were dropped", result.not_finite);
    }
    Ok(result.metrics)
}

/// A run's own data: the recipe's validation split, or another of the same folder.
pub fn of_run(files: &RunFiles, saved: &SavedNet, split: Option<&str>, global: &Global) -> anyhow::Result<Evaluation> {
    let mut recipe = recipe_of(files)?;
    if let Some(split) = split {
        split.clone_into(&mut recipe.data.val_split);
    }
    let data = sample::open(&recipe, files.root())?;
    judge(saved, &data.val, global)
}

/// The recipe that a run was made with.
pub fn recipe_of(files: &RunFiles) -> anyhow::Result<Recipe> {
    let text = files.read_recipe().map_err(DetectionError::from)?;
    let name = files.recipe().display().to_string();
    Ok(Recipe::load(&name, &text, &[]).map_err(DetectionError::from)?.recipe)
}

fn on_folder(saved: &SavedNet, data: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Evaluation> {
    let split: Split = arguments.split.as_deref().unwrap_or("val").parse()?;
    let mut data = DetectionDataset::open(data, None, &split).map_err(DetectionError::from)?;
    if saved.description.class_names == [sample::SINGLE_CLASS] {
        data.merge_classes(sample::SINGLE_CLASS);
    }
    let (own, theirs) = (&saved.description.class_names, data.class_names());
    if let Some((class, (own, theirs))) = own.iter().zip(&theirs).enumerate().find(|(_, (own, theirs))| own != theirs) {
        let text = format!("the network calls class {class} `{own}`, the data set calls it `{theirs}`");
        if !matches!(saved.description.model.network, Network::Darknet { .. }) {
            return Err(exit::usage(format!("{text}\nhelp: evaluate on data of the same classes")));
        }
        // Darknet spells some of COCO's names otherwise (sofa, tvmonitor): the order is what counts.
        if !global.quiet {
            eprintln!("note: {text}; classes are matched by their order");
        }
    }
    if own.len() != theirs.len() {
        let text = format!("the network knows {} classes, the data set has {}", own.len(), theirs.len());
        return Err(exit::usage(format!("{text}\nhelp: evaluate on data of the same classes")));
    }
    judge(saved, &data, global)
}

fn judge(saved: &SavedNet, data: &DetectionDataset, global: &Global) -> anyhow::Result<Evaluation> {
    if !global.quiet {
        eprintln!("evaluating on {} ({} images)", data.name, data.images.len());
    }
    let detector =
        Detector { net: &saved.net, params: &saved.params, anchors: &saved.anchors, algorithms: global.algorithms() };
    Ok(evaluate(detector, data, &saved.description.evaluation, crate::workers())?)
}

/// Refuses a metric below what was asked for.
fn check_gate(gate: &str, metrics: &DetectionMetrics) -> anyhow::Result<()> {
    let malformed = || exit::usage(format!("--min: expected METRIC=VALUE such as ap50=0.6, got `{gate}`"));
    let (metric, least) = gate.split_once('=').ok_or_else(malformed)?;
    let least: f64 = least.parse().map_err(|_| malformed())?;
    let document = serde_json::to_value(metrics)?;
    let value = document.get(metric).or_else(|| document.get("paper").and_then(|paper| paper.get(metric)));
    match value.map(serde_json::Value::as_f64) {
        None => Err(exit::usage(format!("--min: no metric is called `{metric}`"))),
        Some(Some(got)) if got >= least => Ok(()),
        Some(got) => {
            let got = got.map_or("undefined".to_owned(), |v| v.to_string());
            Err(exit::Gate { metric: metric.to_owned(), got, least }.into())
        }
    }
}
