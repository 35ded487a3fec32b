//! `MANIFEST.json`: what a checkpoint holds, by size and digest.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{self, Digest};

pub(super) const MANIFEST: &str = "MANIFEST.json";

const FORMAT: &str = "wrs-checkpoint";
const SCHEMA: u32 = 1;

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct Damage {
    /// The file that is missing or changed.
    pub path: PathBuf,
    /// Expected and got.
    pub what: String,
}

impl Damage {
    pub(super) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }
}

/// The files of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    schema: u32,
    step: u64,
    files: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    blake3: String,
}

impl Manifest {
    pub(super) fn new(step: u64) -> Self {
        Self { format: FORMAT.to_owned(), schema: SCHEMA, step, files: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, name: &str, digest: Digest) {
        self.files.insert(name.to_owned(), Entry { bytes: digest.bytes, blake3: digest.blake3 });
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(super) fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, self)?;
        writer.write_all(b"\n")
    }

    /// Reads the manifest of a checkpoint's directory.
    pub(super) fn read(dir: &Path, step: u64) -> Result<Self, Damage> {
        let path = dir.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|e| Damage::new(&path, e.to_string()))?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|e| Damage::new(&path, e.to_string()))?;
        let got = (manifest.format.as_str(), manifest.schema, manifest.step);
        if got != (FORMAT, SCHEMA, step) {
            let what = format!("expected {FORMAT} {SCHEMA} of step {step}, got {} {} of step {}", got.0, got.1, got.2);
            return Err(Damage::new(&path, what));
        }
        Ok(manifest)
    }

    /// Reads every file of the directory and compares its digest.
    pub(super) fn verify(&self, dir: &Path) -> Result<(), Damage> {
        self.files.iter().try_for_each(|(name, entry)| {
            let path = dir.join(name);
            let digest = durable::digest_of(&path).map_err(|e| Damage::new(&path, e.to_string()))?;
            entry.check(&path, &digest)
        })
    }

    /// Compares one file's bytes.
    pub(super) fn check(&self, name: &str, path: &Path, bytes: &[u8]) -> Result<(), Damage> {
        match self.files.get(name) {
            Some(entry) => entry.check(path, &durable::digest_of_bytes(bytes)),
            None => Err(Damage::new(path, "not a file of this checkpoint")),
        }
    }
}

impl Entry {
    fn check(&self, path: &Path, got: &Digest) -> Result<(), Damage> {
        if got.bytes != self.bytes {
            return Err(Damage::new(path, format!("expected {} bytes, got {}", self.bytes, got.bytes)));
        }
        if got.blake3 != self.blake3 {
            return Err(Damage::new(path, format!("expected blake3 {}, got {}", self.blake3, got.blake3)));
        }
        Ok(())
    }
}
