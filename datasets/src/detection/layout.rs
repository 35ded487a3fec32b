//! Telling one layout from another.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DetectionDataset, Faults, ReadOptions, Split};
use crate::error::DataError;
use crate::{coco, voc, yolo};

/// How a data set lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Instances json.
    Coco,
    /// A yaml and a label file for each picture.
    Yolo,
    /// An xml for each picture.
    Voc,
}

/// What a layout is read by.
pub(crate) trait Reader {
    /// Whether this layout lies under the root.
    fn lies_under(&self, root: &Path) -> bool;

    /// What [`Reader::lies_under`] looks for, as paths with `*` under the root.
    fn looks_for(&self) -> &'static [&'static str];

    /// Reads a split. What leaves something to go on with is pushed; an error ends the reading.
    fn read(
        &self,
        root: &Path,
        options: ReadOptions,
        split: &Split,
        faults: &mut Faults,
    ) -> Result<DetectionDataset, DataError>;
}

impl Layout {
    /// Every layout, in the order they are looked for.
    pub const ALL: [Self; 3] = [Self::Coco, Self::Yolo, Self::Voc];

    pub(super) fn reader(self) -> &'static dyn Reader {
        match self {
            Self::Coco => &coco::CocoReader,
            Self::Yolo => &yolo::YoloReader,
            Self::Voc => &voc::VocReader,
        }
    }

    /// As recipes and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::Voc => "voc",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one layout under a root: a folder, or a YOLO yaml itself.
///
/// # Errors
/// [`DataError::Layout`] with everything looked for; [`DataError::Layouts`] where there are several.
pub fn recognise(root: &Path) -> Result<Layout, DataError> {
    let found: Vec<Layout> = Layout::ALL.into_iter().filter(|layout| layout.reader().lies_under(root)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(DataError::Layout {
            wanted: "detection data".into(),
            root: root.to_path_buf(),
            looked: looked_for(root),
            help: if root.exists() {
                "name the folder that holds one of these".into()
            } else {
                "the folder itself does not exist; check --data".into()
            },
        }),
        several => Err(DataError::Layouts {
            root: root.to_path_buf(),
            found: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn looked_for(root: &Path) -> Vec<PathBuf> {
    Layout::ALL.into_iter().flat_map(|layout| layout.reader().looks_for()).map(|place| root.join(place)).collect()
}
