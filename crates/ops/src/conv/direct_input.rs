//! The gradient of the input as implicit matrix products.
//!
//! Input pixels of one residue modulo the stride meet the same taps: each such class is a dense product of its own over
//! the output pixels, and no multiplication is spent on the zeros a strided convolution would insert.

use super::pack::{Matrix, Order};
use super::product::{Gather, Layout, Product, summed_at_once};
use super::sampling::Sampling;
use super::{Algorithms, ConvShape, Shared};
use crate::Store;
use crate::simd::Isa;

/// [`super::conv2d_backward_input`], lengths already checked.
pub(super) fn backward(
    isa: Isa,
    shape: &ConvShape,
    gy: &[f32],
    weight: &[f32],
    gx: &mut [f32],
    store: Store,
    algorithms: Algorithms,
) {
    let out = Shared::new(gx);
    for row in 0..shape.stride[0].min(shape.h) {
        for column in 0..shape.stride[1].min(shape.w) {
            // SAFETY: classes are apart from one another, and `gx` is ours alone.
            unsafe { class(isa, shape, [row, column], [gy, weight], out, store, algorithms) }
        }
    }
}

/// The pixels `stride * pixel + class`.
///
/// # Safety
/// `out` has the input's values, and nobody else touches those of the class meanwhile.
unsafe fn class(
    isa: Isa,
    shape: &ConvShape,
    class: [usize; 2],
    [gy, weight]: [&[f32]; 2],
    out: Shared,
    store: Store,
    algorithms: Algorithms,
) {
    let (sampling, taps) = Sampling::backward(shape, class);
    let (columns, channels) = (shape.group_in(), shape.group_out());
    let start = |k: usize| (k % channels * shape.taps() + taps[k / channels]) * columns;
    let (pixel, row) = (shape.c_in, shape.w * shape.c_in);
    let product = Product {
        isa,
        sampling: &sampling,
        gather: Gather::Pointers,
        groups: shape.groups,
        source: gy,
        channels,
        weights: Matrix {
            depth: taps.len() * channels,
            columns,
            values: weight,
            group: channels * shape.taps() * columns,
            order: Order::Rows(&start),
        },
        layout: Layout {
            origin: class[0] * row + class[1] * pixel,
            strides: [shape.h * row, shape.stride[0] * row, shape.stride[1] * pixel],
        },
        at_once: summed_at_once(algorithms),
        store,
        finish: None,
    };
    // SAFETY: the layout is that of the class's pixels in the input; the rest is the caller's contract.
    unsafe { product.run(out) }
}
