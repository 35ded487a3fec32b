//! How a segmentation data set lies on disk.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folders::{FOLDERS, MMSEGMENTATION};
use super::{pair_list, voc};
use crate::error::DataError;
use crate::fault::Faults;
use crate::recognise::{Candidate, only_layout};
use crate::split::Split;

/// How a segmentation data set lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentationLayout {
    /// VOC 2012; the split `trainaug` has its masks in `SegmentationClassAug/`.
    Voc,
    /// Lists of pictures with their masks, as SegNet's CamVid.
    PairList,
    /// `img_dir/SPLIT/` and `ann_dir/SPLIT/`.
    Mmsegmentation,
    /// `images/SPLIT/` and `masks/SPLIT/`.
    Folders,
}

/// What a layout is read by.
pub(super) trait Reader {
    /// Whether this layout lies under the root.
    fn lies_under(&self, root: &Path) -> bool;

    /// What [`Reader::lies_under`] looks for, as paths with `*` under the root.
    fn looks_for(&self) -> &'static [&'static str];

    /// Lists the pictures of a split and where their masks belong. What leaves something to go on with is pushed.
    fn list(&self, root: &Path, split: &Split, faults: &mut Faults) -> Result<Listed, DataError>;
}

/// The pictures of a split as its layout names them.
#[derive(Debug)]
pub(super) struct Listed {
    /// Which images these are.
    pub name: String,
    /// The folder that may hold the names of the classes.
    pub home: PathBuf,
    /// The file or folder that names the pictures, for messages.
    pub source: PathBuf,
    /// The pictures and masks, on disk or not.
    pub pairs: Vec<Pair>,
    /// The names of the classes, where the layout has its own.
    pub class_names: Option<Vec<String>>,
    /// For the caller to print.
    pub notes: Vec<String>,
}

/// A picture and the mask it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The picture's name without folders and ending.
    pub id: String,
    /// The picture.
    pub image: PathBuf,
    /// The mask.
    pub mask: PathBuf,
}

impl SegmentationLayout {
    /// Every layout, in the order they are looked for.
    pub const ALL: [Self; 4] = [Self::Voc, Self::PairList, Self::Mmsegmentation, Self::Folders];

    pub(super) fn reader(self) -> &'static dyn Reader {
        match self {
            Self::Voc => &voc::VocReader,
            Self::PairList => &pair_list::PairListReader,
            Self::Mmsegmentation => &MMSEGMENTATION,
            Self::Folders => &FOLDERS,
        }
    }

    /// As recipes and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voc => "voc",
            Self::PairList => "pair-list",
            Self::Mmsegmentation => "mmsegmentation",
            Self::Folders => "folders",
        }
    }
}

impl fmt::Display for SegmentationLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one layout under a root.
///
/// # Errors
/// [`DataError::Layout`] with everything looked for; [`DataError::Layouts`] where there are several.
pub fn recognise(root: &Path) -> Result<SegmentationLayout, DataError> {
    let candidates = SegmentationLayout::ALL.map(|layout| {
        let reader = layout.reader();
        Candidate { layout, lies_there: reader.lies_under(root), looks_for: reader.looks_for() }
    });
    only_layout("segmentation data", root, &candidates)
}
