//! What can be wrong with label maps that are to be scored.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::error::write_shortened;
use wrs_datasets::label_map::{LabelMapError, VOID};

/// Which map of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapSide {
    /// The ground truth.
    Truth,
    /// The prediction.
    Prediction,
}

impl fmt::Display for MapSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truth => "ground truth",
            Self::Prediction => "prediction",
        })
    }
}

/// A label that names no class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFault {
    /// The map it is in.
    pub side: MapSide,
    /// The label.
    pub value: u8,
    /// The first pixel that has such a label, from 0.
    pub pixel: usize,
    /// Classes, the background among them.
    pub num_classes: usize,
    /// Every label of the map, ascending.
    pub found: Vec<u8>,
}

impl LabelFault {
    pub(super) fn new(side: MapSide, map: &[u8], pixel: usize, num_classes: usize) -> Self {
        let found = BTreeSet::from_iter(map).into_iter().copied().collect();
        Self { side, value: map[pixel], pixel, num_classes, found }
    }
}

impl fmt::Display for LabelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected labels 0 to {}", self.num_classes - 1)?;
        if self.side == MapSide::Truth {
            write!(f, " and {VOID} (void)")?;
        }
        write!(f, ", got {} (the map has ", self.value)?;
        write_shortened(f, &self.found, 10)?;
        f.write_str(if self.side == MapSide::Prediction && self.value == VOID {
            ")\nhelp: a prediction names a class for every pixel, void ones of the ground truth too"
        } else {
            ")\nhelp: labels are class indices, and the number of classes counts the background; map labels that are spaced for the eye (0, 128, 255) to indices first"
        })
    }
}

/// What is wrong with one mask or one pair of masks.
#[derive(Debug, thiserror::Error)]
pub enum MaskFault {
    /// The file holds no label map.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LabelMapError,
    },
    /// Prediction and ground truth differ in size.
    #[error(
        "{prediction}: expected {}x{} pixels as in {truth}, got {}x{}\nhelp: predict at the size of the original picture; labels are never resized here",
        expected.0, expected.1, got.0, got.1
    )]
    Size {
        /// The predicted mask.
        prediction: PathBuf,
        /// The mask of the ground truth.
        truth: PathBuf,
        /// Its width and height.
        expected: (usize, usize),
        /// The predicted mask's.
        got: (usize, usize),
    },
    /// A label names no class.
    #[error("{path}, x {x}, y {y}: {fault}")]
    Label {
        /// The file.
        path: PathBuf,
        /// Column, from 0.
        x: usize,
        /// Row, from 0.
        y: usize,
        /// The label.
        fault: LabelFault,
    },
}

/// Every faulty pair of two folders, in the order of their names; prints the first twenty and how many follow.
#[derive(Debug)]
pub struct MaskFaults(pub Vec<MaskFault>);

impl fmt::Display for MaskFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        for (position, fault) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{fault}", if position == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more faulty masks"),
        }
    }
}

/// Names of masks, ascending; prints the first twenty and how many follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList(pub Vec<String>);

impl fmt::Display for NameList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_shortened(f, &self.0, 20)
    }
}

/// Masks of one folder that the other lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpaired {
    /// The folder of the ground truth.
    pub truth_folder: PathBuf,
    /// Names without a mask in it.
    pub without_truth: NameList,
    /// The folder of the predictions.
    pub prediction_folder: PathBuf,
    /// Names without a mask in it.
    pub without_prediction: NameList,
}

impl fmt::Display for Unpaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a mask of every name in both folders")?;
        for (folder, missing) in
            [(&self.prediction_folder, &self.without_prediction), (&self.truth_folder, &self.without_truth)]
        {
            if !missing.0.is_empty() {
                write!(f, "\n{} of them are not in {}: {missing}", missing.0.len(), folder.display())?;
            }
        }
        write!(f, "\nhelp: masks are index PNGs named as their picture; to score a part of a folder, list its names")
    }
}

/// What is wrong with how one picture was labelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfusionFault {
    /// A cell that is out of order, comes twice or has no pixel.
    #[error("image {image}: expected cells ascending by class, each with a pixel, got {cell:?}")]
    Cell {
        /// The picture.
        image: String,
        /// True class, predicted class, pixels.
        cell: [u64; 3],
    },
    /// A cell of no class.
    #[error("image {image}: expected classes 0 to {}, got cell {cell:?}", num_classes.saturating_sub(1))]
    Class {
        /// The picture.
        image: String,
        /// True class, predicted class, pixels.
        cell: [u64; 3],
        /// Classes, the background among them.
        num_classes: usize,
    },
    /// More pixels than a picture can have.
    #[error("image {image}: expected at most {} pixels, got {pixels}", u32::MAX)]
    Pixels {
        /// The picture.
        image: String,
        /// Its pixels.
        pixels: u64,
    },
    /// A picture that comes twice.
    #[error("expected each image once, got `{image}` again")]
    Repeated {
        /// The picture.
        image: String,
    },
    /// Ground truth that is not that of the other runs.
    #[error("image {image}: expected the classes' pixels of the first run in the ground truth, got others")]
    OtherTruth {
        /// The picture.
        image: String,
    },
}

/// Why label maps cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum SegmentationError {
    /// A number of classes that labels of 8 bits cannot hold.
    #[error(
        "expected 1 to {} classes, got {num_classes}\nhelp: labels are 8 bits, and {VOID} is void; count the background as a class",
        super::MAX_CLASSES
    )]
    NumClasses {
        /// The number as given.
        num_classes: usize,
    },
    /// A prediction of another size than the ground truth.
    #[error("expected a prediction of {truth} pixels as in the ground truth, got {prediction}")]
    Lengths {
        /// Pixels of the ground truth.
        truth: usize,
        /// Pixels of the prediction.
        prediction: usize,
    },
    /// A label names no class.
    #[error("{side} pixel {pixel}: {0}", side = .0.side, pixel = .0.pixel)]
    Label(LabelFault),
    /// Two matrices of different classes.
    #[error("expected a confusion matrix of {expected} classes to add, got {got}")]
    Merge {
        /// Classes of the matrix that was to grow.
        expected: usize,
        /// Classes of the other.
        got: usize,
    },
    /// Names for another number of classes.
    #[error("expected {expected} class names, got {got}\nhelp: the background has a name too")]
    Names {
        /// Classes evaluated.
        expected: usize,
        /// Names given.
        got: usize,
    },
    /// The confusions of a set's pictures cannot be read.
    #[error("{path}: cannot read: {source}")]
    ConfusionsUnread {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes are not the JSON of confusions.
    #[error(
        "{path}: expected an array of {{image, cells}}, got invalid JSON: {source}\nhelp: a run's confusions.json has them"
    )]
    ConfusionsJson {
        /// The file.
        path: PathBuf,
        /// Where it broke, with line and column.
        source: serde_json::Error,
    },
    /// Confusions that cannot be.
    #[error("{path}: {fault}")]
    Confusions {
        /// The file.
        path: PathBuf,
        /// What is wrong with one.
        fault: ConfusionFault,
    },
    /// A folder cannot be read.
    #[error("{path}: cannot read: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is nothing to score.
    #[error("{path}: expected masks to score, got none\nhelp: masks are index PNGs at the top of the folder")]
    NoMasks {
        /// The folder of the ground truth.
        path: PathBuf,
    },
    /// Two masks of one folder share a name.
    #[error("expected one mask of each name, got {first} and {second}\nhelp: remove one")]
    Ambiguous {
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Masks without a partner.
    #[error("{0}")]
    Unpaired(Unpaired),
    /// Masks that cannot be scored.
    #[error("{0}")]
    Masks(MaskFaults),
    /// Masks of a black background and a white foreground: white is void, so the foreground would count nowhere.
    #[error(
        "{path}: expected class indices, got only 0 and {VOID} in {binary} of {masks} masks: {VOID} is void and would not be scored\nhelp: write the foreground as 1"
    )]
    ForegroundIsVoid {
        /// The folder of the ground truth.
        path: PathBuf,
        /// Masks of nothing but 0 and 255.
        binary: usize,
        /// All masks.
        masks: usize,
    },
}
