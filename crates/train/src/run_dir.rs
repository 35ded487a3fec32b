//! The directory of a run.
//!
//! ```text
//! run.json recipe.toml metrics.jsonl log.txt ckpt/… best.safetensors report.html
//! ```
//!
//! It appears with its recipe in it or not at all, and is locked while a process lives in it; the system frees the lock of
//! a dead one.

mod info;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::durable::{self, FileError};

pub use info::{RunInfo, Status};

const INFO: &str = "run.json";
const RECIPE: &str = "recipe.toml";
const LOCK: &str = ".lock";

/// Name of the data's digest among what run.json says of the data: two runs are comparable only where it is the same.
pub const DATA_DIGEST: &str = "digest";

/// A run directory that cannot be made or entered.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name is taken.
    #[error("{}: expected a new directory, got one that exists\nhelp: wrs train --resume {}, or another --out", .0.display(), .0.display())]
    Exists(PathBuf),
    /// Another process lives in it.
    #[error("{}: a process is running in it{}\nhelp: stop it, or wait until it ends", path.display(), owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The run.
        path: PathBuf,
        /// The process that holds the lock.
        owner: Option<u32>,
    },
    /// Not the directory of a run.
    #[error("{}: not a run: expected {missing} in it", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// A `run.json` that cannot be read.
    #[error("{}: {reason}", path.display())]
    Info {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a new run goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// `base/name`, `base/name-2`, …: the first that is free.
    Numbered {
        /// The directory of all runs.
        base: &'a Path,
        /// The recipe's name; `coco/yolov3-wrs` becomes `coco-yolov3-wrs`.
        name: &'a str,
    },
    /// Exactly here, where nothing may be.
    Exactly(&'a Path),
}

/// The files of a run, for readers; no lock is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFiles {
    root: PathBuf,
}

impl RunFiles {
    /// The files of the run in that directory.
    ///
    /// # Errors
    /// [`RunDirError::NotARun`].
    pub fn at(root: &Path) -> Result<Self, RunDirError> {
        for missing in [INFO, RECIPE] {
            if !root.join(missing).is_file() {
                return Err(RunDirError::NotARun { path: root.to_owned(), missing });
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The run's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// `best.safetensors`: the weights of the best evaluation, usable alone.
    pub fn best(&self) -> PathBuf {
        self.root.join("best.safetensors")
    }

    /// `detections.json`: what the best weights found in the validation split, in COCO's results form.
    pub fn detections(&self) -> PathBuf {
        self.root.join("detections.json")
    }

    /// `confusions.json`: how the best weights labelled each image of the validation split.
    pub fn confusions(&self) -> PathBuf {
        self.root.join("confusions.json")
    }

    /// `counts.json`: what the best weights counted in each image of the validation split.
    pub fn counts(&self) -> PathBuf {
        self.root.join("counts.json")
    }

    /// `norms.svg`: filter norms and effective learning rates over the steps.
    pub fn norms(&self) -> PathBuf {
        self.root.join("norms.svg")
    }

    /// `report.html`.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `log.txt`.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }

    /// `recipe.toml`.
    pub fn recipe(&self) -> PathBuf {
        self.root.join(RECIPE)
    }

    /// The resolved recipe, as it was written.
    ///
    /// # Errors
    /// [`RunDirError::File`].
    pub fn read_recipe(&self) -> Result<String, RunDirError> {
        let path = self.recipe();
        Ok(fs::read_to_string(&path).map_err(FileError::at("read", &path))?)
    }

    /// What `run.json` says.
    ///
    /// # Errors
    /// [`RunDirError::File`], [`RunDirError::Info`].
    pub fn read_info(&self) -> Result<RunInfo, RunDirError> {
        let path = self.root.join(INFO);
        let json = fs::read(&path).map_err(FileError::at("read", &path))?;
        serde_json::from_slice(&json).map_err(|e| RunDirError::Info { path, reason: e.to_string() })
    }
}

/// The task of the run in that directory.
///
/// # Errors
/// [`RunDirError::NotARun`], [`RunDirError::File`], [`RunDirError::Info`].
pub fn task_of(root: &Path) -> Result<String, RunDirError> {
    Ok(RunFiles::at(root)?.read_info()?.task)
}

/// A run that this process lives in; the lock goes when it is dropped.
#[derive(Debug)]
pub struct RunDir {
    files: RunFiles,
    _lock: File,
}

impl RunDir {
    /// Makes the directory of a new run, with `run.json` and the resolved recipe in it.
    ///
    /// # Errors
    /// [`RunDirError::Exists`], [`RunDirError::File`].
    pub fn create(place: Place<'_>, info: &RunInfo, recipe: &str) -> Result<Self, RunDirError> {
        let first = match place {
            Place::Numbered { base, name } => base.join(file_name(name)),
            Place::Exactly(path) => path.to_owned(),
        };
        if matches!(place, Place::Exactly(_)) && first.exists() {
            return Err(RunDirError::Exists(first));
        }
        let parent = first.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(FileError::at("create", parent))?;
        // Whole or not at all: a process killed here leaves no run that lacks its recipe.
        let new = durable::sibling(&first, &format!(".new-{}", std::process::id()));
        durable::create_dir(&new)?;
        durable::write_synced(&new.join(INFO), |writer| info.write(writer))?;
        durable::write_synced(&new.join(RECIPE), |writer| writer.write_all(recipe.as_bytes()))?;
        durable::sync_dir(&new)?;
        let moved = match place {
            Place::Numbered { .. } => move_to_free(&new, &first),
            Place::Exactly(_) => durable::rename(&new, &first).map(|()| first).map_err(RunDirError::from),
        };
        let root = moved.inspect_err(|_| {
            // The first error is the one to report.
            let _ = durable::remove_dir(&new);
        })?;
        Self::open(&root)
    }

    /// Enters the directory of a run that exists and clears away what a dead process left half-written.
    ///
    /// # Errors
    /// [`RunDirError::NotARun`], [`RunDirError::Locked`], [`RunDirError::File`].
    pub fn open(root: &Path) -> Result<Self, RunDirError> {
        let files = RunFiles::at(root)?;
        let lock = take_lock(root)?;
        let run = Self { files, _lock: lock };
        let files = &run.files;
        let kept = [files.best(), files.detections(), files.confusions(), files.norms()];
        for file in kept.into_iter().chain([files.metrics(), files.root.join(INFO)]) {
            durable::remove_leftover(&file)?;
        }
        Ok(run)
    }

    /// Where its files are.
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// Its checkpoints; leftovers of a dead process are cleared away.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn checkpoints(&self, keep: usize) -> Result<Checkpoints, CheckpointError> {
        Checkpoints::open(&self.files.root.join("ckpt"), keep)
    }

    /// Replaces one of the run's files at once; `best.safetensors` before the checkpoint whose state names it is saved.
    ///
    /// # Errors
    /// [`RunDirError::File`].
    pub fn replace(
        &self,
        file: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunDirError> {
        durable::replace(file, write)?;
        Ok(())
    }

    /// Replaces `run.json` at once.
    ///
    /// # Errors
    /// [`RunDirError::File`].
    pub fn write_info(&self, info: &RunInfo) -> Result<(), RunDirError> {
        durable::replace(&self.files.root.join(INFO), |writer| info.write(writer))?;
        Ok(())
    }

    /// `log.txt`, to be appended to.
    ///
    /// # Errors
    /// [`RunDirError::File`].
    pub fn open_log(&self) -> Result<File, RunDirError> {
        let path = self.files.log();
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        Ok(opened.map_err(FileError::at("open", &path))?)
    }
}

/// A recipe's name as the name of a directory: `coco/yolov3-wrs` becomes `coco-yolov3-wrs`.
pub fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "run".to_owned() } else { name.to_owned() }
}

/// Moves a directory to `first`, or `first-2`, …: the first name that is free.
fn move_to_free(from: &Path, first: &Path) -> Result<PathBuf, RunDirError> {
    let name = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut number = 1u64;
    loop {
        let to = if number == 1 { first.to_owned() } else { first.with_file_name(format!("{name}-{number}")) };
        if !to.exists() {
            match durable::rename(from, &to) {
                // Another process took the name between the question and the move.
                Err(FileError { source, .. }) if source.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                moved => return Ok(moved.map(|()| to)?),
            }
        }
        number += 1;
    }
}

fn take_lock(root: &Path) -> Result<File, RunDirError> {
    let path = root.join(LOCK);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = opened.map_err(FileError::at("open", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&path).ok().and_then(|pid| pid.trim().parse().ok());
            return Err(RunDirError::Locked { path: root.to_owned(), owner });
        }
        Err(TryLockError::Error(source)) => return Err(FileError::at("lock", &path)(source).into()),
    }
    let named = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    named.map_err(FileError::at("write", &path))?;
    Ok(lock)
}

#[cfg(test)]
mod tests;
