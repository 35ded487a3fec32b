//! A folder that is there whole, drawn with the options in question, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ScenesState;
use crate::error::DataError;

/// Draws a folder under `.NAME.partial` beside it and renames it when complete, unless it is there already by its marker, a
/// file with the options.
///
/// # Errors
/// [`DataError::Occupied`] if something else is there, [`DataError::Io`], those of `draw`.
pub(super) fn write_once<O: Serialize + DeserializeOwned + PartialEq>(
    root: &Path,
    marker: &str,
    options: &O,
    draw: impl Fn(&Path) -> Result<(), DataError>,
) -> Result<ScenesState, DataError> {
    if root.exists() {
        return present(root, marker, options);
    }
    let partial = partial_path(root);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(DataError::io("remove", &partial))?;
    }
    draw(&partial)?;
    write_json(&partial.join(marker), options)?;
    fs::rename(&partial, root).map_err(DataError::io("rename", &partial))?;
    Ok(ScenesState::Written)
}

fn present<O: DeserializeOwned + PartialEq>(root: &Path, marker: &str, options: &O) -> Result<ScenesState, DataError> {
    let occupied = |reason: &str| Err(DataError::Occupied { path: root.to_path_buf(), reason: reason.into() });
    let Ok(text) = fs::read(root.join(marker)) else {
        return occupied("holds no made-up scenes of this kind");
    };
    match serde_json::from_slice::<O>(&text) {
        Ok(found) if found == *options => Ok(ScenesState::Present),
        _ => occupied("holds scenes drawn with other options"),
    }
}

fn partial_path(root: &Path) -> PathBuf {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    root.with_file_name(format!(".{name}.partial"))
}

/// Writes a value as json.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    let text = serde_json::to_vec(value).map_err(std::io::Error::other).map_err(DataError::io("write", path))?;
    fs::write(path, text).map_err(DataError::io("write", path))
}
