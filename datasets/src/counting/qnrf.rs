//! UCF-QNRF (Idrees et al. 2018): `Train/img_0001.jpg` and `Train/img_0001_ann.mat`, the same under `Test/`.

use std::path::{Path, PathBuf};

use super::CountingOptions;
use super::layout::{Annotated, Listed, Reader};
use super::mat_points::{ANN_POINTS, has_annotations, pictures_beside, read};
use super::places::{folders, home_of, name_of, split_folder};
use crate::error::DataError;
use crate::fault::Faults;
use crate::split::Split;

/// The folders that tell the layout, in lower case.
pub(super) const SPLITS: [&str; 3] = ["train", "val", "test"];

/// Reads [`super::CountingLayout::Qnrf`].
pub(super) struct QnrfReader;

impl Reader for QnrfReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["{Train,Test,Val}/*.jpg and *_ann.mat", "*/{Train,Test,Val}/*_ann.mat"]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let source: PathBuf = split_folder(&home, split, &[""])?;
        let entries = pictures_beside(&source, faults)?;
        Ok(Listed { name: format!("{split} of {}", home.display()), source, entries, notes: Vec::new() })
    }

    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError> {
        read(path, ANN_POINTS, options)
    }
}

fn is_home(folder: &Path) -> bool {
    folders(folder).iter().any(|path| SPLITS.contains(&&*name_of(path).to_lowercase()) && has_annotations(path))
}
