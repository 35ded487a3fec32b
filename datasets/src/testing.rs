//! What tests share: small pictures, folders of small files, and what a check says of them.

use std::fs;
use std::path::Path;

use ::image::codecs::jpeg::JpegEncoder;
use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, ImageEncoder};

use crate::detection::{Checked, Fault, Pictures, ReadOptions, Split, check};
use crate::label_map::{LabelMap, encode_label_map, voc_palette};

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), files);
    dir
}

/// Adds files to a folder.
pub(crate) fn add(root: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A PNG of one colour; `shade` makes its bytes differ from others.
pub(crate) fn png(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let pixels = vec![shade; (width * height * 3) as usize];
    PngEncoder::new(&mut out).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    out
}

/// An index PNG whose labels are a function of column and row.
pub(crate) fn index_png(width: usize, height: usize, label: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let labels = (0..width * height).map(|i| label(i % width, i / width)).collect();
    encode_label_map(&LabelMap { width, height, labels }, &voc_palette()).unwrap()
}

/// Everything a check of these splits says, paths relative to the root, a fault a paragraph.
pub(crate) fn complaints(root: &Path, options: ReadOptions, splits: &[Split], pictures: Pictures) -> String {
    spell(root, &check(root, options, splits, pictures, 2))
}

/// As [`complaints`], of a check that was made.
pub(crate) fn spell(root: &Path, checked: &Checked) -> String {
    spell_faults(root, &checked.faults)
}

/// Faults, paths relative to the root, a fault a paragraph.
pub(crate) fn spell_faults(root: &Path, faults: &[Fault]) -> String {
    let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let root = root.display().to_string();
    text.join("\n").replace(&format!("{root}/"), "").replace(&root, "ROOT")
}

/// A gradient that a JPEG keeps well.
pub(crate) fn smooth(width: usize, height: usize) -> Vec<u8> {
    (0..width * height).flat_map(|i| [(i % width * 7) as u8, (i / width * 9) as u8, 90]).collect()
}

/// The gradient as a JPEG.
pub(crate) fn jpeg(width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 95)
        .write_image(&smooth(width, height), width as u32, height as u32, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

/// The JPEG with an EXIF segment that holds nothing but an orientation.
pub(crate) fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

/// The gradient as a JPEG that asks for a turn.
pub(crate) fn jpeg_with_orientation(width: usize, height: usize, orientation: u8) -> Vec<u8> {
    with_orientation(&jpeg(width, height), orientation)
}
