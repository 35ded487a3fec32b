//! The masks of the set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LabelSource;
use super::ids::Lists;
use super::manifest::{Origin, Written};
use crate::error::DataError;
use crate::image::{ImageSize, probe};
use crate::label_map::{LabelMap, voc_palette, write_label_map};
use crate::loader::{Loader, LoaderError};
use crate::sbd::{SbdHome, read_sbd_labels};
use crate::segmentation::{LabelRule, SegmentationOptions, SegmentationRecord, voc_class_names};

/// Masks that may wait beside those being made, a worker.
const AHEAD: usize = 4;

/// A mask to make.
pub(super) struct Task {
    id: String,
    source: Source,
    image: PathBuf,
    to: PathBuf,
}

/// Where its labels lie.
enum Source {
    Voc(SegmentationRecord),
    Sbd(PathBuf),
}

impl Source {
    fn path<'a>(&'a self, image: &'a Path) -> &'a Path {
        match self {
            Self::Voc(record) => record.mask.as_deref().unwrap_or(image),
            Self::Sbd(path) => path,
        }
    }
}

/// The masks to make, in the order of the ids.
///
/// # Errors
/// [`DataError::MissingSources`] names every picture and every file of labels that is not there.
pub(super) fn tasks(
    lists: &Lists,
    labels: LabelSource,
    voc: &Path,
    sbd: &SbdHome,
    folder: &Path,
) -> Result<Vec<Task>, DataError> {
    let rule = Arc::new(LabelRule::new(voc_class_names().len(), &SegmentationOptions::default())?);
    let task = |id: &str| {
        let image = voc.join("JPEGImages").join(format!("{id}.jpg"));
        let is_vocs = match labels {
            LabelSource::VocFirst => lists.voc_train.contains(id),
            LabelSource::SbdFirst => !lists.is_in_sbd(id),
        };
        let source = if is_vocs {
            let mask = Some(voc.join("SegmentationClass").join(format!("{id}.png")));
            Source::Voc(SegmentationRecord { id: id.to_owned(), image: image.clone(), mask, labels: rule.clone() })
        } else {
            Source::Sbd(sbd.labels_path(id))
        };
        Task { id: id.to_owned(), source, image, to: folder.join(format!("{id}.png")) }
    };
    let tasks: Vec<_> = lists.augmented().map(task).collect();
    let files = tasks.iter().flat_map(|task| [&*task.image, task.source.path(&task.image)]);
    let missing: Vec<_> = files.filter(|path| !path.is_file()).map(Path::to_path_buf).collect();
    if missing.is_empty() {
        return Ok(tasks);
    }
    Err(DataError::MissingSources {
        what: "the augmented set",
        total: 2 * tasks.len(),
        missing,
        help: "unpack VOC 2012's trainval archive and SBD's benchmark.tgz whole",
    })
}

/// Writes the masks on `workers` threads; what was written comes back in the order of the tasks.
pub(super) fn write_all(tasks: Vec<Task>, workers: usize, folder: &Path) -> Result<Vec<Written>, DataError> {
    let failed = |error: LoaderError<DataError>| match error {
        LoaderError::Make { source, .. } => source,
        other => DataError::io("write", folder)(std::io::Error::other(other.to_string())),
    };
    let written = Loader::start(workers, workers * AHEAD, tasks, Arc::new(write)).map_err(failed)?;
    written.map(|mask| mask.map_err(failed)).collect()
}

fn write(task: &Task) -> Result<Written, DataError> {
    let (map, source) = match &task.source {
        Source::Voc(record) => (record.read_labels()?, Origin::Voc),
        Source::Sbd(path) => (read_sbd_labels(path)?, Origin::Sbd),
    };
    check_size(task, &map)?;
    let mask = |source| DataError::Mask { path: task.to.clone(), source };
    write_label_map(&task.to, &map, &voc_palette()).map_err(mask)?;
    let LabelMap { width, height, labels } = map;
    Ok(Written { id: task.id.clone(), source, width, height, blake3: blake3::hash(&labels).to_hex().to_string() })
}

fn check_size(task: &Task, map: &LabelMap) -> Result<(), DataError> {
    let mask_size = ImageSize { width: map.width, height: map.height };
    let image_size = probe(&task.image)?.stored;
    if mask_size == image_size {
        return Ok(());
    }
    Err(DataError::MaskSize {
        mask: task.source.path(&task.image).to_path_buf(),
        image: task.image.clone(),
        mask_size,
        image_size,
        help: "SBD and VOC 2012 have the same pictures: fetch the one whose size is wrong again",
    })
}
