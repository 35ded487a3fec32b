//! What lies between splits: pictures that are the same.

use super::super::open::ReadSet;
use super::super::{Overlap, refuse_overlap};
use crate::fault::{Faults, warning};
use crate::survey::{Member, Repeated, repeated};

/// Compares every two splits, and every picture with those before it.
pub(super) fn compare(sets: &[ReadSet], digests: &[Vec<Option<blake3::Hash>>], overlap: Overlap, faults: &mut Faults) {
    if overlap == Overlap::Refuse {
        for (at, first) in sets.iter().enumerate() {
            for second in &sets[at + 1..] {
                faults.take(refuse_overlap(&first.set, &second.set));
            }
        }
    }
    let members = sets.iter().zip(digests).flat_map(|(read, digests)| {
        let pictures = read.set.images.iter().zip(digests);
        pictures.map(|(record, digest)| Member { set: &read.set.name, path: &record.image, digest: *digest })
    });
    for again in repeated(members) {
        // The same file in two splits is an overlap, said above.
        if let Repeated::Bytes { path, first, before } = again {
            let problem = format!("has the same bytes as {}, a picture of {before}", first.display());
            faults.warn(|| warning(path, None, problem, "keep one of the two: what is trained on measures nothing"));
        }
    }
}
