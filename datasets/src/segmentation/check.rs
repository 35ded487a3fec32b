//! Every problem of a data set, before the first step: what the readers find, what pictures and masks are, and how many
//! pixels each class has.

mod counts;
mod records;
mod splits;

use std::path::Path;

pub use counts::LabelCounts;

use super::open::read;
use super::{Pictures, SegmentationDataset, SegmentationOptions, recognise};
use crate::fault::{Fault, Faults};
use crate::split::Split;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The splits that could be read, in the order asked for, without the records at fault.
    pub sets: Vec<SegmentationDataset>,
    /// The pixels of each class of each set that has masks, where they were decoded.
    pub counts: Vec<LabelCounts>,
    /// In the order of the splits: what reading found, then what pictures and masks are; what lies between splits comes
    /// last. The same for any number of workers.
    pub faults: Vec<Fault>,
}

/// Checks the given splits of a data set; the first is the one to train on. `workers` threads read pictures and masks; with
/// 0 the calling one does.
pub fn check(
    root: &Path,
    options: &SegmentationOptions,
    splits: &[Split],
    pictures: Pictures,
    workers: usize,
) -> Checked {
    let mut faults = Faults::all(root);
    let mut sets = Vec::new();
    if let Some(layout) = faults.take(options.layout.map_or_else(|| recognise(root), Ok)) {
        for split in splits {
            let set = read(root, layout, options, split, &mut faults);
            sets.extend(faults.take(set));
        }
    }
    let found = records::check_records(&sets, pictures, workers, &mut faults);
    splits::compare(root, &sets, &found, options.overlap, &mut faults);
    for (set, found) in sets.iter_mut().zip(&found) {
        set.notes.extend(found.notes.lines().map(|(_, line)| line));
    }
    let counts = found.into_iter().filter_map(|set| set.counts).collect();
    Checked { sets, counts, faults: faults.into_list() }
}

#[cfg(test)]
mod tests;
