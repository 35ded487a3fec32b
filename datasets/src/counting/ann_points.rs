//! Points as UCF-QNRF annotates them: a MAT file whose `annPoints` has a row a person, columns x and y.

use std::fs;
use std::path::Path;

use super::PointXy;
use crate::error::DataError;
use crate::mat5::{Array, Compression, Endian, Mat5Error, MatFile};

/// Writes the annotation of a picture.
///
/// # Errors
/// [`DataError::Mat`] for more points than a file holds, [`DataError::Io`].
pub(crate) fn write_ann_points(path: &Path, points: &[PointXy]) -> Result<(), DataError> {
    let bytes = encode_ann_points(points).map_err(DataError::mat(path))?;
    fs::write(path, bytes).map_err(DataError::io("write", path))
}

/// The bytes of the annotation of a picture.
///
/// # Errors
/// [`Mat5Error::Array`] for more points than a file holds.
pub(crate) fn encode_ann_points(points: &[PointXy]) -> Result<Vec<u8>, Mat5Error> {
    let rows: Vec<f64> = points.iter().flat_map(|point| [point.x, point.y]).collect();
    let array = Array::matrix(points.len(), 2, &rows)?;
    MatFile::new([("annPoints", array)]).encode(Endian::Little, Compression::Deflated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_points_and_nobody_is_no_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("img_0001_ann.mat");
        for points in [vec![], vec![PointXy { x: 1.5, y: 2.25 }, PointXy { x: 1_234.062_5, y: 0.1 }]] {
            write_ann_points(&path, &points).unwrap();
            let file = MatFile::read(&path).unwrap();
            let read = file.variable("annPoints").unwrap().matrix::<f64>().unwrap();
            assert_eq!((read.rows, read.columns), (points.len(), 2));
            let rows: Vec<f64> = points.iter().flat_map(|point| [point.x, point.y]).collect();
            assert_eq!(read.values, rows);
        }
    }
}
