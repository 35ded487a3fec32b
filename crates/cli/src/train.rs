//! `wrs train`: a recipe from beginning to end, or a run from where it stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wrs_detection::predict::{CONFIDENCE, PredictOptions, contact_sheet};
use wrs_detection::recipe::{DataSource, RECIPES, Recipe};
use wrs_detection::saved::SavedNet;
use wrs_detection::train::{TrainOptions, resume, train};
use wrs_detection::{DetectionError, sample};
use wrs_train::interrupt::Interrupt;
use wrs_train::progress::{Appearance, Progress, Wanted};
use wrs_train::recipe::Loaded;
use wrs_train::run_dir::{Place, RunFiles};

use crate::{Global, eval, exit, table};

/// Held-out pictures on the sheet of a finished run.
const SHEET: usize = 12;

/// Pictures side by side on it.
const SHEET_COLUMNS: usize = 4;

#[derive(clap::Args)]
pub struct Arguments {
    /// A recipe's name (see --list) or a TOML file
    recipe: Option<String>,
    /// Goes on with a run; every setting is the run's own
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "data", "set", "seed", "out", "list", "print"])]
    resume: Option<PathBuf>,
    /// The data set's folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Changes a value of the recipe, dots between the parts of the key: --set loss.giou.box-gain=3
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The seed of every draw: short for --set seed=N
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The run's directory; without it runs/NAME, runs/NAME-2, …
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads that prepare pictures; no result depends on it
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Lists the recipes that come with the program
    #[arg(long)]
    list: bool,
    /// Prints the recipe as it would run, and does nothing
    #[arg(long)]
    print: bool,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    if arguments.list {
        for (name, text) in RECIPES {
            println!("{name:<18} {}", text.lines().next().unwrap_or_default().trim_start_matches("# "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = options(arguments, global)?;
    let outcome = match (&arguments.resume, &arguments.recipe) {
        (Some(run), _) => resume(run, options)?,
        (None, None) => return Err(exit::usage("no recipe\nhelp: wrs train demo, or see wrs train --list")),
        (None, Some(recipe)) => {
            let loaded = load(recipe, arguments)?;
            if arguments.print {
                print!("{}", loaded.resolved);
                return Ok(ExitCode::SUCCESS);
            }
            let place = match &arguments.out {
                Some(out) => Place::Exactly(out),
                None => Place::Numbered { base: Path::new("runs"), name: &loaded.recipe.name },
            };
            train(&loaded, place, recipe, options)?
        }
    };
    if let Some(signal) = outcome.stopped_by {
        eprintln!("to go on: wrs train --resume {}", outcome.run.display());
        return Ok(ExitCode::from(signal.exit_code()));
    }
    report(&outcome.run, global)
}

fn options(arguments: &Arguments, global: &Global) -> anyhow::Result<TrainOptions> {
    let wanted = match (global.quiet, global.no_progress) {
        (true, _) => Wanted::Nothing,
        (false, true) => Wanted::Talk,
        (false, false) => Wanted::Everything,
    };
    Ok(TrainOptions {
        workers: arguments.workers.unwrap_or_else(crate::workers),
        algorithms: global.algorithms(),
        progress: Box::new(move |log| Progress::new(Appearance::on_stderr(wanted), log)),
        interrupt: Interrupt::install().context("cannot take over SIGINT and SIGTERM")?,
    })
}

/// The recipe of that name, or in that file, with what was typed set in it.
fn load(recipe: &str, arguments: &Arguments) -> anyhow::Result<Loaded<Recipe>> {
    let text = match RECIPES.iter().find(|(name, _)| *name == recipe) {
        Some((_, text)) => (*text).to_owned(),
        None if Path::new(recipe).is_file() => {
            std::fs::read_to_string(recipe).with_context(|| format!("cannot read {recipe}"))?
        }
        None => {
            let names: Vec<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
            let text = format!("no recipe and no file is called `{recipe}`\nhelp: recipes are {}", names.join(", "));
            return Err(exit::usage(text));
        }
    };
    let mut overrides = Vec::new();
    for item in &arguments.set {
        let (key, value) =
            item.split_once('=').ok_or_else(|| exit::usage(format!("--set: expected KEY=VALUE, got `{item}`")))?;
        overrides.push((key.to_owned(), value.to_owned()));
    }
    if let Some(seed) = arguments.seed {
        overrides.push(("seed".to_owned(), seed.to_string()));
    }
    if let Some(data) = &arguments.data {
        let plain = Recipe::load(recipe, &text, &overrides).map_err(DetectionError::from)?;
        if let DataSource::Scenes(_) = plain.recipe.data.source {
            let text = format!("--data: recipe `{recipe}` draws its own data\nhelp: leave --data away");
            return Err(exit::usage(text));
        }
        let root = std::path::absolute(data).with_context(|| format!("--data {}", data.display()))?;
        overrides.push(("data.source.coco.root".to_owned(), root.display().to_string()));
    }
    Ok(Recipe::load(recipe, &text, &overrides).map_err(DetectionError::from)?)
}

/// What the best weights are worth, and a sheet of pictures.
fn report(run: &Path, global: &Global) -> anyhow::Result<ExitCode> {
    let files = RunFiles::at(run).map_err(DetectionError::from)?;
    let saved = SavedNet::load(&files.best())?;
    let result = eval::of_run(&files, &saved, None, global)?;
    let recipe = eval::recipe_of(&files)?;
    let data = sample::open(&recipe, files.root())?;
    let pictures: Vec<PathBuf> =
        data.val.images.iter().filter(|i| i.on_disk).take(SHEET).map(|i| i.path.clone()).collect();
    let sheet = files.root().join("predictions.png");
    let options = PredictOptions { confidence: CONFIDENCE, out: None, algorithms: global.algorithms() };
    contact_sheet(&saved, &pictures, SHEET_COLUMNS, &sheet, options)?;
    if global.json {
        let mut document = serde_json::to_value(&result.metrics)?;
        if let Some(object) = document.as_object_mut() {
            object.insert("run".to_owned(), run.display().to_string().into());
        }
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        println!("{}", table::detection(&result.metrics));
        println!("best weights  {}", files.best().display());
        println!("pictures      {}", sheet.display());
        println!("again         wrs eval {} --json", run.display());
    }
    Ok(ExitCode::SUCCESS)
}
