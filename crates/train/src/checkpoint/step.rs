//! One checkpoint on disk.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{Damage, Manifest};

const PREFIX: &str = "step-";

/// The directory's name of a step: seven digits, so that they sort as numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepName(pub(super) u64);

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:07}", self.0)
    }
}

impl StepName {
    /// The step of a name that [`fmt::Display`] would write, and of no other.
    pub(super) fn parse(name: &str) -> Option<u64> {
        let step = name.strip_prefix(PREFIX)?.parse().ok()?;
        (Self(step).to_string() == name).then_some(step)
    }
}

/// A checkpoint whose every file has the digest that its manifest says.
#[derive(Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    step: u64,
    manifest: Manifest,
}

impl Checkpoint {
    pub(super) fn verified(checkpoints: &Path, name: StepName) -> Result<Self, Damage> {
        let dir = checkpoints.join(name.to_string());
        let manifest = Manifest::read(&dir, name.0)?;
        manifest.verify(&dir)?;
        Ok(Self { dir, step: name.0, manifest })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The step after which it was saved.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The names of its files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.manifest.names()
    }

    /// The path of a file, for messages and for readers that take paths.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The bytes of a file, their digest compared once more.
    ///
    /// # Errors
    /// [`Damage`] when the checkpoint has no such file or it changed.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Damage> {
        let path = self.path(name);
        let bytes = fs::read(&path).map_err(|e| Damage::new(&path, e.to_string()))?;
        self.manifest.check(name, &path, &bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_written_are_read() {
        assert_eq!(StepName(3966).to_string(), "step-0003966");
        for step in [0, 42, 9_999_999, 12_345_678] {
            assert_eq!(StepName::parse(&StepName(step).to_string()), Some(step));
        }
        for name in
            ["step-42", "step-", "step-00000x1", "step-+000042", "step-00012345678", "0000042", ".tmp-step-0000042"]
        {
            assert_eq!(StepName::parse(name), None, "{name}");
        }
    }
}
