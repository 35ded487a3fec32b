//! How to read a data set.

use serde::{Deserialize, Serialize};

use super::Layout;

/// How to read a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The layout; without it, the one that is there.
    pub layout: Option<Layout>,
    /// What VOC xml counts pixels from. Without it: 1 where every class is one of VOC's twenty, 0 otherwise; the report says
    /// which was taken. Other layouts have no use for it.
    pub first_pixel: Option<FirstPixel>,
    /// What to do about missing pictures.
    pub missing: MissingImages,
}

/// What a VOC xml counts pixels from, and with it what a box covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstPixel {
    /// From 0, the last column and row excluded, as LabelImg writes: `x0 = xmin`, `x1 = xmax`.
    Zero,
    /// From 1, the last column and row included, as in VOC's own files: `x0 = xmin - 1`, `x1 = xmax`.
    One,
}

/// What to do about pictures named by the annotations but not on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingImages {
    /// An error that lists the first ten.
    #[default]
    Refuse,
    /// They stay in the ground truth (and so count as missed objects), are left out of training, and are reported. A picture
    /// without which the boxes cannot be known (YOLO labels are fractions of its sides) is refused all the same.
    Keep,
}
