//! What lies between splits: categories that differ, pictures that are the same.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::detection::categories::union;
use crate::detection::{DetectionDataset, Faults, warning};

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
    let mut set_of_path: HashMap<&PathBuf, &str> = HashMap::new();
    let mut first_of_digest: HashMap<blake3::Hash, (&str, &Path)> = HashMap::new();
    for (set, digests) in sets.iter().zip(digests) {
        for (image, digest) in set.images.iter().zip(digests) {
            if let Some(other) = set_of_path.insert(&image.path, &set.name) {
                let problem = format!("is a picture of {} and of {other}", set.name);
                let help = "what is trained on measures nothing: leave it out of one split";
                faults.warn(|| warning(&image.path, None, problem, help));
                continue;
            }
            let Some(digest) = digest else { continue };
            if let Some((other, path)) = first_of_digest.get(digest) {
                let problem = format!("has the same bytes as {}, a picture of {other}", path.display());
                faults.warn(|| warning(&image.path, None, problem, "keep one of the two"));
            } else {
                first_of_digest.insert(*digest, (&set.name, &image.path));
            }
        }
    }
}
