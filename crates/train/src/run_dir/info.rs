//! `run.json`: what a run is and how it stands, for people and for `compare`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::recipe::Override;
use crate::state::Best;

/// How a run stands.  A run whose process was killed still says `running`; its lock is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process trains, or died training.
    Running,
    /// Stopped by a signal, after a save.
    Interrupted,
    /// Every step done.
    Finished,
    /// Stopped at a loss, a gradient or a weight that is not finite.
    Diverged,
    /// Stopped by another error.
    Failed,
}

/// What a run is and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunInfo {
    schema: u32,
    /// How it stands.
    pub status: Status,
    /// `detection`, `segmentation` or `counting`.
    pub task: String,
    /// The recipe's name or file.
    pub recipe: String,
    /// Digest of the resolved recipe.
    pub recipe_digest: String,
    /// What `--set` and flags changed in it.
    pub overrides: Vec<Override>,
    /// The seed of every draw.
    pub seed: u64,
    /// The command as it was typed.
    pub command: Vec<String>,
    /// Version of wrs.
    pub version: String,
    /// Processor, threads, device.
    pub machine: BTreeMap<String, String>,
    /// Data set: folder, number of images, digest of the annotations.
    pub data: BTreeMap<String, String>,
    /// The weights it starts from: name, file, size, digest; empty for a start from scratch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub init: BTreeMap<String, String>,
    /// Start, in seconds since 1970 (UTC).
    pub started: u64,
    /// End of the last process in it, in seconds since 1970 (UTC).
    pub ended: Option<u64>,
    /// The best evaluation.
    pub best: Option<Best>,
}

impl RunInfo {
    /// A run that starts now.
    pub fn starting(task: &str, recipe: &str, recipe_digest: &str, seed: u64) -> Self {
        Self {
            schema: 1,
            status: Status::Running,
            task: task.to_owned(),
            recipe: recipe.to_owned(),
            recipe_digest: recipe_digest.to_owned(),
            overrides: Vec::new(),
            seed,
            command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: BTreeMap::new(),
            data: BTreeMap::new(),
            init: BTreeMap::new(),
            started: now(),
            ended: None,
            best: None,
        }
    }

    /// Notes that the process in the run ends now, and how.
    pub fn end(&mut self, status: Status, best: Option<Best>) {
        self.status = status;
        self.best = best;
        self.ended = Some(now());
    }

    pub(super) fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, self)?;
        writer.write_all(b"\n")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
