//! How to read a counting data set.

use serde::{Deserialize, Serialize};

use super::CountingLayout;
use crate::policy::{MissingFiles, Overlap};

/// How to read a counting data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountingOptions {
    /// The layout; without it, the one that is there.
    pub layout: Option<CountingLayout>,
    /// ShanghaiTech: which of its parts; without it, the one that is there.
    pub part: Option<Part>,
    /// Whether the files give y before x.
    pub swap_xy: SwapXy,
    /// MAT files: the variable that holds the points, where it is not the layout's own.
    pub variable: Option<String>,
    /// Dot images: what a dot is; without it, each file's own dots tell.
    pub dots: Option<Dots>,
    /// What to do about missing files.
    pub missing: MissingFiles,
    /// Whether pictures may be trained on and evaluated on; for [`super::check()`].
    pub overlap: Overlap,
}

/// A part of ShanghaiTech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Crowds from the web, of all sizes.
    A,
    /// Streets of Shanghai, 1024 x 768.
    B,
}

/// Whether the two coordinates of each point are to be exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapXy {
    /// The files give x, then y.
    #[default]
    No,
    /// The files give y, then x.
    Yes,
}

/// What a dot of a dot image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dots {
    /// Every pixel that is not black, even where several touch.
    Pixels,
    /// Every patch of such pixels that touch, at sides or corners.
    Patches,
}
