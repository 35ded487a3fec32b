//! A folder that files about pictures are written into, named after the pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use image::RgbImage;

/// Why a file about a picture is not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Two pictures of one name.
    #[error(
        "{} and {} would be written into one file\nhelp: give them in two calls, each with its --out",
        one.display(),
        two.display()
    )]
    Collision {
        /// The first.
        one: PathBuf,
        /// The second.
        two: PathBuf,
    },
    /// What is written would take the place of what was given.
    #[error("{}: drawing would overwrite a picture that was given\nhelp: name another folder with --out", .0.display())]
    Overwrites(PathBuf),
    /// The system refuses.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl FolderError {
    /// A file that is not written, for that reason.
    pub fn failed(target: &Path, reason: &impl Display) -> Self {
        Self::Write { path: target.display().to_string(), reason: reason.to_string() }
    }
}

/// Where the files about some pictures go.
#[derive(Clone, Debug)]
pub struct OutputFolder {
    root: PathBuf,
    given: BTreeSet<PathBuf>,
}

impl OutputFolder {
    /// A folder for the files of these pictures; nothing is made yet.
    ///
    /// # Errors
    /// [`FolderError::Collision`].
    pub fn new(root: &Path, pictures: &[PathBuf]) -> Result<Self, FolderError> {
        let mut names = BTreeMap::new();
        for path in pictures {
            if let Some(other) = names.insert(stem(path), path) {
                return Err(FolderError::Collision { one: other.clone(), two: path.clone() });
            }
        }
        let given = pictures.iter().filter_map(|path| path.canonicalize().ok()).collect();
        Ok(Self { root: root.to_owned(), given })
    }

    /// `NAME` under the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// `STEM.EXTENSION` under the folder, or under a folder in it.
    ///
    /// # Errors
    /// [`FolderError::Overwrites`] where a picture that was given lies.
    pub fn file(&self, folder: Option<&str>, picture: &Path, extension: &str) -> Result<PathBuf, FolderError> {
        let folder = folder.map_or_else(|| self.root.clone(), |name| self.root.join(name));
        let target = folder.join(format!("{}.{extension}", stem(picture)));
        match target.canonicalize() {
            Ok(existing) if self.given.contains(&existing) => Err(FolderError::Overwrites(target)),
            _ => Ok(target),
        }
    }
}

/// The files about some pictures that are wanted, each of a kind `K`.
#[derive(Clone, Debug)]
pub struct PlannedFiles<K> {
    folder: OutputFolder,
    wanted: BTreeSet<K>,
}

impl<K: Ord> PlannedFiles<K> {
    /// Files of the wanted kinds about these pictures; nothing is made yet.
    ///
    /// # Errors
    /// [`FolderError::Collision`].
    pub fn new(folder: &Path, wanted: impl IntoIterator<Item = K>, pictures: &[PathBuf]) -> Result<Self, FolderError> {
        Ok(Self { folder: OutputFolder::new(folder, pictures)?, wanted: wanted.into_iter().collect() })
    }

    /// As [`OutputFolder::file`]; none of a kind that is not wanted.
    ///
    /// # Errors
    /// [`FolderError::Overwrites`].
    pub fn file(
        &self,
        kind: &K,
        folder: Option<&str>,
        picture: &Path,
        extension: &str,
    ) -> Result<Option<PathBuf>, FolderError> {
        self.wanted.contains(kind).then(|| self.folder.file(folder, picture, extension)).transpose()
    }

    /// As [`OutputFolder::path`], for what belongs to all pictures together; none of a kind that is not wanted.
    pub fn path(&self, kind: &K, name: &str) -> Option<PathBuf> {
        self.wanted.contains(kind).then(|| self.folder.path(name))
    }
}

/// The name of a picture without its extension, which the files about it bear.
pub fn stem(picture: &Path) -> String {
    picture.file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy().into_owned())
}

/// Writes a picture as a PNG, making its folder.
///
/// # Errors
/// [`FolderError::Write`].
pub fn write_png(picture: &RgbImage, target: &Path) -> Result<(), FolderError> {
    make_folder_of(target)?;
    picture.save(target).map_err(|e| FolderError::failed(target, &e))
}

/// Writes a file, making its folder.
///
/// # Errors
/// [`FolderError::Write`].
pub fn write_file(target: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    make_folder_of(target)?;
    std::fs::write(target, bytes).map_err(|e| FolderError::failed(target, &e))
}

fn make_folder_of(target: &Path) -> Result<(), FolderError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| FolderError::failed(target, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_meet_or_overwrite_are_refused() {
        let met = OutputFolder::new(Path::new("out"), &["a/x.jpg".into(), "b/x.png".into()]).unwrap_err().to_string();
        assert!(met.contains("a/x.jpg and b/x.png") && met.contains("help:"), "{met}");
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("x.png");
        RgbImage::new(1, 1).save(&given).unwrap();
        let folder = OutputFolder::new(dir.path(), std::slice::from_ref(&given)).unwrap();
        assert!(matches!(folder.file(None, &given, "png"), Err(FolderError::Overwrites(_))));
        assert_eq!(folder.file(Some("masks"), &given, "png").unwrap(), dir.path().join("masks/x.png"));
        assert_eq!(folder.file(None, &given, "txt").unwrap(), dir.path().join("x.txt"));
    }

    #[test]
    fn files_of_unwanted_kinds_are_none_and_refused_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("x.png");
        RgbImage::new(1, 1).save(&given).unwrap();
        let files = PlannedFiles::new(dir.path(), ["drawing", "table"], std::slice::from_ref(&given)).unwrap();
        assert_eq!(files.file(&"text", None, &given, "png").unwrap(), None, "what would overwrite is not wanted");
        assert!(matches!(files.file(&"drawing", None, &given, "png"), Err(FolderError::Overwrites(_))));
        let drawn = files.file(&"drawing", Some("drawn"), &given, "png").unwrap();
        assert_eq!(drawn, Some(dir.path().join("drawn/x.png")));
        assert_eq!(files.path(&"table", "all.csv"), Some(dir.path().join("all.csv")));
        assert_eq!(files.path(&"document", "all.json"), None);
    }

    #[test]
    fn folders_are_made_and_failures_named() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/b/c.png");
        write_png(&RgbImage::new(2, 3), &target).unwrap();
        assert_eq!(image::image_dimensions(&target).unwrap(), (2, 3));
        let under_a_file = target.join("d.txt");
        let error = write_file(&under_a_file, b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("d.txt"), "{error}");
    }
}
