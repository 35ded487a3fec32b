//! Pictures with boxes drawn on them, and the same boxes as records.

mod outputs;

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::Serialize;
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_draw::{FolderError, LabelledBox, grid, write_png};
use wrs_ops::conv::Algorithms;

use crate::error::DetectionError;
use crate::evaluate::{Detector, Found, find_in_file};
use crate::nms::{Labels, NmsSettings};
use crate::recipe::EvaluationSettings;
use crate::saved::SavedNet;

pub use outputs::{Output, Outputs};

/// What is shown in a picture, unless asked otherwise: fewer and surer boxes than an evaluation counts.
pub const CONFIDENCE: f32 = 0.25;

/// IoU above which a lesser box of the same class is hidden.
pub const IOU: f32 = 0.45;

/// What was found in one file.
#[derive(Clone, Debug, Serialize)]
pub struct PredictedPicture {
    /// The file.
    pub path: PathBuf,
    /// Its width in pixels.
    pub width: usize,
    /// Its height in pixels.
    pub height: usize,
    /// Best first.
    pub detections: Vec<PredictedBox>,
    /// Where the picture with the boxes was written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<PathBuf>,
}

/// One box.
#[derive(Clone, Debug, Serialize)]
pub struct PredictedBox {
    /// Name of the class.
    pub class: String,
    /// Its place among the network's classes, from 0.
    pub class_index: usize,
    /// From 0 to 1.
    pub score: f32,
    /// x0, y0, x1, y1 in pixels of the picture.
    pub xyxy: [f64; 4],
}

/// What to find.
#[derive(Clone, Copy, Debug)]
pub struct PredictOptions {
    /// Scores must be above it.
    pub confidence: f32,
    /// IoU above which a lesser box of the same class is hidden.
    pub iou: f32,
    /// Which kernels.
    pub algorithms: Algorithms,
}

impl PredictOptions {
    /// What is shown unless asked otherwise.
    pub fn shown(algorithms: Algorithms) -> Self {
        Self { confidence: CONFIDENCE, iou: IOU, algorithms }
    }
}

/// Finds boxes in a file and writes what is wanted of it.
///
/// # Errors
/// [`DetectionError::Data`] for a file that is no picture, [`DetectionError::Folder`] for one that cannot be written.
pub fn predict(
    saved: &SavedNet,
    path: &Path,
    options: PredictOptions,
    outputs: &Outputs,
) -> Result<PredictedPicture, DetectionError> {
    let (picture, found) = find(saved, path, options)?;
    let names = &saved.description.class_names;
    let record = |f: &Found| PredictedBox {
        class: names[f.class].clone(),
        class_index: f.class,
        score: f.score,
        xyxy: [f.xyxy.x0, f.xyxy.y0, f.xyxy.x1, f.xyxy.y1],
    };
    let detections = found.iter().map(record).collect();
    let ImageSize { width, height } = picture.size;
    let mut predicted = PredictedPicture { path: path.to_owned(), width, height, detections, drawn: None };
    outputs.write_picture(&mut predicted, &rgb_image(picture)?)?;
    Ok(predicted)
}

/// A sheet of pictures with boxes drawn on them.
///
/// # Errors
/// As [`predict`].
pub fn contact_sheet(
    saved: &SavedNet,
    pictures: &[PathBuf],
    columns: usize,
    target: &Path,
    options: PredictOptions,
) -> Result<(), DetectionError> {
    let mut drawn = Vec::with_capacity(pictures.len());
    for path in pictures {
        let (picture, found) = find(saved, path, options)?;
        let names = &saved.description.class_names;
        let label = |f: &Found| LabelledBox {
            bbox_xyxy: [f.xyxy.x0, f.xyxy.y0, f.xyxy.x1, f.xyxy.y1].map(|edge| edge as f32),
            label: outputs::label(&names[f.class], f.score),
            class: f.class,
        };
        let mut picture = rgb_image(picture)?;
        outputs::draw(&mut picture, &found.iter().map(label).collect::<Vec<_>>())?;
        drawn.push(picture);
    }
    Ok(write_png(&grid(&drawn, columns), target)?)
}

fn find(saved: &SavedNet, path: &Path, options: PredictOptions) -> Result<(ImageRgb8, Vec<Found>), DetectionError> {
    let evaluation = &saved.description.evaluation;
    let PredictOptions { confidence, iou, algorithms } = options;
    let nms = NmsSettings { confidence, iou, labels: Labels::Single, ..evaluation.nms.clone() };
    let shown = EvaluationSettings { nms, ..evaluation.clone() };
    let detector = Detector { net: &saved.net, params: &saved.params, anchors: &saved.anchors, algorithms };
    let (picture, result) = find_in_file(detector, path, &shown)?;
    Ok((picture, result.found))
}

fn rgb_image(picture: ImageRgb8) -> Result<RgbImage, DetectionError> {
    let ImageSize { width, height } = picture.size;
    let failed = || FolderError::Write {
        path: "a picture with boxes".into(),
        reason: format!("expected {width} x {height} pixels"),
    };
    RgbImage::from_raw(width as u32, height as u32, picture.pixels).ok_or_else(|| failed().into())
}
