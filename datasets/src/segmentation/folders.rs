//! A folder of pictures and one of masks for each split; picture and mask have the same name.

use std::fs;
use std::path::Path;

use super::layout::{Listed, Pair, Reader};
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::files_by_id::FilesById;
use crate::split::Split;

/// Reads [`super::SegmentationLayout::Mmsegmentation`] and [`super::SegmentationLayout::Folders`], which differ in names.
pub(super) struct FoldersReader {
    images: &'static str,
    masks: &'static str,
    looks_for: &'static [&'static str],
}

/// The names of mmsegmentation's tutorials.
pub(super) const MMSEGMENTATION: FoldersReader =
    FoldersReader { images: "img_dir", masks: "ann_dir", looks_for: &["img_dir/* and ann_dir/*"] };

/// Plain names.
pub(super) const FOLDERS: FoldersReader =
    FoldersReader { images: "images", masks: "masks", looks_for: &["images/* and masks/*"] };

impl Reader for FoldersReader {
    fn lies_under(&self, root: &Path) -> bool {
        root.join(self.images).is_dir() && root.join(self.masks).is_dir()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        self.looks_for
    }

    fn list(&self, root: &Path, split: &Split, faults: &mut Faults) -> Result<Listed, DataError> {
        let of_split = |folder: &str| root.join(folder).join(split.to_string());
        let images = of_split(self.images);
        if !images.is_dir() {
            let present = folders_in(&root.join(self.images));
            return Err(DataError::Layout {
                wanted: format!("split {split}"),
                root: root.to_path_buf(),
                looked: vec![images],
                help: match present.as_slice() {
                    [] => {
                        format!("put each split's pictures into a folder: {}/train, {}/val", self.images, self.images)
                    }
                    some => format!("splits present: {}", some.join(", ")),
                },
            });
        }
        let pairs = pairs_of_folders(&images, &of_split(self.masks), faults)?;
        Ok(Listed {
            name: format!("{split} of {}", root.display()),
            home: root.to_path_buf(),
            source: images,
            pairs,
            class_names: None,
            notes: Vec::new(),
        })
    }
}

fn folders_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The pictures of a folder, sorted by name, with the masks of the same names; a mask without a picture is warned of.
pub(super) fn pairs_of_folders(images: &Path, masks: &Path, faults: &mut Faults) -> Result<Vec<Pair>, DataError> {
    let (pictures, labels) = (FilesById::list(images)?, FilesById::list(masks)?);
    let mut pairs = Vec::new();
    for id in pictures.ids() {
        let files = pictures.find(id, "jpg").and_then(|image| Ok((image, labels.find(id, "png")?)));
        if let Some((image, mask)) = faults.take(files) {
            pairs.push(Pair { id: id.to_owned(), image, mask });
        }
    }
    for id in labels.ids().filter(|id| !pictures.has(id)) {
        let Some(mask) = faults.take(labels.find(id, "png")) else { continue };
        let problem = format!("a mask without a picture in {}", images.display());
        faults.warn(|| warning(&mask, None, problem, "name picture and mask alike, but for their endings"));
    }
    Ok(pairs)
}
