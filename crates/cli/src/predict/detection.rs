//! Boxes in pictures.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_detection::predict::{CONFIDENCE, IOU, Output, Outputs, PredictOptions, predict};

use super::{Arguments, Save, outputs};
use crate::task::Task;
use crate::{Global, exit, source};

/// Finds boxes in every picture.
pub fn run(named: &Path, pictures: &[PathBuf], arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    if arguments.multi_scale || arguments.max_pixels.is_some() {
        let text = "--multi-scale and --max-pixels belong to segmentation; these weights are for detection";
        return Err(exit::usage(text));
    }
    let (confidence, iou) = (arguments.conf.unwrap_or(CONFIDENCE), arguments.iou.unwrap_or(IOU));
    for (flag, value) in [("--conf", confidence), ("--iou", iou)] {
        if !(0.0..1.0).contains(&value) {
            return Err(exit::usage(format!("{flag}: expected at least 0 and below 1, got {value}")));
        }
    }
    let saved = source::detection(named, &arguments.darknet, global)?.saved;
    let options = PredictOptions { confidence, iou, algorithms: global.algorithms() };
    let wanted = outputs(&arguments.save, output, Task::Detection)?;
    let outputs = Outputs::new(&arguments.out, wanted, pictures)?;
    let mut results = Vec::new();
    for path in pictures {
        let result = predict(&saved, path, options, &outputs)?;
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

fn output(save: Save) -> Option<Output> {
    Some(match save {
        Save::Pictures => Output::Pictures,
        Save::Json => Output::Json,
        Save::Coco => Output::Coco,
        Save::Txt => Output::Txt,
        Save::Crops => Output::Crops,
        Save::Masks | Save::Csv | Save::Arrays | Save::None => return None,
    })
}
