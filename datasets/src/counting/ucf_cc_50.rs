//! UCF_CC_50 (Idrees et al. 2013): `1.jpg` and `1_ann.mat` in one folder, without splits.

use std::path::Path;

use super::CountingOptions;
use super::layout::{Annotated, Listed, Reader};
use super::mat_points::{ANN_POINTS, has_annotations, pictures_beside, read};
use super::places::{ALL, home_of, name_of, require_all};
use super::qnrf::SPLITS;
use crate::error::DataError;
use crate::fault::Faults;
use crate::split::Split;

/// Reads [`super::CountingLayout::UcfCc50`].
pub(super) struct UcfCc50Reader;

impl Reader for UcfCc50Reader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, |folder| is_home(folder, root)).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["*.jpg and *_ann.mat", "*/*_ann.mat"]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, |folder| is_home(folder, root)).unwrap_or_else(|| root.to_path_buf());
        require_all(&home, split)?;
        let entries = pictures_beside(&home, faults)?;
        Ok(Listed { name: format!("{ALL} of {}", home.display()), source: home, entries, notes: Vec::new() })
    }

    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError> {
        read(path, ANN_POINTS, options)
    }
}

/// A folder of this layout; one below the root that is named as a split belongs to UCF-QNRF.
fn is_home(folder: &Path, root: &Path) -> bool {
    let is_split = folder != root && SPLITS.contains(&&*name_of(folder).to_lowercase());
    !is_split && has_annotations(folder)
}
