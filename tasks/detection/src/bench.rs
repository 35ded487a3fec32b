//! How long the full-size network takes.

use wrs_nn::Dims;
use wrs_ops::conv::Algorithms;
use wrs_train::bench::{self, Mode};

use crate::error::DetectionError;
use crate::model::YoloV3;

/// The milliseconds of each run that counted ([`bench::time`]), of YOLOv3 as the PyTorch references build it.
///
/// # Errors
/// [`DetectionError::Train`] for sizes the network refuses.
pub fn time(mode: Mode, batch: usize, size: usize, algorithms: Algorithms) -> Result<Vec<f64>, DetectionError> {
    let (net, mut params) = YoloV3::reference();
    let dims = Dims { n: batch, h: size, w: size, c: 3 };
    Ok(bench::time(mode, dims, algorithms, &mut params, |pass, x| net.forward(pass, x))?)
}
