//! Readers, decoding, augmentation, the loader, made-up scenes.
//!
//! Nothing here knows a tensor library: pictures are bytes, samples are plain structs, batches are `Vec<f32>`.
//!
//! | module | what it does |
//! |---|---|
//! | [`detection`] | pictures with boxes: COCO json, YOLO labels, VOC xml; checks; what training takes |
//! | [`segmentation`] | pictures with a class index a pixel: VOC 2012, folders of pictures and index PNGs; checks |
//! | [`counting`] | pictures with a point for every object: UCF-QNRF, ShanghaiTech, NWPU, JHU and plain files; cuts; checks |
//! | [`fault`] | what checks find wrong with data: where, what, and the mend |
//! | [`image`] | decodes JPEG and PNG to upright RGB, 8 bits a channel, and resizes |
//! | [`augment`] | letterbox, mosaic, affine, HSV, flip, multi-scale: from a record to a training sample |
//! | [`label_map`] | one class index a pixel, as index PNGs |
//! | [`id_list`] | lists of ids, one a line |
//! | [`mat5`] | MATLAB's files of version 5, read and written |
//! | [`sbd`] | the labels of SBD, which augment VOC 2012 |
//! | [`augmented_voc`] | builds VOC's augmented training set from VOC and SBD |
//! | [`prepared_qnrf`] | brings UCF-QNRF to the sizes that are trained and tested on |
//! | [`loader`] | makes batches on worker threads, in order, with bounded memory |
//! | [`scenes`] | draws pictures of overlapping shapes and writes them as a COCO folder |

#![cfg_attr(test, allow(clippy::float_cmp, reason = "the tests compare exactly where exactness is the claim"))]

pub mod augment;
pub mod augmented_voc;
pub mod boxes;
mod coco;
pub mod counting;
pub mod detection;
pub mod error;
pub mod fault;
mod files_by_id;
mod findings;
pub mod id_list;
pub mod image;
pub mod label_map;
mod listed;
pub mod loader;
pub mod mat5;
mod policy;
pub mod prepared_qnrf;
mod recognise;
pub mod sbd;
pub mod scenes;
pub mod segmentation;
mod split;
mod survey;
#[cfg(test)]
mod testing;
mod voc;
mod yolo;

pub use boxes::{BoxXyxy, LabelBox, PixelBox};
pub use counting::{CountingDataset, CountingRecord, PointXy};
pub use detection::{DetectionDataset, Layout, ReadOptions};
pub use error::DataError;
pub use findings::Findings;
pub use image::{ImageRgb8, ImageSize};
pub use loader::Loader;
pub use segmentation::SegmentationDataset;
pub use split::Split;
