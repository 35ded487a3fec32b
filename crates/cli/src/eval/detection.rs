//! COCO's metrics.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use wrs_datasets::{DetectionDataset, Split};
use wrs_detection::DetectionError;
use wrs_detection::evaluate::{Detector, Evaluation, evaluate};
use wrs_detection::net::Network;
use wrs_detection::recipe::Recipe;
use wrs_detection::sample;
use wrs_detection::saved::SavedNet;
use wrs_eval::{evaluate_detections, read_detections, read_ground_truth, write_detections};
use wrs_train::TrainError;
use wrs_train::recipe::of_run;
use wrs_train::run_dir::RunFiles;

use super::{Arguments, Told, needs_data};
use crate::source::{self, Source};
use crate::{Global, exit, table};

/// Of saved detections.
pub fn of_files(pred: &Path, gt: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Told> {
    refuse_segmentations(arguments)?;
    let truth = read_ground_truth(gt)?;
    if !global.quiet {
        truth.warnings.iter().for_each(|warning| eprintln!("note: {warning}"));
    }
    let metrics = evaluate_detections(&truth.ground_truth, &read_detections(pred)?)?;
    Told::new(&metrics, table::detection::table(&metrics))
}

/// Of a network, on a folder or on its run's own data.
pub fn of_network(named: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Told> {
    refuse_segmentations(arguments)?;
    let Source { saved, run } = source::detection(named, &arguments.darknet, global)?;
    let result = match (&arguments.data, &run) {
        (Some(data), _) => on_folder(&saved, data, arguments, global)?,
        (None, Some(files)) => on_own_data(files, &saved, arguments.split.as_deref(), global)?,
        (None, None) => return needs_data(),
    };
    if let Some(path) = &arguments.save {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        write_detections(file, &result.detections)?;
    }
    told(&result, global)
}

/// Of the best weights of a run, on its validation split.
pub fn of_best(run: &Path, global: &Global) -> anyhow::Result<Told> {
    let files = RunFiles::at(run).map_err(TrainError::from)?;
    told(&on_own_data(&files, &SavedNet::load(&files.best())?, None, global)?, global)
}

fn told(result: &Evaluation, global: &Global) -> anyhow::Result<Told> {
    if result.not_finite > 0 && !global.quiet {
        eprintln!("note: {} candidates with numbers that are not finite were dropped", result.not_finite);
    }
    Told::new(&result.metrics, table::detection::table(&result.metrics))
}

fn refuse_segmentations(arguments: &Arguments) -> anyhow::Result<()> {
    let looks_otherwise = arguments.multi_scale || arguments.max_pixels.is_some();
    if arguments.num_classes.is_some() || arguments.list.is_some() || looks_otherwise {
        let text = "--num-classes, --list, --multi-scale and --max-pixels belong to segmentation; this is detection";
        return Err(exit::usage(format!("{text}\nhelp: leave them away, or say --task segmentation")));
    }
    Ok(())
}

/// A run's own data: the recipe's validation split, or another of the same folder.
fn on_own_data(files: &RunFiles, saved: &SavedNet, split: Option<&str>, global: &Global) -> anyhow::Result<Evaluation> {
    let mut recipe = of_run::<Recipe>(files)?.recipe;
    if let Some(split) = split {
        split.clone_into(&mut recipe.data.val_split);
    }
    let data = sample::open(&recipe, files.root())?;
    judge(saved, &data.val, global)
}

fn on_folder(saved: &SavedNet, data: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Evaluation> {
    let split = Split::from(arguments.split.as_deref().unwrap_or("val"));
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
