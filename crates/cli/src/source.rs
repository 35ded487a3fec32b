//! The network that was named: a run, a weights file of ours, or Darknet's weights.

use std::path::{Path, PathBuf};

use anyhow::Context;
use wrs_counting::recipe::EvaluationSettings;
use wrs_detection::darknet_source::{DarknetSource, Resize};
use wrs_detection::saved::SavedNet;
use wrs_train::TrainError;
use wrs_train::run_dir::RunFiles;
use wrs_weights::Format;

use crate::{Global, exit};

/// How a Darknet network is to be read; weights of ours carry all this in themselves.
#[derive(clap::Args)]
pub struct DarknetFlags {
    /// The network of Darknet's weights; the published ones are known without it
    #[arg(long, value_name = "FILE")]
    cfg: Option<PathBuf>,
    /// Names of its classes, one a line
    #[arg(long, value_name = "FILE", requires = "cfg")]
    names: Option<PathBuf>,
    /// How pictures are fitted into its input
    #[arg(long, value_name = "HOW")]
    resize: Option<Resize>,
    /// Side of its input in pixels, in place of the .cfg's
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
}

impl DarknetFlags {
    /// Whether one of them was given.
    pub fn any(&self) -> bool {
        self.cfg.is_some() || self.names.is_some() || self.resize.is_some() || self.size.is_some()
    }
}

/// A detector that was named.
pub struct Source {
    /// The network.
    pub saved: SavedNet,
    /// The run it belongs to.
    pub run: Option<RunFiles>,
}

/// Refuses Darknet's flags beside weights for other tasks.
pub fn refuse_darknet(flags: &DarknetFlags) -> anyhow::Result<()> {
    if !flags.any() {
        return Ok(());
    }
    let text = "--cfg, --names, --resize and --size belong to Darknet's weights; these are for another task";
    Err(exit::usage(format!("{text}\nhelp: leave them away")))
}

/// The weights that were named, and the run they belong to: the best of a run, or a file.
fn weights_of(named: &Path) -> Result<(PathBuf, Option<RunFiles>), TrainError> {
    let run = named.is_dir().then(|| RunFiles::at(named)).transpose()?;
    let path = run.as_ref().map_or_else(|| named.to_owned(), RunFiles::best);
    Ok((path, run))
}

/// Loads the segmenter that was named, and the run it belongs to.
pub fn segmentation(named: &Path) -> anyhow::Result<(wrs_segmentation::saved::SavedNet, Option<RunFiles>)> {
    let (path, run) = weights_of(named)?;
    Ok((wrs_segmentation::saved::SavedNet::load(&path)?, run))
}

/// Loads the counter that was named, and the run it belongs to.
pub fn counting(named: &Path) -> anyhow::Result<(wrs_counting::saved::SavedNet, Option<RunFiles>)> {
    let (path, run) = weights_of(named)?;
    Ok((wrs_counting::saved::SavedNet::load(&path)?, run))
}

/// How a counter looks at pictures, within the memory that was typed.
pub fn with_max_mem(settings: EvaluationSettings, typed: Option<u64>) -> EvaluationSettings {
    EvaluationSettings { max_mem: typed.or(settings.max_mem), ..settings }
}

/// Loads the detector that was named.
pub fn detection(named: &Path, darknet: &DarknetFlags, global: &Global) -> anyhow::Result<Source> {
    let (path, run) = weights_of(named)?;
    if run.is_some() || Format::of(&path)?.is_some() {
        if darknet.any() {
            let text = "--cfg, --names, --resize and --size belong to Darknet's weights; these know their own";
            return Err(exit::usage(format!("{text}\nhelp: leave them away")));
        }
        return Ok(Source { saved: SavedNet::load(&path)?, run });
    }
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let cfg = darknet.cfg.as_deref().map(|path| Ok::<_, anyhow::Error>((path, read(path)?))).transpose()?;
    let source = DarknetSource {
        weights: &path,
        cfg: cfg.as_ref().map(|(path, text)| (*path, text.as_str())),
        names: darknet.names.as_deref().map(read).transpose()?,
        resize: darknet.resize,
        size: darknet.size,
    };
    let (saved, notes) = source.load()?;
    if !global.quiet {
        for note in notes {
            eprintln!("note: {note}");
        }
    }
    Ok(Source { saved, run: None })
}
