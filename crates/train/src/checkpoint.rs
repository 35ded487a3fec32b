//! Checkpoints that survive a crash at any point, and notice when they did not.
//!
//! ```text
//! ckpt/step-0003966/…  MANIFEST.json     the files and their BLAKE3 digests
//! ckpt/last  ckpt/best                   one line each: the name of a step
//! ```
//!
//! A save writes `.tmp-step-N/`, syncs every file and the directory, renames it, reads it back, replaces `best` (if it is
//! the best), then `last`, and only then deletes older steps.  `best` goes before `last` so that a run resumed from `last`
//! finds `best` at least as new as its state says; going on, it writes it again.  For the same reason a loop replaces the
//! run's `best.safetensors` before it saves.  Nothing here writes a time, a path or a host.

mod manifest;
mod step;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::durable::{self, FileError};

pub use manifest::Damage;
use manifest::{MANIFEST, Manifest};
pub use step::Checkpoint;
use step::StepName;

const TEMPORARY: &str = ".tmp-";
const REPLACED: &str = ".old-";
const TRASH: &str = ".trash-";

/// A checkpoint that cannot be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// A name that cannot stand in a checkpoint.
    #[error("checkpoint file `{0}`: expected a plain file name, each once, other than {MANIFEST}")]
    Name(String),
    /// What was written reads back differently; the checkpoint before is still there.
    #[error("checkpoint just written: {0}\nhelp: is the disk failing? the checkpoint before is untouched")]
    NotVerified(Damage),
    /// A file is asked for that the checkpoint lacks, or that changed since it was verified.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// There are checkpoints, none of them whole.
    #[error("{}: none of {} checkpoints is whole\n{notes}help: to start again at step 0, delete that directory", dir.display(), count)]
    AllDamaged {
        /// The directory of the checkpoints.
        dir: PathBuf,
        /// How many there are.
        count: usize,
        /// What is wrong with each, a line each.
        notes: String,
    },
}

/// Writes a file's content.
type Content<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

/// One file of a checkpoint to be saved.
pub struct CheckpointFile<'a> {
    name: &'a str,
    content: Content<'a>,
}

impl<'a> CheckpointFile<'a> {
    /// A file of these bytes.
    pub fn bytes(name: &'a str, bytes: &'a [u8]) -> Self {
        Self::written_by(name, move |writer| writer.write_all(bytes))
    }

    /// A file whose content is written while it is saved.
    pub fn written_by(name: &'a str, write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'a) -> Self {
        Self { name, content: Box::new(write) }
    }
}

/// What a checkpoint is, beside the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing else.
    Last,
    /// The best evaluated so far, too.
    LastAndBest,
}

/// A checkpoint whose every file verified.
#[derive(Debug)]
pub struct Loaded {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What the user must be told: checkpoints that were passed over, and why.
    pub notes: Vec<String>,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints in `dir`, which is created where it is missing; removes what a dead process left half-done.  Beside
    /// the last and the best, a save keeps the `keep` latest.
    ///
    /// The run must be locked by this process.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn open(dir: &Path, keep: usize) -> Result<Self, CheckpointError> {
        if !dir.is_dir() {
            durable::create_dir(dir)?;
        }
        for name in names(dir)? {
            let path = dir.join(&name);
            if let Some(step) = name.strip_prefix(REPLACED)
                && !dir.join(step).exists()
            {
                durable::rename(&path, &dir.join(step))?;
            } else if [TEMPORARY, REPLACED, TRASH].iter().any(|prefix| name.starts_with(prefix)) {
                durable::remove_dir(&path)?;
            }
        }
        for pointer in ["last", "best"] {
            durable::remove_leftover(&dir.join(pointer))?;
        }
        Ok(Self { dir: dir.to_owned(), keep })
    }

    /// Saves the checkpoint of a step; afterwards it is the last.
    ///
    /// # Errors
    /// [`CheckpointError`]; the next [`Self::open`] then finds the checkpoints before as they were.
    pub fn save(&self, step: u64, files: Vec<CheckpointFile<'_>>, mark: Mark) -> Result<(), CheckpointError> {
        let name = StepName(step);
        let temporary = self.dir.join(format!("{TEMPORARY}{name}"));
        if temporary.exists() {
            durable::remove_dir(&temporary)?;
        }
        write_all(&temporary, step, files)
            .and_then(|manifest| self.put_in_place(name, &temporary, &manifest))
            .inspect_err(|_| {
                // The disk may be full: what was written is of no use, and the first error is the one to report.
                let _ = durable::remove_dir(&temporary);
            })?;
        if mark == Mark::LastAndBest {
            self.point("best", name)?;
        }
        self.point("last", name)?;
        self.delete_old(step)
    }

    /// The checkpoint that `last` names, verified; where it is damaged the latest whole one, with a note.  `None` where
    /// no checkpoint was ever saved.
    ///
    /// # Errors
    /// [`CheckpointError::AllDamaged`], [`CheckpointError::File`].
    pub fn load_last(&self) -> Result<Option<Loaded>, CheckpointError> {
        let mut steps = self.steps()?;
        let mut notes = Vec::new();
        match self.pointer("last") {
            Some(last) if steps.contains(&last) => {
                steps.retain(|step| *step != last);
                steps.insert(0, last);
            }
            _ if steps.is_empty() => return Ok(None),
            _ => notes.push(format!("{} names no checkpoint", self.dir.join("last").display())),
        }
        for &step in &steps {
            match Checkpoint::verified(&self.dir, StepName(step)) {
                Ok(checkpoint) => {
                    if !notes.is_empty() {
                        notes.push(format!("resuming from {}", StepName(step)));
                    }
                    return Ok(Some(Loaded { checkpoint, notes }));
                }
                Err(damage) => notes.push(damage.to_string()),
            }
        }
        let notes = format!("  {}\n", notes.join("\n  "));
        Err(CheckpointError::AllDamaged { dir: self.dir.clone(), count: steps.len(), notes })
    }

    /// The checkpoint that `best` names, verified; `None` where none was marked.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`].
    pub fn load_best(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        match self.pointer("best") {
            Some(step) => Ok(Some(Checkpoint::verified(&self.dir, StepName(step))?)),
            None => Ok(None),
        }
    }

    /// The steps that have a checkpoint, latest first, whole or not.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn steps(&self) -> Result<Vec<u64>, CheckpointError> {
        let mut steps: Vec<u64> = names(&self.dir)?.iter().filter_map(|name| StepName::parse(name)).collect();
        steps.sort_unstable_by(|a, b| b.cmp(a));
        Ok(steps)
    }

    /// Gives a written directory its name and reads it back.
    fn put_in_place(&self, name: StepName, temporary: &Path, manifest: &Manifest) -> Result<(), CheckpointError> {
        let target = self.dir.join(name.to_string());
        if target.exists() {
            // A run that fell back comes here again; being deterministic, it mostly finds what it was about to write.
            if Checkpoint::verified(&self.dir, name).is_ok_and(|there| there.manifest() == manifest) {
                return Ok(durable::remove_dir(temporary)?);
            }
            let replaced = self.dir.join(format!("{REPLACED}{name}"));
            durable::rename(&target, &replaced)?;
            durable::rename(temporary, &target)?;
            durable::remove_dir(&replaced)?;
        } else {
            durable::rename(temporary, &target)?;
        }
        Checkpoint::verified(&self.dir, name).map_err(CheckpointError::NotVerified)?;
        Ok(())
    }

    fn point(&self, pointer: &str, name: StepName) -> Result<(), CheckpointError> {
        durable::replace(&self.dir.join(pointer), |writer| writeln!(writer, "{name}"))?;
        Ok(())
    }

    fn pointer(&self, pointer: &str) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(pointer)).ok()?;
        StepName::parse(text.strip_suffix('\n')?)
    }

    /// Deletes all but the last, the best and the `keep` latest before the last.  Steps after the last are of a course
    /// that was given up when the run fell back.
    fn delete_old(&self, last: u64) -> Result<(), CheckpointError> {
        let best = self.pointer("best");
        let (later, earlier): (Vec<u64>, Vec<u64>) =
            self.steps()?.into_iter().filter(|step| *step != last).partition(|step| *step > last);
        for step in later.into_iter().chain(earlier.into_iter().skip(self.keep)).filter(|step| Some(*step) != best) {
            let name = StepName(step);
            let trash = self.dir.join(format!("{TRASH}{name}"));
            durable::rename(&self.dir.join(name.to_string()), &trash)?;
            durable::remove_dir(&trash)?;
        }
        Ok(())
    }
}

/// Writes the files of a checkpoint and their manifest into a new directory.
fn write_all(dir: &Path, step: u64, files: Vec<CheckpointFile<'_>>) -> Result<Manifest, CheckpointError> {
    let mut names = BTreeSet::from([MANIFEST]);
    for CheckpointFile { name, .. } in &files {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) || !names.insert(name) {
            return Err(CheckpointError::Name((*name).to_owned()));
        }
    }
    durable::create_dir(dir)?;
    let mut manifest = Manifest::new(step);
    for CheckpointFile { name, content } in files {
        manifest.add(name, durable::write_synced(&dir.join(name), content)?);
    }
    durable::write_synced(&dir.join(MANIFEST), |writer| manifest.write(writer))?;
    durable::sync_dir(dir)?;
    Ok(manifest)
}

fn names(dir: &Path) -> Result<Vec<String>, FileError> {
    let entries = || {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()
    };
    entries().map_err(FileError::at("list", dir))
}

#[cfg(test)]
mod tests;
