//! PASCAL VOC xml: `Annotations/STEM.xml` and `JPEGImages/STEM.jpg`, and lists of stems in `ImageSets/Main/SPLIT.txt`.
//!
//! The classes are VOC's twenty in their own order where every name in the folder is one of them, else the names in the
//! folder, sorted; all splits of a folder share them. Ids of classes are 1, 2, …, ids of images 1, 2, … in the order of the
//! sorted stems. What a box covers depends on who wrote the file, see [`FirstPixel`].

mod classes;
mod home;
mod record;
mod xml;

pub(crate) use classes::VOCS;
pub(crate) use home::HomeOf;

use std::path::Path;

use self::classes::Classes;
use self::home::{DETECTION, read_list};
use self::record::Records;
use crate::detection::{
    DetectionDataset, Faults, FirstPixel, ReadOptions, ReadReport, Reader, Split, count, find_pictures,
};
use crate::error::DataError;

/// Reads [`crate::detection::Layout::Voc`].
pub(crate) struct VocReader;

impl Reader for VocReader {
    fn lies_under(&self, root: &Path) -> bool {
        !DETECTION.all(root).is_empty()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["Annotations/*.xml and JPEGImages", "*/Annotations/*.xml", "VOCdevkit/*/Annotations/*.xml"]
    }

    fn read(
        &self,
        root: &Path,
        options: ReadOptions,
        split: &Split,
        faults: &mut Faults,
    ) -> Result<DetectionDataset, DataError> {
        let home = DETECTION.only(root)?;
        let list = DETECTION.list(&home, split)?;
        let mut report = ReadReport::default();
        let stems = read_list(&list, &mut report.notes, faults)?;
        let (classes, mut parsed) = classes::read_all(&home, &stems, faults)?;
        let first_pixel = options.first_pixel.unwrap_or_else(|| usual_first_pixel(&classes));
        report.notes.push(first_pixel_note(first_pixel, options.first_pixel, &classes));
        let mut records = Records::new(&home, &classes, first_pixel);
        for (stem, line) in &stems {
            records.add(stem, &list, *line, parsed.remove(stem), faults);
        }
        let mut images = records.finish(&list, &mut report, faults);
        find_pictures(&mut images, &mut report, options.missing, &list, faults);
        count(&images, &mut report);
        let name = format!("{} of {}", list.file_stem().unwrap_or_default().to_string_lossy(), home.display());
        Ok(DetectionDataset { name, categories: classes.categories, images, report })
    }
}

fn usual_first_pixel(classes: &Classes) -> FirstPixel {
    if classes.are_vocs { FirstPixel::One } else { FirstPixel::Zero }
}

fn first_pixel_note(taken: FirstPixel, asked: Option<FirstPixel>, classes: &Classes) -> String {
    let what = match taken {
        FirstPixel::Zero => "pixels count from 0 (x0 = xmin, x1 = xmax)",
        FirstPixel::One => "pixels count from 1 (x0 = xmin - 1, x1 = xmax)",
    };
    let why = match (asked, classes.are_vocs) {
        (Some(_), _) => "as asked",
        (None, true) => "as in VOC's own files, whose classes these are; first-pixel = \"zero\" says otherwise",
        (None, false) => "as LabelImg writes; first-pixel = \"one\" says otherwise",
    };
    format!("boxes: {what}, {why}")
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "boxes that must come back as they were")]
mod tests;
