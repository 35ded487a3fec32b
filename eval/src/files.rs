//! COCO's two files: the annotations of a split (`instances_*.json`) and a list of results.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{EvalError, RecordKind};
use crate::json::{Flag, Id, non_finite_as_null};
use crate::records::{Category, Detection, GroundTruth, GtBox, require_finite};

/// A ground truth as read, with what was made up or looks odd in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruthFile {
    /// The records, validated.
    pub ground_truth: GroundTruth,
    /// One sentence per oddity, for a person to read.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Instances {
    images: Vec<ImageRecord>,
    categories: Vec<CategoryRecord>,
    #[serde(default)]
    annotations: Vec<AnnotationRecord>,
}

#[derive(Deserialize)]
struct ImageRecord {
    id: Id,
}

#[derive(Deserialize)]
struct CategoryRecord {
    id: Id,
    name: Option<String>,
}

/// A field `ignore` is not read: pycocotools overwrites it by `iscrowd`, and so the numbers agree.
#[derive(Deserialize)]
struct AnnotationRecord {
    image_id: Id,
    category_id: Id,
    bbox: Option<[Option<f64>; 4]>,
    area: Option<f64>,
    iscrowd: Option<Flag>,
    /// VOC's flag, which converters to COCO's format carry over.
    difficult: Option<Flag>,
}

#[derive(Deserialize)]
struct DetectionRecord {
    image_id: Id,
    category_id: Id,
    bbox: Option<[Option<f64>; 4]>,
    score: Option<f64>,
}

/// Reads a COCO annotation file.
///
/// # Errors
/// A file that cannot be read, and what [`parse_ground_truth`] refuses, with the path.
pub fn read_ground_truth(path: &Path) -> Result<GroundTruthFile, EvalError> {
    in_file(path, parse_ground_truth)
}

/// Reads a COCO results file.
///
/// # Errors
/// A file that cannot be read, and what [`parse_detections`] refuses, with the path.
pub fn read_detections(path: &Path) -> Result<Vec<Detection>, EvalError> {
    in_file(path, parse_detections)
}

/// Parses the bytes of a COCO annotation file.
///
/// A missing `iscrowd` or `difficult` is 0; a missing `area` is width times height, with a warning; ids of annotations are not
/// read, so they may repeat.
///
/// # Errors
/// Bytes that are not such a document, annotations without a box, and what [`GroundTruth::validate`] refuses.
pub fn parse_ground_truth(text: &[u8]) -> Result<GroundTruthFile, EvalError> {
    let file: Instances = parse(
        text,
        "a COCO annotation file with `images`, `categories` and `annotations`",
        "give the split's instances_*.json",
    )?;
    let mut warnings = Vec::new();
    let mut areas_made_up = 0_usize;
    let mut boxes = Vec::with_capacity(file.annotations.len());
    for (index, record) in file.annotations.into_iter().enumerate() {
        let image_id = record.image_id.0;
        let bbox = required(record.bbox, RecordKind::Annotation, index, image_id, "bbox")?.map(null_as_nan);
        let [_, _, w, h] = bbox;
        areas_made_up += usize::from(record.area.is_none());
        boxes.push(GtBox {
            image_id,
            category_id: record.category_id.0,
            bbox,
            area: record.area.unwrap_or(w * h),
            is_crowd: record.iscrowd.is_some_and(|flag| flag.0),
            difficult: record.difficult.is_some_and(|flag| flag.0),
        });
    }
    if areas_made_up > 0 {
        warnings.push(format!("{areas_made_up} annotations have no `area`: width times height was taken"));
    }
    if boxes.is_empty() {
        warnings.push("no annotations: every number will be undefined".to_owned());
    }
    let ground_truth = GroundTruth {
        image_ids: file.images.iter().map(|image| image.id.0).collect(),
        categories: categories(file.categories, &mut warnings),
        boxes,
    };
    ground_truth.validate()?;
    Ok(GroundTruthFile { ground_truth, warnings })
}

/// Parses the bytes of a COCO results file, one JSON array; fields other than the four of [`Detection`] are skipped.
///
/// # Errors
/// Bytes that are not such a document; detections without a box or score, or with numbers that are not finite.
pub fn parse_detections(text: &[u8]) -> Result<Vec<Detection>, EvalError> {
    let records: Vec<DetectionRecord> = parse(
        text,
        "a COCO results file, an array of {image_id, category_id, bbox, score}",
        "give the file of detections, not the annotation file",
    )?;
    let detection = |(index, record): (usize, DetectionRecord)| {
        let kind = RecordKind::Detection;
        let image_id = record.image_id.0;
        let bbox = required(record.bbox, kind, index, image_id, "bbox")?.map(null_as_nan);
        let score = required(record.score, kind, index, image_id, "score")?;
        let detection = Detection { image_id, category_id: record.category_id.0, bbox, score };
        require_finite(index, &detection)?;
        Ok(detection)
    };
    records.into_iter().enumerate().map(detection).collect()
}

/// Writes detections as a COCO results file, one record a line, every number so that it reads back as the same bits.
///
/// # Errors
/// Numbers that are not finite, before a byte is written; a writer that fails.
pub fn write_detections(out: impl Write, detections: &[Detection]) -> Result<(), EvalError> {
    detections.iter().enumerate().try_for_each(|(index, detection)| require_finite(index, detection))?;
    let mut out = BufWriter::new(out);
    let mut write = || -> std::io::Result<()> {
        out.write_all(b"[")?;
        for (index, detection) in detections.iter().enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut out, detection)?;
        }
        out.write_all(b"\n]\n")?;
        out.flush()
    };
    write().map_err(EvalError::Write)
}

fn in_file<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, EvalError>) -> Result<T, EvalError> {
    let text = fs::read(path).map_err(|source| EvalError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| EvalError::InFile { path: path.to_owned(), source: Box::new(source) })
}

fn parse<T: DeserializeOwned>(text: &[u8], expected: &'static str, help: &'static str) -> Result<T, EvalError> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    serde_json::from_slice(text)
        .or_else(|error| {
            // Python writes NaN as a bare word; read as null it leads to an error that names the image.
            non_finite_as_null(text).map_or(Err(error), |mended| serde_json::from_slice(&mended))
        })
        .map_err(|source| EvalError::Json { expected, source, help })
}

fn required<T>(
    value: Option<T>,
    kind: RecordKind,
    index: usize,
    image_id: u64,
    field: &'static str,
) -> Result<T, EvalError> {
    value.ok_or(EvalError::MissingField { kind, index, image_id, field })
}

/// A null coordinate is a NaN that was written by someone careful; the box check names its record.
fn null_as_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

fn categories(records: Vec<CategoryRecord>, warnings: &mut Vec<String>) -> Vec<Category> {
    let named = |CategoryRecord { id: Id(id), name }| Category { id, name: name.unwrap_or_else(|| format!("id {id}")) };
    let mut categories: Vec<Category> = records.into_iter().map(named).collect();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for category in &categories {
        *uses.entry(category.name.clone()).or_default() += 1;
    }
    for category in categories.iter_mut().filter(|category| uses[&category.name] > 1) {
        warnings.push(format!("category {} shares its name `{}`: its id is appended", category.id, category.name));
        category.name = format!("{} ({})", category.name, category.id);
    }
    categories
}
