//! Which pictures a split has: folders, lists, or several of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::data_yaml::{DataYaml, slashes};
use crate::detection::{Faults, Split};
use crate::error::DataError;
use crate::image::has_picture_ending;

/// A picture and where it was named.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub path: PathBuf,
    /// The list and the line, for pictures of lists.
    pub line: Option<(PathBuf, usize)>,
}

/// All pictures of a split, sorted by path. A file of a folder that is no picture by its ending is left out, with a note.
///
/// # Errors
/// [`DataError::Record`] where the yaml does not name the split; an entry that leads nowhere is pushed.
pub(super) fn list(
    data: &DataYaml,
    split: &Split,
    faults: &mut Faults,
    notes: &mut Vec<String>,
) -> Result<Vec<Listed>, DataError> {
    let (key, entries) = data.paths(split)?;
    let mut listed = Vec::new();
    for entry in entries {
        let Some(path) = faults.take(resolve(data, key, entry)) else { continue };
        if path.is_dir() {
            let mut strangers = Vec::new();
            walk(&path, &mut listed, &mut strangers)?;
            strangers.sort();
            if let Some(first) = strangers.first() {
                let (count, first) = (strangers.len(), first.display());
                notes.push(format!("{}: {count} files are no pictures by their names, first {first}", path.display()));
            }
        } else {
            read_list(data, &path, &mut listed)?;
        }
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

/// Where an entry leads. Exports of Roboflow say `../train/images` though the yaml lies beside `train`: where nothing lies at
/// the first, the second is taken.
fn resolve(data: &DataYaml, key: &str, entry: &str) -> Result<PathBuf, DataError> {
    let entry = slashes(entry);
    let path = data.root.join(&entry);
    if path.exists() {
        return Ok(path);
    }
    let inner = entry.strip_prefix("../").map(|rest| data.root.join(rest)).filter(|path| path.exists());
    inner.ok_or_else(|| DataError::Record {
        path: data.file.clone(),
        record: key.to_owned(),
        expected: "a folder of pictures or a list of them (.txt)".into(),
        got: format!("{}, where nothing lies", path.display()),
        help: "paths are relative to the yaml's folder, or to its path where it names one",
    })
}

/// Adds the pictures of a folder and of those in it. Hidden files are passed over.
fn walk(folder: &Path, listed: &mut Vec<Listed>, strangers: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io("read", folder))? {
        let path = entry.map_err(DataError::io("read", folder))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            walk(&path, listed, strangers)?;
        } else if has_picture_ending(&path) {
            listed.push(Listed { path, line: None });
        } else if path.extension().is_none_or(|ending| ending != "txt") {
            strangers.push(path);
        }
    }
    Ok(())
}

/// Adds the pictures of a list: one path a line, relative to the list's folder, or to the data's where nothing lies at the
/// first. A byte order mark, CRLF, blank lines and backslashes are no fault.
fn read_list(data: &DataYaml, list: &Path, listed: &mut Vec<Listed>) -> Result<(), DataError> {
    let bytes = fs::read(list).map_err(DataError::io("read", list))?;
    let text = String::from_utf8_lossy(&bytes);
    let folder = list.parent().unwrap_or(Path::new(""));
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let entry = slashes(line);
        if entry.is_empty() {
            continue;
        }
        let beside = folder.join(entry.strip_prefix("./").unwrap_or(&entry));
        let inner = data.root.join(&entry);
        let path = if !beside.exists() && inner.exists() { inner } else { beside };
        listed.push(Listed { path, line: Some((list.to_path_buf(), i + 1)) });
    }
    Ok(())
}
