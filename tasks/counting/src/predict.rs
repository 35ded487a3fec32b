//! Pictures with their density drawn over them and the count written on them.
//!
//! | output | file, under the folder |
//! |---|---|
//! | pictures | `STEM.png`, the density over the picture as the network saw it, with the count |
//! | csv | `counts.csv`, a line `image,predicted` for each picture |
//! | json | `predictions.json`, every picture with its count |
//! | arrays | `densities.safetensors`, the density of every picture under its stem, `[h, w]`, f32 |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use wrs_draw::{DensityStyle, FolderError, OutputFolder, density_overlay, grid, write_file, write_png};
use wrs_datasets::ImageRgb8;
use wrs_ops::conv::Algorithms;

use crate::error::CountingError;
use crate::evaluate::{Counted, count_file};
use crate::recipe::EvaluationSettings;
use crate::saved::SavedNet;
