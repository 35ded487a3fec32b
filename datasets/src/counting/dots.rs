//! Dot images: beside `001cell.png` a picture `001dots.png` of the same size, black but for a dot an object; also
//! `A_000.png` with `A_dots_000.png`. So are VGG's cells (Lempitsky and Zisserman 2010) and MBM (Cohen et al. 2017) stored.
//!
//! A point is the centre of its dot, in the frame of all points: the middle of the upper left pixel is (0.5, 0.5).
//!
//! Where most dots of a file are single pixels, every pixel is one, as its authors count VGG's cells: some of their 174 in a
//! picture touch. Else every patch of pixels is a dot.

mod patches;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::CountingOptions;
use super::layout::{Annotated, Entry, Listed, Reader};
use super::natural::natural_cmp;
use super::options::Dots;
use super::places::{ALL, folders, home_of, name_of, no_split, require_all, split_folder};
use super::qnrf::SPLITS;
use super::remark::{Kind, Remark};
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::files_by_id::FilesById;
use crate::image::{Alpha, ImageNote, decode_as_stored};
use crate::split::Split;
use patches::Patches;

/// What the name of a dot image has in it.
const MARK: &str = "dots";
/// What stands in its place in the name of a picture.
const PICTURE: &str = "cell";

/// Reads [`super::CountingLayout::Dots`].
pub(super) struct DotsReader;

impl Reader for DotsReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["*cell.png and *dots.png, or *_*.png and *_dots_*.png, also under SPLIT/"]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let source = if has_pairs(&home) {
            require_all(&home, split)?;
            home.clone()
        } else if split.to_string() == ALL {
            return Err(no_split(&home, split, vec![home.join("*dots.png")], &folders(&home)));
        } else {
            split_folder(&home, split, &[""])?
        };
        let pictures = FilesById::list(&source)?;
        let entries = pair(&pictures, &source, faults);
        Ok(Listed { name: format!("{split} of {}", home.display()), source, entries, notes: Vec::new() })
    }

    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError> {
        let bytes = fs::read(path).map_err(DataError::io("read", path))?;
        read_dots(&bytes, path, options.dots)
    }
}

/// A folder with pairs, or with folders of splits that have them.
fn is_home(folder: &Path) -> bool {
    let is_split = |path: &PathBuf| SPLITS.contains(&&*name_of(path).to_lowercase()) && has_pairs(path);
    has_pairs(folder) || folders(folder).iter().any(is_split)
}

fn has_pairs(folder: &Path) -> bool {
    let Ok(files) = FilesById::list(folder) else { return false };
    files.ids().any(|id| pictures_of(id).iter().any(|picture| files.has(picture)))
}

/// The names that the picture of a dot image may have; none where a name is not one of a dot image.
fn pictures_of(dots: &str) -> Vec<String> {
    if let Some(stem) = dots.strip_suffix(MARK) {
        let plain = stem.trim_end_matches(['_', '-']);
        let names = [format!("{stem}{PICTURE}"), format!("{stem}{PICTURE}s"), plain.to_owned()];
        return names.into_iter().filter(|name| !name.is_empty()).collect();
    }
    let around = dots.split_once("_dots_").filter(|(before, after)| !before.is_empty() && !after.is_empty());
    around.map(|(before, after)| format!("{before}_{after}")).into_iter().collect()
}

/// The name of a record: what picture and dot image have in common.
fn id_of(picture: &str) -> &str {
    let shared = [PICTURE, "cells"].iter().find_map(|word| picture.strip_suffix(word));
    let shared = shared.map(|stem| stem.trim_end_matches(['_', '-']));
    shared.filter(|stem| !stem.is_empty()).unwrap_or(picture)
}

/// The pictures of a folder that are no dot images, in natural order, each with its own.
fn pair(files: &FilesById, folder: &Path, faults: &mut Faults) -> Vec<Entry> {
    let mut dots_of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut are_dots: BTreeSet<&str> = BTreeSet::new();
    for id in files.ids() {
        let candidates = pictures_of(id);
        let Some(first) = candidates.first() else { continue };
        are_dots.insert(id);
        let found: Vec<_> = candidates.iter().filter(|picture| files.has(picture)).collect();
        match found.as_slice() {
            [] => {
                let path = files.find(id, "png").unwrap_or_else(|_| folder.join(id));
                let problem = format!("dots without a picture, such as {first}.png");
                faults.warn(|| warning(&path, None, problem, "unpack its picture there, or remove the file"));
            }
            several => several.iter().for_each(|picture| dots_of.entry((*picture).clone()).or_default().push(id)),
        }
    }
    let mut pictures: Vec<_> = files.ids().filter(|id| !are_dots.contains(id)).collect();
    pictures.sort_by(|a, b| natural_cmp(a, b));
    let entry = |picture: &str| {
        let dots = match dots_of.get(picture).map(Vec::as_slice) {
            Some([one]) => files.find(one, "png"),
            None | Some([]) => Ok(folder.join(format!("{}{MARK}.png", picture.trim_end_matches(PICTURE)))),
            Some(several) => Err(DataError::Record {
                path: folder.to_path_buf(),
                record: picture.to_owned(),
                expected: "one picture of its dots".into(),
                got: several.join(", "),
                help: "remove all but one",
            }),
        };
        let (image, dots) = faults.take(files.find(picture, "png").and_then(|image| Ok((image, dots?))))?;
        Some(Entry::with_file(id_of(picture), image, dots))
    };
    pictures.into_iter().filter_map(entry).collect()
}

fn read_dots(bytes: &[u8], path: &Path, asked: Option<Dots>) -> Result<Annotated, DataError> {
    let refuse = |problem: String, help| Err(DataError::Image { path: path.to_path_buf(), problem, help });
    if bytes.starts_with(&[0xFF, 0xD8]) {
        return refuse("expected dots in a PNG, got a JPEG, whose compression blurs them".into(), "store dots as PNG");
    }
    let decoded = decode_as_stored(bytes, path, Alpha::OverGrey)?;
    if decoded.notes.contains(&ImageNote::Transparency) {
        return refuse("expected dots on black, got transparent pixels".into(), "fill what is no dot with black");
    }
    let size = decoded.image.size;
    let marked: Vec<bool> = decoded.image.pixels.chunks_exact(3).map(|rgb| rgb != [0; 3]).collect();
    let count = marked.iter().filter(|is_marked| **is_marked).count();
    if count > size.area() / 2 {
        let problem = format!("expected dots on black, got {count} pixels of {} that are not black", size.area());
        return refuse(problem, "draw dots on black; if dots are black, invert the picture");
    }
    let patches = Patches::find(marked, size.width);
    let by_file = if patches.are_mostly_pixels() { Dots::Pixels } else { Dots::Patches };
    let mut remarks = Vec::new();
    let points = match asked.unwrap_or(by_file) {
        Dots::Pixels => {
            if let touching @ 1.. = count - patches.len() {
                let problem = format!("{touching} dots touch others: each pixel counts as one");
                remarks.push(Remark::new(Kind::TouchingDots, path, touching, problem));
            }
            patches.pixels()
        }
        Dots::Patches => {
            if let (large @ 1.., usual) = patches.large() {
                let problem = format!("{large} patches are larger than others, which have {usual} pixels");
                remarks.push(Remark::new(Kind::LargePatch, path, large, problem));
            }
            patches.centres()
        }
    };
    Ok(Annotated { points, stated: None, size: Some(size), remarks })
}

#[cfg(test)]
mod tests;
