//! `wrs predict`: boxes in pictures.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_detection::predict::{CONFIDENCE, IOU, Output, Outputs, PredictOptions, predict};

use crate::source::{self, DarknetFlags};
use crate::{Global, exit};

/// What counts as a picture in a folder.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's directory (its best weights) or a weights file, ours or Darknet's; then pictures, folders of pictures, or
    /// quoted globs
    #[arg(required = true, value_name = "RUN|WEIGHTS INPUT")]
    inputs: Vec<String>,
    /// The weights by a flag: every argument is then an input
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Folder for what is written
    #[arg(long, value_name = "DIR", default_value = "predictions")]
    out: PathBuf,
    /// What is written there, with commas between
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "pictures")]
    save: Vec<Save>,
    /// Shows boxes whose score is above it
    #[arg(long, value_name = "SCORE", default_value_t = CONFIDENCE)]
    conf: f32,
    /// Hides a box that overlaps a better one of its class by more
    #[arg(long, value_name = "IOU", default_value_t = IOU)]
    iou: f32,
    #[command(flatten)]
    darknet: DarknetFlags,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Save {
    /// Pictures with boxes, NAME.png
    Pictures,
    /// predictions.json: every picture with its boxes
    Json,
    /// coco.json: COCO's results form; the pictures' names must end with their ids
    Coco,
    /// labels/NAME.txt: a line `class cx cy w h score` for each box
    Txt,
    /// crops/CLASS/NAME-N.png: every box cut out
    Crops,
    /// Nothing
    None,
}

impl Save {
    fn output(self) -> Option<Output> {
        Some(match self {
            Self::Pictures => Output::Pictures,
            Self::Json => Output::Json,
            Self::Coco => Output::Coco,
            Self::Txt => Output::Txt,
            Self::Crops => Output::Crops,
            Self::None => return None,
        })
    }
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    for (flag, value) in [("--conf", arguments.conf), ("--iou", arguments.iou)] {
        if !(0.0..1.0).contains(&value) {
            return Err(exit::usage(format!("{flag}: expected at least 0 and below 1, got {value}")));
        }
    }
    let (named, given) = match &arguments.weights {
        Some(weights) => (weights.as_path(), arguments.inputs.as_slice()),
        None => (Path::new(&arguments.inputs[0]), &arguments.inputs[1..]),
    };
    if given.is_empty() {
        return Err(exit::usage("no picture\nhelp: name pictures, folders or globs behind the run or weights"));
    }
    let saved = source::load(named, &arguments.darknet, global)?.saved;
    let options = PredictOptions { confidence: arguments.conf, iou: arguments.iou, algorithms: global.algorithms() };
    let paths = inputs(given)?;
    let outputs = Outputs::new(&arguments.out, arguments.save.iter().filter_map(|save| save.output()), &paths)?;
    let mut results = Vec::new();
    for path in paths {
        let result = predict(&saved, &path, options, &outputs)?;
        if !global.json {
            let drawn = result.drawn.as_ref().map_or_else(String::new, |drawn| format!("  {}", drawn.display()));
            println!("{}  {} boxes{drawn}", path.display(), result.detections.len());
            for found in &result.detections {
                let [x0, y0, x1, y1] = found.xyxy;
                println!("  {:<16} {:.2}  {x0:.0},{y0:.0} to {x1:.0},{y1:.0}", found.class, found.score);
            }
        }
        results.push(result);
    }
    let written = outputs.write_all(&results, &saved.description.category_ids)?;
    if global.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        for path in written {
            println!("{}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
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
