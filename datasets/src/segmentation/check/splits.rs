//! What lies between splits: pictures that are the same, classes that are never trained.

use std::path::Path;

use super::records::FoundInSet;
use crate::fault::{Faults, warning};
use crate::segmentation::{Overlap, SegmentationDataset, refuse_overlap};
use crate::survey::{Member, Repeated, repeated};

/// Compares every split with the first, and every picture with those before it.
pub(super) fn compare(
    root: &Path,
    sets: &[SegmentationDataset],
    found: &[FoundInSet],
    overlap: Overlap,
    faults: &mut Faults,
) {
    if let Some((train, others)) = sets.split_first() {
        for (other, in_other) in others.iter().zip(&found[1..]) {
            if overlap == Overlap::Refuse {
                faults.take(refuse_overlap(train, other));
            }
            compare_classes(root, &found[0], in_other, faults);
        }
    }
    let members = sets.iter().zip(found).flat_map(|(set, found)| {
        let pictures = set.images.iter().zip(&found.digests);
        pictures.map(|(record, digest)| Member { set: &set.name, path: &record.image, digest: *digest })
    });
    for again in repeated(members) {
        // The same file in two splits is an overlap, said above.
        if let Repeated::Bytes { path, first, before } = again {
            let problem = format!("has the same bytes as {}, a picture of {before}", first.display());
            faults.warn(|| warning(path, None, problem, "keep one of the two"));
        }
    }
}

fn compare_classes(root: &Path, trained: &FoundInSet, other: &FoundInSet, faults: &mut Faults) {
    let (Some(trained), Some(other)) = (&trained.counts, &other.counts) else { return };
    for (class, name) in trained.class_names.iter().enumerate() {
        if other.pixels[class] > 0 && trained.pixels[class] == 0 {
            let problem = format!("{} has pixels of class \"{name}\", {} has none", other.set, trained.set);
            let help = "it cannot be learned, and lowers the mean over classes: add examples to the training split";
            faults.warn(|| warning(root, None, problem, help));
        }
    }
}
