//! Global average pooling.

use crate::{ShapeError, Store, check_len};
use rayon::prelude::*;

/// The mean of every channel of every image, summed in `f64`.
///
/// # Shapes
/// `x` `[batch, pixels, channels]` with `pixels = H * W`, `y` `[batch, channels]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit, or an image has no pixels.
pub fn global_average_pool(
    batch: usize,
    pixels: usize,
    channels: usize,
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    check("global_average_pool", [batch, pixels, channels], x.len(), y.len())?;
    let images = x.par_chunks((pixels * channels).max(1));
    y.par_chunks_mut(channels.max(1)).zip(images).for_each(|(y, image)| {
        let mut sums = vec![0.0; channels];
        for row in image.chunks_exact(channels) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += f64::from(*x);
            }
        }
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = (sum / pixels as f64) as f32;
        }
    });
    Ok(())
}

/// The gradient of [`global_average_pool`]: an equal share for every pixel.
///
/// # Shapes
/// `gy` `[batch, channels]`, `gx` `[batch, pixels, channels]`.
///
/// # Errors
/// As [`global_average_pool`].
pub fn global_average_pool_backward(
    batch: usize,
    pixels: usize,
    channels: usize,
    gy: &[f32],
    gx: &mut [f32],
    store: Store,
) -> Result<(), ShapeError> {
    check("global_average_pool_backward", [batch, pixels, channels], gx.len(), gy.len())?;
    let share = (1.0 / pixels as f64) as f32;
    gx.par_chunks_mut((pixels * channels).max(1)).zip(gy.par_chunks(channels.max(1))).for_each(|(image, gy)| {
        for row in image.chunks_exact_mut(channels) {
            for (gx, gy) in row.iter_mut().zip(gy) {
                *gx = match store {
                    Store::Overwrite => share * gy,
                    Store::Accumulate => *gx + share * gy,
                };
            }
        }
    });
    Ok(())
}

fn check(op: &'static str, shape: [usize; 3], map: usize, means: usize) -> Result<(), ShapeError> {
    let [batch, pixels, channels] = shape;
    if pixels == 0 {
        let expected = "at least 1".to_owned();
        return Err(ShapeError { op, what: "pixels", expected, got: "0".to_owned() });
    }
    check_len(op, "map", map, batch * pixels * channels)?;
    check_len(op, "means", means, batch * channels)
}
