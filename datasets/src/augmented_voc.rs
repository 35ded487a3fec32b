//! VOC 2012's augmented training set: (VOC train ∪ SBD train ∪ SBD val) \ VOC val, 10,582 pictures.
//!
//! Both sources label VOC's training pictures. [`LabelSource::VocFirst`] keeps VOC's own labels there, with their void
//! outlines, and takes SBD's for the other 9,118, as the sets that people share do; [`LabelSource::SbdFirst`] is for
//! comparison. What is written, under a folder or into VOC's own:
//!
//! * `SegmentationClassAug/ID.png`, palette PNGs;
//! * `ImageSets/Segmentation/trainaug.txt`, the ids, sorted;
//! * `ImageSets/Segmentation/trainaug.json`, the manifest: counts, and the source, size and digest of each mask's labels.
//!
//! The same bytes whatever the number of threads.

mod ids;
mod manifest;
mod masks;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use ids::{Counts, Expect};

use self::ids::Lists;
use self::manifest::{Manifest, Origin};
use crate::error::DataError;
use crate::sbd::SbdHome;
use crate::segmentation::SEGMENTATION;

/// Whose labels a picture gets that VOC and SBD both label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSource {
    /// VOC's.
    #[default]
    VocFirst,
    /// SBD's; VOC's pictures that SBD does not label keep VOC's.
    SbdFirst,
}

/// What to build, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AugmentedVocOptions {
    /// VOC 2012: the folder that holds `VOCdevkit`, `VOCdevkit`, or `VOC2012`.
    pub voc: PathBuf,
    /// SBD: the folder that holds `benchmark_RELEASE`, that folder, or its `dataset`.
    pub sbd: PathBuf,
    /// Where to write: any folder, or VOC's own, however it is named; the set lies beside the pictures then.
    pub out: PathBuf,
    /// Whose labels are taken where there are two.
    pub labels: LabelSource,
    /// Whether the counts must be the published ones.
    pub expect: Expect,
}

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many ids each list has, and the set.
    pub counts: Counts,
    /// The pictures of the set by the year their ids begin with.
    pub years: BTreeMap<String, usize>,
    /// Masks with VOC's labels.
    pub from_voc: usize,
    /// Masks with SBD's labels.
    pub from_sbd: usize,
    /// What the lists hold beside ids.
    pub notes: Vec<String>,
    /// The folder of masks.
    pub masks: PathBuf,
    /// The list.
    pub list: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, years, from_voc, from_sbd, masks, .. } = self;
        let years: Vec<_> = years.iter().map(|(year, count)| format!("{year} {count}")).collect();
        writeln!(f, "{} masks in {}", counts.augmented, masks.display())?;
        writeln!(f, "labels: {from_voc} of VOC, {from_sbd} of SBD")?;
        writeln!(f, "lists: {counts}")?;
        write!(f, "years: {}", years.join(", "))
    }
}

/// Builds the set on `workers` threads; with 0 on the calling one. It is there whole or not at all.
///
/// # Errors
/// Roots without VOC or SBD; counts other than expected, with the difference of each source; [`DataError::Occupied`] where
/// a part of such a set lies already; missing pictures and labels, all of them; damaged labels, classes above 20, labels of
/// another size than their picture.
pub fn write(options: &AugmentedVocOptions, workers: usize) -> Result<Report, DataError> {
    let voc = SEGMENTATION.only(&options.voc)?;
    let sbd = SbdHome::find(&options.sbd)?;
    let lists = Lists::read(&voc, &sbd)?;
    lists.require(options.expect, &voc)?;
    let targets = Targets::under(&options.out);
    targets.refuse_occupied()?;
    let tasks = masks::tasks(&lists, options.labels, &voc, &sbd, &targets.partial)?;
    targets.start()?;
    let written = masks::write_all(tasks, workers, &targets.partial)?;
    let manifest = Manifest::new(options.labels, &lists, written);
    targets.finish(&lists, &manifest)?;
    Ok(Report {
        counts: lists.counts(),
        years: lists.years(),
        from_voc: manifest.count(Origin::Voc),
        from_sbd: manifest.count(Origin::Sbd),
        notes: lists.notes,
        masks: targets.masks,
        list: targets.list,
        manifest: targets.manifest,
    })
}

/// What is written.
struct Targets {
    masks: PathBuf,
    /// The masks until all are there.
    partial: PathBuf,
    list: PathBuf,
    manifest: PathBuf,
}

impl Targets {
    fn under(out: &Path) -> Self {
        // VOC's own folder may be named by any of the folders around it.
        let home = match SEGMENTATION.all(out).as_slice() {
            [home] => home.clone(),
            _ => out.to_path_buf(),
        };
        let list = SEGMENTATION.list_path(&home, "trainaug");
        Self {
            masks: home.join("SegmentationClassAug"),
            partial: home.join(".SegmentationClassAug.partial"),
            manifest: list.with_extension("json"),
            list,
        }
    }

    fn refuse_occupied(&self) -> Result<(), DataError> {
        let present = [&self.masks, &self.list, &self.manifest].into_iter().find(|path| path.exists());
        present.map_or(Ok(()), |path| {
            let reason = "would be replaced by the augmented set".to_owned();
            Err(DataError::Occupied { path: path.clone(), reason })
        })
    }

    fn start(&self) -> Result<(), DataError> {
        if self.partial.exists() {
            fs::remove_dir_all(&self.partial).map_err(DataError::io("remove", &self.partial))?;
        }
        fs::create_dir_all(&self.partial).map_err(DataError::io("create", &self.partial))?;
        let lists = self.list.parent().unwrap_or(&self.list);
        fs::create_dir_all(lists).map_err(DataError::io("create", lists))
    }

    /// Puts everything in its place, the list last: without it nothing is trained on.
    fn finish(&self, lists: &Lists, manifest: &Manifest) -> Result<(), DataError> {
        let ids: String = lists.augmented().flat_map(|id| [id, "\n"]).collect();
        fs::rename(&self.partial, &self.masks).map_err(DataError::io("rename", &self.partial))?;
        write_whole(&self.manifest, &manifest.to_json(&self.manifest)?)?;
        write_whole(&self.list, ids.as_bytes())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).map_err(DataError::io("write", &partial))?;
    fs::rename(&partial, path).map_err(DataError::io("rename", &partial))
}

#[cfg(test)]
mod tests;
