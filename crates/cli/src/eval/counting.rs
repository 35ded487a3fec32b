//! MAE and its relatives.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use wrs_counting::CountingError;
use wrs_counting::evaluate::{Evaluation, evaluate};
use wrs_counting::recipe::{EvaluationSettings, Recipe};
use wrs_counting::sample;
use wrs_counting::saved::SavedNet;
use wrs_datasets::Split;
use wrs_datasets::counting::{CountingDataset, CountingOptions};
use wrs_eval::{Buckets, evaluate_counts, read_predicted_counts, read_true_counts, write_counts};
use wrs_train::TrainError;
use wrs_train::recipe::of_run;
use wrs_train::run_dir::RunFiles;

use super::{Arguments, Told, needs_data};
use crate::{Global, source, table};

/// Of a CSV file of counts, against one of points or counts, or against a data set's folder.
pub fn of_files(pred: &Path, gt: &Path, arguments: &Arguments) -> anyhow::Result<Told> {
    let predicted = read_predicted_counts(pred).map_err(CountingError::from)?;
    let truth = if gt.is_dir() {
        let split = arguments.split.as_deref().unwrap_or(sample::TEST);
        let data = CountingDataset::open(gt, &CountingOptions::default(), &Split::from(split));
        let data = data.map_err(CountingError::from)?;
        sample::require_points(&data)?;
        let count = |of: &wrs_datasets::CountingRecord| of.points.as_ref().map_or(0, |points| points.len()) as f64;
        data.images.iter().map(|image| (image.id.clone(), count(image))).collect()
    } else {
        read_true_counts(gt).map_err(CountingError::from)?
    };
    let found = evaluate_counts(&truth, &predicted, &buckets(arguments)?).map_err(CountingError::from)?;
    Told::new(&found.metrics, table::counting::table(&found.metrics, "from files"))
}

/// Of a network, on a folder or on its run's own data.
pub fn of_network(named: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Told> {
    source::refuse_darknet(&arguments.darknet)?;
    let (saved, run) = source::counting(named)?;
    let recipe = run.as_ref().map(of_run::<Recipe>).transpose()?.map(|loaded| loaded.recipe);
    let split = arguments.split.as_deref().unwrap_or(sample::VALIDATION);
    let data = match (&arguments.data, &run, &recipe) {
        (Some(folder), _, recipe) => {
            let options = recipe.as_ref().map_or_else(CountingOptions::default, sample::read_options);
            CountingDataset::open(folder, &options, &Split::from(split)).map_err(CountingError::from)?
        }
        (None, Some(files), Some(recipe)) => sample::open_split(recipe, files.root(), split)?,
        _ => return needs_data(),
    };
    sample::require_points(&data)?;
    let settings = source::with_max_mem(saved.description.evaluation, arguments.max_mem);
    let result = judge(&saved, &data, &settings, &buckets(arguments)?, global)?;
    if let Some(path) = &arguments.save {
        let file = File::create_new(path).with_context(|| format!("cannot write {}", path.display()))?;
        write_counts(file, &result.by_image).map_err(CountingError::from)?;
    }
    told(&result)
}

/// Of the best weights of a run, on its validation part.
pub fn of_best(run: &Path, global: &Global) -> anyhow::Result<Told> {
    let files = RunFiles::at(run).map_err(TrainError::from)?;
    let (saved, recipe) = (SavedNet::load(&files.best())?, of_run::<Recipe>(&files)?.recipe);
    let data = sample::open_split(&recipe, files.root(), sample::VALIDATION)?;
    told(&judge(&saved, &data, &saved.description.evaluation, &Buckets::None, global)?)
}

/// Of the best weights of a run, on its test part, where it has one.
pub fn of_test(run: &Path, global: &Global) -> anyhow::Result<Option<Told>> {
    let files = RunFiles::at(run).map_err(TrainError::from)?;
    let (saved, recipe) = (SavedNet::load(&files.best())?, of_run::<Recipe>(&files)?.recipe);
    let Some(data) = sample::open(&recipe, files.root())?.test else { return Ok(None) };
    if data.images.iter().any(|image| image.points.is_none()) {
        return Ok(None);
    }
    Ok(Some(told(&judge(&saved, &data, &saved.description.evaluation, &Buckets::None, global)?)?))
}

fn buckets(arguments: &Arguments) -> anyhow::Result<Buckets> {
    let typed = arguments.buckets.as_deref().map(str::parse).transpose().map_err(CountingError::from)?;
    Ok(typed.unwrap_or_default())
}

fn told(result: &Evaluation) -> anyhow::Result<Told> {
    let how = match result.tiles {
        0 | 1 => "whole".to_owned(),
        tiles => format!("in up to {tiles} tiles, which give the density of the whole"),
    };
    Told::new(&result.metrics, table::counting::table(&result.metrics, &how))
}

fn judge(
    saved: &SavedNet,
    data: &CountingDataset,
    settings: &EvaluationSettings,
    buckets: &Buckets,
    global: &Global,
) -> anyhow::Result<Evaluation> {
    if !global.quiet {
        eprintln!("evaluating on {} ({} images)", data.name, data.images.len());
        data.notes.iter().for_each(|note| eprintln!("note: {note}"));
    }
    Ok(evaluate(saved.counter(global.algorithms()), data, settings, buckets, crate::workers())?)
}
