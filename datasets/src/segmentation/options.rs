//! How to read a segmentation data set.

use serde::{Deserialize, Serialize};

use super::SegmentationLayout;
use crate::policy::{MissingFiles, Overlap};

/// How to read a segmentation data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentationOptions {
    /// The layout; without it, the one that is there.
    pub layout: Option<SegmentationLayout>,
    /// Names by class index, the background among them. Without them: those of `classes.txt` beside the data, one a line,
    /// else VOC's 21 for VOC data.
    pub class_names: Option<Vec<String>>,
    /// Labels of the files that mean no class, beside 255: 11 in SegNet's CamVid.
    pub void_labels: Vec<u8>,
    /// Labels of the files that mean another class than their number says, each with its class (or 255): `(255, 1)` for
    /// masks of black and white.
    pub mask_map: Vec<(u8, u8)>,
    /// What to do about labels that are neither class nor void.
    pub unknown_labels: UnknownLabels,
    /// What to do about missing files.
    pub missing: MissingFiles,
    /// What to do about files that are cut off, damaged, or of another size than their partner.
    pub broken: BrokenFiles,
    /// Whether pictures may be trained on and evaluated on; for [`super::check()`].
    pub overlap: Overlap,
}

/// What to do about labels that are neither class nor void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownLabels {
    /// An error that names mask, label and place.
    #[default]
    Refuse,
    /// They become void: neither trained on nor scored.
    Void,
}

/// What to do about pictures and masks that are cut off or damaged, and about pairs whose sizes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokenFiles {
    /// An error when the first of them is read.
    #[default]
    Refuse,
    /// Every file is decoded when the set is opened, and the records of the broken ones are left out, with a note.
    Skip,
}

impl BrokenFiles {
    /// Whether they are refused, as they are where nothing is said.
    pub fn are_refused(&self) -> bool {
        *self == Self::Refuse
    }
}
