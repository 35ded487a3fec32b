//! Pictures with their density drawn over them and the count written on them.
//!
//! | output | file, under the folder |
//! |---|---|
//! | pictures | `STEM.png`, the density over the picture as the network saw it, with the count |
//! | csv | `counts.csv`, a line `image,predicted` for each picture |
//! | json | `predictions.json`, every picture with its count |
//! | arrays | `densities/STEM.safetensors`, the density alone: `density`, `[h, w]`, f32, people per cell |

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};
use wrs_datasets::ImageRgb8;
use wrs_datasets::counting::CountingRecord;
use wrs_draw::{DensityOverlay, FolderError, PlannedFiles, grid, overlay_density, stem, write_file, write_png};
use wrs_ops::conv::Algorithms;

use crate::error::CountingError;
use crate::evaluate::{Counted, Seen, count_file};
use crate::net::STRIDE;
use crate::recipe::EvaluationSettings;
use crate::saved::SavedNet;

/// Share of the colours in a picture drawn over, where the density is largest.
const OPACITY: f32 = 0.7;

/// One kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Densities drawn over the pictures.
    Pictures,
    /// Every picture's count, one table.
    Csv,
    /// Every picture's count, one document.
    Json,
    /// Densities as numbers.
    Arrays,
}

/// What is written, and where.
#[derive(Clone, Debug)]
pub struct Outputs(PlannedFiles<Output>);

impl Outputs {
    /// Plans the files of these pictures.
    ///
    /// # Errors
    /// [`CountingError::Folder`] when two pictures would be written into one file, or one over a picture that was given.
    pub fn new(
        folder: &Path,
        wanted: impl IntoIterator<Item = Output>,
        pictures: &[PathBuf],
    ) -> Result<Self, CountingError> {
        let outputs = Self(PlannedFiles::new(folder, wanted, pictures)?);
        for path in pictures {
            outputs.picture(path)?;
            outputs.array(path)?;
        }
        Ok(outputs)
    }

    fn picture(&self, of: &Path) -> Result<Option<PathBuf>, FolderError> {
        self.0.file(&Output::Pictures, None, of, "png")
    }

    fn array(&self, of: &Path) -> Result<Option<PathBuf>, FolderError> {
        self.0.file(&Output::Arrays, Some("densities"), of, "safetensors")
    }

    /// Writes what belongs to all pictures together; gives the files.
    ///
    /// # Errors
    /// [`CountingError::Folder`].
    pub fn write_all(&self, predicted: &[PredictedPicture]) -> Result<Vec<PathBuf>, CountingError> {
        let mut written = Vec::new();
        if let Some(path) = self.0.path(&Output::Csv, "counts.csv") {
            let rows: Vec<(String, f64)> = predicted.iter().map(|of| (stem(&of.path), of.count)).collect();
            let mut table = Vec::new();
            wrs_eval::write_predicted_counts(&mut table, &rows)?;
            write_file(&path, &table)?;
            written.push(path);
        }
        if let Some(path) = self.0.path(&Output::Json, "predictions.json") {
            let document = serde_json::to_vec_pretty(predicted).map_err(|e| FolderError::failed(&path, &e))?;
            write_file(&path, &document)?;
            written.push(path);
        }
        Ok(written)
    }
}

/// What is in one file.
#[derive(Clone, Debug, Serialize)]
pub struct PredictedPicture {
    /// The file.
    pub path: PathBuf,
    /// Width in pixels of the picture as the network saw it.
    pub width: usize,
    /// Height in pixels of the picture as the network saw it.
    pub height: usize,
    /// How many there are.
    pub count: f64,
    /// Tiles it was looked at in.
    pub tiles: usize,
    /// Where the picture with the density was written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<PathBuf>,
    /// Where the density was written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<PathBuf>,
}

/// How pictures are looked at.
#[derive(Clone, Copy, Debug)]
pub struct PredictOptions {
    /// Padding and memory; without it, the network's own evaluation's.
    pub settings: Option<EvaluationSettings>,
    /// Which kernels.
    pub algorithms: Algorithms,
}

/// Counts what is in a file and writes what is wanted of it.
///
/// # Errors
/// [`CountingError::Data`] for a file that is no picture; [`CountingError::Folder`] for one that cannot be written, or would
/// take the place of a picture that was given.
pub fn predict(
    saved: &SavedNet,
    path: &Path,
    options: PredictOptions,
    outputs: &Outputs,
) -> Result<PredictedPicture, CountingError> {
    let settings = options.settings.unwrap_or(saved.description.evaluation);
    let (seen, counted) = count_file(saved.counter(options.algorithms), path, &settings)?;
    let predicted = PredictedPicture {
        path: path.to_owned(),
        width: seen.size.width,
        height: seen.size.height,
        count: counted.count,
        tiles: counted.tiles,
        drawn: outputs.picture(path)?,
        density: outputs.array(path)?,
    };
    if let Some(target) = &predicted.density {
        write_density(&counted, target)?;
    }
    if let Some(target) = &predicted.drawn {
        write_png(&overlay(&seen, &counted, None)?, target)?;
    }
    Ok(predicted)
}

/// A sheet of pictures of a data set with their densities, counts and truths.
///
/// # Errors
/// As [`predict`].
pub fn contact_sheet(
    saved: &SavedNet,
    records: &[CountingRecord],
    columns: usize,
    target: &Path,
    algorithms: Algorithms,
) -> Result<(), CountingError> {
    let counter = saved.counter(algorithms);
    let mut drawn = Vec::with_capacity(records.len());
    for record in records {
        let seen = counter.seen(record.read_image()?, record.points.as_deref().unwrap_or_default())?;
        let counted = counter.count(&seen.image, &saved.description.evaluation)?;
        drawn.push(overlay(&seen.image, &counted, record.points.is_some().then_some(&seen))?);
    }
    Ok(write_png(&grid(&drawn, columns), target)?)
}

fn overlay(picture: &ImageRgb8, counted: &Counted, truth: Option<&Seen>) -> Result<RgbImage, CountingError> {
    let (width, height) = (picture.size.width as u32, picture.size.height as u32);
    let drawable = RgbImage::from_raw(width, height, picture.pixels.clone()).unwrap_or_default();
    let points: Vec<(f64, f64)> =
        truth.into_iter().flat_map(|seen| &seen.points).map(|point| (point.x, point.y)).collect();
    let overlay = DensityOverlay {
        cells: &counted.density.cells,
        shape: (counted.density.height, counted.density.width),
        cell_px: (STRIDE as f32, STRIDE as f32),
        count: counted.count,
        truth: truth.map(|seen| seen.points.len() as f64),
        points: &points,
        opacity: OPACITY,
    };
    Ok(overlay_density(&drawable, &overlay)?)
}

fn write_density(counted: &Counted, target: &Path) -> Result<(), CountingError> {
    let map = &counted.density;
    let bytes: Vec<u8> = map.cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![map.height, map.width], &bytes)
        .map_err(|e| FolderError::failed(target, &e))?;
    let stride = HashMap::from([("stride".to_owned(), STRIDE.to_string())]);
    let file = serialize([("density", view)], Some(stride)).map_err(|e| FolderError::failed(target, &e))?;
    Ok(write_file(target, &file)?)
}
