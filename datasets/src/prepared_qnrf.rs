//! UCF-QNRF with all pictures brought to the sizes that are trained and tested on, once, instead of at every reading.
//!
//! What is written has UCF-QNRF's own layout, so it is read as the data set itself is: `Train/img_0001.png` (or `.jpg`),
//! `Train/img_0001_ann.mat`, the same under `Test/`; with a list of pictures to validate on, these lie under `Val/` and not
//! under `Train/`. Beside them, `manifest.json` says by which rule, and how many points each picture had before and has now:
//! the same number.
//!
//! The same bytes whatever the number of threads.

mod manifest;
mod pictures;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use self::manifest::Manifest;
pub use self::manifest::{Counts, Format};
use self::pictures::{Part, write_all};
use crate::augment::counting::ShorterSide;
use crate::counting::{CountingDataset, CountingLayout, CountingOptions, cut_by_list};
use crate::error::DataError;
use crate::split::Split;

/// Pictures of UCF-QNRF to train and to test on.
const PUBLISHED: [usize; 2] = [1201, 334];

/// Whether the counts of pictures must be the published ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// 1201 and 334.
    Published,
    /// Any.
    Any,
}

/// What to prepare, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedQnrfOptions {
    /// UCF-QNRF, or anything of its layout.
    pub data: PathBuf,
    /// A folder that is not there yet, or empty.
    pub out: PathBuf,
    /// The sizes.
    pub resize: ShorterSide,
    /// How pictures are written.
    pub format: Format,
    /// A file that names the pictures of `Train` to validate on, one a line.
    pub val_list: Option<PathBuf>,
    /// Whether the counts must be the published ones.
    pub expect: Expect,
}

/// What was prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many pictures and points there are.
    pub counts: Counts,
    /// What was found while reading.
    pub notes: Vec<String>,
    /// The folder.
    pub out: PathBuf,
    /// The manifest in it.
    pub manifest: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { train, val, test, points, enlarged, shrunk, kept, on_edge } = self.counts;
        writeln!(f, "{} pictures in {}", train + val + test, self.out.display())?;
        writeln!(f, "splits: train {train}, val {val}, test {test}")?;
        writeln!(f, "sizes: {enlarged} enlarged, {shrunk} shrunk, {kept} kept")?;
        write!(f, "points: {points} before and after, {on_edge} of them moved onto a rounded edge")
    }
}

/// Prepares the data set on `workers` threads; with 0 on the calling one. It is there whole or not at all: it is written under
/// `.NAME.partial` beside it and renamed when complete.
///
/// # Errors
/// [`DataError::Occupied`] for a folder that holds something; [`DataError::Option`] for bounds or a quality that make no
/// sense; what the reader refuses; counts other than expected; pictures that cannot be decoded, have no points, or would have
/// another number of points afterwards.
pub fn write(options: &PreparedQnrfOptions, workers: usize) -> Result<Report, DataError> {
    options.resize.check()?;
    options.format.check()?;
    refuse_occupied(&options.out)?;
    let Splits { parts, notes } = Splits::open(options)?;
    let partial = start(&options.out)?;
    let written = write_all(&parts, options, workers, &partial)?;
    let manifest = Manifest::new(options, written);
    verify(&partial, &manifest)?;
    let path = partial.join(MANIFEST);
    fs::write(&path, manifest.to_json(&path)?).map_err(DataError::io("write", &path))?;
    finish(&partial, &options.out)?;
    let manifest_path = options.out.join(MANIFEST);
    Ok(Report { counts: manifest.counts, notes, out: options.out.clone(), manifest: manifest_path })
}

/// The file that says what was done.
const MANIFEST: &str = "manifest.json";

/// The splits as they are written.
struct Splits {
    parts: Vec<(Part, CountingDataset)>,
    notes: Vec<String>,
}

impl Splits {
    fn open(options: &PreparedQnrfOptions) -> Result<Self, DataError> {
        let train = open(&options.data, &Split::Train)?;
        let test = open(&options.data, &Split::Test)?;
        require(options, [train.images.len(), test.images.len()])?;
        let notes = [&*train.notes, &*test.notes].concat();
        let mut parts = Vec::new();
        match &options.val_list {
            None => parts.push((Part::Train, train)),
            Some(list) => {
                let (train, val) = cut_by_list(&train, list)?;
                parts.extend([(Part::Train, train), (Part::Val, val)]);
            }
        }
        parts.push((Part::Test, test));
        Ok(Self { parts, notes })
    }
}

fn open(root: &Path, split: &Split) -> Result<CountingDataset, DataError> {
    let options = CountingOptions { layout: Some(CountingLayout::Qnrf), ..CountingOptions::default() };
    CountingDataset::open(root, &options, split)
}

/// Refuses counts other than expected.
fn require(options: &PreparedQnrfOptions, got: [usize; 2]) -> Result<(), DataError> {
    if options.expect == Expect::Any || got == PUBLISHED {
        return Ok(());
    }
    let spell = |[train, test]: [usize; 2]| format!("{train} pictures in Train and {test} in Test");
    Err(DataError::Record {
        path: options.data.clone(),
        record: "UCF-QNRF".into(),
        expected: format!("the published counts, {}", spell(PUBLISHED)),
        got: spell(got),
        help: "unpack the archive again; for a part of it, or another data set of its layout: --any-counts",
    })
}

fn refuse_occupied(out: &Path) -> Result<(), DataError> {
    let occupied = |reason: &str| Err(DataError::Occupied { path: out.to_path_buf(), reason: reason.into() });
    match fs::read_dir(out) {
        Ok(mut inside) => inside.next().map_or(Ok(()), |_| occupied("is not empty")),
        Err(_) if out.exists() => occupied("is no folder"),
        Err(_) => Ok(()),
    }
}

/// The folder that is written to until all is there; what an earlier attempt left of it is removed.
fn start(out: &Path) -> Result<PathBuf, DataError> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let partial = out.with_file_name(format!(".{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(DataError::io("remove", &partial))?;
    }
    fs::create_dir_all(&partial).map_err(DataError::io("create", &partial))?;
    Ok(partial)
}

fn finish(partial: &Path, out: &Path) -> Result<(), DataError> {
    if out.exists() {
        // It was empty when this began; where it no longer is, the system refuses.
        fs::remove_dir(out).map_err(DataError::io("replace", out))?;
    }
    fs::rename(partial, out).map_err(DataError::io("rename", partial))
}

/// Reads back what was written, as everybody will: the same pictures with the same numbers of points.
fn verify(folder: &Path, manifest: &Manifest) -> Result<(), DataError> {
    for part in [Part::Train, Part::Val, Part::Test] {
        let expected: Vec<_> = manifest.of(part).collect();
        if expected.is_empty() {
            continue;
        }
        let read = open(folder, &part.split())?.images;
        let mut read = read.iter();
        for picture in expected {
            let same = read.next().filter(|record| record.id == picture.id);
            let got = same.and_then(|record| record.points.as_ref()).map_or(0, |points| points.len());
            if same.is_none() || got != picture.points_before {
                return Err(lost(folder, &picture.id, picture.points_before, got));
            }
        }
    }
    Ok(())
}

/// A picture that would have another number of points.
fn lost(path: &Path, id: &str, expected: usize, got: usize) -> DataError {
    DataError::Record {
        path: path.to_path_buf(),
        record: id.to_owned(),
        expected: format!("{expected} points, as before"),
        got: got.to_string(),
        help: "this is a fault of the program, please report it",
    }
}

#[cfg(test)]
mod tests;
