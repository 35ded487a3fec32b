//! Every picture read, in parallel; what is found stays in the order of the records.

use std::fs;
use std::path::PathBuf;

use super::Pictures;
use crate::detection::{DetectionDataset, Faults};
use crate::error::DataError;
use crate::image::{Frame, ImageNote, ImageSize, decode_framed, probe};
use crate::survey::{remark, survey};

/// What is read of a picture.
#[derive(Clone, Debug)]
struct Task {
    path: PathBuf,
    size: ImageSize,
    frame: Frame,
}

/// What was found in it.
#[derive(Debug, Default)]
struct Found {
    error: Option<DataError>,
    notes: Vec<ImageNote>,
    digest: Option<blake3::Hash>,
}

/// Reads every picture that is there, pushes what is wrong with it, and gives the digests of those it decodes (with
/// [`Pictures::All`]) by set and record.
pub(super) fn check_pictures(
    sets: &[DetectionDataset],
    pictures: Pictures,
    workers: usize,
    faults: &mut Faults,
) -> Vec<Vec<Option<blake3::Hash>>> {
    let mut digests: Vec<Vec<_>> = sets.iter().map(|set| vec![None; set.images.len()]).collect();
    let (mut places, mut tasks) = (Vec::new(), Vec::new());
    for (s, set) in sets.iter().enumerate() {
        for (i, image) in set.images.iter().enumerate().filter(|(_, image)| image.on_disk) {
            places.push((s, i));
            tasks.push(Task { path: image.path.clone(), size: image.size, frame: image.frame });
        }
    }
    let record = |at: usize, Found { error, notes, digest }: Found, faults: &mut Faults| {
        let (s, i) = places[at];
        digests[s][i] = digest;
        if let Some(error) = error {
            faults.error(error);
        }
        for remark in notes.into_iter().filter_map(|note| remark(&sets[s].images[i].path, note, KEPT_AS_STORED)) {
            faults.warn(|| remark);
        }
    };
    survey(&tasks, workers, faults, |task| &task.path, move |task| look(task, pictures), record);
    digests
}

fn look(task: &Task, pictures: Pictures) -> Found {
    let result = match pictures {
        Pictures::Headers => look_at_header(task),
        Pictures::All => look_at_all(task),
    };
    result.unwrap_or_else(|error| Found { error: Some(error), ..Found::default() })
}

fn look_at_header(task: &Task) -> Result<Found, DataError> {
    let probed = probe(&task.path)?;
    let kept_as_stored = task.frame == Frame::BySize && probed.stored == task.size;
    if !kept_as_stored && probed.upright != task.size {
        let (path, expected, got) = (task.path.clone(), task.size, probed.stored);
        return Err(DataError::ImageSize { path, expected, got });
    }
    let notes = if kept_as_stored && probed.turned { vec![ImageNote::KeptAsStored] } else { Vec::new() };
    Ok(Found { notes, ..Found::default() })
}

fn look_at_all(task: &Task) -> Result<Found, DataError> {
    let bytes = fs::read(&task.path).map_err(DataError::io("read", &task.path))?;
    let decoded = decode_framed(&bytes, &task.path, task.size, task.frame)?;
    Ok(Found { error: None, notes: decoded.notes, digest: Some(blake3::hash(&bytes)) })
}

/// What it means where EXIF asks for a turn and the annotations give the size as stored.
const KEPT_AS_STORED: (&str, &str) = (
    "EXIF asks for a turn, but the annotations give the size as stored: the boxes are taken to mean the stored pixels",
    "look at its boxes: if they are turned, write the turned size and boxes into the annotations",
);
