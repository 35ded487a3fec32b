//! The pictures and points that are written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::image::codecs::jpeg::JpegEncoder;
use ::image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ::image::{ExtendedColorType, ImageEncoder};
use serde::Serialize;

use super::manifest::{Format, Written};
use super::{PreparedQnrfOptions, lost};
use crate::augment::counting::{Rescaled, ShorterSide};
use crate::counting::{CountingDataset, CountingRecord, PointXy, encode_ann_points};
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize};
use crate::loader::{Loader, LoaderError};
use crate::split::Split;

/// Pictures that may wait beside those being made, a worker.
const AHEAD: usize = 2;

/// A folder of what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    Train,
    Val,
    Test,
}

impl Part {
    fn folder(self) -> &'static str {
        match self {
            Self::Train => "Train",
            Self::Val => "Val",
            Self::Test => "Test",
        }
    }

    pub fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Val => Split::Val,
            Self::Test => Split::Test,
        }
    }
}

/// Writes all pictures and their points on `workers` threads; what was written comes back in the order of the parts.
pub(super) fn write_all(
    parts: &[(Part, CountingDataset)],
    options: &PreparedQnrfOptions,
    workers: usize,
    root: &Path,
) -> Result<Vec<Written>, DataError> {
    let mut tasks = Vec::new();
    for (part, set) in parts {
        let folder = root.join(part.folder());
        fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
        tasks.extend(set.images.iter().map(|record| Task {
            part: *part,
            folder: folder.clone(),
            record: record.clone(),
        }));
    }
    let failed = |error: LoaderError<DataError>| match error {
        LoaderError::Make { source, .. } => source,
        other => DataError::io("write", root)(std::io::Error::other(other.to_string())),
    };
    let (resize, format) = (options.resize, options.format);
    let make = Arc::new(move |task: &Task| task.write(&resize, format));
    let written = Loader::start(workers, workers * AHEAD, tasks, make).map_err(failed)?;
    written.map(|picture| picture.map_err(failed)).collect()
}

/// A picture to prepare.
struct Task {
    part: Part,
    folder: PathBuf,
    record: CountingRecord,
}

impl Task {
    fn write(&self, resize: &ShorterSide, format: Format) -> Result<Written, DataError> {
        let CountingRecord { id, image, size, .. } = &self.record;
        let before = self.record.points.as_ref().ok_or_else(|| DataError::Record {
            path: image.clone(),
            record: id.clone(),
            expected: format!("{id}_ann.mat beside it"),
            got: "none".into(),
            help: "unpack the annotations of both splits",
        })?;
        let Rescaled { image: picture, mut points, ratio } = resize.apply(self.record.read_image()?, before)?;
        let on_edge = move_onto_edges(&mut points, picture.size);
        if points.len() != before.len() {
            return Err(lost(image, id, before.len(), points.len()));
        }
        let to = self.folder.join(format!("{id}.{}", format.ending()));
        let picture_blake3 = write_whole(&to, &encode(&picture, format, &to)?)?;
        let to = self.folder.join(format!("{id}_ann.mat"));
        let points_blake3 = write_whole(&to, &encode_ann_points(&points).map_err(DataError::mat(&to))?)?;
        Ok(Written {
            split: self.part,
            id: id.clone(),
            from: [size.width, size.height],
            to: [picture.size.width, picture.size.height],
            ratio,
            points_before: before.len(),
            points_after: points.len(),
            on_edge,
            picture_blake3,
            points_blake3,
        })
    }
}

/// Moves points beyond the right or the lower edge onto it, and counts them: the longer side is rounded and the ratio is not,
/// so a point on the edge may come to lie up to half a pixel outside, where a reader would leave it out.
fn move_onto_edges(points: &mut [PointXy], size: ImageSize) -> usize {
    let (width, height) = (size.width as f64, size.height as f64);
    let mut moved = 0;
    for point in points {
        let within = PointXy { x: point.x.min(width), y: point.y.min(height) };
        moved += usize::from(within != *point);
        *point = within;
    }
    moved
}

/// Writes a file and gives its digest.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<String, DataError> {
    fs::write(path, bytes).map_err(DataError::io("write", path))?;
    Ok(blake3::hash(bytes).to_hex().to_string())
}

/// The bytes of a picture; `path` is named where that fails.
fn encode(picture: &ImageRgb8, format: Format, path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let ImageSize { width, height } = picture.size;
    let (width, height, colour) = (width as u32, height as u32, ExtendedColorType::Rgb8);
    let encoded = match format {
        Format::Png => PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&picture.pixels, width, height, colour),
        Format::Jpeg(quality) => {
            JpegEncoder::new_with_quality(&mut bytes, quality).write_image(&picture.pixels, width, height, colour)
        }
    };
    encoded.map_err(std::io::Error::other).map_err(DataError::io("encode", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_beyond_an_edge_move_onto_it() {
        let at = |x, y| PointXy { x, y };
        let mut points = [at(10.4, 3.0), at(10.0, 20.5), at(0.0, 0.0), at(9.99, 20.0)];
        assert_eq!(move_onto_edges(&mut points, ImageSize { width: 10, height: 20 }), 2);
        assert_eq!(points, [at(10.0, 3.0), at(10.0, 20.0), at(0.0, 0.0), at(9.99, 20.0)]);
    }
}
