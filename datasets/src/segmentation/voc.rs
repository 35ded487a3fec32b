//! VOC 2012: `JPEGImages/ID.jpg`, `SegmentationClass/ID.png` and lists of ids in `ImageSets/Segmentation/SPLIT.txt`.
//!
//! The split `trainaug`, the training list with the pictures of SBD, has its masks in `SegmentationClassAug/`; every other
//! split has VOC's own, whose objects have void outlines.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::classes::voc_class_names;
use super::layout::{Listed, Pair, Reader};
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::files_by_id::FilesById;
use crate::id_list::{IdList, read_id_list};
use crate::split::Split;
use crate::voc::HomeOf;

/// Pictures with masks.
pub(crate) const SEGMENTATION: HomeOf = HomeOf {
    is_home: |folder| folder.join("JPEGImages").is_dir() && folder.join("ImageSets/Segmentation").is_dir(),
    holds: &["JPEGImages", "ImageSets/Segmentation"],
    lists: "Segmentation",
    help: "expected JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/ in one folder",
};

/// The list of VOC's training pictures and those that SBD adds.
const AUGMENTED: &str = "trainaug";
/// How many pictures that list has when it is whole.
pub(crate) const AUGMENTED_IDS: usize = 10_582;
/// What to ask of a list of another length.
const OTHER_COUNT: &str = "the list of VOC and SBD together has no more and no fewer: is it the right one?";
/// How its masks and list are made.
const BUILD_AUGMENTED: &str = "build it from VOC and SBD: wrs prepare voc-aug --voc DIR --sbd DIR --out DIR";

/// Reads [`super::SegmentationLayout::Voc`].
pub(super) struct VocReader;

impl Reader for VocReader {
    fn lies_under(&self, root: &Path) -> bool {
        !SEGMENTATION.all(root).is_empty()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["ImageSets/Segmentation and JPEGImages", "*/ImageSets/Segmentation", "VOCdevkit/*/ImageSets/Segmentation"]
    }

    fn list(&self, root: &Path, split: &Split, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = SEGMENTATION.only(root)?;
        let is_augmented = split.to_string() == AUGMENTED;
        let masks = home.join(if is_augmented { "SegmentationClassAug" } else { "SegmentationClass" });
        let list = if is_augmented { augmented_list(&home, &masks) } else { SEGMENTATION.list(&home, split) }?;
        let IdList { ids, mut notes, path: source } = read_id_list(&list)?;
        if is_augmented {
            let counts = count_augmented(&home, &ids.iter().map(|listed| listed.id.as_str()).collect());
            if ids.len() != AUGMENTED_IDS {
                faults.warn(|| warning(&list, None, counts.clone(), OTHER_COUNT));
            }
            notes.push(counts);
        }
        let (pictures, labels) = (FilesById::list(&home.join("JPEGImages"))?, FilesById::list(&masks)?);
        let mut pairs = Vec::with_capacity(ids.len());
        for listed in ids {
            let id = listed.id;
            let files = pictures.find(&id, "jpg").and_then(|image| Ok((image, labels.find(&id, "png")?)));
            if let Some((image, mask)) = faults.take(files) {
                pairs.push(Pair { id, image, mask });
            }
        }
        let name = format!("{split} of {}", home.display());
        Ok(Listed { name, home, source, pairs, class_names: Some(voc_class_names()), notes })
    }
}

/// The list of the augmented split, whose list and masks come together.
fn augmented_list(home: &Path, masks: &Path) -> Result<PathBuf, DataError> {
    let list = SEGMENTATION.list_path(home, AUGMENTED);
    let missing: Vec<_> = [masks, &list].into_iter().filter(|path| !path.exists()).map(Path::to_path_buf).collect();
    if missing.is_empty() {
        return Ok(list);
    }
    Err(DataError::Layout {
        wanted: "augmented training set".into(),
        root: home.to_path_buf(),
        looked: missing,
        help: BUILD_AUGMENTED.into(),
    })
}

/// Where the ids of the augmented list come from.
fn count_augmented(home: &Path, ids: &HashSet<&str>) -> String {
    let count = |split: &str| {
        let list = read_id_list(&SEGMENTATION.list_path(home, split)).ok()?;
        let here = list.ids.iter().filter(|listed| ids.contains(listed.id.as_str())).count();
        Some((here, list.ids.len()))
    };
    let parts = ["train", "val"].into_iter().filter_map(|split| {
        let (here, of) = count(split)?;
        Some(format!(", {here} of the {of} of {split}"))
    });
    std::iter::once(format!("{AUGMENTED} has {} of {AUGMENTED_IDS} ids", ids.len())).chain(parts).collect()
}
