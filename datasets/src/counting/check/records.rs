//! Every picture read, in parallel; what is found stays in the order of the records.

use std::fs;

use super::super::open::ReadSet;
use super::super::{CountingRecord, Pictures};
use super::counts::duplicates;
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::image::{Alpha, ImageNote, decode_as_stored};
use crate::survey::{remark, survey};

/// What decoding a picture gives: its digest, and what there is to remark.
type Looked = Result<(Option<blake3::Hash>, Vec<ImageNote>), DataError>;

/// Reads every picture of a set, pushes what is wrong with it and its points, and gives the digests of those decoded.
pub(super) fn check_set(
    read: &ReadSet,
    pictures: Pictures,
    workers: usize,
    faults: &mut Faults,
) -> Vec<Option<blake3::Hash>> {
    let images = &read.set.images;
    let mut digests = vec![None; images.len()];
    survey(
        images,
        workers,
        faults,
        |record| &record.image,
        move |record| look(record, pictures),
        |at, looked, faults| {
            let (record, found) = (&images[at], &read.found[at]);
            let (digest, mut notes) = faults.take(looked).unwrap_or_default();
            digests[at] = digest;
            if found.turned && !notes.contains(&ImageNote::KeptAsStored) {
                notes.push(ImageNote::KeptAsStored);
            }
            for remark in notes.into_iter().filter_map(|note| remark(&record.image, note, KEPT_AS_STORED)) {
                faults.warn(|| remark);
            }
            if let twice @ 1.. = duplicates(record) {
                let problem = format!("{twice} points of {} stand at the place of another", record.id);
                let help = "nothing to do, if objects hide each other; else remove clicks that were made twice";
                faults.warn(|| warning(&found.annotation, None, problem, help));
            }
        },
    );
    digests
}

fn look(record: &CountingRecord, pictures: Pictures) -> Looked {
    // Headers were read with the points.
    if pictures == Pictures::Headers {
        return Ok((None, Vec::new()));
    }
    let bytes = fs::read(&record.image).map_err(DataError::io("read", &record.image))?;
    let decoded = decode_as_stored(&bytes, &record.image, Alpha::OverGrey)?;
    if decoded.image.size != record.size {
        let (path, expected) = (record.image.clone(), record.size);
        return Err(DataError::ImageSize { path, expected, got: decoded.image.size });
    }
    Ok((Some(blake3::hash(&bytes)), decoded.notes))
}

/// What it means where EXIF asks for a turn of a picture with points.
const KEPT_AS_STORED: (&str, &str) = (
    "EXIF asks for a turn that is not made: points are taken to mean the stored pixels",
    "to be rid of it, save the picture without EXIF",
);
