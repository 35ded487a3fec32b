//! Classes of pixels.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_segmentation::predict::{Output, Outputs, PredictOptions, predict, tile_plan};

use super::{Arguments, Save, outputs};
use crate::task::Task;
use crate::{Global, eval, exit, source};

/// Gives the pixels of every picture classes.
pub fn run(named: &Path, pictures: &[PathBuf], arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    source::refuse_darknet(&arguments.darknet)?;
    if arguments.conf.is_some() || arguments.iou.is_some() {
        return Err(exit::usage("--conf and --iou belong to detection; these weights are for segmentation"));
    }
    let (saved, _) = source::segmentation(named)?;
    let views = eval::segmentation::views(&saved, arguments.multi_scale, arguments.max_pixels)?;
    let options = PredictOptions { views: Some(views), algorithms: global.algorithms() };
    let outputs = Outputs::new(&arguments.out, outputs(&arguments.save, output, Task::Segmentation)?, pictures)?;
    let mut results = Vec::new();
    for path in pictures {
        if let Some(plan) = tile_plan(&saved, path, &options)?.filter(|_| !global.quiet) {
            eprintln!("tiles   {}: {plan}", path.display());
        }
        let result = predict(&saved, path, &options, &outputs)?;
        if !global.json {
            let written: Vec<String> =
                [&result.drawn, &result.mask].into_iter().flatten().map(|path| path.display().to_string()).collect();
            println!("{}  {}", path.display(), written.join("  "));
            for found in &result.classes {
                println!("  {:<16} {:>5.1} %", found.class, 100.0 * found.share);
            }
        }
        if result.not_finite > 0 && !global.quiet {
            eprintln!("note: {}: {} logits that are not finite", path.display(), result.not_finite);
        }
        results.push(result);
    }
    let written = outputs.write_all(&results)?;
    if global.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else if let Some(path) = written {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn output(save: Save) -> Option<Output> {
    Some(match save {
        Save::Pictures => Output::Pictures,
        Save::Json => Output::Json,
        Save::Masks => Output::Masks,
        Save::Coco | Save::Txt | Save::Crops | Save::Csv | Save::Arrays | Save::None => return None,
    })
}
