//! Every problem of a data set, before the first step: what the readers find, what the pictures are, where points stand
//! twice; and how many there are.

mod counts;
mod records;
mod splits;

use std::path::Path;

pub use counts::PointCounts;

use super::open::{ReadSet, read};
use super::places::ALL;
use super::{CountingDataset, CountingLayout, CountingOptions, Pictures, recognise};
use crate::error::DataError;
use crate::fault::{Fault, Faults};
use crate::split::Split;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The splits that could be read, in the order asked for, without the records at fault.
    pub sets: Vec<CountingDataset>,
    /// The points of each of these sets.
    pub counts: Vec<PointCounts>,
    /// In the order of the splits: what reading found, then what the pictures are; what lies between splits comes last. The
    /// same for any number of workers.
    pub faults: Vec<Fault>,
}

/// Checks the given splits of a data set; without any, all that are there. `workers` threads read pictures; with 0 the calling
/// one does.
pub fn check(root: &Path, options: &CountingOptions, splits: &[Split], pictures: Pictures, workers: usize) -> Checked {
    let mut faults = Faults::all(root);
    let mut sets: Vec<ReadSet> = Vec::new();
    if let Some(layout) = faults.take(options.layout.map_or_else(|| recognise(root), Ok)) {
        let all = if splits.is_empty() { splits_there(root, layout, options) } else { Vec::new() };
        for split in splits.iter().chain(&all) {
            let set = read(root, layout, options, split, &mut faults);
            sets.extend(faults.take(set));
        }
    }
    let digests: Vec<_> = sets.iter().map(|set| records::check_set(set, pictures, workers, &mut faults)).collect();
    splits::compare(&sets, &digests, options.overlap, &mut faults);
    let counts = sets.iter().map(PointCounts::of).collect();
    let sets = sets.into_iter().map(|set| set.set).collect();
    Checked { sets, counts, faults: faults.into_list() }
}

/// The splits that a data set has, of those that layouts have; the first where it has none, for its error.
fn splits_there(root: &Path, layout: CountingLayout, options: &CountingOptions) -> Vec<Split> {
    let is_there = |split: &Split| {
        let listed = layout.reader().list(root, split, options, &mut Faults::all(root));
        !matches!(listed, Err(DataError::Layout { .. }))
    };
    let known = [Split::Train, Split::Val, Split::Test, ALL.into()];
    let there: Vec<Split> = known.into_iter().filter(is_there).collect();
    if there.is_empty() { vec![Split::Train] } else { there }
}

#[cfg(test)]
mod tests;
