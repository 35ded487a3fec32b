//! What every reader does when its records are read: look for the pictures, and count.

use std::path::Path;

use super::{Faults, ImageRecord, MissingImages, ReadReport, warning};
use crate::error::DataError;

/// Marks the pictures that are not there.
pub(crate) fn find_pictures(
    images: &mut [ImageRecord],
    report: &mut ReadReport,
    policy: MissingImages,
    annotations: &Path,
    faults: &mut Faults,
) {
    for image in images.iter_mut() {
        image.on_disk = image.path.is_file();
        if !image.on_disk {
            report.missing.push(image.path.clone());
        }
    }
    if report.missing.is_empty() {
        return;
    }
    let (total, missing) = (images.len(), &report.missing);
    match policy {
        MissingImages::Refuse => faults.error(DataError::MissingImages {
            annotations: annotations.to_path_buf(),
            total,
            missing: missing.clone(),
        }),
        MissingImages::Keep => {
            for picture in missing {
                let problem =
                    format!("missing, though named in {}; its objects count as missed", annotations.display());
                faults.warn(|| warning(picture, None, problem, "unpack the picture there"));
            }
        }
    }
}

/// Counts what is there.
pub(crate) fn count(images: &[ImageRecord], report: &mut ReadReport) {
    let annotations = || images.iter().flat_map(|image| &image.annotations);
    report.annotations = annotations().count();
    report.crowds = annotations().filter(|a| a.is_crowd).count();
    report.difficult = annotations().filter(|a| a.difficult).count();
    report.unlabelled = images.iter().filter(|image| image.annotations.is_empty()).count();
}
