//! What the benches share: numbers to compute with, and how long criterion measures.

#![allow(dead_code, reason = "every bench is a crate of its own and takes what it needs")]

use std::time::Duration;

use criterion::Criterion;
use wrs_ops::conv::ConvShape;
use wrs_ops::scratch::{self, Scratch};

/// Values between -1 and 1 without a pattern that a kernel could meet, in a buffer like those of networks.
pub fn numbers(len: usize) -> Scratch {
    let mut values = scratch::take(len);
    for (i, value) in values.iter_mut().enumerate() {
        *value = (i * 7919 % 1009) as f32 / 504.5 - 1.0;
    }
    values
}

/// Ten samples in about a second: enough to tell kernels apart, few enough to run them all.
pub fn criterion() -> Criterion {
    let short = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300));
    short.measurement_time(Duration::from_secs(1)).configure_from_args()
}

/// A square convolution that keeps its map's size up to the stride: batch, channels in and out, kernel, stride, dilation,
/// side of the map.
pub fn layer([n, c_in, c_out, kernel, stride, dilation, side]: [usize; 7]) -> ConvShape {
    let [kernel, stride, padding, dilation] = [kernel, stride, dilation * (kernel / 2), dilation].map(|side| [side; 2]);
    ConvShape { n, h: side, w: side, c_in, c_out, kernel, stride, padding, dilation, groups: 1 }
}
