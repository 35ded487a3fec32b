//! The gradient of the input as implicit matrix products.
//!
//! Input pixels of one residue modulo the stride meet the same taps: each such class is a dense product of its own over
//! the output pixels, and no multiplication is spent on the zeros a strided convolution would insert.

use super::pack::{pack_rows, panels, panels_len};
use super::product::{Gather, Layout, Product};
use super::sampling::Sampling;
use super::{ConvShape, Shared};
use crate::simd::Isa;
use crate::{Store, scratch};

/// [`super::conv2d_backward_input`], lengths already checked.
pub(super) fn backward(isa: Isa, shape: &ConvShape, gy: &[f32], weight: &[f32], gx: &mut [f32], store: Store) {
    let out = Shared::new(gx);
    for row in 0..shape.stride[0].min(shape.h) {
        for column in 0..shape.stride[1].min(shape.w) {
            // SAFETY: classes are apart from one another, and `gx` is ours alone.
            unsafe { class(isa, shape, [row, column], gy, weight, out, store) }
        }
    }
}

/// The pixels `stride * pixel + class`.
///
/// # Safety
/// `out` has the input's values, and nobody else touches those of the class meanwhile.
unsafe fn class(isa: Isa, shape: &ConvShape, class: [usize; 2], gy: &[f32], weight: &[f32], out: Shared, store: Store) {
    let (sampling, taps) = Sampling::backward(shape, class);
    let (columns, channels) = (shape.group_in(), shape.group_out());
    let depth = taps.len() * channels;
    let group_weights = panels_len(isa, columns, depth);
    let mut packed = scratch::take(shape.groups * group_weights);
    if depth > 0 {
        let group = channels * shape.taps() * columns;
        for (filters, packed) in weight.chunks(group).zip(packed.chunks_mut(group_weights)) {
            let start = |k: usize| (k % channels * shape.taps() + taps[k / channels]) * columns;
            pack_rows(isa, filters, columns, depth, start, packed);
        }
    }
    let (pixel, row) = (shape.c_in, shape.w * shape.c_in);
    let product = Product {
        isa,
        sampling: &sampling,
        gather: Gather::Pointers,
        groups: shape.groups,
        source: gy,
        channels,
        weights: &packed,
        group_weights,
        panels: &panels(isa, columns, depth),
        columns,
        layout: Layout {
            origin: class[0] * row + class[1] * pixel,
            strides: [shape.h * row, shape.stride[0] * row, shape.stride[1] * pixel],
        },
        store,
        finish: None,
    };
    // SAFETY: the layout is that of the class's pixels in the input; the rest is the caller's contract.
    unsafe { product.run(out) }
}
