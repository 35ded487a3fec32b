//! From the json's rows to a checked data set: ids unique, references resolved, categories made contiguous.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::json;
use super::layout::{self, Selection, Sources};
use crate::detection::{
    Annotation, Category, DetectionDataset, Faults, ImageRecord, MissingImages, ReadReport, count, distinct_names,
    find_pictures, warn_of_boxes,
};
use crate::error::DataError;
use crate::image::{Frame, ImageSize};

/// A box edge up to here, in every box of a file, means fractions instead of pixels.
const FRACTION_LIMIT: f64 = 1.5;

/// Reads the parts of a split. Records that contradict others are pushed and left out.
pub(super) fn assemble(
    sources: Sources,
    missing: MissingImages,
    faults: &mut Faults,
) -> Result<DetectionDataset, DataError> {
    let mut builder =
        Builder { report: ReadReport { notes: sources.notes, ..ReadReport::default() }, ..Builder::default() };
    for part in &sources.parts {
        let instances = json::read(&part.annotations, faults)?;
        builder.categories(&part.annotations, instances.categories, faults);
        builder.images(&part.annotations, &part.images, instances.images, faults);
        builder.annotations(&part.annotations, &instances.annotations, faults);
    }
    let Builder { mut categories, mut images, mut report, .. } = builder;
    select(&mut images, &sources.selection, &sources.parts[0].annotations, faults)?;
    images.sort_by_key(|image| image.id);
    find_pictures(&mut images, &mut report, missing, &sources.parts[0].annotations, faults);
    count(&images, &mut report);
    distinct_names(&mut categories, &mut report.notes);
    Ok(DetectionDataset { name: sources.name, categories, images, report })
}

#[derive(Default)]
struct Builder {
    categories: Vec<Category>,
    images: Vec<ImageRecord>,
    image_of_id: HashMap<u64, usize>,
    file_names: HashSet<String>,
    annotation_ids: HashSet<u64>,
    report: ReadReport,
}

impl Builder {
    /// Takes the categories of the first part, sorted by id; later parts must repeat them.
    fn categories(&mut self, path: &Path, rows: Vec<json::Category>, faults: &mut Faults) {
        let mut read: Vec<_> = rows.into_iter().map(|row| Category { id: row.id.0, name: row.name }).collect();
        read.sort_by_key(|category| category.id);
        let fault = |record: String, expected: &str, got: String, help| DataError::Record {
            path: path.to_path_buf(),
            record,
            expected: expected.into(),
            got,
            help,
        };
        for pair in read.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            let got = format!("\"{}\" and \"{}\"", pair[0].name, pair[1].name);
            let record = format!("category {}", pair[0].id);
            faults.error(fault(record, "one category an id", got, "give each category an id of its own"));
        }
        read.dedup_by_key(|category| category.id);
        if self.images.is_empty() {
            self.categories = read;
        } else if self.categories != read {
            let (expected, help) =
                ("those of the other annotation file of this split", "both files must come from one release of COCO");
            faults.error(fault("categories".into(), expected, "another list".into(), help));
        }
    }

    fn images(&mut self, path: &Path, folder: &Path, rows: Vec<json::Image>, faults: &mut Faults) {
        for row in rows {
            if let Some(image) = faults.take(self.image(path, folder, &row)) {
                self.images.push(image);
            }
        }
    }

    fn image(&mut self, path: &Path, folder: &Path, row: &json::Image) -> Result<ImageRecord, DataError> {
        let id = row.id.0;
        let fault = |expected: &str, got: String, help| DataError::Record {
            path: path.to_path_buf(),
            record: format!("image {id}"),
            expected: expected.into(),
            got,
            help,
        };
        let size = ImageSize { width: row.width.0 as usize, height: row.height.0 as usize };
        if size.width == 0 || size.height == 0 {
            let expected = "a width and height of 1 or more";
            return Err(fault(expected, size.to_string(), "write the picture's size in pixels"));
        }
        if self.image_of_id.contains_key(&id) {
            return Err(fault("an id of its own", "an id seen before".into(), "remove or renumber one of the two"));
        }
        let file = row.file_name.trim().replace('\\', "/");
        let picture = folder.join(&file);
        if !self.file_names.insert(picture.to_string_lossy().into_owned()) {
            return Err(fault("a file of its own", format!("{file}, seen before"), "remove one of the two images"));
        }
        self.image_of_id.insert(id, self.images.len());
        let annotations = Vec::new();
        Ok(ImageRecord { id, path: picture, size, frame: Frame::BySize, on_disk: true, annotations })
    }

    fn annotations(&mut self, path: &Path, rows: &[json::Annotation], faults: &mut Faults) {
        if faults.take(refuse_fractions(path, rows)).is_none() {
            return;
        }
        // Which row each annotation of each image was, for warnings.
        let mut rows_of_image: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            let Some((image, annotation)) = faults.take(self.annotation(path, i, row)) else { continue };
            self.images[image].annotations.push(annotation);
            if faults.keeps_all() {
                rows_of_image.entry(image).or_default().push(i);
            }
        }
        let mut images: Vec<_> = rows_of_image.into_iter().collect();
        images.sort_unstable();
        for (image, indices) in images {
            warn_of_boxes(&self.images[image], path, &|i| record(indices[i], &rows[indices[i]]), faults);
        }
    }

    /// The image an annotation belongs to, and the annotation.
    fn annotation(&mut self, path: &Path, i: usize, row: &json::Annotation) -> Result<(usize, Annotation), DataError> {
        let fault = |expected: &str, got: String, help| DataError::Record {
            path: path.to_path_buf(),
            record: record(i, row),
            expected: expected.into(),
            got,
            help,
        };
        let class = self.categories.binary_search_by_key(&row.category_id.0, |category| category.id).map_err(|_| {
            let got = format!("category_id {}", row.category_id.0);
            fault("a category of this file", got, "add it to \"categories\" or correct the annotation")
        })?;
        let image = *self.image_of_id.get(&row.image_id.0).ok_or_else(|| {
            let got = format!("image_id {}", row.image_id.0);
            fault("an image of this file", got, "remove the annotation, or add its image to \"images\"")
        })?;
        if row.id.is_none_or(|id| !self.annotation_ids.insert(id.0)) {
            self.report.annotation_ids_ignored += 1;
        }
        if row.area.is_none() {
            self.report.without_area += 1;
        }
        let annotation = Annotation {
            class: class as u32,
            bbox: row.bbox,
            area: row.area.unwrap_or(row.bbox[2] * row.bbox[3]),
            is_crowd: row.iscrowd.is_some_and(|flag| flag.0),
            difficult: row.difficult.is_some_and(|flag| flag.0),
        };
        Ok((image, annotation))
    }
}

fn record(i: usize, row: &json::Annotation) -> String {
    format!("annotations[{i}] (id {})", row.id.map_or("absent".into(), |id| id.0.to_string()))
}

fn refuse_fractions(path: &Path, rows: &[json::Annotation]) -> Result<(), DataError> {
    let is_fraction = |row: &json::Annotation| row.bbox.iter().all(|v| v.abs() <= FRACTION_LIMIT);
    match rows.first() {
        Some(row) if rows.iter().all(is_fraction) => Err(DataError::Record {
            path: path.to_path_buf(),
            record: format!("all {} annotations", rows.len()),
            expected: "boxes in pixels".into(),
            got: format!("numbers up to {FRACTION_LIMIT}, such as {:?}", row.bbox),
            help: "multiply x and width by the image's width, y and height by its height",
        }),
        _ => Ok(()),
    }
}

/// Keeps the images of a selection; each listed picture that the json does not have is a fault.
fn select(
    images: &mut Vec<ImageRecord>,
    selection: &Selection,
    json: &Path,
    faults: &mut Faults,
) -> Result<(), DataError> {
    let (list, keep_listed) = match selection {
        Selection::All => return Ok(()),
        Selection::Only(list) => (list, true),
        Selection::Except(list) => (list, false),
    };
    let mut left = layout::read_list(list)?;
    images.retain(|image| {
        let name = image.path.file_name().unwrap_or_default().to_string_lossy();
        left.remove(name.as_ref()).is_some() == keep_listed
    });
    let mut left: Vec<_> = left.into_iter().map(|(name, line)| (line, name)).collect();
    left.sort_unstable();
    for (line, name) in left {
        faults.error(DataError::Record {
            path: list.clone(),
            record: format!("line {line}"),
            expected: format!("a picture of {}", json.display()),
            got: name,
            help: "the list belongs to other annotations than those found here",
        });
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers are read, not computed")]
mod tests;
