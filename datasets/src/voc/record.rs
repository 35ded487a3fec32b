//! From an xml to a record.

use std::path::{Path, PathBuf};

use super::classes::{Classes, Parsed};
use super::xml::Object;
use crate::detection::{Annotation, Faults, FirstPixel, ImageRecord, ReadReport, warn_of_boxes, warning};
use crate::error::DataError;
use crate::id_list::stem_of;
use crate::image::{Frame, ImageSize, probe};

/// A box edge up to here, in every object of a split, means fractions instead of pixels.
const FRACTION_LIMIT: f64 = 1.5;

/// The records of a split, as far as they are read.
pub(super) struct Records<'a> {
    home: &'a Path,
    classes: &'a Classes,
    first_pixel: FirstPixel,
    images: Vec<ImageRecord>,
    last_id: u64,
    /// Files that name another picture than their own name does.
    other_filename: usize,
    /// Files without a size.
    without_size: usize,
    /// Whether every edge so far is like a fraction.
    all_fractions: bool,
    objects: usize,
}

impl<'a> Records<'a> {
    /// None yet.
    pub fn new(home: &'a Path, classes: &'a Classes, first_pixel: FirstPixel) -> Self {
        Self {
            home,
            classes,
            first_pixel,
            images: Vec::new(),
            last_id: 0,
            other_filename: 0,
            without_size: 0,
            all_fractions: true,
            objects: 0,
        }
    }

    /// Adds a listed picture with its xml. What cannot be used is pushed and left out.
    pub fn add(&mut self, stem: &str, list: &Path, line: usize, parsed: Option<Parsed>, faults: &mut Faults) {
        self.last_id += 1;
        let Some(Parsed { file, annotated }) = parsed else {
            faults.error(DataError::Record {
                path: list.to_path_buf(),
                record: format!("line {line}"),
                expected: format!("{stem}.xml in {}", self.home.join("Annotations").display()),
                got: "no such file".into(),
                help: "add the xml (one without objects for a picture without any), or remove the line",
            });
            return;
        };
        let path = self.picture(stem, annotated.filename.as_deref());
        if let Some(other) = annotated.filename.filter(|name| stem_of(name) != stem && !name.is_empty()) {
            self.other_filename += 1;
            let problem = format!("<filename> says {other}; the picture is {} by the list", path.display());
            faults.warn(|| warning(&file, None, problem, "correct <filename>, if the boxes are this picture's"));
        }
        let Some((size, frame)) = faults.take(self.size(&file, &path, annotated.size)) else { return };
        let mut image = ImageRecord { id: self.last_id, path, size, frame, on_disk: true, annotations: Vec::new() };
        let mut kept = Vec::with_capacity(annotated.objects.len());
        for object in annotated.objects {
            if let Some(annotation) = self.annotation(&object) {
                image.annotations.push(annotation);
                kept.push(object.record);
            }
        }
        warn_of_boxes(&image, &file, &|i| kept[i].clone(), faults);
        self.images.push(image);
    }

    /// The picture of a stem: a JPEG or PNG, however its ending is spelled, or the file that the xml names.
    fn picture(&self, stem: &str, filename: Option<&str>) -> PathBuf {
        let folder = self.home.join("JPEGImages");
        let spelled =
            ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"].map(|ending| folder.join(format!("{stem}.{ending}")));
        let named =
            filename.filter(|name| stem_of(name) == stem && !name.contains(['/', '\\'])).map(|name| folder.join(name));
        let found = spelled.iter().chain(&named).find(|path| path.is_file());
        found.unwrap_or(&spelled[0]).clone()
    }

    fn size(&mut self, file: &Path, picture: &Path, size: Option<[usize; 2]>) -> Result<(ImageSize, Frame), DataError> {
        if let Some([width, height]) = size {
            return Ok((ImageSize { width, height }, Frame::BySize));
        }
        self.without_size += 1;
        if !picture.is_file() {
            return Err(DataError::Record {
                path: file.to_path_buf(),
                record: "size".into(),
                expected: "width and height, or the picture to read them from".into(),
                got: format!("neither; {} is missing", picture.display()),
                help: "unpack the picture there",
            });
        }
        Ok((probe(picture)?.upright, Frame::Upright))
    }

    fn annotation(&mut self, object: &Object) -> Option<Annotation> {
        let [xmin, ymin, xmax, ymax] = object.edges;
        self.objects += 1;
        self.all_fractions &= object.edges.iter().all(|edge| edge.abs() <= FRACTION_LIMIT);
        let first = match self.first_pixel {
            FirstPixel::Zero => 0.0,
            FirstPixel::One => 1.0,
        };
        let bbox = [xmin - first, ymin - first, xmax - xmin + first, ymax - ymin + first];
        let class = self.classes.index(&object.name)?;
        Some(Annotation { class, bbox, area: bbox[2] * bbox[3], is_crowd: false, difficult: object.difficult })
    }

    /// The records, with notes about what they lack.
    pub fn finish(self, list: &Path, report: &mut ReadReport, faults: &mut Faults) -> Vec<ImageRecord> {
        if self.objects > 0 && self.all_fractions {
            faults.error(DataError::Record {
                path: list.to_path_buf(),
                record: format!("all {} objects", self.objects),
                expected: "boxes in pixels".into(),
                got: format!("numbers up to {FRACTION_LIMIT}"),
                help: "multiply x by the picture's width, y by its height",
            });
        }
        let notes = [
            (self.other_filename, "xml files name another picture than their own name does; the list decides"),
            (self.without_size, "xml files have no size; it is read from the picture"),
        ];
        report.notes.extend(notes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        self.images
    }
}
