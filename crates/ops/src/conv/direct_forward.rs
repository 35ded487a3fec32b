//! The forward pass as one implicit matrix product.

use super::pack::{Matrix, Order};
use super::product::{Gather, Layout, Product, summed_at_once};
use super::sampling::Sampling;
use super::{Algorithms, ConvShape, Epilogue, Shared};
use crate::Store;
use crate::simd::{Isa, LANES};

/// How the taps of a pixel are brought together: with fewer channels than lanes, copying them costs less than looking up a
/// pointer for each.
pub(super) fn gather(shape: &ConvShape) -> Gather {
    if shape.group_in() < LANES && shape.taps() > 1 {
        Gather::Copies { kernel_columns: shape.kernel[1] }
    } else {
        Gather::Pointers
    }
}

/// [`super::conv2d`], lengths already checked.
pub(super) fn forward(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: &Epilogue,
    y: &mut [f32],
    algorithms: Algorithms,
) {
    let (columns, depth) = (shape.group_out(), shape.taps() * shape.group_in());
    let row = shape.out_w() * shape.c_out;
    let product = Product {
        isa,
        sampling: &Sampling::forward(shape),
        gather: gather(shape),
        groups: shape.groups,
        source: x,
        channels: shape.group_in(),
        weights: Matrix { depth, columns, values: weight, group: columns * depth, order: Order::Columns },
        layout: Layout { origin: 0, strides: [shape.out_h() * row, row, shape.c_out] },
        at_once: summed_at_once(algorithms),
        store: Store::Overwrite,
        finish: epilogue.finish(),
    };
    // SAFETY: the layout is that of `y`, which is ours alone; the epilogue was checked against the shape.
    unsafe { product.run(Shared::new(y)) }
}
