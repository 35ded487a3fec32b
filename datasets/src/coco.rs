//! COCO detection data: images with their annotations, as the evaluator needs them (everything kept) and as training needs
//! them (cleaned, see [`CocoDataset::training_set`]).

mod assemble;
mod categories;
mod json;
mod layout;
mod training;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use categories::unite_categories;
pub use training::{EmptyImages, TrainingCounts, TrainingImage, TrainingSet};

use crate::boxes::BoxXyxy;
use crate::error::DataError;
use crate::image::ImageSize;

/// Which part of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// The training part of whatever layout is there.
    Train,
    /// The validation part of whatever layout is there.
    Val,
    /// `annotations/instances_NAME.json` with the folder `NAME`; `5k` and `trainvalno5k` cut COCO 2014 by its list files.
    Named(String),
}

impl FromStr for Split {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "train" => Self::Train,
            "val" => Self::Val,
            name => Self::Named(name.to_owned()),
        })
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Named(name) => name,
        })
    }
}

/// What to do about pictures named by the annotations but not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingImages {
    /// An error that lists the first ten.
    Refuse,
    /// They stay in the ground truth (and so count as missed objects), are left out of training, and are reported.
    Keep,
}

/// A class of objects; its class index is its position in [`CocoDataset::categories`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// The id in the json, for results written in COCO's format.
    pub id: u64,
    /// The name, made unique.
    pub name: String,
}

/// One annotated object, as the evaluator needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Contiguous class index: the position of its category.
    pub class: u32,
    /// `[x, y, width, height]` in pixels, as in the json.
    pub bbox: [f64; 4],
    /// The json's area (of the mask, where there is one), which decides small, medium and large; the box's where absent.
    pub area: f64,
    /// A crowd region: ignored in evaluation, never a training box.
    pub is_crowd: bool,
}

impl Annotation {
    /// The box by its edges.
    pub fn xyxy(&self) -> BoxXyxy {
        BoxXyxy::from_xywh(self.bbox)
    }
}

/// One image and all its annotations.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// The id in the json.
    pub id: u64,
    /// Where the picture lies.
    pub path: PathBuf,
    /// Size by the json.
    pub size: ImageSize,
    /// Whether the picture was there when the data set was opened.
    pub on_disk: bool,
    /// In the order of the json, crowds included.
    pub annotations: Vec<Annotation>,
}

/// A split of a COCO data set.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoDataset {
    /// Which images these are, for every line that quotes a number: `val2017`, `5k`, …
    pub name: String,
    /// Sorted by json id.
    pub categories: Vec<Category>,
    /// Sorted by json id.
    pub images: Vec<ImageRecord>,
    /// What was found while reading, to be printed by the caller.
    pub report: ReadReport,
}

/// What was found while reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadReport {
    /// Annotations kept, crowds included.
    pub annotations: usize,
    /// Crowd annotations among them.
    pub crowds: usize,
    /// Images without any annotation.
    pub unlabelled: usize,
    /// Annotations without an area, whose box's area is taken.
    pub without_area: usize,
    /// Annotations whose id is absent or was seen before; ids of annotations are not used.
    pub annotation_ids_ignored: usize,
    /// Pictures that are not on disk.
    pub missing: Vec<PathBuf>,
    /// Everything else worth a line.
    pub notes: Vec<String>,
}

impl CocoDataset {
    /// Opens a split under a data root; every picture must be there.
    ///
    /// # Errors
    /// [`DataError`]: no such split, broken json, duplicate ids, an unknown category or image, a missing picture.
    pub fn open(root: &Path, split: &Split) -> Result<Self, DataError> {
        Self::open_with(root, split, MissingImages::Refuse)
    }

    /// As [`CocoDataset::open`], with a say about missing pictures.
    ///
    /// # Errors
    /// As [`CocoDataset::open`].
    pub fn open_with(root: &Path, split: &Split, missing: MissingImages) -> Result<Self, DataError> {
        assemble::assemble(layout::find(root, split)?, missing)
    }

    /// Opens one instances json whose file names are relative to `images`.
    ///
    /// # Errors
    /// As [`CocoDataset::open`].
    pub fn open_files(annotations: &Path, images: &Path, missing: MissingImages) -> Result<Self, DataError> {
        let name = annotations.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let part = layout::Part { annotations: annotations.to_path_buf(), images: images.to_path_buf() };
        let sources = layout::Sources { name, parts: vec![part], selection: layout::Selection::All, notes: Vec::new() };
        assemble::assemble(sources, missing)
    }

    /// Names by class index.
    pub fn class_names(&self) -> Vec<String> {
        self.categories.iter().map(|category| category.name.clone()).collect()
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects ({} crowds), {} images without any", self.annotations, self.crowds, self.unlabelled)?;
        if self.without_area > 0 {
            write!(f, "\n{} objects have no area; their box's is taken", self.without_area)?;
        }
        if self.annotation_ids_ignored > 0 {
            write!(f, "\n{} annotation ids are absent or repeated; they are not used", self.annotation_ids_ignored)?;
        }
        if !self.missing.is_empty() {
            write!(f, "\n{} pictures are missing, first {}", self.missing.len(), self.missing[0].display())?;
            write!(f, "; in evaluation their objects count as missed")?;
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}
