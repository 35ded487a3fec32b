//! Some pictures of a data set with the classes of their masks drawn over them: index PNGs look black in most viewers, and a
//! mask that belongs to another picture is seen at a glance.

use std::path::PathBuf;

use wrs_datasets::segmentation::{LabelledImage, SegmentationDataset};
use wrs_draw::{OutputFolder, write_png};

use crate::error::SegmentationError;
use crate::predict::overlay;

/// Where previews go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previews {
    /// The folder; each split has one in it.
    pub folder: PathBuf,
    /// Pictures of each split, the first that can be read.
    pub count: usize,
}

impl Previews {
    /// Draws previews of a split, and says where they are.
    ///
    /// Labels that are no class are drawn as they are, under their number, so that what is wrong with a mask is seen, too;
    /// pictures that cannot be read are passed over, as the check has said of them what there is to say.
    ///
    /// # Errors
    /// [`SegmentationError::Folder`] for a file that cannot be written, or would take the place of a picture of the set.
    pub fn draw(&self, set: &SegmentationDataset) -> Result<String, SegmentationError> {
        let folder = self.folder.join(set.split.to_string());
        let pictures: Vec<PathBuf> = set.images.iter().map(|record| record.image.clone()).collect();
        let files = OutputFolder::new(&folder, &pictures)?;
        let mut drawn = 0;
        for record in set.images.iter().filter(|record| record.mask.is_some()) {
            if drawn == self.count {
                break;
            }
            let Ok(LabelledImage { image, labels, .. }) = record.read().or_else(|_| record.read_as_filed()) else {
                continue;
            };
            write_png(&overlay(&image, &labels, &set.class_names)?, &files.file(None, &record.image, "png")?)?;
            drawn += 1;
        }
        Ok(format!("        {drawn} pictures with their classes drawn over them: {}", folder.display()))
    }
}
