//! From the json's rows to a checked data set: ids unique, references resolved, categories made contiguous.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::layout::{self, Selection, Sources};
use super::{Annotation, Category, CocoDataset, ImageRecord, MissingImages, ReadReport, json};
use crate::error::DataError;
use crate::image::ImageSize;

/// How many missing pictures an error names.
const MISSING_SHOWN: usize = 10;

/// A box edge up to here, in every box of a file, means fractions instead of pixels.
const FRACTION_LIMIT: f64 = 1.5;

pub(super) fn assemble(sources: Sources, missing: MissingImages) -> Result<CocoDataset, DataError> {
    let mut builder =
        Builder { report: ReadReport { notes: sources.notes, ..ReadReport::default() }, ..Builder::default() };
    for part in &sources.parts {
        let instances = json::read(&part.annotations)?;
        builder.categories(&part.annotations, instances.categories)?;
        builder.images(&part.annotations, &part.images, instances.images)?;
        builder.annotations(&part.annotations, &instances.annotations)?;
    }
    let Builder { categories, mut images, mut report, .. } = builder;
    select(&mut images, &sources.selection, &sources.parts[0].annotations)?;
    images.sort_by_key(|image| image.id);
    find_pictures(&mut images, &mut report, missing, &sources.parts[0].annotations)?;
    count(&images, &mut report);
    let categories = distinct_names(categories, &mut report);
    Ok(CocoDataset { name: sources.name, categories, images, report })
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
    fn categories(&mut self, path: &Path, rows: Vec<json::Category>) -> Result<(), DataError> {
        let mut read: Vec<_> = rows.into_iter().map(|row| Category { id: row.id.0, name: row.name }).collect();
        read.sort_by_key(|category| category.id);
        if let Some(pair) = read.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(DataError::Record {
                path: path.to_path_buf(),
                record: format!("category {}", pair[0].id),
                expected: "one category an id".into(),
                got: format!("\"{}\" and \"{}\"", pair[0].name, pair[1].name),
                help: "give each category an id of its own",
            });
        }
        if self.images.is_empty() {
            self.categories = read;
        } else if self.categories != read {
            return Err(DataError::Record {
                path: path.to_path_buf(),
                record: "categories".into(),
                expected: "those of the other annotation file of this split".into(),
                got: "another list".into(),
                help: "both files must come from one release of COCO",
            });
        }
        Ok(())
    }

    fn images(&mut self, path: &Path, folder: &Path, rows: Vec<json::Image>) -> Result<(), DataError> {
        for row in rows {
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
                return Err(fault(
                    "a width and height of 1 or more",
                    size.to_string(),
                    "write the picture's size in pixels",
                ));
            }
            if self.image_of_id.insert(id, self.images.len()).is_some() {
                return Err(fault("an id of its own", "an id seen before".into(), "remove or renumber one of the two"));
            }
            let file = row.file_name.trim().replace('\\', "/");
            let picture = folder.join(&file);
            if !self.file_names.insert(picture.to_string_lossy().into_owned()) {
                return Err(fault("a file of its own", format!("{file}, seen before"), "remove one of the two images"));
            }
            self.images.push(ImageRecord { id, path: picture, size, on_disk: true, annotations: Vec::new() });
        }
        Ok(())
    }

    fn annotations(&mut self, path: &Path, rows: &[json::Annotation]) -> Result<(), DataError> {
        for (i, row) in rows.iter().enumerate() {
            let fault = |expected: &str, got: String, help| DataError::Record {
                path: path.to_path_buf(),
                record: format!("annotations[{i}] (id {})", row.id.map_or("absent".into(), |id| id.0.to_string())),
                expected: expected.into(),
                got,
                help,
            };
            let class =
                self.categories.binary_search_by_key(&row.category_id.0, |category| category.id).map_err(|_| {
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
            self.images[image].annotations.push(Annotation {
                class: class as u32,
                bbox: row.bbox,
                area: row.area.unwrap_or(row.bbox[2] * row.bbox[3]),
                is_crowd: row.iscrowd.is_some_and(|flag| flag.0),
            });
        }
        refuse_fractions(path, rows)
    }
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

fn select(images: &mut Vec<ImageRecord>, selection: &Selection, json: &Path) -> Result<(), DataError> {
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
    match left.into_iter().min_by_key(|(_, line)| *line) {
        None => Ok(()),
        Some((name, line)) => Err(DataError::Record {
            path: list.clone(),
            record: format!("line {line}"),
            expected: format!("a picture of {}", json.display()),
            got: name,
            help: "the list belongs to other annotations than those found here",
        }),
    }
}

fn find_pictures(
    images: &mut [ImageRecord],
    report: &mut ReadReport,
    policy: MissingImages,
    annotations: &Path,
) -> Result<(), DataError> {
    for image in images.iter_mut() {
        image.on_disk = image.path.is_file();
        if !image.on_disk {
            report.missing.push(image.path.clone());
        }
    }
    if policy == MissingImages::Refuse && !report.missing.is_empty() {
        return Err(DataError::MissingImages {
            annotations: annotations.to_path_buf(),
            count: report.missing.len(),
            total: images.len(),
            first: report.missing.iter().take(MISSING_SHOWN).cloned().collect(),
        });
    }
    Ok(())
}

fn count(images: &[ImageRecord], report: &mut ReadReport) {
    report.annotations = images.iter().map(|image| image.annotations.len()).sum();
    report.crowds = images.iter().flat_map(|image| &image.annotations).filter(|a| a.is_crowd).count();
    report.unlabelled = images.iter().filter(|image| image.annotations.is_empty()).count();
}

/// Adds the id to names that occur more than once.
fn distinct_names(mut categories: Vec<Category>, report: &mut ReadReport) -> Vec<Category> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for category in &categories {
        *times.entry(category.name.clone()).or_default() += 1;
    }
    for category in &mut categories {
        if times[&category.name] > 1 {
            let distinct = format!("{} ({})", category.name, category.id);
            report.notes.push(format!("category name \"{}\" is used more than once; {distinct} here", category.name));
            category.name = distinct;
        }
    }
    categories
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers are read, not computed")]
mod tests;
