//! Detection data, whatever files it lies in: pictures with their boxes, as the evaluator needs them (everything kept) and
//! as training needs them (cleaned, see [`DetectionDataset::training_set`]).
//!
//! | layout | what it is |
//! |---|---|
//! | [`Layout::Coco`] | instances json: `annotations/instances_*.json`, or `{train,valid,test}/_annotations.coco.json` |
//! | [`Layout::Yolo`] | a `data.yaml` and a label file of fractions beside each picture |
//! | [`Layout::Voc`] | `Annotations/*.xml`, `JPEGImages/` and the lists of `ImageSets/Main/` |
//!
//! [`DetectionDataset::open`] stops at the first fault; [`check()`] reads by the same code and lists them all.

mod categories;
mod check;
mod layout;
mod options;
mod pictures;
mod training;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use categories::distinct_names;
pub use categories::unite_categories;
pub use check::{Checked, Pictures, check, headers_first};
pub(crate) use layout::Reader;
pub use layout::{Layout, recognise};
pub use options::{FirstPixel, MissingImages, ReadOptions};
pub(crate) use pictures::{count, find_pictures};
pub(crate) use training::warn_of_boxes;
pub use training::{EmptyImages, TrainingCounts, TrainingImage, TrainingSet};

use crate::boxes::BoxXyxy;
use crate::error::DataError;
pub use crate::fault::{Fault, Severity, offending_files};
pub(crate) use crate::fault::{Faults, warning};
use crate::image::{Decoded, Frame, ImageSize, read_framed};
pub use crate::split::Split;

/// A class of objects; its class index is its position in [`DetectionDataset::categories`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// The id of the files (COCO's `category_id`, the row's number in YOLO labels, 1, 2, … for VOC), for results written in
    /// COCO's format.
    pub id: u64,
    /// The name, made unique.
    pub name: String,
}

/// One annotated object, as the evaluator needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Contiguous class index: the position of its category.
    pub class: u32,
    /// `[x, y, width, height]` in pixels.
    pub bbox: [f64; 4],
    /// The json's area (of the mask, where there is one), which decides small, medium and large; the box's where absent.
    pub area: f64,
    /// A crowd region: ignored in evaluation, never a training box.
    pub is_crowd: bool,
    /// Marked as difficult, as VOC does: not scored by VOC's rules, never a training box.
    pub difficult: bool,
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
    /// The id in the json; for layouts without ids 1, 2, … in the order of the sorted file names.
    pub id: u64,
    /// Where the picture lies.
    pub path: PathBuf,
    /// Size by the annotations, or by the picture's header where they give none.
    pub size: ImageSize,
    /// Which way up the annotations take the picture.
    pub frame: Frame,
    /// Whether the picture was there when the data set was opened.
    pub on_disk: bool,
    /// In the order of the file, crowds included.
    pub annotations: Vec<Annotation>,
}

impl ImageRecord {
    /// Reads the picture the way up its annotations take it.
    ///
    /// # Errors
    /// As [`crate::image::read_image`].
    pub fn read(&self) -> Result<Decoded, DataError> {
        read_framed(&self.path, self.size, self.frame)
    }
}

/// A split of a detection data set.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionDataset {
    /// Which images these are, for every line that quotes a number: `val2017`, `5k`, …
    pub name: String,
    /// Sorted by id.
    pub categories: Vec<Category>,
    /// Sorted by id.
    pub images: Vec<ImageRecord>,
    /// What was found while reading, to be printed by the caller.
    pub report: ReadReport,
}

/// What was found while reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Annotations kept, crowds included.
    pub annotations: usize,
    /// Crowd annotations among them.
    pub crowds: usize,
    /// Difficult annotations among them.
    pub difficult: usize,
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

impl DetectionDataset {
    /// Opens a split under a data root (a folder, or for YOLO labels also the yaml itself), in a given layout or in the one
    /// that is there; every picture must be there.
    ///
    /// # Errors
    /// The first fault found: no such layout or split, a broken file, duplicate ids, an unknown category, a missing picture.
    pub fn open(root: &Path, layout: Option<Layout>, split: &Split) -> Result<Self, DataError> {
        Self::open_with(root, ReadOptions { layout, ..ReadOptions::default() }, split)
    }

    /// As [`DetectionDataset::open`], with every option.
    ///
    /// # Errors
    /// As [`DetectionDataset::open`].
    pub fn open_with(root: &Path, options: ReadOptions, split: &Split) -> Result<Self, DataError> {
        let layout = options.layout.map_or_else(|| recognise(root), Ok)?;
        let mut faults = Faults::first();
        let data = layout.reader().read(root, options, split, &mut faults);
        faults.refuse()?;
        data
    }

    /// Names by class index.
    pub fn class_names(&self) -> Vec<String> {
        self.categories.iter().map(|category| category.name.clone()).collect()
    }

    /// Makes one class of all: a detector of objects, whatever they are.
    pub fn merge_classes(&mut self, name: &str) {
        self.categories = vec![Category { id: 1, name: name.to_owned() }];
        for annotation in self.images.iter_mut().flat_map(|image| &mut image.annotations) {
            annotation.class = 0;
        }
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects ({} crowds), {} images without any", self.annotations, self.crowds, self.unlabelled)?;
        if self.difficult > 0 {
            write!(f, "\n{} objects are marked difficult; they are not trained on", self.difficult)?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_classes_are_one() {
        let object = |class| Annotation { class, bbox: [0.0; 4], area: 0.0, is_crowd: false, difficult: false };
        let mut data = DetectionDataset {
            name: "x".into(),
            categories: vec![Category { id: 3, name: "a".into() }, Category { id: 7, name: "b".into() }],
            images: vec![ImageRecord {
                id: 1,
                path: "a.jpg".into(),
                size: ImageSize::square(9),
                frame: Frame::BySize,
                on_disk: true,
                annotations: vec![object(1), object(0)],
            }],
            report: ReadReport::default(),
        };
        data.merge_classes("object");
        assert_eq!(data.categories, [Category { id: 1, name: "object".into() }]);
        assert!(data.images[0].annotations.iter().all(|a| a.class == 0));
    }
}
