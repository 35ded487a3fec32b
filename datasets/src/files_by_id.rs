//! Which picture of a folder belongs to an id.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::image::has_picture_ending;

/// The pictures of a folder by their names without endings.
pub(crate) struct FilesById {
    folder: PathBuf,
    files: BTreeMap<String, Vec<PathBuf>>,
}

impl FilesById {
    /// Lists a folder; a folder that is not there has no files.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn list(folder: &Path) -> Result<Self, DataError> {
        let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        if folder.is_dir() {
            for entry in fs::read_dir(folder).map_err(DataError::io("read", folder))? {
                let path = entry.map_err(DataError::io("read", folder))?.path();
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                if has_picture_ending(&path) && !name.starts_with('.') {
                    files.entry(name).or_default().push(path);
                }
            }
        }
        Ok(Self { folder: folder.to_path_buf(), files })
    }

    /// The ids, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether an id has a file.
    pub fn has(&self, id: &str) -> bool {
        self.files.contains_key(id)
    }

    /// The file of an id, however its ending is spelled; where there is none, the path it should have, with this ending.
    ///
    /// # Errors
    /// [`DataError::Record`] where several files have the name.
    pub fn find(&self, id: &str, ending: &str) -> Result<PathBuf, DataError> {
        match self.files.get(id).map(Vec::as_slice) {
            None | Some([]) => Ok(self.folder.join(format!("{id}.{ending}"))),
            Some([one]) => Ok(one.clone()),
            Some(several) => {
                let mut names: Vec<_> =
                    several.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
                names.sort();
                Err(DataError::Record {
                    path: self.folder.clone(),
                    record: id.to_owned(),
                    expected: "one file of this name".into(),
                    got: names.join(", "),
                    help: "remove or rename all but one",
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder;

    /// Row 39 of the edge cases: `.jpeg`, `.JPG`, and both of them.
    #[test]
    fn endings_are_found_however_they_are_spelled_and_must_not_compete() {
        let root = folder(&[("a.JPG", b""), ("b.jpeg", b""), ("b.png", b""), ("b.xml", b""), (".c.png", b"")]);
        let files = FilesById::list(root.path()).unwrap();
        assert_eq!(files.ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(files.find("a", "jpg").unwrap(), root.path().join("a.JPG"));
        assert_eq!(files.find("x", "jpg").unwrap(), root.path().join("x.jpg"));
        let text = files.find("b", "jpg").unwrap_err().to_string();
        assert!(
            text.contains("b: expected one file of this name, got b.jpeg, b.png\nhelp: remove or rename"),
            "{text}"
        );
        assert_eq!(FilesById::list(&root.path().join("none")).unwrap().ids().count(), 0);
    }
}
