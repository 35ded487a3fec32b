//! `wrs predict`: boxes in pictures, classes of their pixels, or how many there are.

mod counting;
mod detection;
mod segmentation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::source::DarknetFlags;
use crate::task::Task;
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
    /// Detection: shows boxes whose score is above it [default: 0.25]
    #[arg(long, value_name = "SCORE")]
    conf: Option<f32>,
    /// Detection: hides a box that overlaps a better one of its class by more [default: 0.45]
    #[arg(long, value_name = "IOU")]
    iou: Option<f32>,
    /// Segmentation: looks at each picture at six sizes from half to 1.75, each mirrored too
    #[arg(long)]
    multi_scale: bool,
    /// Segmentation: the most pixels that the network sees at once; larger pictures are cut into tiles that overlap
    /// [default: the recipe's evaluation.max-pixels]
    #[arg(long, value_name = "N")]
    max_pixels: Option<usize>,
    /// Counting: MIB of memory that the program may take: larger pictures are counted in tiles, to the same density
    #[arg(long, value_name = "MIB")]
    max_mem: Option<u64>,
    #[command(flatten)]
    darknet: DarknetFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Save {
    /// NAME.png: pictures with boxes, with the colours of their classes and a legend, or with density and count
    Pictures,
    /// predictions.json: every picture with its boxes, the shares of its classes, or its count
    Json,
    /// Detection: coco.json, COCO's results form; the pictures' names must end with their ids
    Coco,
    /// Detection: labels/NAME.txt, a line `class cx cy w h score` for each box
    Txt,
    /// Detection: crops/CLASS/NAME-N.png, every box cut out
    Crops,
    /// Segmentation: masks/NAME.png, the class of every pixel as an index PNG
    Masks,
    /// Counting: counts.csv, a line `image,predicted` for each picture
    Csv,
    /// Counting: densities/NAME.safetensors, people per cell
    Arrays,
    /// Nothing
    None,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let (named, given) = match &arguments.weights {
        Some(weights) => (weights.as_path(), arguments.inputs.as_slice()),
        None => (Path::new(&arguments.inputs[0]), &arguments.inputs[1..]),
    };
    if given.is_empty() {
        return Err(exit::usage("no picture\nhelp: name pictures, folders or globs behind the run or weights"));
    }
    match Task::of_network(named)? {
        Task::Detection => detection::run(named, &inputs(given)?, arguments, global),
        Task::Segmentation => segmentation::run(named, &inputs(given)?, arguments, global),
        Task::Counting => counting::run(named, &inputs(given)?, arguments, global),
    }
}

/// What of a task is wanted of the kinds that were typed.
fn outputs<O>(typed: &[Save], of: impl Fn(Save) -> Option<O>, task: Task) -> anyhow::Result<Vec<O>> {
    let wanted = typed.iter().filter(|save| **save != Save::None);
    let output = |save: &Save| {
        of(*save).ok_or_else(|| exit::usage(format!("--save {}: not for {task}", format!("{save:?}").to_lowercase())))
    };
    wanted.map(output).collect()
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
