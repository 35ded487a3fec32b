//! What was prepared, and by which rule.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::PreparedQnrfOptions;
use super::pictures::Part;
use crate::augment::counting::ShorterSide;
use crate::error::DataError;

/// How pictures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Without loss.
    Png,
    /// At this quality, 1 to 100, with colours at full resolution. The sets that people share have 75.
    Jpeg(u8),
}

impl Format {
    pub(super) fn check(self) -> Result<(), DataError> {
        match self {
            Self::Png | Self::Jpeg(1..=100) => Ok(()),
            Self::Jpeg(quality) => {
                Err(DataError::Option { option: "jpeg-quality", expected: "1 to 100".into(), got: quality.to_string() })
            }
        }
    }

    /// The ending of a picture's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg(_) => "jpg",
        }
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Png => serializer.serialize_str("png"),
            Self::Jpeg(quality) => serializer.collect_str(&format_args!("jpeg of quality {quality}")),
        }
    }
}

/// How many pictures and points there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Pictures to train on.
    pub train: usize,
    /// Pictures to validate on.
    pub val: usize,
    /// Pictures to test on.
    pub test: usize,
    /// Points of all pictures.
    pub points: usize,
    /// Pictures that were enlarged.
    pub enlarged: usize,
    /// Pictures that were shrunk.
    pub shrunk: usize,
    /// Pictures that kept their size.
    pub kept: usize,
    /// Points that rounding a side would have left up to half a pixel outside, and that lie on the edge now.
    pub on_edge: usize,
}

/// A picture that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Written {
    pub split: Part,
    pub id: String,
    /// Width and height before.
    pub from: [usize; 2],
    /// And now.
    pub to: [usize; 2],
    /// What points were multiplied by.
    pub ratio: f64,
    pub points_before: usize,
    pub points_after: usize,
    pub on_edge: usize,
    /// BLAKE3 of the picture's file, and of the file of its points.
    pub picture_blake3: String,
    pub points_blake3: String,
}

/// The manifest as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Manifest {
    resize: ShorterSide,
    format: Format,
    pub counts: Counts,
    pictures: Vec<Written>,
}

impl Manifest {
    pub fn new(options: &PreparedQnrfOptions, pictures: Vec<Written>) -> Self {
        let in_part = |part| pictures.iter().filter(|picture| picture.split == part).count();
        let of_ratio = |is: fn(&f64) -> bool| pictures.iter().filter(|picture| is(&picture.ratio)).count();
        let counts = Counts {
            train: in_part(Part::Train),
            val: in_part(Part::Val),
            test: in_part(Part::Test),
            points: pictures.iter().map(|picture| picture.points_after).sum(),
            enlarged: of_ratio(|ratio| *ratio > 1.0),
            shrunk: of_ratio(|ratio| *ratio < 1.0),
            kept: pictures.iter().filter(|picture| picture.from == picture.to).count(),
            on_edge: pictures.iter().map(|picture| picture.on_edge).sum(),
        };
        Self { resize: options.resize, format: options.format, counts, pictures }
    }

    pub fn of(&self, part: Part) -> impl Iterator<Item = &Written> {
        self.pictures.iter().filter(move |picture| picture.split == part)
    }

    /// As json; `path` is named where that fails.
    pub fn to_json(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other);
        text.map_err(DataError::io("write", path))
    }
}
