//! What can be wrong with records and their files.

use std::fmt;
use std::path::PathBuf;

/// Which list a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// An entry of `images`.
    Image,
    /// An entry of `categories`.
    Category,
    /// A ground-truth box, an entry of `annotations`.
    Annotation,
    /// An entry of a results file.
    Detection,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Category => "category",
            Self::Annotation => "annotation",
            Self::Detection => "detection",
        })
    }
}

/// Which identifier of a record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdField {
    /// `image_id`, the `id` of an image.
    Image,
    /// `category_id`, the `id` of a category.
    Category,
}

impl IdField {
    fn help(self) -> &'static str {
        match self {
            Self::Image => "score detections against the annotation file of the images they were made on",
            Self::Category => {
                "write the category ids of the annotation file (COCO's run from 1 to 90 with gaps), not class indices"
            }
        }
    }
}

impl fmt::Display for IdField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image id",
            Self::Category => "category id",
        })
    }
}

/// Distinct identifiers, ascending; prints the first ten and how many follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdList(pub Vec<u64>);

impl fmt::Display for IdList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_shortened(f, &self.0, 10)
    }
}

/// Writes the first items, comma separated, and how many follow.
pub(crate) fn write_shortened(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display], shown: usize) -> fmt::Result {
    for (position, item) in items.iter().take(shown).enumerate() {
        write!(f, "{}{item}", if position == 0 { "" } else { ", " })?;
    }
    match items.len().saturating_sub(shown) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Why records cannot be read, written or scored.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The file cannot be opened or read.
    #[error("{path}: cannot read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The results cannot be written.
    #[error("cannot write detections: {0}")]
    Write(#[source] std::io::Error),
    /// The bytes are not the JSON that was expected.
    #[error("expected {expected}, got invalid JSON: {source}\nhelp: {help}")]
    Json {
        /// The document expected.
        expected: &'static str,
        /// Where it broke, with line and column.
        source: serde_json::Error,
        /// The mend.
        help: &'static str,
    },
    /// An error of the records in a file.
    #[error("{path}: {source}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<EvalError>,
    },
    /// A field that a record must have is missing or null.
    #[error("{kind} {index} (image {image_id}): expected `{field}`, got none")]
    MissingField {
        /// The list of the record.
        kind: RecordKind,
        /// Its position in the list, from 0.
        index: usize,
        /// The image it belongs to.
        image_id: u64,
        /// The field.
        field: &'static str,
    },
    /// Records name images or categories that the ground truth does not list.
    #[error("{kind}s name unknown {field}s: {ids}\nhelp: {}", field.help())]
    UnknownIds {
        /// The list of the records.
        kind: RecordKind,
        /// The identifier.
        field: IdField,
        /// Every unknown one.
        ids: IdList,
    },
    /// Two images or two categories share an identifier.
    #[error("expected each {kind} id once, got more than once: {ids}")]
    DuplicateIds {
        /// The list of the records.
        kind: RecordKind,
        /// Every repeated one.
        ids: IdList,
    },
    /// A box that no picture can hold.
    #[error(
        "{kind} {index} (image {image_id}): expected a box [x, y, width, height] of finite numbers, width and height not negative, got {bbox:?}"
    )]
    BadBox {
        /// The list of the record.
        kind: RecordKind,
        /// Its position in the list, from 0.
        index: usize,
        /// The image it belongs to.
        image_id: u64,
        /// The box as given.
        bbox: [f64; 4],
    },
    /// An area that is not a finite number.
    #[error("annotation {index} (image {image_id}): expected a finite area, got {area}")]
    BadArea {
        /// The position of the annotation, from 0.
        index: usize,
        /// The image it belongs to.
        image_id: u64,
        /// The area as given.
        area: f64,
    },
    /// A score that gives no order.
    #[error("detection {index} (image {image_id}): expected a finite score, got {score}")]
    BadScore {
        /// The position of the detection, from 0.
        index: usize,
        /// The image it belongs to.
        image_id: u64,
        /// The score as given.
        score: f64,
    },
    /// The COCO evaluator refused records that passed the checks above.
    #[error("the COCO evaluator failed: {0}")]
    Evaluator(#[from] hotcoco::Error),
}
