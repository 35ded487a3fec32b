//! Every problem of a data set, before the first step: what the readers find, and what the pictures are.

mod pictures;
mod splits;

use std::path::Path;

use super::{DetectionDataset, Fault, Faults, Layout, ReadOptions, Split, recognise, warning};
use crate::error::DataError;

/// How much of each picture is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// The header: is it a picture, and of the size that its annotations say?
    Headers,
    /// Everything: the picture is decoded, and its bytes are compared with those of all others.
    All,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The splits that could be read, in the order asked for, without the records at fault.
    pub sets: Vec<DetectionDataset>,
    /// In the order of the splits: what reading found, then what the pictures are; what lies between splits comes last. The
    /// same for any number of workers.
    pub faults: Vec<Fault>,
}

/// Checks the given splits of a data set; the first is the one to train on. `workers` threads read pictures; with 0 the
/// calling one does.
pub fn check(root: &Path, options: ReadOptions, splits: &[Split], pictures: Pictures, workers: usize) -> Checked {
    let mut faults = Faults::all(root);
    let mut sets = Vec::new();
    if let Some(layout) = faults.take(options.layout.map_or_else(|| recognise(root), Ok)) {
        sets.extend(splits.iter().filter_map(|split| read(root, layout, options, split, &mut faults)));
    }
    let hashes = pictures::check_pictures(&sets, pictures, workers, &mut faults);
    splits::compare(root, &sets, &hashes, &mut faults);
    Checked { sets, faults: faults.into_list() }
}

fn read(
    root: &Path,
    layout: Layout,
    options: ReadOptions,
    split: &Split,
    faults: &mut Faults,
) -> Option<DetectionDataset> {
    let result = layout.reader().read(root, options, split, faults);
    let set = faults.take(result)?;
    if set.images.is_empty() {
        faults.error(DataError::Record {
            path: root.to_path_buf(),
            record: format!("split {split}"),
            expected: "pictures".into(),
            got: "none".into(),
            help: "unpack the pictures, or name another split",
        });
    } else if set.report.annotations == 0 {
        let problem = format!("none of {} pictures has an object", set.images.len());
        faults.warn(|| warning(root, Some(format!("split {split}")), problem, "is this the right folder of labels?"));
    } else if set.report.difficult > 0 {
        let problem =
            format!("{} of {} objects are difficult and not trained on", set.report.difficult, set.report.annotations);
        faults
            .warn(|| warning(root, Some(format!("split {split}")), problem, "nothing to do, if they are meant to be"));
    }
    Some(set)
}

#[cfg(test)]
mod tests;
