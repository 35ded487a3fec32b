//! Pictures with the classes of their pixels drawn over them, and the classes as index PNGs.
//!
//! | output | file, under the folder |
//! |---|---|
//! | pictures | `STEM.png`, colours of the classes over the picture, a legend below |
//! | masks | `masks/STEM.png`, the class of every pixel, VOC's palette |
//! | json | `predictions.json`, every picture with the shares of its classes |

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use wrs_datasets::ImageRgb8;
use wrs_datasets::image::probe;
use wrs_datasets::label_map::{LabelMap, encode_label_map, voc_palette};
use wrs_draw::{FolderError, MaskStyle, PlannedFiles, grid, write_file, write_png};
use wrs_ops::conv::Algorithms;

use crate::error::SegmentationError;
use crate::evaluate::{Segmented, TilePlan, segment_file};
use crate::recipe::EvaluationSettings;
use crate::saved::SavedNet;

/// Share of the classes' colours in a picture drawn over.
const OPACITY: f32 = 0.55;

/// The class that is not drawn, if it is the first.
const BACKGROUND: &str = "background";

/// One kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Classes drawn over the pictures.
    Pictures,
    /// Classes as index PNGs.
    Masks,
    /// Every picture with the shares of its classes, one document.
    Json,
}

/// What is written, and where.
#[derive(Clone, Debug)]
pub struct Outputs(PlannedFiles<Output>);

impl Outputs {
    /// Plans the files of these pictures.
    ///
    /// # Errors
    /// [`SegmentationError::Folder`] when two pictures would be written into one file, or one over a picture that was given.
    pub fn new(
        folder: &Path,
        wanted: impl IntoIterator<Item = Output>,
        pictures: &[PathBuf],
    ) -> Result<Self, SegmentationError> {
        let outputs = Self(PlannedFiles::new(folder, wanted, pictures)?);
        for path in pictures {
            outputs.picture(path)?;
            outputs.mask(path)?;
        }
        Ok(outputs)
    }

    fn picture(&self, of: &Path) -> Result<Option<PathBuf>, FolderError> {
        self.0.file(&Output::Pictures, None, of, "png")
    }

    fn mask(&self, of: &Path) -> Result<Option<PathBuf>, FolderError> {
        self.0.file(&Output::Masks, Some("masks"), of, "png")
    }

    /// Writes what belongs to all pictures together; gives the file, if one is wanted.
    ///
    /// # Errors
    /// [`SegmentationError::Folder`].
    pub fn write_all(&self, predicted: &[PredictedPicture]) -> Result<Option<PathBuf>, SegmentationError> {
        let Some(path) = self.0.path(&Output::Json, "predictions.json") else { return Ok(None) };
        write_file(&path, &serde_json::to_vec_pretty(predicted).map_err(|e| FolderError::failed(&path, &e))?)?;
        Ok(Some(path))
    }
}

/// What is in one file.
#[derive(Clone, Debug, Serialize)]
pub struct PredictedPicture {
    /// The file.
    pub path: PathBuf,
    /// Its width in pixels.
    pub width: usize,
    /// Its height in pixels.
    pub height: usize,
    /// The classes in it, largest share first.
    pub classes: Vec<PredictedClass>,
    /// Where the picture with the classes was written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<PathBuf>,
    /// Where the index PNG was written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
    /// Logits that are not finite: a sign that the network is broken.
    pub not_finite: usize,
    /// How it was looked at: `native`, `tiled`, `multi-scale` or `multi-scale-tiled`.
    pub protocol: &'static str,
}

/// One class of a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictedClass {
    /// Its name.
    pub class: String,
    /// Its label.
    pub class_index: usize,
    /// Its share of the picture's pixels.
    pub share: f64,
}

/// How pictures are looked at.
#[derive(Clone, Debug)]
pub struct PredictOptions {
    /// Sizes, mirrors and tiles; without it, the network's own evaluation's.
    pub views: Option<EvaluationSettings>,
    /// Which kernels.
    pub algorithms: Algorithms,
}

impl PredictOptions {
    fn views<'a>(&'a self, saved: &'a SavedNet) -> &'a EvaluationSettings {
        self.views.as_ref().unwrap_or(&saved.description.evaluation)
    }
}

/// How a file's picture is cut into tiles, where it is: by its header, before anything is computed.
///
/// # Errors
/// [`SegmentationError::Data`] for a file that is no picture.
pub fn tile_plan(
    saved: &SavedNet,
    path: &Path,
    options: &PredictOptions,
) -> Result<Option<TilePlan>, SegmentationError> {
    Ok(saved.segmenter(options.algorithms).plan(probe(path)?.upright, options.views(saved)))
}

/// Gives the pixels of a file's picture classes and writes what is wanted of it.
///
/// # Errors
/// [`SegmentationError::Data`] for a file that is no picture; [`SegmentationError::Folder`] for one that cannot be written, or
/// would take the place of a picture that was given.
pub fn predict(
    saved: &SavedNet,
    path: &Path,
    options: &PredictOptions,
    outputs: &Outputs,
) -> Result<PredictedPicture, SegmentationError> {
    let (picture, segmented) = segment(saved, path, options)?;
    let names = &saved.description.class_names;
    let predicted = PredictedPicture {
        path: path.to_owned(),
        width: picture.size.width,
        height: picture.size.height,
        classes: shares(&segmented.labels, names),
        drawn: outputs.picture(path)?,
        mask: outputs.mask(path)?,
        not_finite: segmented.not_finite,
        protocol: options.views(saved).protocol(segmented.is_tiled),
    };
    if let Some(target) = &predicted.mask {
        write_mask(&segmented.labels, target)?;
    }
    if let Some(target) = &predicted.drawn {
        write_png(&overlay(&picture, &segmented.labels, names)?, target)?;
    }
    Ok(predicted)
}

/// A sheet of pictures with classes drawn over them.
///
/// # Errors
/// As [`predict`].
pub fn contact_sheet(
    saved: &SavedNet,
    pictures: &[PathBuf],
    columns: usize,
    target: &Path,
    options: &PredictOptions,
) -> Result<(), SegmentationError> {
    let mut drawn = Vec::with_capacity(pictures.len());
    for path in pictures {
        let (picture, segmented) = segment(saved, path, options)?;
        drawn.push(overlay(&picture, &segmented.labels, &saved.description.class_names)?);
    }
    Ok(write_png(&grid(&drawn, columns), target)?)
}

/// Writes an index PNG with VOC's palette, making its folder.
///
/// # Errors
/// [`SegmentationError::Folder`].
pub fn write_mask(labels: &LabelMap, target: &Path) -> Result<(), SegmentationError> {
    let png = encode_label_map(labels, &voc_palette()).map_err(|e| FolderError::failed(target, &e))?;
    Ok(write_file(target, &png)?)
}

fn segment(
    saved: &SavedNet,
    path: &Path,
    options: &PredictOptions,
) -> Result<(ImageRgb8, Segmented), SegmentationError> {
    segment_file(saved.segmenter(options.algorithms), path, options.views(saved))
}

/// A picture with the classes of its pixels over it, and their legend.
pub(crate) fn overlay(picture: &ImageRgb8, labels: &LabelMap, names: &[String]) -> Result<RgbImage, SegmentationError> {
    let (width, height) = (picture.size.width as u32, picture.size.height as u32);
    let drawable = RgbImage::from_raw(width, height, picture.pixels.clone()).unwrap_or_default();
    // Most of a picture is background; its pixels are left as they are, where the classes have one.
    let plain = names.first().is_some_and(|name| name == BACKGROUND).then_some(0);
    let style = MaskStyle { palette: &voc_palette(), opacity: OPACITY, plain };
    Ok(wrs_draw::overlay(&drawable, &labels.labels, names, &style)?)
}

fn shares(labels: &LabelMap, names: &[String]) -> Vec<PredictedClass> {
    let mut counts = vec![0usize; names.len()];
    for &label in &labels.labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    let pixels = labels.labels.len().max(1) as f64;
    let found = counts.into_iter().zip(names).enumerate().filter(|(_, (count, _))| *count > 0);
    let mut classes: Vec<PredictedClass> = found
        .map(|(class_index, (count, name))| PredictedClass {
            class: name.clone(),
            class_index,
            share: count as f64 / pixels,
        })
        .collect();
    classes.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.class_index.cmp(&b.class_index)));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_sorted_and_leave_absent_classes_out() {
        let labels = LabelMap { width: 4, height: 1, labels: vec![2, 0, 2, 2] };
        let names = ["background", "cat", "dog"].map(str::to_owned);
        let found = shares(&labels, &names);
        let line = |c: &PredictedClass| format!("{} {} {}", c.class, c.class_index, c.share);
        assert_eq!(found.iter().map(line).collect::<Vec<_>>(), ["dog 2 0.75", "background 0 0.25"]);
    }
}
