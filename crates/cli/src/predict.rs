//! `wrs predict`: boxes in pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_detection::DetectionError;
use wrs_detection::predict::{CONFIDENCE, PredictOptions, predict, target};
use wrs_detection::saved::SavedNet;
use wrs_train::run_dir::RunFiles;

use crate::{Global, exit};

/// What counts as a picture in a folder.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's directory (its best weights) or a weights file
    #[arg(value_name = "RUN|WEIGHTS")]
    source: PathBuf,
    /// Pictures, folders of pictures, or quoted globs
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// Folder for the pictures with boxes
    #[arg(long, value_name = "DIR", default_value = "predictions")]
    out: PathBuf,
    /// Shows boxes whose score is above it
    #[arg(long, value_name = "SCORE", default_value_t = CONFIDENCE)]
    conf: f32,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    if !(0.0..1.0).contains(&arguments.conf) {
        return Err(exit::usage(format!("--conf: expected at least 0 and below 1, got {}", arguments.conf)));
    }
    let weights = if arguments.source.is_dir() {
        RunFiles::at(&arguments.source).map_err(DetectionError::from)?.best()
    } else {
        arguments.source.clone()
    };
    let saved = SavedNet::load(&weights)?;
    let options =
        PredictOptions { confidence: arguments.conf, out: Some(&arguments.out), algorithms: global.algorithms() };
    let paths = inputs(&arguments.inputs)?;
    check_targets(&arguments.out, &paths)?;
    let mut results = Vec::new();
    for path in paths {
        let result = predict(&saved, &path, options)?;
        if !global.json {
            let drawn = result.drawn.as_deref().unwrap_or(&path).display().to_string();
            println!("{}  {} boxes  {drawn}", path.display(), result.detections.len());
            for found in &result.detections {
                let [x0, y0, x1, y1] = found.xyxy;
                println!("  {:<16} {:.2}  {x0:.0},{y0:.0} to {x1:.0},{y1:.0}", found.class, found.score);
            }
        }
        results.push(result);
    }
    if global.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses to draw two pictures into one file, or one over a picture that was given.
fn check_targets(out: &Path, paths: &[PathBuf]) -> anyhow::Result<()> {
    let given: BTreeSet<PathBuf> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut targets = BTreeMap::new();
    for path in paths {
        let target = target(out, path);
        if target.canonicalize().is_ok_and(|target| given.contains(&target)) {
            let text = format!("{}: drawing would overwrite a picture that was given", target.display());
            return Err(exit::usage(format!("{text}\nhelp: name another folder with --out")));
        }
        if let Some(other) = targets.insert(target, path) {
            let text = format!("{} and {} would be drawn into one file", other.display(), path.display());
            return Err(exit::usage(format!("{text}\nhelp: give them in two calls, each with its own --out")));
        }
    }
    Ok(())
}

/// Every picture that the inputs name, folders and globs in the order of names.
fn inputs(given: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for input in given {
        let path = Path::new(input);
        if path.is_dir() {
            let mut found: Vec<PathBuf> =
                std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
            found.retain(|p| is_picture(p));
            found.sort();
            if found.is_empty() {
                return Err(exit::usage(format!("{input}: no .jpg, .jpeg or .png in this folder")));
            }
            paths.extend(found);
        } else if path.is_file() {
            paths.push(path.to_owned());
        } else {
            let found: Vec<PathBuf> = glob::glob(input)?.collect::<Result<_, _>>()?;
            if found.is_empty() {
                return Err(exit::usage(format!("{input}: no such file, folder or match")));
            }
            paths.extend(found.into_iter().filter(|p| p.is_file()));
        }
    }
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}
