//! ShanghaiTech (Zhang et al. 2016): `part_A_final/train_data/images/IMG_1.jpg` and `…/ground_truth/GT_IMG_1.mat`.
//!
//! A file holds `image_info{1}.location`, a point a row, and `.number`. Copies spell the folders in other ways: `part_A`,
//! `ground-truth`, `train`.

use std::path::{Path, PathBuf};

use super::layout::{Annotated, Entry, Listed, Reader};
use super::mat_points::{read, warn_alone};
use super::places::{folder_named, folders, has_folder, home_of, inside, name_of, split_folder};
use super::{CountingOptions, Part};
use crate::error::DataError;
use crate::fault::Faults;
use crate::split::Split;

/// Folders of points, in lower case.
const GROUND_TRUTH: [&str; 3] = ["ground_truth", "ground-truth", "groundtruth"];
/// What is appended to the name of a split.
const SPLIT_ENDINGS: [&str; 2] = ["_data", ""];
/// What stands in front of the name of a picture.
const GT: &str = "GT_";

/// Reads [`super::CountingLayout::Shanghaitech`].
pub(super) struct ShanghaitechReader;

impl Reader for ShanghaitechReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &[
            "part_{A,B}/{train,test}_data/{images/IMG_*.jpg,ground_truth/GT_IMG_*.mat}",
            "*/part_*",
            "{train,test}_data/{images,ground_truth}",
        ]
    }

    fn list(
        &self,
        root: &Path,
        split: &Split,
        options: &CountingOptions,
        faults: &mut Faults,
    ) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let part = part_folder(&home, options.part)?;
        let folder = split_folder(&part, split, &SPLIT_ENDINGS)?;
        let source = folder_named(&folder, &["images"])?.unwrap_or_else(|| folder.join("images"));
        let truths = folder_named(&folder, &GROUND_TRUTH)?.unwrap_or_else(|| folder.join(GROUND_TRUTH[0]));
        let (entries, pictures) = Entry::all_in(&source, |id| truths.join(format!("{GT}{id}.mat")), faults)?;
        let alone = |path: &Path| picture_of(path).is_some_and(|id| !pictures.has(&id));
        warn_alone(inside(&truths).iter().map(|path| &**path).filter(|path| alone(path)), &source, faults);
        Ok(Listed { name: format!("{split} of {}", part.display()), source, entries, notes: Vec::new() })
    }

    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError> {
        read(path, "image_info", options)
    }
}

/// The name of the picture that a MAT file belongs to.
fn picture_of(path: &Path) -> Option<String> {
    let is_mat = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mat"));
    let stem = path.file_stem()?.to_string_lossy();
    stem.strip_prefix(GT).filter(|_| is_mat).map(str::to_owned)
}

fn is_home(folder: &Path) -> bool {
    is_part(folder) || [Part::A, Part::B].iter().any(|part| parts(folder, *part).iter().any(|path| is_part(path)))
}

/// Whether a folder holds splits with points.
fn is_part(folder: &Path) -> bool {
    folders(folder).iter().any(|split| has_folder(split, &GROUND_TRUTH))
}

/// The letter that a folder of a part has in its name.
fn part_of(folder: &Path) -> Option<Part> {
    let name = name_of(folder).to_lowercase();
    match name.strip_prefix("part_")?.split(['_', '-']).next()? {
        "a" => Some(Part::A),
        "b" => Some(Part::B),
        _ => None,
    }
}

fn parts(home: &Path, part: Part) -> Vec<PathBuf> {
    folders(home).into_iter().filter(|folder| part_of(folder) == Some(part)).collect()
}

/// The folder of the part asked for, or of the one that is there.
fn part_folder(home: &Path, asked: Option<Part>) -> Result<PathBuf, DataError> {
    let wrong = |expected: String, got: String| DataError::Option { option: "part", expected, got };
    if is_part(home) {
        return match (asked, part_of(home)) {
            (Some(asked), Some(there)) if asked != there => {
                Err(wrong(format!("the part of {}", home.display()), spelled(asked).to_owned()))
            }
            _ => Ok(home.to_path_buf()),
        };
    }
    let candidates = match asked {
        Some(part) => parts(home, part),
        None => [parts(home, Part::A), parts(home, Part::B)].concat(),
    };
    match (candidates.as_slice(), asked) {
        ([one], _) => Ok(one.clone()),
        ([], _) => Err(DataError::Layout {
            wanted: "part of ShanghaiTech".into(),
            root: home.to_path_buf(),
            looked: vec![home.join(format!("part_{}", asked.map_or("*", spelled)))],
            help: "unpack it there, or name another: part = \"a\" or \"b\"".into(),
        }),
        (several, _) => {
            let names: Vec<_> = several.iter().map(|path| name_of(path)).collect();
            let expected = if asked.is_none() { "\"a\" or \"b\"" } else { "one folder of this part" };
            Err(wrong(expected.to_owned(), names.join(", ")))
        }
    }
}

fn spelled(part: Part) -> &'static str {
    match part {
        Part::A => "a",
        Part::B => "b",
    }
}
