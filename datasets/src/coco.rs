//! Instances json: COCO's own folders, and everything exported in their format.

mod assemble;
mod json;
mod layout;

use std::path::Path;

use crate::detection::{DetectionDataset, Faults, ReadOptions, Reader, Split};
use crate::error::DataError;

/// Reads [`crate::detection::Layout::Coco`].
pub(crate) struct CocoReader;

impl Reader for CocoReader {
    fn lies_under(&self, root: &Path) -> bool {
        !layout::splits(root).is_empty()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["annotations/instances_*.json", "{train,valid,test}/_annotations.coco.json"]
    }

    fn read(
        &self,
        root: &Path,
        options: ReadOptions,
        split: &Split,
        faults: &mut Faults,
    ) -> Result<DetectionDataset, DataError> {
        assemble::assemble(layout::find(root, split)?, options.missing, faults)
    }
}

/// Opens one json whose file names are relative to `images`, every picture of which must be there.
#[cfg(test)]
pub(crate) fn open_files(annotations: &Path, images: &Path) -> Result<DetectionDataset, DataError> {
    let name = annotations.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let part = layout::Part { annotations: annotations.to_path_buf(), images: images.to_path_buf() };
    let sources = layout::Sources { name, parts: vec![part], selection: layout::Selection::All, notes: Vec::new() };
    let mut faults = Faults::first();
    let data = assemble::assemble(sources, crate::detection::MissingImages::Refuse, &mut faults);
    faults.refuse()?;
    data
}
