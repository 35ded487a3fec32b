//! What lies between splits: categories that differ, pictures that are the same.

use std::collections::HashSet;
use std::path::Path;

use crate::detection::categories::union;
use crate::detection::{DetectionDataset, Faults, warning};
use crate::survey::{Member, Repeated, repeated};

/// Compares every split with the first, and every picture with those before it.
pub(super) fn compare(
    root: &Path,
    sets: &[DetectionDataset],
    digests: &[Vec<Option<blake3::Hash>>],
    faults: &mut Faults,
) {
    if let Some((first, others)) = sets.split_first() {
        for other in others {
            compare_classes(root, first, other, faults);
        }
    }
    compare_pictures(sets, digests, faults);
}

fn compare_classes(root: &Path, train: &DetectionDataset, other: &DetectionDataset, faults: &mut Faults) {
    match union(train, other) {
        Err(error) => return faults.error(error),
        Ok((_, notes)) => {
            for note in notes {
                faults.warn(|| warning(root, None, note, "the classes of both are taken together"));
            }
        }
    }
    let seen: HashSet<u32> = classes(train).collect();
    let trained: HashSet<&str> = seen.into_iter().map(|class| train.categories[class as usize].name.as_str()).collect();
    let mut unseen: Vec<u32> = classes(other).collect();
    unseen.sort_unstable();
    unseen.dedup();
    for class in unseen {
        let name = &other.categories[class as usize].name;
        if !trained.contains(name.as_str()) {
            let problem = format!("{} has objects of class \"{name}\", {} has none", other.name, train.name);
            let help = "it cannot be learned, and lowers the mean over classes: add examples to the training split";
            faults.warn(|| warning(root, None, problem, help));
        }
    }
}

fn classes(set: &DetectionDataset) -> impl Iterator<Item = u32> {
    set.images.iter().flat_map(|image| &image.annotations).map(|annotation| annotation.class)
}

fn compare_pictures(sets: &[DetectionDataset], digests: &[Vec<Option<blake3::Hash>>], faults: &mut Faults) {
    let members = sets.iter().zip(digests).flat_map(|(set, digests)| {
        let pictures = set.images.iter().zip(digests);
        pictures.map(|(image, digest)| Member { set: &set.name, path: &image.path, digest: *digest })
    });
    for again in repeated(members) {
        faults.warn(|| match again {
            Repeated::File { path, set, before } => {
                let problem = format!("is a picture of {set} and of {before}");
                warning(path, None, problem, "what is trained on measures nothing: leave it out of one split")
            }
            Repeated::Bytes { path, first, before } => {
                let problem = format!("has the same bytes as {}, a picture of {before}", first.display());
                warning(path, None, problem, "keep one of the two")
            }
        });
    }
}
