//! How each picture of a set was labelled: the cells of its confusion matrix, few enough to be kept for every picture.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{ConfusionFault, SegmentationError};
use super::{ConfusionMatrix, MAX_CLASSES};

/// The confusion matrix of one picture, without its empty cells; pixels that are void in the ground truth stand in none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfusion {
    /// The picture's name.
    pub image: String,
    /// True class, predicted class, pixels; ascending, none without a pixel.
    pub cells: Vec<[u64; 3]>,
}

impl ImageConfusion {
    /// The cells of a matrix that counted one picture.
    pub fn of(image: &str, confusion: &ConfusionMatrix) -> Self {
        let cell = |truth: usize, (prediction, pixels): (usize, &u64)| [truth as u64, prediction as u64, *pixels];
        let row = |(truth, row): (usize, &[u64])| {
            let cells: Vec<[u64; 3]> = row.iter().enumerate().map(|of| cell(truth, of)).collect();
            cells.into_iter().filter(|[_, _, pixels]| *pixels > 0)
        };
        Self { image: image.to_owned(), cells: confusion.rows().enumerate().flat_map(row).collect() }
    }

    /// Refuses cells that are out of order, empty or of no class, and more pixels than a picture can have.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, num_classes: usize) -> Result<(), ConfusionFault> {
        let image = || self.image.clone();
        let mut sum = 0_u64;
        let mut before = None;
        for &cell in &self.cells {
            let [truth, prediction, pixels] = cell;
            if truth.max(prediction) >= num_classes as u64 {
                return Err(ConfusionFault::Class { image: image(), cell, num_classes });
            }
            if before.is_some_and(|before| before >= [truth, prediction]) || pixels == 0 {
                return Err(ConfusionFault::Cell { image: image(), cell });
            }
            before = Some([truth, prediction]);
            sum = sum.saturating_add(pixels);
        }
        if sum > u64::from(u32::MAX) {
            return Err(ConfusionFault::Pixels { image: image(), pixels: sum });
        }
        Ok(())
    }

    /// Pixels of each class in the ground truth, ascending, none without a pixel.
    pub(crate) fn truth_pixels(&self) -> Vec<(u64, u64)> {
        let rows = self.cells.chunk_by(|[a, ..], [b, ..]| a == b);
        rows.map(|row| (row[0][0], row.iter().map(|[_, _, pixels]| pixels).sum())).collect()
    }
}

/// Writes the confusions of pictures as JSON, a picture a line.
///
/// # Errors
/// The writer's.
pub fn write_confusions(out: impl Write, confusions: &[ImageConfusion]) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    out.write_all(b"[")?;
    for (index, confusion) in confusions.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, confusion)?;
    }
    out.write_all(b"\n]\n")?;
    out.flush()
}

/// Reads what [`write_confusions`] wrote.
///
/// # Errors
/// [`SegmentationError::ConfusionsUnread`], [`SegmentationError::ConfusionsJson`], [`SegmentationError::Confusions`].
pub fn read_confusions(path: &Path) -> Result<Vec<ImageConfusion>, SegmentationError> {
    let text =
        fs::read(path).map_err(|source| SegmentationError::ConfusionsUnread { path: path.to_owned(), source })?;
    let read: Vec<ImageConfusion> = serde_json::from_slice(&text)
        .map_err(|source| SegmentationError::ConfusionsJson { path: path.to_owned(), source })?;
    check_all(&read, MAX_CLASSES).map_err(|fault| SegmentationError::Confusions { path: path.to_owned(), fault })?;
    Ok(read)
}

/// Refuses faulty confusions, and pictures that come twice.
pub(crate) fn check_all(confusions: &[ImageConfusion], num_classes: usize) -> Result<(), ConfusionFault> {
    let mut names = BTreeSet::new();
    for confusion in confusions {
        confusion.check(num_classes)?;
        if !names.insert(confusion.image.as_str()) {
            return Err(ConfusionFault::Repeated { image: confusion.image.clone() });
        }
    }
    Ok(())
}

/// Sums of many pictures' cells; pictures may be added several times.
#[derive(Debug, Clone)]
pub(crate) struct CellSum {
    sum: ConfusionMatrix,
}

impl CellSum {
    /// No picture yet.
    ///
    /// # Errors
    /// What [`ConfusionMatrix::new`] refuses.
    pub fn new(num_classes: usize) -> Result<Self, SegmentationError> {
        Ok(Self { sum: ConfusionMatrix::new(num_classes)? })
    }

    /// The place of a cell, for [`Self::add`].
    pub fn place(&self, truth: u64, prediction: u64) -> u32 {
        // Both are below MAX_CLASSES.
        (truth * self.sum.num_classes as u64 + prediction) as u32
    }

    /// Adds so many times a cell's pixels.
    pub fn add(&mut self, place: u32, pixels: u32, times: u32) {
        self.sum.counts[place as usize] += u64::from(times) * u64::from(pixels);
    }

    /// Back to no picture.
    pub fn clear(&mut self) {
        self.sum.counts.fill(0);
    }

    /// The matrix of all that was added.
    pub fn matrix(&self) -> &ConfusionMatrix {
        &self.sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(confusions: &[ImageConfusion]) -> String {
        let mut bytes = Vec::new();
        write_confusions(&mut bytes, confusions).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn read(text: &[u8]) -> Result<Vec<ImageConfusion>, SegmentationError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("confusions.json");
        fs::write(&path, text).unwrap();
        read_confusions(&path)
    }

    #[test]
    fn a_picture_keeps_the_cells_that_hold_a_pixel() {
        let mut confusion = ConfusionMatrix::new(3).unwrap();
        confusion.add(&[0, 0, 1, 1, 2, 255], &[0, 1, 1, 1, 0, 2]).unwrap();
        let kept = ImageConfusion::of("a", &confusion);
        assert_eq!(kept.cells, [[0, 0, 1], [0, 1, 1], [1, 1, 2], [2, 0, 1]]);
        assert_eq!(kept.truth_pixels(), [(0, 2), (1, 2), (2, 1)]);
        let void = ImageConfusion::of("b", &ConfusionMatrix::new(3).unwrap());
        let text = written(&[kept.clone(), void.clone()]);
        assert_eq!(
            text,
            "[\n{\"image\":\"a\",\"cells\":[[0,0,1],[0,1,1],[1,1,2],[2,0,1]]},\n{\"image\":\"b\",\"cells\":[]}\n]\n"
        );
        assert_eq!(read(text.as_bytes()).unwrap(), [kept, void]);
    }

    #[test]
    fn faults_name_file_picture_and_cell() {
        let refused =
            |cells: &str| read(format!("[{{\"image\":\"a\",\"cells\":{cells}}}]").as_bytes()).unwrap_err().to_string();
        for (cells, expected) in [
            ("[[0,1,5],[0,0,1]]", "image a: expected cells ascending by class, each with a pixel, got [0, 0, 1]"),
            ("[[0,1,5],[0,1,1]]", "got [0, 1, 1]"),
            ("[[0,1,0]]", "got [0, 1, 0]"),
            ("[[0,255,1]]", "image a: expected classes 0 to 254, got cell [0, 255, 1]"),
            ("[[0,0,4294967295],[0,1,1]]", "image a: expected at most 4294967295 pixels, got 4294967296"),
            ("[[0,0,18446744073709551615],[0,1,1]]", "got 18446744073709551615"),
            ("[[0,0]]", "invalid length 2"),
            ("[[0,0,-1]]", "invalid value"),
        ] {
            let text = refused(cells);
            assert!(text.contains("confusions.json: ") && text.contains(expected), "{text}");
        }
        let text = read(b"[{\"image\":\"a\",\"cells\":[]},{\"image\":\"a\",\"cells\":[]}]").unwrap_err().to_string();
        assert!(text.contains("expected each image once, got `a` again"), "{text}");
        for text in ["[{\"image\":\"a\"}]", "[{\"image\":\"a\",\"cells\":[],\"void\":1}]", "{}", "", "[]x"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(matches!(error, SegmentationError::ConfusionsJson { .. }), "{text}: {error}");
        }
        let missing = read_confusions(Path::new("no/such/confusions.json")).unwrap_err();
        assert!(matches!(missing, SegmentationError::ConfusionsUnread { .. }), "{missing}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(maps in prop::collection::vec(prop::collection::vec((0_u8..5, 0_u8..5), 0..30), 0..5)) {
            let of = |(index, pixels): (usize, &Vec<(u8, u8)>)| {
                let (truth, prediction): (Vec<u8>, Vec<u8>) = pixels.iter().copied().unzip();
                let mut confusion = ConfusionMatrix::new(5).unwrap();
                confusion.add(&truth, &prediction).unwrap();
                ImageConfusion::of(&format!("image {index}"), &confusion)
            };
            let confusions: Vec<ImageConfusion> = maps.iter().enumerate().map(of).collect();
            prop_assert_eq!(read(written(&confusions).as_bytes()).unwrap(), confusions);
        }

        #[test]
        fn foreign_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), new in any::<u8>(),
        ) {
            let _ = read(&bytes);
            let mut mutated = b"[{\"image\":\"a\",\"cells\":[[0,1,5],[1,1,4294967290]]}]".to_vec();
            let place = at.index(mutated.len());
            mutated[place] = new;
            if let Ok(read) = read(&mutated) {
                prop_assert!(check_all(&read, MAX_CLASSES).is_ok());
            }
        }
    }
}
