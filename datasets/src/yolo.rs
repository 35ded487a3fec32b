//! YOLO labels: a `data.yaml` that names the classes and the pictures of each split, and beside each picture a text file of
//! rows `class cx cy w h` in fractions of its sides.
//!
//! The label file of a picture has its path with the last folder `images` replaced by `labels`, and the ending `.txt`; a
//! picture without one, or with an empty one, is background. Fractions mean the upright picture, as people see it. Class
//! ids are the numbers of the rows, image ids 1, 2, … in the order of the sorted paths.

mod data_yaml;
mod label;
mod pictures;
mod record;

use std::fs;
use std::path::{Path, PathBuf};

use self::data_yaml::DataYaml;
use self::record::Records;
use crate::detection::{
    Category, DetectionDataset, Faults, ReadOptions, ReadReport, Reader, Split, count, distinct_names, find_pictures,
};
use crate::error::DataError;

/// Reads [`crate::detection::Layout::Yolo`].
pub(crate) struct YoloReader;

impl Reader for YoloReader {
    fn lies_under(&self, root: &Path) -> bool {
        yaml_of(root).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["data.yaml", "*.yaml (one)"]
    }

    fn read(
        &self,
        root: &Path,
        options: ReadOptions,
        split: &Split,
        faults: &mut Faults,
    ) -> Result<DetectionDataset, DataError> {
        let yaml = yaml_of(root).ok_or_else(|| DataError::Layout {
            wanted: "YOLO data".into(),
            root: root.to_path_buf(),
            looked: vec![root.join("data.yaml"), root.join("*.yaml")],
            help: "name the yaml itself, or the folder that holds data.yaml or one yaml".into(),
        })?;
        read_split(&yaml, options, split, faults)
    }
}

/// The root itself where it is a yaml; its `data.yaml`; or the only yaml in it.
fn yaml_of(root: &Path) -> Option<PathBuf> {
    if root.is_file() {
        return is_yaml(root).then(|| root.to_path_buf());
    }
    let entries = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let yamls: Vec<_> = entries.filter(|path| is_yaml(path) && path.is_file()).collect();
    let named = |name: &str| yamls.iter().find(|path| path.file_name().is_some_and(|file| file == name)).cloned();
    named("data.yaml").or_else(|| named("data.yml")).or_else(|| match yamls.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    })
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml"))
}

fn read_split(
    yaml: &Path,
    options: ReadOptions,
    split: &Split,
    faults: &mut Faults,
) -> Result<DetectionDataset, DataError> {
    let data = DataYaml::read(yaml, faults)?;
    let mut report = ReadReport::default();
    report.notes.extend(data.unused(split));
    let mut categories: Vec<_> =
        data.names.iter().enumerate().map(|(id, name)| Category { id: id as u64, name: name.clone() }).collect();
    distinct_names(&mut categories, &mut report.notes);
    let listed = pictures::list(&data, split, faults, &mut report.notes)?;
    let mut records = Records::new(categories.len());
    for picture in listed {
        records.add(picture, faults);
    }
    let mut images = records.finish(yaml, &mut report, faults);
    find_pictures(&mut images, &mut report, options.missing, yaml, faults);
    count(&images, &mut report);
    let name = format!("{split} of {}", yaml.display());
    Ok(DetectionDataset { name, categories, images, report })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "boxes that must come back as they were")]
mod tests;
