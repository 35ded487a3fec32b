//! What files call the tensors of a YOLOv3.

use std::fmt;

use wrs_weights::TensorFile;

use super::BACKBONE;

/// Whose names a file has.
///
/// mmdetection's and timm's networks lay the same layers out as ours: mmdetection's necks and heads begin with the coarsest
/// level, its routes are joined before the backbone's map, and its last layers give a box's four values, objectness and classes
/// of one anchor after the other (`yolo_neck.py`, `darknet.py`, `yolo_head.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Ours.
    Ours,
    /// Ours, a Darknet53 by itself.
    OursBackbone,
    /// mmdetection's.
    Mmdetection,
    /// mmdetection's Darknet53 by itself.
    MmdetectionBackbone,
    /// timm's `darknet53`.
    Timm,
}

/// Beginnings of names that only files of a spelling have.
const MARKS: [(&str, Spelling); 5] = [
    ("bbox_head.convs_bridge.", Spelling::Mmdetection),
    ("backbone.conv_res_block1.", Spelling::Mmdetection),
    ("conv_res_block1.", Spelling::MmdetectionBackbone),
    ("stages.0.conv_down.", Spelling::Timm),
    ("stages.0.down.", Spelling::OursBackbone),
];

impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours | Self::OursBackbone => "our names",
            Self::Mmdetection | Self::MmdetectionBackbone => "mmdetection's names",
            Self::Timm => "timm's names",
        })
    }
}

impl Spelling {
    pub fn of(file: &TensorFile<'_>) -> Self {
        let is_there = |mark: &str| file.names().any(|name| name.starts_with(mark));
        MARKS.into_iter().find(|(mark, _)| is_there(mark)).map_or(Self::Ours, |(_, spelling)| spelling)
    }

    /// What the file calls a tensor of ours.
    pub fn in_file(self, name: &str) -> Option<String> {
        match self {
            Self::Ours => Some(name.to_owned()),
            Self::OursBackbone => name.strip_prefix(BACKBONE).map(str::to_owned),
            Self::Mmdetection => mmdetection(name),
            Self::MmdetectionBackbone => {
                mmdetection(name.strip_prefix(BACKBONE).map(|_| name)?)?.strip_prefix(BACKBONE).map(str::to_owned)
            }
            Self::Timm => timm(name),
        }
    }

    /// Beginnings of the names of a classifier for classes that are not ours.
    pub fn classifier(self) -> &'static [&'static str] {
        match self {
            Self::Timm => &["head."],
            Self::MmdetectionBackbone | Self::OursBackbone => &["fc.", "head."],
            Self::Ours | Self::Mmdetection => &[],
        }
    }

    /// What is to be known of a network under these names.
    pub fn notes(self) -> &'static [&'static str] {
        match self {
            Self::Ours => &[],
            Self::OursBackbone => &["a Darknet53 alone: its names stand for ours below `backbone.`"],
            Self::Mmdetection => &["under mmdetection's names"],
            Self::MmdetectionBackbone => &["a Darknet53 alone, under mmdetection's names"],
            Self::Timm => &[
                "a Darknet53 alone, under timm's names",
                "timm's has a leaky ReLU of slope 0.01 and takes ImageNet's mean and deviation off its pictures, this one a \
                 slope of 0.1 and neither: training has some way to go",
            ],
        }
    }
}

fn mmdetection(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let (place, rest) = match *parts {
        ["backbone", "stem", ref rest @ ..] => ("backbone.conv1".to_owned(), rest),
        ["backbone", "stages", stage, "down", ref rest @ ..] => {
            (format!("backbone.conv_res_block{}.conv", next(stage)?), rest)
        }
        ["backbone", "stages", stage, "blocks", block, part, ref rest @ ..] => {
            (format!("backbone.conv_res_block{}.res{block}.{}", next(stage)?, conv_of(part)?), rest)
        }
        ["necks", level, "convs", conv, ref rest @ ..] => {
            (format!("neck.detect{}.conv{}", next(level)?, next(conv)?), rest)
        }
        ["routes", level, ref rest @ ..] => (format!("neck.conv{}", next(level)?), rest),
        ["heads", level, "expand", ref rest @ ..] => (format!("bbox_head.convs_bridge.{level}"), rest),
        ["heads", level, "predict", ref rest @ ..] => (format!("bbox_head.convs_pred.{level}"), rest),
        _ => return None,
    };
    Some(format!("{place}.{}", rest.join(".")))
}

fn timm(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.strip_prefix(BACKBONE)?.split('.').collect();
    let (place, rest) = match *parts {
        ["stem", ref rest @ ..] => ("stem.conv1".to_owned(), rest),
        ["stages", stage, "down", ref rest @ ..] => (format!("stages.{stage}.conv_down"), rest),
        ["stages", stage, "blocks", block, part, ref rest @ ..] => {
            (format!("stages.{stage}.blocks.{block}.{}", conv_of(part)?), rest)
        }
        _ => return None,
    };
    Some(format!("{place}.{}", rest.join(".")))
}

/// The two convolutions of a residual block.
fn conv_of(part: &str) -> Option<&'static str> {
    match part {
        "reduce" => Some("conv1"),
        "expand" => Some("conv2"),
        _ => None,
    }
}

/// mmdetection counts from 1.
fn next(index: &str) -> Option<usize> {
    index.parse::<usize>().ok()?.checked_add(1)
}
