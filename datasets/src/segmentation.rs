//! Segmentation data, whatever files it lies in: pictures with a class index a pixel.
//!
//! | layout | what it is |
//! |---|---|
//! | [`SegmentationLayout::Voc`] | VOC 2012: `JPEGImages/`, `SegmentationClass/` and the lists of `ImageSets/Segmentation/` |
//! | [`SegmentationLayout::PairList`] | `SPLIT.txt` of lines `picture mask`, as SegNet's CamVid has, or folders `SPLIT/` and `SPLITannot/` |
//! | [`SegmentationLayout::Mmsegmentation`] | `img_dir/SPLIT/` and `ann_dir/SPLIT/` |
//! | [`SegmentationLayout::Folders`] | `images/SPLIT/` and `masks/SPLIT/` |
//!
//! Masks are index PNGs, see [`crate::label_map`]. [`SegmentationDataset::open`] stops at the first fault; [`check()`] reads by
//! the same code and lists them all.

mod black_and_white;
mod broken;
mod check;
mod classes;
mod folders;
mod label_rule;
mod layout;
mod open;
mod options;
mod overlap;
mod pair_list;
mod voc;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use voc::{AUGMENTED_IDS, SEGMENTATION};

pub use check::{Checked, LabelCounts, check};
pub use classes::voc_class_names;
pub use label_rule::{LabelRule, StrangeLabels};
pub use layout::{SegmentationLayout, recognise};
pub use options::{BrokenFiles, SegmentationOptions, UnknownLabels};
pub use overlap::refuse_overlap;

use crate::error::DataError;
pub use crate::fault::{Fault, Severity, offending_files};
use crate::image::{Alpha, Decoded, ImageNote, ImageRgb8, ImageSize, decode_as_stored, decode_upright};
use crate::label_map::{LabelMap, read_label_map};
pub use crate::policy::{MissingFiles, Overlap};
pub use crate::split::Split;
pub use crate::survey::{Pictures, headers_first};

/// A split of a segmentation data set.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationDataset {
    /// Which images these are, for every line that quotes a number.
    pub name: String,
    /// Which part of its data it is.
    pub split: Split,
    /// Names by class index; the background is one of them.
    pub class_names: Vec<String>,
    /// In the order of the list, or sorted by name where there is none.
    pub images: Vec<SegmentationRecord>,
    /// What was found while reading, to be printed by the caller.
    pub notes: Vec<String>,
}

/// One picture and its mask.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationRecord {
    /// The file name without folders and ending, each once in a split.
    pub id: String,
    /// Where the picture lies.
    pub image: PathBuf,
    /// Where the mask lies; absent in test splits without masks.
    pub mask: Option<PathBuf>,
    /// What the labels of the mask mean.
    pub labels: Arc<LabelRule>,
}

/// A picture and the class of each of its pixels.
///
/// # Shapes
/// `image` and `labels` have the same width and height; labels are `0..K` or [`crate::label_map::VOID`].
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImage {
    /// The picture.
    pub image: ImageRgb8,
    /// Its labels.
    pub labels: LabelMap,
    /// What is worth a remark about the picture.
    pub notes: Vec<ImageNote>,
}

impl SegmentationRecord {
    /// Reads picture and mask. A turn that EXIF asks for is not made: the mask was drawn over the stored pixels.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, a record without a mask, sizes that differ, a label that is no class.
    pub fn read(&self) -> Result<LabelledImage, DataError> {
        let mut labelled = self.read_as_filed()?;
        self.apply_rule(&mut labelled.labels)?;
        Ok(labelled)
    }

    /// As [`Self::read`], but with the labels that stand in the mask's file, classes or not.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, a record without a mask, sizes that differ.
    pub fn read_as_filed(&self) -> Result<LabelledImage, DataError> {
        let decoded = self.decode_picture()?;
        let labels = self.read_raw_labels()?;
        self.check_sizes(decoded.image.size, is_turned(&decoded), map_size(&labels))?;
        Ok(LabelledImage { image: decoded.image, labels, notes: decoded.notes })
    }

    /// Reads the picture: as stored where there is a mask, upright where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or decoded.
    pub fn read_image(&self) -> Result<ImageRgb8, DataError> {
        Ok(self.decode_picture()?.image)
    }

    /// Reads the mask as classes and void.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, a record without a mask, a label that is no class.
    pub fn read_labels(&self) -> Result<LabelMap, DataError> {
        let mut labels = self.read_raw_labels()?;
        self.apply_rule(&mut labels)?;
        Ok(labels)
    }

    fn decode_picture(&self) -> Result<Decoded, DataError> {
        let bytes = fs::read(&self.image).map_err(DataError::io("read", &self.image))?;
        self.decode(&bytes)
    }

    /// Decodes the bytes of the picture.
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DataError> {
        match self.mask {
            Some(_) => decode_as_stored(bytes, &self.image, Alpha::Dropped),
            None => decode_upright(bytes, &self.image),
        }
    }

    fn read_raw_labels(&self) -> Result<LabelMap, DataError> {
        let mask = self.mask.as_ref().ok_or_else(|| DataError::Record {
            path: self.image.clone(),
            record: self.id.clone(),
            expected: "a mask".into(),
            got: "none".into(),
            help: "pictures of a test split without masks serve prediction alone",
        })?;
        read_label_map(mask).map_err(|source| DataError::Mask { path: mask.clone(), source })
    }

    /// `is_turned`: whether EXIF asks for a turn of the picture.
    fn check_sizes(&self, image_size: ImageSize, is_turned: bool, mask_size: ImageSize) -> Result<(), DataError> {
        if image_size == mask_size {
            return Ok(());
        }
        Err(DataError::MaskSize {
            mask: self.mask.clone().unwrap_or_default(),
            image: self.image.clone(),
            mask_size,
            image_size,
            help: if is_turned && mask_size == image_size.transposed() {
                "EXIF asks for a turn of the picture and the mask is turned: save the picture turned, without EXIF"
            } else {
                "no mask is resized silently: make it anew for this picture, or go on without it: broken = \"skip\""
            },
        })
    }

    fn apply_rule(&self, labels: &mut LabelMap) -> Result<(), DataError> {
        let mask = self.mask.as_deref().unwrap_or(&self.image);
        self.labels.apply(labels).map_err(|strange| strange.at(mask, &self.labels))
    }
}

/// Reads a picture that has no mask: upright, of transparent pixels the colour, as pictures that have one are trained on.
///
/// # Errors
/// A file that cannot be read or decoded.
pub fn read_picture(path: &Path) -> Result<Decoded, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    decode_upright(&bytes, path)
}

fn is_turned(decoded: &Decoded) -> bool {
    decoded.notes.contains(&ImageNote::KeptAsStored)
}

fn map_size(labels: &LabelMap) -> ImageSize {
    ImageSize { width: labels.width, height: labels.height }
}

#[cfg(test)]
mod tests;
