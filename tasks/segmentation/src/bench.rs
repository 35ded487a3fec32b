//! How long the network takes, as the goldens and the PyTorch references measure it: no data, no loss.

use wrs_nn::Dims;
use wrs_ops::conv::Algorithms;
use wrs_train::bench::{self, Mode, Times};

use crate::error::SegmentationError;
use crate::model::DeepLabV3;

/// Times the network ([`bench::time`]).
///
/// # Errors
/// [`SegmentationError::Train`] for sizes the network refuses.
pub fn time(mode: Mode, batch: usize, size: usize, algorithms: Algorithms) -> Result<Times, SegmentationError> {
    let (net, mut params) = DeepLabV3::reference();
    let dims = Dims { n: batch, h: size, w: size, c: 3 };
    let forward = |pass: &mut wrs_nn::Pass<'_>, x: &wrs_nn::Value| Ok(vec![net.forward(pass, x)?.logits]);
    Ok(bench::time(mode, dims, algorithms, &mut params, forward)?)
}
