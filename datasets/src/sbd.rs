//! The Semantic Boundaries Dataset (Hariharan et al. 2011): labels for 11,355 pictures of VOC 2011, in MAT files.
//!
//! `cls/ID.mat` holds a struct `GTcls` whose field `Segmentation` has a class a pixel, 0 to 20 as in VOC. There is no void, and
//! outlines are coarser than VOC's own.

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::label_map::LabelMap;
use crate::mat5::{ArrayAt, Mat5Error, MatFile, Matrix};

/// The highest class: 20 objects after the background.
const LAST_CLASS: u8 = 20;

/// Where SBD lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbdHome {
    folder: PathBuf,
}

impl SbdHome {
    /// Finds the folder of `cls/`, `train.txt` and `val.txt`: the root, its `dataset`, or its `benchmark_RELEASE/dataset`, as
    /// the archive unpacks.
    ///
    /// # Errors
    /// [`DataError::Layout`] where it is none of them.
    pub fn find(root: &Path) -> Result<Self, DataError> {
        let looked = ["benchmark_RELEASE/dataset", "dataset", ""].map(|inner| root.join(inner));
        let is_home = |folder: &&PathBuf| folder.join("cls").is_dir() && folder.join("train.txt").is_file();
        match looked.iter().find(is_home) {
            Some(folder) => Ok(Self { folder: folder.clone() }),
            None => Err(DataError::Layout {
                wanted: "SBD".into(),
                root: root.to_path_buf(),
                looked: looked.map(|folder| folder.join("cls")).into(),
                help: "expected cls/, train.txt and val.txt in one folder, as SBD's benchmark.tgz has them".into(),
            }),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The list of a part: `train`, `val`.
    pub fn list_path(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.txt"))
    }

    /// The file with the classes of a picture's pixels.
    pub fn labels_path(&self, id: &str) -> PathBuf {
        self.folder.join("cls").join(format!("{id}.mat"))
    }
}

/// Reads the classes of a picture's pixels.
///
/// # Errors
/// A file that cannot be read or is no MAT file of SBD's classes, and a class above 20.
pub fn read_sbd_labels(path: &Path) -> Result<LabelMap, DataError> {
    let file = MatFile::read(path)?;
    labels_of(&file).map_err(DataError::mat(path))
}

fn labels_of(file: &MatFile) -> Result<LabelMap, Mat5Error> {
    let segmentation = file.variable("GTcls")?.field("Segmentation")?;
    let Matrix { rows: height, columns: width, values: labels } = segmentation.matrix::<u8>()?;
    if labels.is_empty() {
        return Err(segmentation.mismatch("a class for each pixel".to_owned()));
    }
    match labels.iter().position(|&label| label > LAST_CLASS) {
        Some(at) => Err(not_a_class(&segmentation, labels[at], at % width, at / width)),
        None => Ok(LabelMap { width, height, labels }),
    }
}

fn not_a_class(segmentation: &ArrayAt, label: u8, x: usize, y: usize) -> Mat5Error {
    Mat5Error::Mismatch {
        place: segmentation.place().to_owned(),
        expected: format!("classes 0 to {LAST_CLASS}"),
        got: format!("{label} at x {x}, y {y}"),
    }
}
