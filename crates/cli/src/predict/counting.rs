//! How many there are.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_counting::predict::{Output, Outputs, PredictOptions, predict};

use super::{Arguments, Save, outputs};
use crate::task::Task;
use crate::{Global, exit, source};

/// Counts what is in every picture.
pub fn run(named: &Path, pictures: &[PathBuf], arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    source::refuse_darknet(&arguments.darknet)?;
    if arguments.conf.is_some() || arguments.iou.is_some() || arguments.multi_scale {
        return Err(exit::usage("--conf, --iou and --multi-scale are for other tasks; these weights count"));
    }
    let (saved, _) = source::counting(named)?;
    let settings = Some(source::with_max_mem(saved.description.evaluation, arguments.max_mem));
    let options = PredictOptions { settings, algorithms: global.algorithms() };
    let outputs = Outputs::new(&arguments.out, outputs(&arguments.save, output, Task::Counting)?, pictures)?;
    let mut results = Vec::new();
    for path in pictures {
        let result = predict(&saved, path, options, &outputs)?;
        if !global.json {
            let written: Vec<String> =
                [&result.drawn, &result.density].into_iter().flatten().map(|path| path.display().to_string()).collect();
            println!("{:>9.1}  {}  {}", result.count, path.display(), written.join("  "));
        }
        if !global.quiet && result.tiles > 1 {
            eprintln!("note: {}: counted in {} tiles", path.display(), result.tiles);
        }
        results.push(result);
    }
    let written = outputs.write_all(&results)?;
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
        Save::Csv => Output::Csv,
        Save::Arrays => Output::Arrays,
        Save::Coco | Save::Txt | Save::Crops | Save::Masks | Save::None => return None,
    })
}
