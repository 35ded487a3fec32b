//! Records whose files are cut off, damaged or do not belong together, left out where that is asked for.

use std::path::Path;
use std::thread::available_parallelism;

use super::SegmentationRecord;
use crate::error::DataError;
use crate::fault::{Fault, Faults, Severity};
use crate::survey::survey;

/// More threads than these wait for the disk.
const MOST_WORKERS: usize = 8;

/// What to do about a file that was left out.
const LEFT_OUT: &str = "its picture is left out: fetch or write the file again to have it back";

/// Decodes every record and leaves out those that are broken: each is warned of, and their number is noted.
///
/// # Errors
/// [`DataError::Record`] where nothing is left.
pub(super) fn leave_out_broken(
    images: &mut Vec<SegmentationRecord>,
    source: &Path,
    notes: &mut Vec<String>,
    faults: &mut Faults,
) -> Result<(), DataError> {
    let total = images.len();
    let mut problems: Vec<Option<DataError>> = (0..total).map(|_| None).collect();
    let workers = available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    survey(images, workers, faults, |record| &record.image, fault_of, |at, fault, _| problems[at] = fault);
    let mut problems = problems.into_iter();
    let mut broken = Vec::new();
    images.retain(|_| match problems.next().flatten() {
        Some(error) => {
            broken.extend(error.into_faults(source));
            false
        }
        None => true,
    });
    let Some(first) = broken.first().map(|fault| format!("{}: {}", fault.path.display(), fault.problem)) else {
        return Ok(());
    };
    let left_out = total - images.len();
    for fault in broken {
        faults.warn(|| Fault { severity: Severity::Warning, help: LEFT_OUT.to_owned(), ..fault });
    }
    if images.is_empty() {
        return Err(DataError::Record {
            path: source.to_path_buf(),
            record: format!("its {total} pictures"),
            expected: "a whole one with its mask".into(),
            got: format!("none that is not broken, first {first}"),
            help: "fetch them again: what was skipped is everything",
        });
    }
    notes.push(format!("{left_out} of {total} pictures are left out: they or their masks are broken, first {first}"));
    Ok(())
}

/// What is broken about a record, if anything is; what is wrong with it otherwise is left to those who read it.
fn fault_of(record: &SegmentationRecord) -> Option<DataError> {
    let read = if record.mask.is_some() { record.read_as_filed().map(drop) } else { record.read_image().map(drop) };
    read.err().filter(|error| match error {
        DataError::Image { .. } | DataError::MaskSize { .. } => true,
        DataError::Mask { source, .. } => source.is_damage(),
        _ => false,
    })
}
