//! Pictures with boxes drawn on them, and the same boxes as records.

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::Serialize;
use wrs_datasets::ImageRgb8;
use wrs_draw::{LabelledBox, draw_boxes, grid};
use wrs_ops::conv::Algorithms;

use crate::error::DetectionError;
use crate::evaluate::{Detector, Found, find_in_file};
use crate::nms::{Labels, NmsSettings};
use crate::recipe::EvaluationSettings;
use crate::saved::SavedNet;

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
    /// From 0 to 1.
    pub score: f32,
    /// x0, y0, x1, y1 in pixels of the picture.
    pub xyxy: [f64; 4],
}

/// What to find and how to show it.
#[derive(Clone, Copy, Debug)]
pub struct PredictOptions<'a> {
    /// Scores must be above it.
    pub confidence: f32,
    /// Folder for the drawn pictures; without it none is written.
    pub out: Option<&'a Path>,
    /// Which kernels.
    pub algorithms: Algorithms,
}

/// Where the picture of a file is drawn: its name with `.png`.
pub fn target(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy().into_owned());
    folder.join(format!("{name}.png"))
}

/// Finds boxes in a file, and draws them.
///
/// # Errors
/// [`DetectionError::Data`] for a file that is no picture, [`DetectionError::Output`] for one that cannot be written.
pub fn predict(saved: &SavedNet, path: &Path, options: PredictOptions<'_>) -> Result<PredictedPicture, DetectionError> {
    let (picture, found) = find(saved, path, options)?;
    let size = picture.size;
    let drawn = match options.out {
        None => None,
        Some(folder) => {
            let target = target(folder, path);
            write_png(&draw(saved, picture, &found)?, &target)?;
            Some(target)
        }
    };
    let names = &saved.description.class_names;
    let record = |f: &Found| PredictedBox {
        class: names[f.class].clone(),
        score: f.score,
        xyxy: [f.xyxy.x0, f.xyxy.y0, f.xyxy.x1, f.xyxy.y1],
    };
    let detections = found.iter().map(record).collect();
    Ok(PredictedPicture { path: path.to_owned(), width: size.width, height: size.height, detections, drawn })
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
    options: PredictOptions<'_>,
) -> Result<(), DetectionError> {
    let mut drawn = Vec::with_capacity(pictures.len());
    for path in pictures {
        let (picture, found) = find(saved, path, options)?;
        drawn.push(draw(saved, picture, &found)?);
    }
    write_png(&grid(&drawn, columns), target)
}

fn find(saved: &SavedNet, path: &Path, options: PredictOptions<'_>) -> Result<(ImageRgb8, Vec<Found>), DetectionError> {
    let evaluation = &saved.description.evaluation;
    let nms =
        NmsSettings { confidence: options.confidence, iou: IOU, labels: Labels::Single, ..evaluation.nms.clone() };
    let shown = EvaluationSettings { nms, ..evaluation.clone() };
    let detector =
        Detector { net: &saved.net, params: &saved.params, anchors: &saved.anchors, algorithms: options.algorithms };
    let (picture, result) = find_in_file(detector, path, &shown)?;
    Ok((picture, result.found))
}

fn draw(saved: &SavedNet, picture: ImageRgb8, found: &[Found]) -> Result<RgbImage, DetectionError> {
    let failed = |reason: String| DetectionError::Output { path: "a picture with boxes".into(), reason };
    let (width, height) = (picture.size.width as u32, picture.size.height as u32);
    let mut drawn = RgbImage::from_raw(width, height, picture.pixels)
        .ok_or_else(|| failed(format!("expected {width} x {height} pixels")))?;
    let label = |f: &Found| LabelledBox {
        bbox_xyxy: [f.xyxy.x0 as f32, f.xyxy.y0 as f32, f.xyxy.x1 as f32, f.xyxy.y1 as f32],
        label: format!("{} {:.2}", saved.description.class_names[f.class], f.score),
        class: f.class,
    };
    let boxes: Vec<LabelledBox> = found.iter().map(label).collect();
    draw_boxes(&mut drawn, &boxes).map_err(|e| failed(e.to_string()))?;
    Ok(drawn)
}

fn write_png(picture: &RgbImage, target: &Path) -> Result<(), DetectionError> {
    let failed = |reason: String| DetectionError::Output { path: target.display().to_string(), reason };
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
    }
    picture.save(target).map_err(|e| failed(e.to_string()))
}
