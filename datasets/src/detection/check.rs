//! Every problem of a data set, before the first step: what the readers find, and what the pictures are.

mod pictures;
mod splits;

use std::path::Path;

use super::{DetectionDataset, Fault, Faults, Layout, ReadOptions, Split, recognise, warning};
use crate::error::DataError;
pub use crate::survey::{Pictures, headers_first};

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
    let errors_before = faults.errors();
    let result = layout.reader().read(root, options, split, faults);
    let set = faults.take(result)?;
    if faults.errors() == errors_before {
        remark(root, split, &set, faults);
    }
    Some(set)
}

/// What there is to say of a split that was read without an error.
fn remark(root: &Path, split: &Split, set: &DetectionDataset, faults: &mut Faults) {
    let record = format!("split {split}");
    let (images, objects, difficult) = (set.images.len(), set.report.annotations, set.report.difficult);
    if images == 0 {
        faults.error(DataError::Record {
            path: root.to_path_buf(),
            record,
            expected: "pictures".into(),
            got: "none".into(),
            help: "unpack the pictures, or name another split",
        });
    } else if objects == 0 {
        let problem = format!("none of {images} pictures has an object");
        faults.warn(|| warning(root, Some(record), problem, "are these the right labels?"));
    } else if difficult > 0 {
        let problem = format!("{difficult} of {objects} objects are difficult and not trained on");
        faults.warn(|| warning(root, Some(record), problem, "nothing to do, if they are meant to be"));
    }
}

#[cfg(test)]
mod tests;
