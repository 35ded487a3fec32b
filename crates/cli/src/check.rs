//! `wrs check`: every problem before the first step.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use wrs_counting::check as counting;
use wrs_datasets::Findings;
use wrs_datasets::counting::CountingOptions;
use wrs_datasets::detection::{Pictures, ReadOptions, Severity, offending_files};
use wrs_datasets::segmentation::SegmentationOptions;
use wrs_detection::check::{self as detection, Anchors, FittingSizes};
use wrs_segmentation::check::{self as segmentation, Look};
use wrs_segmentation::previews::Previews;

use crate::recipe::AnyRecipe;
use crate::source::{self, DarknetFlags};
use crate::task::Task;
use crate::{Global, exit, foreign, recipe};

/// Faults of one kind of severity that are printed; the rest is counted, and all of them are in --json.
const SHOWN: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// A recipe (name or TOML file), a data set's folder or data.yaml, a run's directory, or a weights file
    #[arg(value_name = "RECIPE|DATA|RUN|WEIGHTS")]
    what: String,
    /// The recipe's data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Changes a value of the recipe: --set batch=4
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Weights the recipe starts from
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Splits of a data set that is checked by itself
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "train,val")]
    split: Vec<String>,
    /// How pictures are looked at: decoded one and all, or their headers alone; without it, decoded where they are few
    #[arg(long, value_name = "HOW")]
    images: Option<Images>,
    /// Writes the names of the offending files here, one a line
    #[arg(long, value_name = "FILE")]
    fix_list: Option<PathBuf>,
    /// Segmentation: draws pictures of each split with the classes of their masks over them, under DIR/SPLIT
    #[arg(long, value_name = "DIR")]
    previews: Option<PathBuf>,
    /// How many of each split
    #[arg(long, value_name = "N", default_value_t = 12, requires = "previews")]
    preview_count: usize,
    /// What a data set is checked for; without it, what its layout says
    #[arg(long, value_name = "TASK")]
    task: Option<Task>,
    #[command(flatten)]
    darknet: DarknetFlags,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Images {
    All,
    Headers,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let report = report(arguments, global)?;
    if global.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text(&report));
    }
    if let Some(path) = &arguments.fix_list {
        let files = offending_files(&report.findings.faults, Severity::Error);
        let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).chain([String::new()]).collect();
        std::fs::write(path, lines.join("\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.findings.has_errors() { ExitCode::from(exit::DATA) } else { ExitCode::SUCCESS })
}

/// What was found, whatever the task.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    findings: Findings,
    /// Detection: the recipe's anchors and those fitted to the training boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchors: Option<Anchors>,
}

impl From<Findings> for Report {
    fn from(findings: Findings) -> Self {
        Self { findings, anchors: None }
    }
}

impl From<detection::Report> for Report {
    fn from(report: detection::Report) -> Self {
        Self { findings: report.findings, anchors: report.anchors }
    }
}

fn report(arguments: &Arguments, global: &Global) -> anyhow::Result<Report> {
    let pictures = arguments.images.map(|images| match images {
        Images::All => Pictures::All,
        Images::Headers => Pictures::Headers,
    });
    let look = Look { pictures, workers: crate::workers(), previews: previews(arguments) };
    let path = Path::new(&arguments.what);
    let recipes_alone = arguments.data.is_some() || !arguments.set.is_empty() || arguments.init.is_some();
    if arguments.task.is_some() && !(path.is_dir() && !path.join("run.json").is_file() || is_yaml(path)) {
        return Err(exit::usage("--task belongs to a data set's folder; recipes, runs and weights say theirs"));
    }
    if recipes_alone && !recipe::is_recipe(&arguments.what) {
        let text = format!("--data, --set and --init belong to a recipe; `{}` is none", arguments.what);
        return Err(exit::usage(format!("{text}\nhelp: recipes are listed by wrs train --list")));
    }
    if recipe::is_recipe(&arguments.what) {
        return of_recipe(arguments, &look);
    }
    if path.join("run.json").is_file() || (path.is_file() && !is_yaml(path)) {
        return of_network(path, arguments, global);
    }
    if !path.exists() {
        let text =
            format!("`{}` is no recipe, folder or file\nhelp: recipes are listed by wrs train --list", arguments.what);
        return Err(exit::usage(text));
    }
    let splits = &arguments.split;
    Ok(match arguments.task.map_or_else(|| task_of_data(path), Ok)? {
        Task::Detection => {
            refuse_previews(arguments)?;
            detection::check_folder(path, ReadOptions::default(), splits, pictures, look.workers).into()
        }
        Task::Segmentation => segmentation::check_folder(path, &SegmentationOptions::default(), splits, &look)?.into(),
        Task::Counting => {
            refuse_previews(arguments)?;
            counting::check_folder(path, &CountingOptions::default(), splits, pictures, look.workers).into()
        }
    })
}

fn previews(arguments: &Arguments) -> Option<Previews> {
    let folder = arguments.previews.clone()?;
    Some(Previews { folder, count: arguments.preview_count })
}

/// Refuses previews of what has no masks.
fn refuse_previews(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.previews.is_none() {
        return Ok(());
    }
    Err(exit::usage("--previews draws masks: it belongs to data and recipes of segmentation"))
}

fn of_recipe(arguments: &Arguments, look: &Look) -> anyhow::Result<Report> {
    let mut overrides = recipe::typed_overrides(&arguments.set)?;
    if let Some(init) = &arguments.init {
        overrides.push(("init".to_owned(), recipe::absolute("--init", init)?));
    }
    let name = &arguments.what;
    Ok(match AnyRecipe::load(name, arguments.data.as_deref(), overrides)? {
        AnyRecipe::Detection(loaded) => {
            refuse_previews(arguments)?;
            detection::check_recipe(&loaded.recipe, name, look.pictures, look.workers)?.into()
        }
        AnyRecipe::Segmentation(loaded) => segmentation::check_recipe(&loaded.recipe, name, look)?.into(),
        AnyRecipe::Counting(loaded) => {
            refuse_previews(arguments)?;
            counting::check_recipe(&loaded.recipe, name, look.pictures, look.workers)?.into()
        }
    })
}

fn of_network(path: &Path, arguments: &Arguments, global: &Global) -> anyhow::Result<Report> {
    refuse_previews(arguments)?;
    if let Some(file) = foreign::open(path)? {
        source::refuse_darknet(&arguments.darknet)?;
        return Ok(Findings { facts: foreign::facts(&file), ..Findings::default() }.into());
    }
    let mut blank = None;
    let (network, values, names) = match Task::of_network(path)? {
        Task::Detection => {
            let saved = source::detection(path, &arguments.darknet, global)?.saved;
            let description = saved.description;
            (description.model.network.to_string(), saved.params.trainable().len(), description.class_names)
        }
        Task::Segmentation => {
            source::refuse_darknet(&arguments.darknet)?;
            let (saved, _) = source::segmentation(path)?;
            let description = saved.description;
            (description.model.to_string(), saved.params.trainable().len(), description.class_names)
        }
        Task::Counting => {
            source::refuse_darknet(&arguments.darknet)?;
            let (saved, _) = source::counting(path)?;
            blank = Some(counting::blank_counts(&saved, global.algorithms())?);
            (saved.description.model.to_string(), saved.params.trainable().len(), Vec::new())
        }
    };
    let path = path.display();
    let facts = if names.is_empty() {
        let blank = blank.map(|blank| format!("        {blank}"));
        std::iter::once(format!("weights {path}: {network}, {values} parameters")).chain(blank).collect()
    } else {
        let classes = names.len();
        vec![
            format!("weights {path}: {network}, {values} parameters, {classes} classes"),
            format!("        {}", names.join(", ")),
        ]
    };
    Ok(Findings { facts, ..Findings::default() }.into())
}

/// What a folder holds data for.
fn task_of_data(root: &Path) -> anyhow::Result<Task> {
    let found: Vec<Task> = [
        (Task::Detection, wrs_datasets::detection::recognise(root).is_ok()),
        (Task::Segmentation, wrs_datasets::segmentation::recognise(root).is_ok()),
        (Task::Counting, wrs_datasets::counting::recognise(root).is_ok()),
    ]
    .into_iter()
    .filter_map(|(task, is_there)| is_there.then_some(task))
    .collect();
    match found[..] {
        [task] => Ok(task),
        // Of a folder that is none, the fault lists what boxes would lie in.
        [] => Ok(Task::Detection),
        _ => {
            let names: Vec<String> = found.iter().map(Task::to_string).collect();
            let text = format!("{}: holds data for {}", root.display(), names.join(" and for "));
            Err(exit::usage(format!("{text}\nhelp: say --task {}", names.join(" or --task "))))
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for fact in &report.findings.facts {
        let _ = writeln!(text, "{fact}");
    }
    if let Some(anchors) = &report.anchors {
        let _ = writeln!(text, "anchors in pixels of an input of {}", anchors.input);
        let _ = writeln!(text, "  recipe  {}", sizes(&anchors.recipe));
        let _ = writeln!(text, "  fitted  {}", sizes(&anchors.fitted));
        let _ = writeln!(text, "  to use the fitted ones: --set 'anchors={}'", toml_list(&anchors.fitted));
    }
    for severity in [Severity::Error, Severity::Warning] {
        let of: Vec<_> = report.findings.faults.iter().filter(|fault| fault.severity == severity).collect();
        for fault in of.iter().take(SHOWN) {
            let _ = writeln!(text, "{fault}");
        }
        if of.len() > SHOWN {
            let _ = writeln!(text, "… and {} {severity}s more (--json has them all)", of.len() - SHOWN);
        }
    }
    let count = |severity| report.findings.faults.iter().filter(|fault| fault.severity == severity).count();
    let _ = writeln!(text, "{} errors, {} warnings", count(Severity::Error), count(Severity::Warning));
    text
}

fn sizes(of: &FittingSizes) -> String {
    let list: Vec<String> = of.sizes.iter().map(|[w, h]| format!("{w:.0}x{h:.0}")).collect();
    let fit = &of.fit;
    format!(
        "mean best IoU {:.3}, {:.1} % of boxes matched   {}",
        fit.mean_best_iou,
        100.0 * fit.covered,
        list.join(" ")
    )
}

fn toml_list(of: &FittingSizes) -> String {
    let list: Vec<String> = of.sizes.iter().map(|[w, h]| format!("[{w:.1}, {h:.1}]")).collect();
    format!("[{}]", list.join(", "))
}
