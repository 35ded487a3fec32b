//! `wrs train`: a recipe from beginning to end, or a run from where it stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wrs_train::TrainError;
use wrs_train::interrupt::Interrupt;
use wrs_train::progress::{Appearance, Progress, Wanted};
use wrs_train::recipe::of_run;
use wrs_train::run_dir::{self, Place, RunDirError, RunFiles};
use wrs_train::session::{TrainOptions, TrainOutcome};
use wrs_weights::Origin;
use wrs_weights::find::{Finder, Reach};

use crate::recipe::AnyRecipe;
use crate::task::Task;
use crate::{Global, eval, exit, recipe};

/// Held-out pictures on the sheet of a finished run.
const SHEET: usize = 12;

/// Pictures side by side on it.
const SHEET_COLUMNS: usize = 4;

/// The directory of all runs.
const RUNS: &str = "runs";

/// Seeds of several runs.
#[derive(Clone, Debug, PartialEq)]
struct Seeds(Vec<u64>);

impl Seeds {
    /// Seeds of one command: more are a typing mistake.
    const MOST: usize = 1000;

    /// `1..3` with both ends, or a list with commas.
    fn parse(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u64>().map_err(|_| format!("`{part}` is no seed"));
        let seeds: Vec<u64> = match text.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
                (first..=last).take(Self::MOST + 1).collect()
            }
            None => text.split(',').map(number).collect::<Result<_, _>>()?,
        };
        let mut sorted = seeds.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if seeds.is_empty() || seeds.len() > Self::MOST || sorted.len() != seeds.len() {
            return Err(format!("expected 1 to {} different seeds, such as 1..3 or 1,2,5", Self::MOST));
        }
        Ok(Self(seeds))
    }
}

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
    /// One run for each of these seeds, one after another, in NAME-s1, NAME-s2, …: 1..3 or 1,2,5
    #[arg(long, value_name = "SEEDS", value_parser = Seeds::parse, conflicts_with_all = ["seed", "resume", "print"])]
    seeds: Option<Seeds>,
    /// Weights to start from: a file, a name such as imagenet/resnet101 or hub://OWNER/NAME, or none
    #[arg(long, value_name = "FILE|NAME", conflicts_with = "resume")]
    init: Option<Origin>,
    /// Trains this Darknet network, with its anchors, in place of the recipe's; from scratch, unless --init is given
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    cfg: Option<PathBuf>,
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
        for (name, text) in recipe::all() {
            println!("{name:<20} {}", text.lines().next().unwrap_or_default().trim_start_matches("# "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install().context("cannot take over SIGINT and SIGTERM")?;
    if let Some(run) = &arguments.resume {
        let options = options(arguments, global, &interrupt);
        let outcome = match Task::of_run(run)? {
            Task::Detection => wrs_detection::train::resume(run, options)?,
            Task::Segmentation => wrs_segmentation::train::resume(run, options)?,
            Task::Counting => wrs_counting::train::resume(run, options)?,
        };
        return finish(&outcome, global);
    }
    let Some(recipe) = &arguments.recipe else {
        return Err(exit::usage("no recipe\nhelp: wrs train demo, or see wrs train --list"));
    };
    if let Some(seeds) = &arguments.seeds {
        return train_seeds(recipe, seeds, arguments, global, &interrupt);
    }
    let loaded = load(recipe, arguments, arguments.seed)?;
    if arguments.print {
        print!("{}", loaded.resolved());
        return Ok(ExitCode::SUCCESS);
    }
    let place = match &arguments.out {
        Some(out) => Place::Exactly(out),
        None => Place::Numbered { base: Path::new(RUNS), name: loaded.name() },
    };
    finish(&loaded.train(place, recipe, options(arguments, global, &interrupt))?, global)
}

/// A run for each seed, in directories that must all be free before the first begins.
fn train_seeds(
    recipe: &str,
    seeds: &Seeds,
    arguments: &Arguments,
    global: &Global,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    for &seed in &seeds.0 {
        let loaded = load(recipe, arguments, Some(seed))?;
        let base = arguments.out.clone().unwrap_or_else(|| Path::new(RUNS).join(run_dir::file_name(loaded.name())));
        let mut name = base.into_os_string();
        name.push(format!("-s{seed}"));
        let out = PathBuf::from(name);
        if out.exists() {
            return Err(TrainError::from(RunDirError::Exists(out)).into());
        }
        runs.push((loaded, out));
    }
    let mut code = ExitCode::SUCCESS;
    for (loaded, out) in &runs {
        let outcome = loaded.train(Place::Exactly(out), recipe, options(arguments, global, interrupt))?;
        let stopped = outcome.stopped_by.is_some();
        code = finish(&outcome, global)?;
        if stopped {
            break;
        }
    }
    Ok(code)
}

/// What there is to say when a run has ended.
fn finish(outcome: &TrainOutcome, global: &Global) -> anyhow::Result<ExitCode> {
    if let Some(signal) = outcome.stopped_by {
        eprintln!("to go on: wrs train --resume {}", outcome.run.display());
        return Ok(ExitCode::from(signal.exit_code()));
    }
    report(&outcome.run, global)
}

fn options(arguments: &Arguments, global: &Global, interrupt: &Interrupt) -> TrainOptions {
    let wanted = match (global.quiet, global.no_progress) {
        (true, _) => Wanted::Nothing,
        (false, true) => Wanted::Talk,
        (false, false) => Wanted::Everything,
    };
    TrainOptions {
        workers: arguments.workers.unwrap_or_else(crate::workers),
        algorithms: global.algorithms(),
        progress: Box::new(move |log| Progress::new(Appearance::on_stderr(wanted), log)),
        interrupt: interrupt.clone(),
        finder: finder(global),
    }
}

/// Where weights are looked for, and whether the network may be asked.
fn finder(global: &Global) -> Finder {
    let reach = if global.offline { Reach::Machine } else { Reach::Network };
    let say: fn(&str) = if global.quiet { |_| {} } else { |text| eprintln!("{text}") };
    Finder { bar: !global.quiet && !global.no_progress, say, ..Finder::from_env(reach) }
}

/// The recipe of that name, or in that file, with what was typed set in it.
fn load(recipe: &str, arguments: &Arguments, seed: Option<u64>) -> anyhow::Result<AnyRecipe> {
    let mut overrides = recipe::typed_overrides(&arguments.set)?;
    if let Some(seed) = seed {
        overrides.push(("seed".to_owned(), seed.to_string()));
    }
    if let Some(init) = &arguments.init {
        overrides.push(recipe::init_override(init)?);
    }
    if let Some(cfg) = &arguments.cfg {
        if recipe::task(recipe)? != Task::Detection {
            return Err(exit::usage("--cfg is for recipes of detection: Darknet knows no other task"));
        }
        // What a recipe of the program starts from is of its own network.
        if recipe::is_built_in(recipe) && !overrides.iter().any(|(key, _)| key == "init") {
            overrides.push(("init".to_owned(), Origin::Scratch.to_string()));
        }
        overrides.extend(recipe::cfg_overrides(cfg)?);
    }
    AnyRecipe::load(recipe, arguments.data.as_deref(), overrides)
}

/// What the best weights are worth, and a sheet of pictures.
fn report(run: &Path, global: &Global) -> anyhow::Result<ExitCode> {
    let task = Task::of_run(run)?;
    let mut told = eval::of_run(task, run, global)?.with("run", run.display().to_string().into());
    let files = RunFiles::at(run).map_err(TrainError::from)?;
    let sheet = files.root().join("predictions.png");
    match task {
        Task::Detection => detection_sheet(&files, &sheet, global)?,
        Task::Segmentation => segmentation_sheet(&files, &sheet, global)?,
        Task::Counting => {
            counting_sheet(&files, &sheet, global)?;
            if let Some(test) = eval::counting::of_test(run, global)? {
                told = told.and("test", test);
            }
        }
    }
    told.print(global)?;
    if !global.json {
        println!("best weights  {}", files.best().display());
        println!("pictures      {}", sheet.display());
        if files.norms().is_file() {
            println!("norms         {}", files.norms().display());
        }
        println!("again         wrs eval {} --json", run.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn detection_sheet(files: &RunFiles, sheet: &Path, global: &Global) -> anyhow::Result<()> {
    use wrs_detection::predict::{PredictOptions, contact_sheet};
    let saved = wrs_detection::saved::SavedNet::load(&files.best())?;
    let recipe = of_run::<wrs_detection::recipe::Recipe>(files)?.recipe;
    let data = wrs_detection::sample::open(&recipe, files.root())?;
    let pictures = data.val.images.into_iter().filter(|image| image.on_disk).map(|image| image.path);
    let pictures: Vec<PathBuf> = pictures.take(SHEET).collect();
    Ok(contact_sheet(&saved, &pictures, SHEET_COLUMNS, sheet, PredictOptions::shown(global.algorithms()))?)
}

fn segmentation_sheet(files: &RunFiles, sheet: &Path, global: &Global) -> anyhow::Result<()> {
    use wrs_segmentation::predict::{PredictOptions, contact_sheet};
    let saved = wrs_segmentation::saved::SavedNet::load(&files.best())?;
    let recipe = of_run::<wrs_segmentation::recipe::Recipe>(files)?.recipe;
    let data = wrs_segmentation::sample::open(&recipe, files.root())?;
    let pictures: Vec<PathBuf> = data.val.images.into_iter().map(|image| image.image).take(SHEET).collect();
    let options = PredictOptions { views: None, algorithms: global.algorithms() };
    Ok(contact_sheet(&saved, &pictures, SHEET_COLUMNS, sheet, &options)?)
}

fn counting_sheet(files: &RunFiles, sheet: &Path, global: &Global) -> anyhow::Result<()> {
    let saved = wrs_counting::saved::SavedNet::load(&files.best())?;
    let recipe = of_run::<wrs_counting::recipe::Recipe>(files)?.recipe;
    let data = wrs_counting::sample::open(&recipe, files.root())?;
    let mut records = data.val.images;
    records.truncate(SHEET);
    Ok(wrs_counting::predict::contact_sheet(&saved, &records, SHEET_COLUMNS, sheet, global.algorithms())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_both_ends_or_a_list() {
        assert_eq!(Seeds::parse("1..3"), Ok(Seeds(vec![1, 2, 3])));
        assert_eq!(Seeds::parse("5"), Ok(Seeds(vec![5])));
        assert_eq!(Seeds::parse("7, 2"), Ok(Seeds(vec![7, 2])));
        for wrong in ["", "3..1", "1,1", "a", "0..99999999999", "1..", "-1"] {
            assert!(Seeds::parse(wrong).is_err(), "{wrong}");
        }
    }
}
