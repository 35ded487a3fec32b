//! How long the full-size network takes.

use wrs_nn::Dims;
use wrs_ops::conv::Algorithms;
use wrs_train::bench::{self, Mode, Times};

use crate::error::DetectionError;
use crate::model::YoloV3;

/// Times ([`bench::time`]) YOLOv3 as the PyTorch references build it.
///
/// # Errors
/// [`DetectionError::Train`] for sizes the network refuses.
pub fn time(mode: Mode, batch: usize, size: usize, algorithms: Algorithms) -> Result<Times, DetectionError> {
    let (net, mut params) = YoloV3::reference();
    let dims = Dims { n: batch, h: size, w: size, c: 3 };
    Ok(bench::time(mode, dims, algorithms, &mut params, |pass, x| net.forward(pass, x))?)
}
