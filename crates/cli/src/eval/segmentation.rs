//! mIOU and its relatives.

use std::fs;
use std::path::Path;

use serde_json::json;
use wrs_datasets::Split;
use wrs_datasets::id_list::read_id_list;
use wrs_datasets::segmentation::{SegmentationDataset, SegmentationOptions};
use wrs_eval::{AbsentClasses, MaskNames, SegmentationMetrics, evaluate_folders};
use wrs_segmentation::SegmentationError;
use wrs_segmentation::evaluate::{Evaluation, evaluate, segment_all, tell_tiles};
use wrs_segmentation::recipe::{EvaluationSettings, Recipe};
use wrs_segmentation::sample;
use wrs_segmentation::saved::SavedNet;
use wrs_segmentation::submission::Submission;
use wrs_train::TrainError;
use wrs_train::recipe::of_run;
use wrs_train::run_dir::RunFiles;

use super::{Arguments, Told, needs_data};
use crate::{Global, exit, source, table};

/// Of folders of index PNGs.
pub fn of_folders(pred: &Path, gt: &Path, arguments: &Arguments) -> anyhow::Result<Told> {
    let Some(classes) = arguments.num_classes else {
        let text = "--task segmentation needs --num-classes, the background among them";
        return Err(exit::usage(format!("{text}\nhelp: VOC has 21")));
    };
    let names = arguments.list.as_deref().map(read_list).transpose()?;
    let names = names.as_deref().map_or(MaskNames::Every, MaskNames::Listed);
    let found = evaluate_folders(pred, gt, classes, names).map_err(SegmentationError::from)?;
    told(&found.confusion.metrics(AbsentClasses::Skip), found.images, None)
}

fn read_list(path: &Path) -> anyhow::Result<Vec<String>> {
    let list = read_id_list(path).map_err(SegmentationError::from)?;
    Ok(list.ids.into_iter().map(|listed| listed.id).collect())
}

/// Of a network, on a folder or on its run's own data.
pub fn of_network(named: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Told> {
    source::refuse_darknet(&arguments.darknet)?;
    let (saved, run) = source::segmentation(named)?;
    let recipe = run.as_ref().map(of_run::<Recipe>).transpose()?.map(|loaded| loaded.recipe);
    let own_split = recipe.as_ref().map_or("val", |recipe| &recipe.data.val_split);
    let split = arguments.split.as_deref().unwrap_or(own_split);
    let data = match (&arguments.data, &run, &recipe) {
        (Some(folder), _, _) => open(&saved, folder, split, recipe.as_ref())?,
        (None, Some(files), Some(recipe)) => sample::open_split(recipe, files.root(), split)?,
        _ => return needs_data(),
    };
    let views = views(&saved, arguments.multi_scale, arguments.max_pixels)?;
    let submission = arguments.save.as_deref().map(|folder| begin(folder, split)).transpose()?;
    if data.images.iter().all(|image| image.mask.is_none()) {
        return without_masks(&saved, &data, &views, submission.as_ref(), global);
    }
    sample::require_masks(&data)?;
    let result = judge(&saved, &data, &views, global, submission.as_ref())?;
    if let Some(submission) = &submission {
        if submission.score(&data)? != result.confusion {
            return Err(SegmentationError::Submission { folder: submission.folder().to_owned() }.into());
        }
        if !global.quiet {
            let (folder, images) = (submission.folder().display(), data.images.len());
            eprintln!("{folder}: {images} index PNGs, scored again from the files: the same counts");
        }
    }
    told(&result.metrics, data.images.len(), Some((&views, result.tiled)))
}

/// How pictures are looked at: as the network's own evaluation does, but for what was typed.
pub fn views(saved: &SavedNet, multi_scale: bool, max_pixels: Option<usize>) -> anyhow::Result<EvaluationSettings> {
    let own = &saved.description.evaluation;
    let mut views = if multi_scale { own.multi_scale() } else { own.clone() };
    views.max_pixels = max_pixels.or(views.max_pixels);
    views.check().map_err(SegmentationError::from)?;
    Ok(views)
}

fn begin(folder: &Path, split: &str) -> anyhow::Result<Submission> {
    if folder.exists() && fs::read_dir(folder)?.next().is_some() {
        return Err(exit::usage(format!("{}: expected a new or empty folder\nhelp: another --save", folder.display())));
    }
    Ok(Submission::begin(folder, split))
}

/// Of pictures whose masks the server keeps: nothing can be scored here, only written.
fn without_masks(
    saved: &SavedNet,
    data: &SegmentationDataset,
    views: &EvaluationSettings,
    submission: Option<&Submission>,
    global: &Global,
) -> anyhow::Result<Told> {
    let Some(submission) = submission else {
        let text = format!("split `{}` has no masks, so that nothing can be scored", data.name);
        return Err(exit::usage(format!("{text}\nhelp: --save DIR writes index PNGs for VOC's server")));
    };
    let mut write = |record: &_, labels: &_| submission.write(record, labels);
    segment_all(saved.segmenter(global.algorithms()), data, views, crate::workers(), &mut write)?;
    submission.check(data)?;
    let (folder, images) = (submission.folder().display(), data.images.len());
    let text = format!("{images} index PNGs in {folder}, of their pictures' sizes, without other labels than classes");
    Told::new(&json!({ "images": images, "submission": submission.folder() }), text)
}

/// Of the best weights of a run, on its validation split.
pub fn of_best(run: &Path, global: &Global) -> anyhow::Result<Told> {
    let files = RunFiles::at(run).map_err(TrainError::from)?;
    let (saved, recipe) = (SavedNet::load(&files.best())?, of_run::<Recipe>(&files)?.recipe);
    let data = sample::open_split(&recipe, files.root(), &recipe.data.val_split)?;
    let views = &saved.description.evaluation;
    let result = judge(&saved, &data, views, global, None)?;
    told(&result.metrics, data.images.len(), Some((views, result.tiled)))
}

/// `views` are how pictures were looked at, and how many of them in tiles; none where PNGs were scored.
fn told(
    metrics: &SegmentationMetrics,
    images: usize,
    views: Option<(&EvaluationSettings, usize)>,
) -> anyhow::Result<Told> {
    let (protocol, how) = match views {
        None => ("files", "from index PNGs".to_owned()),
        Some((views, tiled)) => {
            let cut = if tiled == 0 { "whole".to_owned() } else { format!("{tiled} of them in tiles") };
            let sizes = match (views.is_plain(), views.flip) {
                (true, _) => "at their own size".to_owned(),
                (_, false) => format!("at {:?} of their own size", views.scales),
                (_, true) => format!("at {:?} of their own size, mirrored too", views.scales),
            };
            (views.protocol(tiled > 0), format!("{cut}, {sizes}"))
        }
    };
    let told = Told::new(metrics, table::segmentation::table(metrics, images, &how))?;
    let undefined = metrics.miou.is_none().then(|| SegmentationError::NothingToScore(format!("{images} images")));
    Ok(told.with("images", images.into()).with("protocol", protocol.into()).but(undefined))
}

/// A split of a folder: read as the run's recipe reads its own data, or as the weights say; its classes must be the network's.
fn open(saved: &SavedNet, root: &Path, split: &str, recipe: Option<&Recipe>) -> anyhow::Result<SegmentationDataset> {
    let options = recipe.map_or_else(|| saved.description.read_options(), sample::read_options);
    let read = |options: &SegmentationOptions| SegmentationDataset::open(root, options, &Split::from(split));
    let own = &saved.description.class_names;
    let data = read(&options).or_else(|error| {
        // A folder that names no classes is taken to have the network's.
        let named = SegmentationOptions { class_names: Some(own.clone()), ..options.clone() };
        if options.class_names.is_some() { Err(error) } else { read(&named).map_err(|_| error) }
    });
    let data = data.map_err(SegmentationError::from)?;
    if data.class_names != *own {
        let differ = own.iter().zip(&data.class_names).enumerate().find(|(_, (own, theirs))| own != theirs);
        let text = match differ {
            Some((class, (own, theirs))) => {
                format!("the network calls class {class} `{own}`, the data set calls it `{theirs}`")
            }
            None => format!("the network knows {} classes, the data set has {}", own.len(), data.class_names.len()),
        };
        return Err(exit::usage(format!("{text}\nhelp: evaluate on data of the same classes")));
    }
    Ok(data)
}

fn judge(
    saved: &SavedNet,
    data: &SegmentationDataset,
    views: &EvaluationSettings,
    global: &Global,
    submission: Option<&Submission>,
) -> anyhow::Result<Evaluation> {
    if !global.quiet {
        eprintln!("evaluating on {} ({} images)", data.name, data.images.len());
    }
    let segmenter = saved.segmenter(global.algorithms());
    if let Some(line) = tell_tiles(&segmenter, data, views).filter(|_| !global.quiet) {
        eprintln!("{line}");
    }
    let result = evaluate(segmenter, data, views, crate::workers(), &mut |record, labels| match submission {
        Some(submission) => submission.write(record, labels),
        None => Ok(()),
    })?;
    if result.not_finite > 0 && !global.quiet {
        eprintln!("note: {} logits that are not finite", result.not_finite);
    }
    if !global.quiet {
        result.notes.lines().for_each(|(_, line)| eprintln!("note: {line}"));
    }
    Ok(result)
}
