//! How a data set lies on disk.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DetectionDataset, Faults, ReadOptions, Split};
use crate::error::DataError;
use crate::recognise::{Candidate, only_layout};
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
    let candidates = Layout::ALL.map(|layout| {
        let reader = layout.reader();
        Candidate { layout, lies_there: reader.lies_under(root), looks_for: reader.looks_for() }
    });
    only_layout("detection data", root, &candidates)
}
