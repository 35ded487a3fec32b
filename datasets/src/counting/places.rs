//! Folders, however their names are spelled: `Train` and `train`, `ground_truth` and `ground-truth`.

use std::fs;
use std::path::{Path, PathBuf};

use super::natural::natural_cmp;
use crate::error::DataError;
use crate::split::Split;

/// The one split of layouts that know none.
pub(super) const ALL: &str = "all";

/// What a folder holds, in natural order of the names; nothing where it cannot be read.
pub(super) fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort_by(|a, b| natural_cmp(&name_of(a), &name_of(b)));
    paths
}

/// The folders in a folder.
pub(super) fn folders(folder: &Path) -> Vec<PathBuf> {
    inside(folder).into_iter().filter(|path| path.is_dir()).collect()
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders of any of these names, whatever their case.
fn named(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| names.contains(&name_of(path).to_lowercase().as_str());
    folders(folder).into_iter().filter(is_one).collect()
}

/// Whether there is a folder of one of these names, which are in lower case.
pub(super) fn has_folder(folder: &Path, names: &[&str]) -> bool {
    !named(folder, names).is_empty()
}

/// The folder of one of these names, which are in lower case.
///
/// # Errors
/// [`DataError::Record`] where there are several.
pub(super) fn folder_named(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>, DataError> {
    let mut found = named(folder, names);
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(DataError::Record {
            path: folder.to_path_buf(),
            record: names.join(" or "),
            expected: "one folder of this name".into(),
            got: found.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", "),
            help: "rename or remove all but one",
        }),
    }
}

/// The root, or the one folder in it, that is the home of a layout.
pub(super) fn home_of(root: &Path, is_home: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    if is_home(root) {
        return Some(root.to_path_buf());
    }
    let homes: Vec<_> = folders(root).into_iter().filter(|folder| is_home(folder)).collect();
    match homes.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The folder of a split: of its name, whatever the case, with one of the endings, which are in lower case.
///
/// # Errors
/// [`DataError::Layout`] where there is none, [`DataError::Record`] where there are several.
pub(super) fn split_folder(home: &Path, split: &Split, endings: &[&str]) -> Result<PathBuf, DataError> {
    let names: Vec<String> = endings.iter().map(|ending| format!("{split}{ending}").to_lowercase()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    folder_named(home, &names)?
        .ok_or_else(|| no_split(home, split, names.iter().map(|name| home.join(name)).collect(), &folders(home)))
}

/// An error about a split that is not there, beside those that are.
pub(super) fn no_split(home: &Path, split: &Split, looked: Vec<PathBuf>, present: &[PathBuf]) -> DataError {
    let present = present.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", ");
    let present = if present.is_empty() { "nothing else".to_owned() } else { present };
    let help = match split {
        Split::Val => format!("there is {present}; where a data set has no validation split, cut one from train"),
        _ => format!("there is {present}: name another split"),
    };
    DataError::Layout { wanted: format!("split {split}"), root: home.to_path_buf(), looked, help }
}

/// Refuses other splits of a layout that has but one.
///
/// # Errors
/// [`DataError::Layout`].
pub(super) fn require_all(home: &Path, split: &Split) -> Result<(), DataError> {
    if split.to_string() == ALL {
        return Ok(());
    }
    Err(DataError::Layout {
        wanted: format!("split {split}"),
        root: home.to_path_buf(),
        looked: vec![home.to_path_buf()],
        help: format!(
            "{ALL} is the only split of these pictures; take it, and cut it: into folds, by ids or by a seed"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder;

    /// Row 26 of the edge cases.
    #[test]
    fn folders_are_found_in_any_case_and_must_not_compete() {
        let root = folder(&[("Train/a", b""), ("ground-truth/a", b""), ("file", b"")]);
        let found = |names: &[&str]| folder_named(root.path(), names).unwrap();
        assert_eq!(found(&["train"]), Some(root.path().join("Train")));
        assert_eq!(found(&["ground_truth", "ground-truth"]), Some(root.path().join("ground-truth")));
        assert_eq!(found(&["file"]), None);
        std::fs::create_dir(root.path().join("ground_truth")).unwrap();
        let error = folder_named(root.path(), &["ground_truth", "ground-truth"]).unwrap_err().to_string();
        assert!(error.contains("expected one folder of this name, got ground-truth, ground_truth"), "{error}");
        let error = split_folder(root.path(), &Split::Val, &[""]).unwrap_err().to_string();
        assert!(
            error.contains("no split val") && error.contains("there is Train, ground-truth, ground_truth;"),
            "{error}"
        );
    }

    #[test]
    fn a_home_is_the_root_or_the_one_folder_in_it() {
        let root = folder(&[("a/mark", b""), ("b/c", b"")]);
        let is_home = |folder: &Path| folder.join("mark").is_file();
        assert_eq!(home_of(root.path(), is_home), Some(root.path().join("a")));
        assert_eq!(home_of(&root.path().join("a"), is_home), Some(root.path().join("a")));
        std::fs::write(root.path().join("b/mark"), b"").unwrap();
        assert_eq!(home_of(root.path(), is_home), None);
    }
}
