//! What can be wrong with data: each variant says expected, got, which record and which file, and how to mend it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::image::ImageSize;
use crate::label_map::LabelMapError;
use crate::mat5::Mat5Error;

/// A fault in the data, with the file and record it sits in and the line that mends it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}\nhelp: check that the path exists and that you may use it", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },

    /// No known layout lies under the data root.
    #[error("no {wanted} under {}\n  looked for {}\nhelp: {help}", root.display(), paths(looked))]
    Layout {
        /// What was looked for, for example `COCO split train`.
        wanted: String,
        /// The data root.
        root: PathBuf,
        /// The places that would have done.
        looked: Vec<PathBuf>,
        /// The mend.
        help: String,
    },

    /// A file is not the json it should be.
    #[error("{} is not COCO instances json: {message}\n  --> {}:{line}:{column} (byte {byte} of {length})\nhelp: {help}", path.display(), path.display())]
    Json {
        /// The json file.
        path: PathBuf,
        /// The parser's words.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 is the end of the line before.
        column: usize,
        /// Offset in the file.
        byte: usize,
        /// Bytes in the file.
        length: usize,
        /// The mend.
        help: &'static str,
    },

    /// A record that cannot be used.
    #[error("{}: {record}: expected {expected}, got {got}\nhelp: {help}", path.display())]
    Record {
        /// The file that holds the record.
        path: PathBuf,
        /// Which record: `annotation 7 (the 3rd)`, `line 12`.
        record: String,
        /// What would have done.
        expected: String,
        /// What is there.
        got: String,
        /// The mend.
        help: &'static str,
    },

    /// A text file that its format's parser refuses.
    #[error("{}: {place}: {problem}\nhelp: {help}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in it: `line 3`.
        place: String,
        /// The parser's words.
        problem: String,
        /// The mend.
        help: &'static str,
    },

    /// A MAT file that cannot be read, or does not hold what is wanted.
    #[error("{}: {source}", path.display())]
    Mat {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Mat5Error,
    },

    /// Several layouts under one root.
    #[error("{} holds data in several layouts: {}\nhelp: name one: data.source.folder.layout = \"{}\"", root.display(), found.join(", "), found[0])]
    Layouts {
        /// The data root.
        root: PathBuf,
        /// The layouts, as recipes spell them.
        found: Vec<String>,
    },

    /// Pictures named by the annotations that are not on disk.
    #[error("{} of {total} pictures named in {} are missing\n  first {}: {}\nhelp: unpack the pictures there, or allow missing ones: they then count as missed objects", missing.len(), annotations.display(), missing.len().min(SHOWN), paths(&missing[..missing.len().min(SHOWN)]))]
    MissingImages {
        /// The annotation file.
        annotations: PathBuf,
        /// How many are named.
        total: usize,
        /// All that are missing; the message shows the first ten.
        missing: Vec<PathBuf>,
    },

    /// Two data sets that do not describe the same categories.
    #[error(
        "category {id} is \"{first_name}\" in {first} and \"{second_name}\" in {second}\nhelp: train and evaluate on annotations of one category list"
    )]
    Categories {
        /// The category's json id.
        id: u64,
        /// Name of the first data set.
        first: String,
        /// The category's name there.
        first_name: String,
        /// Name of the second data set.
        second: String,
        /// The category's name there.
        second_name: String,
    },

    /// A picture that cannot be decoded.
    #[error("cannot decode {}: {problem}\nhelp: {help}", path.display())]
    Image {
        /// The picture.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The mend.
        help: &'static str,
    },

    /// A picture whose size is not the one its annotations speak of.
    #[error("{} is {got} pixels, its annotations say {expected}\nhelp: the annotations belong to another copy of this picture; boxes would be misplaced", path.display())]
    ImageSize {
        /// The picture.
        path: PathBuf,
        /// By the annotations.
        expected: ImageSize,
        /// By the file, as stored.
        got: ImageSize,
    },

    /// A mask that holds no labels.
    #[error("{}: {source}", path.display())]
    Mask {
        /// The mask.
        path: PathBuf,
        /// Why not.
        source: LabelMapError,
    },

    /// A mask whose size is not its picture's.
    #[error("{} is {mask_size} pixels, its picture {} {image_size}\nhelp: {help}", mask.display(), image.display())]
    MaskSize {
        /// The mask.
        mask: PathBuf,
        /// The picture.
        image: PathBuf,
        /// The mask's size.
        mask_size: ImageSize,
        /// The picture's, as stored.
        image_size: ImageSize,
        /// The mend.
        help: &'static str,
    },

    /// Pictures or masks that are listed and not on disk.
    #[error("{} files of the {total} pictures of {} are missing\n  first {}: {}\nhelp: unpack them there; to go on without these pictures: missing = \"skip\"", missing.len(), list.display(), missing.len().min(SHOWN_FILES), paths(&missing[..missing.len().min(SHOWN_FILES)]))]
    MissingFiles {
        /// The list or folder that names the pictures.
        list: PathBuf,
        /// How many pictures it names.
        total: usize,
        /// All that are missing; the message shows the first twenty.
        missing: Vec<PathBuf>,
    },

    /// Files that something is made from and that are not on disk.
    #[error("{} of the {total} files that make {what} are missing\n  first {}: {}\nhelp: {help}", missing.len(), missing.len().min(SHOWN_FILES), paths(&missing[..missing.len().min(SHOWN_FILES)]))]
    MissingSources {
        /// What is made.
        what: &'static str,
        /// How many files it takes.
        total: usize,
        /// All that are missing; the message shows the first twenty.
        missing: Vec<PathBuf>,
        /// The mend.
        help: &'static str,
    },

    /// Pictures in the training split and in one that is evaluated.
    #[error("{train} and {val} share {} pictures, first {}\nhelp: what is trained on measures nothing: leave them out of one split, or allow it: overlap = \"allow\"", shared.len(), shared[..shared.len().min(SHOWN)].join(", "))]
    Overlap {
        /// Name of the training split.
        train: String,
        /// Name of the other.
        val: String,
        /// The ids of all shared pictures; the message shows the first ten.
        shared: Vec<String>,
    },

    /// A resize that cannot be done.
    #[error("cannot resize a picture of {from} to {to}: {reason}\nhelp: sides are 1 to 2^31 - 1 pixels")]
    Resize {
        /// Size before.
        from: ImageSize,
        /// Size asked for.
        to: ImageSize,
        /// The resizer's words.
        reason: String,
    },

    /// Something else already lies where data should be written.
    #[error("{} already exists and {reason}\nhelp: name another folder, or remove this one yourself", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be used as it is.
        reason: String,
    },

    /// Options that contradict each other.
    #[error("{option}: expected {expected}, got {got}\nhelp: change this setting")]
    Option {
        /// The setting.
        option: &'static str,
        /// What would have done.
        expected: String,
        /// What was asked.
        got: String,
    },
}

/// How many missing pictures a message names.
const SHOWN: usize = 10;

/// How many missing pictures and masks.
const SHOWN_FILES: usize = 20;

impl DataError {
    /// Wraps a failure of the file system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Wraps a fault in a MAT file.
    pub fn mat(path: &Path) -> impl FnOnce(Mat5Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Mat { path, source }
    }
}

fn paths(list: &[PathBuf]) -> String {
    let mut text = String::new();
    for (i, path) in list.iter().enumerate() {
        let _ = write!(text, "{}{}", if i == 0 { "" } else { ", " }, path.display());
    }
    text
}
