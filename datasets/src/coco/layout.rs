//! Where the annotations and pictures of a split lie under a data root.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::detection::Split;
use crate::error::DataError;

/// One json and the folder its file names are relative to.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub annotations: PathBuf,
    pub images: PathBuf,
}

/// Which pictures of the parts belong to the split.
#[derive(Debug, PartialEq)]
pub(super) enum Selection {
    All,
    /// Those on a list file.
    Only(PathBuf),
    /// Those not on a list file.
    Except(PathBuf),
}

/// What makes up a split.
#[derive(Debug, PartialEq)]
pub(super) struct Sources {
    pub name: String,
    pub parts: Vec<Part>,
    pub selection: Selection,
    pub notes: Vec<String>,
}

/// Finds a split. `train` and `val` mean, in this order: the 2017 layout; the 2014 layout cut by a `5k` list; the 2014 layout
/// as it is; `instances_train.json` and `instances_val.json`; `train/_annotations.coco.json` and the same in `valid` or
/// `val`. The name says which was taken.
///
/// # Errors
/// [`DataError::Layout`] with every place looked at.
pub(super) fn find(root: &Path, split: &Split) -> Result<Sources, DataError> {
    let mut looked = Vec::new();
    let found = match split {
        Split::Train => whole(root, "train2017", &mut looked)
            .or_else(|| trainvalno5k(root, &mut looked))
            .or_else(|| whole(root, "train2014", &mut looked))
            .or_else(|| whole(root, "train", &mut looked))
            .or_else(|| beside(root, "train", &mut looked)),
        Split::Val => whole(root, "val2017", &mut looked)
            .or_else(|| minival5k(root, &mut looked))
            .or_else(|| whole(root, "val2014", &mut looked))
            .or_else(|| whole(root, "val", &mut looked))
            .or_else(|| beside(root, "valid", &mut looked))
            .or_else(|| beside(root, "val", &mut looked)),
        Split::Test => whole(root, "test2017", &mut looked)
            .or_else(|| whole(root, "test", &mut looked))
            .or_else(|| beside(root, "test", &mut looked)),
        Split::Named(name) => match name.as_str() {
            "5k" => minival5k(root, &mut looked),
            "trainvalno5k" => trainvalno5k(root, &mut looked),
            _ => whole(root, name, &mut looked).or_else(|| beside(root, name, &mut looked)),
        },
    };
    let mut found = found.ok_or_else(|| DataError::Layout {
        wanted: format!("COCO split {split}"),
        root: root.to_path_buf(),
        looked,
        help: hint(root),
    })?;
    if found.name.ends_with("2017") && !matches!(split, Split::Named(_)) && instances(root, "val2014").is_file() {
        found.notes.push(format!(
            "{} also holds COCO 2014; splits 5k, trainvalno5k, train2014, val2014 name it",
            root.display()
        ));
    }
    Ok(found)
}

/// Base names of a list file, with the line each stands on: one path a line, byte order mark, CRLF, blank lines and
/// backslashes tolerated.
///
/// # Errors
/// [`DataError::Io`].
pub(super) fn read_list(path: &Path) -> Result<HashMap<String, usize>, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    Ok(lines.map(|(i, line)| (base_name(line.trim()).to_owned(), i + 1)).filter(|(name, _)| !name.is_empty()).collect())
}

/// What follows the last slash of either kind.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn instances(root: &Path, name: &str) -> PathBuf {
    root.join("annotations").join(format!("instances_{name}.json"))
}

fn part(root: &Path, name: &str, looked: &mut Vec<PathBuf>) -> Option<Part> {
    let annotations = instances(root, name);
    if !annotations.is_file() {
        looked.push(annotations);
        return None;
    }
    let folders = [root.join(name), root.join("images").join(name)];
    let images = folders.iter().find(|f| f.is_dir()).unwrap_or(&folders[0]).clone();
    Some(Part { annotations, images })
}

fn whole(root: &Path, name: &str, looked: &mut Vec<PathBuf>) -> Option<Sources> {
    let part = part(root, name, looked)?;
    Some(Sources { name: name.to_owned(), parts: vec![part], selection: Selection::All, notes: Vec::new() })
}

/// The json within the folder of its pictures, as Roboflow exports.
fn beside(root: &Path, name: &str, looked: &mut Vec<PathBuf>) -> Option<Sources> {
    let images = root.join(name);
    let annotations = images.join(BESIDE);
    if !annotations.is_file() {
        looked.push(annotations);
        return None;
    }
    let part = Part { annotations, images };
    Some(Sources { name: name.to_owned(), parts: vec![part], selection: Selection::All, notes: Vec::new() })
}

const BESIDE: &str = "_annotations.coco.json";

fn list(root: &Path, name: &str, looked: &mut Vec<PathBuf>) -> Option<PathBuf> {
    let candidates = [root.to_path_buf(), root.join("annotations")]
        .into_iter()
        .flat_map(|folder| ["txt", "part"].map(|ending| folder.join(format!("{name}.{ending}"))));
    for candidate in candidates {
        if candidate.is_file() {
            return Some(candidate);
        }
        looked.push(candidate);
    }
    None
}

/// The 5,000 pictures of val2014 that darknet and its heirs evaluate on.
fn minival5k(root: &Path, looked: &mut Vec<PathBuf>) -> Option<Sources> {
    let list = list(root, "5k", looked)?;
    let part = part(root, "val2014", looked)?;
    Some(Sources { name: "5k".into(), parts: vec![part], selection: Selection::Only(list), notes: Vec::new() })
}

/// Train2014 and val2014 without the 5k: by its own list, or derived from the 5k list.
fn trainvalno5k(root: &Path, looked: &mut Vec<PathBuf>) -> Option<Sources> {
    let (selection, name) = match list(root, "trainvalno5k", looked) {
        Some(own) => (Selection::Only(own), "trainvalno5k"),
        None => (Selection::Except(list(root, "5k", looked)?), "trainvalno5k (train2014 and val2014 without 5k)"),
    };
    let parts = vec![part(root, "train2014", looked)?, part(root, "val2014", looked)?];
    Some(Sources { name: name.into(), parts, selection, notes: Vec::new() })
}

fn hint(root: &Path) -> String {
    if !root.is_dir() {
        return "the folder itself does not exist; check --data".into();
    }
    let present = splits(root);
    if present.is_empty() {
        "expected annotations/instances_train2017.json and train2017/ (or the 2014 names) in the data root".into()
    } else {
        format!("splits present: {}", present.join(", "))
    }
}

/// The names of all splits under a root, sorted.
pub(super) fn splits(root: &Path) -> Vec<String> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let mut present: Vec<String> = names(&root.join("annotations"))
        .into_iter()
        .filter_map(|name| Some(name.strip_prefix("instances_")?.strip_suffix(".json")?.to_owned()))
        .collect();
    present.extend(names(root).into_iter().filter(|name| root.join(name).join(BESIDE).is_file()));
    present.sort();
    present
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn layouts_are_taken_in_order_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let name = |split| find(root, &split).map(|s| s.name);
        let missing = name(Split::Train).unwrap_err().to_string();
        assert!(missing.contains("instances_train2017.json") && missing.contains("help:"), "{missing}");

        touch(root, &["annotations/instances_train2014.json", "annotations/instances_val2014.json"]);
        assert_eq!(name(Split::Train).unwrap(), "train2014");
        assert!(name(Split::Named("5k".into())).is_err());

        touch(root, &["5k.part"]);
        assert_eq!(name(Split::Val).unwrap(), "5k");
        let derived = find(root, &Split::Train).unwrap();
        assert_eq!(derived.selection, Selection::Except(root.join("5k.part")));
        assert_eq!(derived.parts.len(), 2);

        touch(root, &["trainvalno5k.txt"]);
        assert_eq!(find(root, &Split::Train).unwrap().selection, Selection::Only(root.join("trainvalno5k.txt")));

        touch(root, &["annotations/instances_val2017.json", "images/val2017/a.jpg"]);
        let val = find(root, &Split::Val).unwrap();
        assert_eq!((val.name.as_str(), &val.parts[0].images), ("val2017", &root.join("images/val2017")));
        assert_eq!(val.notes.len(), 1);
        let wrong = name(Split::Named("test2017".into())).unwrap_err().to_string();
        assert!(wrong.contains("splits present: train2014, val2014, val2017"), "{wrong}");
    }

    #[test]
    fn a_json_beside_its_pictures_is_a_split() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        touch(root, &["train/_annotations.coco.json", "valid/_annotations.coco.json"]);
        for (split, folder) in [(Split::Train, "train"), (Split::Val, "valid"), (Split::Named("valid".into()), "valid")]
        {
            let found = find(root, &split).unwrap();
            assert_eq!((found.name.as_str(), &found.parts[0].images), (folder, &root.join(folder)));
        }
        let text = find(root, &Split::Test).unwrap_err().to_string();
        assert!(
            text.contains("test/_annotations.coco.json") && text.contains("splits present: train, valid"),
            "{text}"
        );
    }

    #[test]
    fn lists_survive_windows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("5k.txt");
        fs::write(&path, "\u{feff}C:\\coco\\a.jpg\r\n\r\n./images/val2014/b.jpg \r\n").unwrap();
        let list = read_list(&path).unwrap();
        assert_eq!(list, HashMap::from([("a.jpg".to_owned(), 1), ("b.jpg".to_owned(), 3)]));
    }
}
