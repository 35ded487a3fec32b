//! `wrs export`: weights in another form.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::source::{self, DarknetFlags};
use crate::task::Task;
use crate::{Global, exit, foreign};

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's directory (its best weights) or a weights file: ours, Darknet's, or PyTorch's, whose names stay
    #[arg(value_name = "RUN|WEIGHTS")]
    source: PathBuf,
    /// The file to write: .safetensors, or Darknet's .weights
    #[arg(value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    darknet: DarknetFlags,
}

/// The forms a file can have, by the end of its name.
const FORMS: [&str; 2] = ["safetensors", "weights"];

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    let form = out.extension().map(|extension| extension.to_string_lossy().into_owned());
    if !form.as_deref().is_some_and(|form| FORMS.contains(&form)) {
        return Err(exit::usage(format!("{}: expected a name that ends in .safetensors or .weights", out.display())));
    }
    if out.exists() {
        return Err(exit::usage(format!("{} exists\nhelp: name another file, or remove it", out.display())));
    }
    if let Some(file) = foreign::open(&arguments.source)? {
        source::refuse_darknet(&arguments.darknet)?;
        if form.as_deref() != Some(FORMS[0]) {
            let text = "a file of another program becomes safetensors, nothing else";
            return Err(exit::usage(format!("{text}\nhelp: name a .safetensors file")));
        }
        file.write_safetensors(out)?;
        return written(out, global);
    }
    match Task::of_network(&arguments.source)? {
        Task::Detection => source::detection(&arguments.source, &arguments.darknet, global)?.saved.export(out)?,
        Task::Segmentation if form.as_deref() == Some(FORMS[0]) => {
            source::refuse_darknet(&arguments.darknet)?;
            source::segmentation(&arguments.source)?.0.export(out)?;
        }
        Task::Counting if form.as_deref() == Some(FORMS[0]) => {
            source::refuse_darknet(&arguments.darknet)?;
            source::counting(&arguments.source)?.0.export(out)?;
        }
        Task::Segmentation | Task::Counting => {
            return Err(exit::usage("Darknet knows detection alone\nhelp: name a .safetensors file"));
        }
    }
    written(out, global)
}

fn written(out: &Path, global: &Global) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::metadata(out)?.len();
    if global.json {
        println!("{}", serde_json::json!({ "file": out, "bytes": bytes }));
    } else {
        println!("{}  {bytes} bytes", out.display());
    }
    Ok(ExitCode::SUCCESS)
}
