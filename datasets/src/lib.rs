//! Readers, decoding, augmentation, the loader, made-up scenes.
//!
//! Nothing here knows a tensor library: pictures are bytes, samples are plain structs, batches are `Vec<f32>`.
//!
//! | module | what it does |
//! |---|---|
//! | [`coco`] | reads COCO folders: 2017, 2014 with the `5k` lists, or one json with its pictures |
//! | [`image`] | decodes JPEG and PNG to upright RGB, 8 bits a channel, and resizes |
//! | [`augment`] | letterbox, mosaic, affine, HSV, flip, multi-scale: from a record to a training sample |
//! | [`loader`] | makes batches on worker threads, in order, with bounded memory |
//! | [`scenes`] | draws pictures of overlapping shapes and writes them as a COCO folder |

pub mod augment;
pub mod boxes;
pub mod coco;
pub mod error;
pub mod image;
pub mod loader;
pub mod scenes;

pub use boxes::{BoxXyxy, LabelBox, PixelBox};
pub use coco::{CocoDataset, Split};
pub use error::DataError;
pub use image::{ImageRgb8, ImageSize};
pub use loader::Loader;
