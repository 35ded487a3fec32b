//! From what a layout lists to records whose points lie in their pictures.

use std::path::{Path, PathBuf};

use super::axes::{AxesTally, exchanged, is_inside};
use super::layout::{Annotated, Annotation, Entry, Listed, Reader, recognise};
use super::remark::{Kind, Remark, tell};
use super::{CountingDataset, CountingLayout, CountingOptions, CountingRecord, PointXy, SwapXy};
use crate::error::DataError;
use crate::fault::Faults;
use crate::image::{ImageSize, probe};
use crate::listed::{leave_out_missing, refuse_repeated};
use crate::split::Split;

impl CountingDataset {
    /// Opens a split under a data root. Every picture and its points must be there; of a test split all points may be
    /// absent. Points outside their pictures are left out, with a note.
    ///
    /// # Errors
    /// The first fault found: no such layout or split, missing or damaged files, names that several pictures have, points
    /// that are no numbers or that seem to be y, x.
    pub fn open(root: &Path, options: &CountingOptions, split: &Split) -> Result<Self, DataError> {
        let layout = options.layout.map_or_else(|| recognise(root), Ok)?;
        let mut faults = Faults::first();
        let read = read(root, layout, options, split, &mut faults);
        faults.refuse()?;
        Ok(read?.set)
    }
}

/// A split that was read.
#[derive(Debug)]
pub(super) struct ReadSet {
    /// The split.
    pub set: CountingDataset,
    /// What else was found, by record.
    pub found: Vec<FoundInFiles>,
}

/// What was found in the files of a picture, beside its record.
#[derive(Debug)]
pub(super) struct FoundInFiles {
    /// The file of its points.
    pub annotation: PathBuf,
    /// Points that were left out.
    pub outside: usize,
    /// Whether EXIF asks for a turn.
    pub turned: bool,
}

/// Reads a split. What leaves something to go on with is pushed; an error ends the reading.
pub(super) fn read(
    root: &Path,
    layout: CountingLayout,
    options: &CountingOptions,
    split: &Split,
    faults: &mut Faults,
) -> Result<ReadSet, DataError> {
    let (reader, errors_before) = (layout.reader(), faults.errors());
    let Listed { name, source, mut entries, mut notes } = reader.list(root, split, options, faults)?;
    let is_unlabelled =
        *split == Split::Test && !entries.is_empty() && entries.iter().all(|entry| !entry.annotation.is_there());
    if is_unlabelled {
        notes.push(format!("{name} has no points: it serves prediction alone"));
    }
    refuse_repeated(&mut entries, |entry| (&entry.id, &entry.image), &source, faults);
    let missing = |entry: &Entry| {
        let image = (!entry.image.is_file()).then(|| entry.image.clone());
        let points = !is_unlabelled && !entry.annotation.is_there();
        image.into_iter().chain(points.then(|| entry.annotation.path().to_path_buf())).collect()
    };
    leave_out_missing(&mut entries, missing, (options.missing, "points"), &source, &mut notes, faults);
    if entries.is_empty() && faults.errors() == errors_before {
        return Err(no_pictures(source, split, layout));
    }
    let (mut images, mut found, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    let mut tallies = Vec::new();
    for entry in entries {
        let read = read_entry(entry, reader, options, is_unlabelled, &mut remarks);
        let Some((record, in_files, tally)) = faults.take(read) else { continue };
        tallies.push((in_files.annotation.clone(), tally));
        images.push(record);
        found.push(in_files);
    }
    refuse_exchanged(&tallies, &source, split, options.swap_xy, faults);
    tell(&remarks, &mut notes, faults);
    Ok(ReadSet { set: CountingDataset { name, images, notes }, found })
}

/// Row 24 of the edge cases: an empty split says what it should hold.
fn no_pictures(source: PathBuf, split: &Split, layout: CountingLayout) -> DataError {
    DataError::Record {
        path: source,
        record: format!("split {split}"),
        expected: format!("pictures, as {layout} has them: {}", layout.reader().looks_for().join("; ")),
        got: "none".into(),
        help: "unpack the pictures, or name another split",
    }
}

/// Reads the size of a picture and its points.
fn read_entry(
    entry: Entry,
    reader: &dyn Reader,
    options: &CountingOptions,
    is_unlabelled: bool,
    remarks: &mut Vec<Remark>,
) -> Result<(CountingRecord, FoundInFiles, AxesTally), DataError> {
    let Entry { id, image, annotation, stated, attributes } = entry;
    let header = probe(&image)?;
    let mut record = CountingRecord { id, image, size: header.stored, points: None, attributes };
    let path = annotation.path().to_path_buf();
    let mut found = FoundInFiles { annotation: path.clone(), outside: 0, turned: header.turned };
    if is_unlabelled {
        return Ok((record, found, AxesTally::default()));
    }
    let annotated = match annotation {
        Annotation::File(path) => reader.read(&path, options)?,
        Annotation::Read(_, points) => Annotated { points, ..Annotated::default() },
    };
    require_size(&record, &path, annotated.size)?;
    let mut points = annotated.points;
    if options.swap_xy == SwapXy::Yes {
        for point in &mut points {
            *point = exchanged(*point);
        }
    }
    require_finite(&record, &path, &points)?;
    remarks.extend(annotated.remarks);
    for stated in [annotated.stated, stated].into_iter().flatten() {
        if stated.total_cmp(&(points.len() as f64)).is_ne() {
            let problem = format!("{stated} points are stated of {}, there are {}", record.id, points.len());
            remarks.push(Remark::new(Kind::OtherCount, &path, 1, problem));
        }
    }
    let tally = AxesTally::of(&points, record.size);
    found.outside = tally.outside();
    if found.outside > 0 {
        let problem = format!(
            "{} of {} points of {} lie outside its {} pixels and are left out",
            found.outside,
            points.len(),
            record.id,
            record.size
        );
        remarks.push(Remark::new(Kind::Outside, &path, found.outside, problem));
        points.retain(|&point| is_inside(point, record.size));
    }
    record.points = Some(points.into());
    Ok((record, found, tally))
}

fn require_size(record: &CountingRecord, annotation: &Path, drawn_on: Option<ImageSize>) -> Result<(), DataError> {
    match drawn_on {
        Some(size) if size != record.size => Err(DataError::MaskSize {
            mask: annotation.to_path_buf(),
            image: record.image.clone(),
            mask_size: size,
            image_size: record.size,
            help: "dots lie over the pixels of their picture: find the one they were drawn for",
        }),
        _ => Ok(()),
    }
}

/// Row 36 of the edge cases.
fn require_finite(record: &CountingRecord, annotation: &Path, points: &[PointXy]) -> Result<(), DataError> {
    let strange = points.iter().position(|point| !(point.x.is_finite() && point.y.is_finite()));
    strange.map_or(Ok(()), |at| {
        Err(DataError::Record {
            path: annotation.to_path_buf(),
            record: format!("point {} of {}", at + 1, record.id),
            expected: "two finite numbers".into(),
            got: format!("{}, {}", points[at].x, points[at].y),
            help: "correct the point or remove it",
        })
    })
}

/// Refuses a split whose points are y, x for the most part; else the single files that are.
fn refuse_exchanged(tallies: &[(PathBuf, AxesTally)], source: &Path, split: &Split, swap: SwapXy, faults: &mut Faults) {
    let mut all = AxesTally::default();
    for (_, tally) in tallies {
        all.add(*tally);
    }
    if faults.take(all.refuse(source, &format!("split {split}"), swap)).is_some() {
        for (path, tally) in tallies {
            faults.take(tally.refuse(path, "points", swap));
        }
    }
}
