//! Every picture and mask read, in parallel; what is found stays in the order of the records.

use std::fs;
use std::path::Path;

use super::LabelCounts;
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::image::{Decoded, ImageNote, ImageSize, NoteCounts, probe};
use crate::label_map::{VOID, probe_label_map};
use crate::segmentation::black_and_white::BlackAndWhite;
use crate::segmentation::{LabelRule, Pictures, SegmentationDataset, SegmentationRecord, is_turned, map_size};
use crate::survey::{remark, survey};

/// What was found in a set.
#[derive(Default)]
pub(super) struct FoundInSet {
    /// Digests of the pictures, by record; none of those that were not decoded.
    pub digests: Vec<Option<blake3::Hash>>,
    /// Pixels by class, where masks were decoded.
    pub counts: Option<LabelCounts>,
    /// Remarks on pictures that need no look one by one.
    pub notes: NoteCounts,
}

/// What was found in a record.
#[derive(Default)]
struct Found {
    errors: Vec<DataError>,
    notes: Vec<ImageNote>,
    digest: Option<blake3::Hash>,
    /// How often each label stands in the mask's file.
    histogram: Option<Box<[u64; 256]>>,
}

/// Reads every picture and mask, and pushes what is wrong with them.
pub(super) fn check_records(
    sets: &[SegmentationDataset],
    pictures: Pictures,
    workers: usize,
    faults: &mut Faults,
) -> Vec<FoundInSet> {
    sets.iter().map(|set| check_set(set, pictures, workers, faults)).collect()
}

fn check_set(set: &SegmentationDataset, pictures: Pictures, workers: usize, faults: &mut Faults) -> FoundInSet {
    let (mut digests, mut notes) = (vec![None; set.images.len()], NoteCounts::default());
    let mut tally = Tally::new(set);
    let look = move |record: &SegmentationRecord| match pictures {
        Pictures::Headers => look_at_headers(record),
        Pictures::All => look_at_all(record),
    };
    survey(
        &set.images,
        workers,
        faults,
        |record| &record.image,
        look,
        |at, found: Found, faults| {
            let record = &set.images[at];
            digests[at] = found.digest;
            found.errors.into_iter().for_each(|error| faults.error(error));
            for note in found.notes {
                match remark(&record.image, note, KEPT_AS_STORED) {
                    Some(remark) => faults.warn(|| remark),
                    None => notes.add(&record.id, &[note]),
                }
            }
            if let (Some(histogram), Some(mask)) = (found.histogram, &record.mask) {
                tally.add(mask, &record.labels, &histogram);
            }
        },
    );
    FoundInSet { digests, counts: tally.finish(set, faults), notes }
}

/// The labels of the masks of a set.
struct Tally<'a> {
    counts: LabelCounts,
    black_and_white: BlackAndWhite,
    /// A mask and what its labels mean.
    example: Option<(&'a Path, &'a LabelRule)>,
    /// Masks without a pixel of any class.
    without_class: Vec<&'a Path>,
}

impl<'a> Tally<'a> {
    fn new(set: &SegmentationDataset) -> Self {
        let counts = LabelCounts::new(&set.name, &set.class_names);
        Self { counts, black_and_white: BlackAndWhite::default(), example: None, without_class: Vec::new() }
    }

    fn add(&mut self, mask: &'a Path, rule: &'a LabelRule, histogram: &[u64; 256]) {
        self.example.get_or_insert((mask, rule));
        self.black_and_white.add(histogram);
        let (mut pixels, mut void, mut strange) = (vec![0; rule.classes()], 0, 0);
        for (label, &count) in (0..=VOID).zip(histogram) {
            match rule.meaning(label) {
                Some(VOID) => void += count,
                Some(class) => pixels[usize::from(class)] += count,
                None => strange += count,
            }
        }
        if strange == 0 && pixels.iter().all(|&count| count == 0) {
            self.without_class.push(mask);
        }
        self.counts.add(&pixels, void);
    }

    /// The counts, where there were masks. What is wrong with all of them is said once, not of each.
    fn finish(self, set: &SegmentationDataset, faults: &mut Faults) -> Option<LabelCounts> {
        let (example, rule) = self.example?;
        match self.black_and_white.refuse(&set.name, rule, example) {
            Err(error) => faults.error(error),
            Ok(()) => {
                for mask in self.without_class {
                    let (problem, help) =
                        ("no pixel of any class, all is void", "nothing is learned from it: is it right?");
                    faults.warn(|| warning(mask, None, problem.into(), help));
                }
            }
        }
        Some(self.counts)
    }
}

fn look_at_headers(record: &SegmentationRecord) -> Found {
    let mut found = Found::default();
    let picture = found.take(probe(&record.image));
    let Some(mask) = &record.mask else { return found };
    let labels = probe_label_map(mask).map_err(|source| DataError::Mask { path: mask.clone(), source });
    let labels = found.take(labels).map(|(width, height)| ImageSize { width, height });
    if let (Some(picture), Some(labels)) = (picture, labels) {
        if picture.turned {
            found.notes.push(ImageNote::KeptAsStored);
        }
        found.take(record.check_sizes(picture.stored, picture.turned, labels));
    }
    found
}

fn look_at_all(record: &SegmentationRecord) -> Found {
    let mut found = Found::default();
    let picture = found.take(read_picture(record)).map(|(decoded, digest)| {
        found.digest = Some(digest);
        found.notes.clone_from(&decoded.notes);
        (decoded.image.size, is_turned(&decoded))
    });
    if record.mask.is_none() {
        return found;
    }
    let Some(mut labels) = found.take(record.read_raw_labels()) else { return found };
    found.histogram = Some(Box::new(labels.histogram()));
    if let Some((size, is_turned)) = picture {
        found.take(record.check_sizes(size, is_turned, map_size(&labels)));
    }
    found.take(record.apply_rule(&mut labels));
    found
}

fn read_picture(record: &SegmentationRecord) -> Result<(Decoded, blake3::Hash), DataError> {
    let bytes = fs::read(&record.image).map_err(DataError::io("read", &record.image))?;
    Ok((record.decode(&bytes)?, blake3::hash(&bytes)))
}

impl Found {
    /// The value, or an error kept.
    fn take<T>(&mut self, result: Result<T, DataError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }
}

/// What it means where EXIF asks for a turn of a picture with a mask.
const KEPT_AS_STORED: (&str, &str) = (
    "EXIF asks for a turn that is not made: the mask lies over the stored pixels",
    "to be rid of it, save the picture without EXIF",
);
