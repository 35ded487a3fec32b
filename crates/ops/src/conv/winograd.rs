//! Winograd's minimal filtering for 3x3 kernels of stride 1: F(2x2, 3x3) and F(4x4, 3x3).
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016): a tile of `m x m` outputs costs
//! `(m + 2)²` multiplications for each pair of channels instead of `9 m²`, 2.25 times fewer with `m = 2` and 4 times with
//! `m = 4`, paid for with rounding errors of a few units (F2) to some ten units (F4) of those of a direct sum.  We add:
//! dilation, by splitting the output in phases; any padding; and the gradient of the weights, where the transposed
//! transforms take the place of the originals.

mod filters;
mod gradient;
mod grid;
mod layout;
mod lines;
mod product;
#[cfg(test)]
mod tests;
mod transforms;

use super::Shared;
use super::epilogue::Epilogue;
use super::shape::ConvShape;
use crate::Store;
use crate::simd::Isa;
use gradient::WeightGradient;
use lines::{F2, F4};
use product::{Orientation, Product};

/// The outputs of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// 2 x 2, from windows of 4 x 4.
    Two,
    /// 4 x 4, from windows of 6 x 6.
    Four,
}

/// The pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Forward,
    BackwardInput,
    BackwardWeight,
}

/// The tile that pays for a pass of this shape, or `None` where the direct kernels are as good or the only ones.
pub(crate) fn applies(shape: &ConvShape, pass: Pass) -> Option<Tile> {
    let possible = shape.kernel == [3; 2]
        && shape.stride == [1; 2]
        && shape.groups == 1
        && shape.dilation[0] == shape.dilation[1]
        && (pass != Pass::BackwardInput || transposed(shape).is_some());
    // Below this the transforms of the filters cost more than they save.
    const FEWEST_PIXELS: usize = 512;
    (possible && shape.out_pixels() >= FEWEST_PIXELS && shape.c_in.min(shape.c_out) >= 16).then_some(Tile::Four)
}

/// The correlation that computes the gradient of the input: channels and maps change places.
fn transposed(shape: &ConvShape) -> Option<ConvShape> {
    let axis = |i: usize| (2 * shape.dilation[i]).checked_sub(shape.padding[i]);
    let padding = [axis(0)?, axis(1)?];
    let (h, w) = (shape.out_h(), shape.out_w());
    Some(ConvShape { h, w, c_in: shape.c_out, c_out: shape.c_in, padding, ..*shape })
}

/// `y = epilogue(x * weight)`, for shapes to which the algorithm [`applies`].
///
/// # Shapes
/// Those of [`ConvShape`], checked by the caller.
pub(crate) fn forward(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: &Epilogue,
    y: &mut [f32],
    tile: Tile,
) {
    let y = Shared::new(y);
    let (orientation, store, finish) = (Orientation::Forward, Store::Overwrite, epilogue.finish());
    multiply(&Product { isa, shape: *shape, x, weight, orientation, store, finish, y }, tile);
}

/// The gradient of the input, for shapes to which the algorithm [`applies`].
///
/// # Shapes
/// Those of [`ConvShape`], checked by the caller: `gy` like `y`, `gx` like `x`.
pub(crate) fn backward_input(
    isa: Isa,
    shape: &ConvShape,
    gy: &[f32],
    weight: &[f32],
    gx: &mut [f32],
    store: Store,
    tile: Tile,
) {
    let Some(shape) = transposed(shape) else { return };
    let y = Shared::new(gx);
    let orientation = Orientation::Transposed;
    multiply(&Product { isa, shape, x: gy, weight, orientation, store, finish: None, y }, tile);
}

fn multiply(product: &Product, tile: Tile) {
    match tile {
        Tile::Two => product.run::<F2>(product::cut::<F2>(&product.shape)),
        Tile::Four => product.run::<F4>(product::cut::<F4>(&product.shape)),
    }
}

/// The gradient of the weights, for shapes to which the algorithm [`applies`].
///
/// # Shapes
/// Those of [`ConvShape`], checked by the caller: `gy` like `y`, `gw` like the weights.
pub(crate) fn backward_weight(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    gy: &[f32],
    gw: &mut [f32],
    store: Store,
    tile: Tile,
) {
    let gradient = WeightGradient { isa, shape: *shape, x, gy, gw: Shared::new(gw) };
    match tile {
        Tile::Two => gradient.run::<F2>(store),
        Tile::Four => gradient.run::<F4>(store),
    }
}
