//! From a listed picture to its record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::label;
use super::pictures::Listed;
use crate::detection::{Annotation, Faults, ImageRecord, ReadReport, warn_of_boxes, warning};
use crate::error::DataError;
use crate::image::{Frame, probe};

/// The records of a split, as far as they are read.
pub(super) struct Records {
    classes: usize,
    images: Vec<ImageRecord>,
    /// The first picture of each label file.
    picture_of_labels: HashMap<PathBuf, PathBuf>,
    last_id: u64,
    /// Label files that are not there.
    without_file: Vec<PathBuf>,
}

impl Records {
    /// None yet; `classes` is the number of names.
    pub fn new(classes: usize) -> Self {
        let (images, picture_of_labels, without_file) = (Vec::new(), HashMap::new(), Vec::new());
        Self { classes, images, picture_of_labels, last_id: 0, without_file }
    }

    /// Reads a picture's size and labels. What cannot be used is pushed and left out.
    pub fn add(&mut self, listed: Listed, faults: &mut Faults) {
        if self.images.last().is_some_and(|last| last.path == listed.path) {
            let (path, record) = match listed.line {
                Some((list, line)) => (list, format!("line {line}")),
                None => (listed.path.clone(), "picture".into()),
            };
            let got = format!("{}, listed before", listed.path.display());
            let help = "list each picture once";
            faults.error(DataError::Record { path, record, expected: "a picture of its own".into(), got, help });
            return;
        }
        self.last_id += 1;
        if let Some(image) = faults.take(self.record(&listed)) {
            let image = self.with_labels(image, faults);
            self.images.push(image);
        }
    }

    fn record(&self, listed: &Listed) -> Result<ImageRecord, DataError> {
        let path = listed.path.clone();
        if let (Some((list, line)), false) = (&listed.line, path.is_file()) {
            return Err(DataError::Record {
                path: list.clone(),
                record: format!("line {line}"),
                expected: "a picture: its labels are fractions of its sides".into(),
                got: format!("{}, where nothing lies", path.display()),
                help: "unpack the picture there, or remove the line",
            });
        }
        let size = probe(&path)?.upright;
        Ok(ImageRecord { id: self.last_id, path, size, frame: Frame::Upright, on_disk: true, annotations: Vec::new() })
    }

    fn with_labels(&mut self, mut image: ImageRecord, faults: &mut Faults) -> ImageRecord {
        let file = label_path(&image.path);
        if let Some(other) = self.picture_of_labels.insert(file.clone(), image.path.clone()) {
            let problem = format!("has the label file {} of {}", file.display(), other.display());
            faults.warn(|| warning(&image.path, None, problem, "give the two pictures different names"));
        }
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.without_file.push(file);
                return image;
            }
            Err(error) => {
                faults.error(DataError::io("read", &file)(error));
                return image;
            }
        };
        let rows = label::parse(&file, &bytes, self.classes, faults);
        let annotation = |row: &label::Row| {
            let bbox = label::bbox_in_image(row.cxcywh, image.size.width, image.size.height);
            Annotation { class: row.class, bbox, area: bbox[2] * bbox[3], is_crowd: false, difficult: false }
        };
        image.annotations = rows.iter().map(annotation).collect();
        warn_of_boxes(&image, &file, &|i| format!("line {}", rows[i].line), faults);
        image
    }

    /// The records, with notes about what they lack.
    pub fn finish(self, yaml: &Path, report: &mut ReadReport, faults: &mut Faults) -> Vec<ImageRecord> {
        if let Some(first) = self.without_file.first() {
            let (count, total) = (self.without_file.len(), self.images.len());
            let note =
                format!("{count} of {total} pictures have no label file and are background, first {}", first.display());
            report.notes.push(note.clone());
            let help = "label files lie where the picture's path says labels instead of images, and end in .txt";
            faults.warn(|| warning(yaml, None, note, help));
        }
        if faults.keeps_all() {
            self.warn_of_orphans(faults);
        }
        self.images
    }

    /// Warns of label files whose picture is nowhere: nobody would miss their boxes otherwise.
    fn warn_of_orphans(&self, faults: &mut Faults) {
        let folder_of = |file: &Path| file.parent().map(Path::to_path_buf);
        let folders: BTreeMap<_, _> = self
            .picture_of_labels
            .iter()
            .filter_map(|(labels, picture)| Some((folder_of(labels)?, folder_of(picture)?)))
            // Where labels lie beside their pictures, other texts do, too.
            .filter(|(labels, pictures)| labels != pictures)
            .collect();
        let files = |folder: &Path| -> Vec<PathBuf> {
            fs::read_dir(folder).map_or(Vec::new(), |entries| entries.flatten().map(|entry| entry.path()).collect())
        };
        for (labels, pictures) in folders {
            let stems: BTreeSet<_> = files(&pictures).iter().filter_map(|p| Some(p.file_stem()?.to_owned())).collect();
            let is_orphan = |file: &PathBuf| {
                let stem = file.file_stem().filter(|stem| *stem != OsStr::new("classes"));
                file.extension() == Some(OsStr::new("txt")) && stem.is_some_and(|stem| !stems.contains(stem))
            };
            let mut orphans: Vec<_> = files(&labels).into_iter().filter(is_orphan).collect();
            orphans.sort();
            for file in orphans {
                let problem = format!("no picture of that name in {}", pictures.display());
                faults.warn(|| warning(&file, None, problem, "unpack the picture there, or remove the label file"));
            }
        }
    }
}

/// The picture's path with the last folder `images` replaced by `labels`, and the ending `.txt`.
pub(super) fn label_path(picture: &Path) -> PathBuf {
    let folders = picture.parent().unwrap_or(Path::new(""));
    let last = folders.components().collect::<Vec<_>>().iter().rposition(|c| c.as_os_str() == OsStr::new("images"));
    let replaced: PathBuf = folders
        .components()
        .enumerate()
        .map(|(i, c)| if Some(i) == last { Component::Normal(OsStr::new("labels")) } else { c })
        .collect();
    replaced.join(picture.file_name().unwrap_or_default()).with_extension("txt")
}
