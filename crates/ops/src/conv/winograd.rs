//! Winograd's minimal filtering for 3x3 kernels of stride 1: F(2x2, 3x3) and F(4x4, 3x3).
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016): a tile of `m x m` outputs costs
//! `(m + 2)²` multiplications for each pair of channels instead of `9 m²`, 2.25 times fewer with `m = 2` and 4 times with
//! `m = 4`, paid for with rounding errors of a few units of those of a direct sum.  We add:
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
mod weights;

use super::Shared;
use super::epilogue::Epilogue;
use super::shape::ConvShape;
use crate::Store;
use crate::simd::Isa;
use gradient::WeightGradient;
use lines::{F2, F4};
use product::Product;
use weights::{Orientation, Weights};

/// The outputs of one tile of Winograd's algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 2 x 2, from windows of 4 x 4.
    Two,
    /// 4 x 4, from windows of 6 x 6.
    Four,
}

/// The pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// From the input to the output.
    Forward,
    /// To the gradient of the input.
    BackwardInput,
    /// To the gradient of the weight.
    BackwardWeight,
}

/// Whether the algorithm computes a pass of this shape, whatever it costs.
pub(crate) fn exists(shape: &ConvShape, pass: Pass) -> bool {
    shape.kernel == [3; 2]
        && shape.stride == [1; 2]
        && shape.groups == 1
        && shape.dilation[0] == shape.dilation[1]
        && (pass != Pass::BackwardInput || transposed(shape).is_some())
}

/// The tile that pays for a pass of this shape, or `None` where the direct kernels are as good or the only ones.
pub(crate) fn applies(shape: &ConvShape, pass: Pass) -> Option<Tile> {
    let fewest = if pass == Pass::BackwardWeight { FEWEST_GRADIENT_CHANNELS } else { FEWEST_CHANNELS };
    if !exists(shape, pass) || shape.c_in.min(shape.c_out) < fewest {
        return None;
    }
    let tiled = if pass == Pass::BackwardInput { transposed(shape)? } else { *shape };
    let (two, four) = (cost(&tiled, pass, Tile::Two), cost(&tiled, pass, Tile::Four));
    let (tile, least) = if two < four { (Tile::Two, two) } else { (Tile::Four, four) };
    (least < LEAST_GAIN * direct_cost(shape)).then_some(tile)
}

// The costs were fitted to measured times of all passes, on maps from 7x7 to 256x256 with 16 to 2048 channels and dilations
// up to 12.  Their unit is a multiplication for every pair of an input and an output channel.

/// Fewer channels fill no lanes.
const FEWEST_CHANNELS: usize = 16;
/// In the gradient of the weights, the transforms of fewer channels cost more than the products save.
const FEWEST_GRADIENT_CHANNELS: usize = 64;
/// Winograd's cost is to be this share of the direct one or less, to be worth its rounding.
const LEAST_GAIN: f64 = 0.9;
/// A multiplication beside one of the direct kernels': the products are small, and the sums of every position go through
/// memory.
const MULTIPLICATION: f64 = 1.1;
const GRADIENT_MULTIPLICATION: f64 = 1.5;
/// The transforms of a tile, in products of one of its positions with a channel.
const TILE_TRANSFORM: f64 = 6.0;
/// The transforms of filters, in products of that many tiles.
const FILTER_TRANSFORMS: [f64; 2] = [8.0, 14.0];

fn cost(shape: &ConvShape, pass: Pass, tile: Tile) -> f64 {
    let (outputs, filters) = match tile {
        Tile::Two => (2, FILTER_TRANSFORMS[0]),
        Tile::Four => (4, FILTER_TRANSFORMS[1]),
    };
    let positions = ((outputs + 2) * (outputs + 2)) as f64;
    let transforms = TILE_TRANSFORM / shape.c_in as f64 + TILE_TRANSFORM / shape.c_out as f64;
    let multiplication = if pass == Pass::BackwardWeight { GRADIENT_MULTIPLICATION } else { MULTIPLICATION };
    positions * (grid::tile_count(shape, outputs) as f64 * (multiplication + transforms) + filters)
}

/// The multiplications of the direct kernels, which skip taps on padding.
fn direct_cost(shape: &ConvShape) -> f64 {
    let axis = |axis: usize, size: usize, out: usize| {
        let first = |tap: usize| shape.padding[axis].saturating_sub(tap * shape.dilation[axis]);
        let end = |tap: usize| (size + shape.padding[axis]).saturating_sub(tap * shape.dilation[axis]).min(out);
        (0..3).map(|tap| end(tap).saturating_sub(first(tap))).sum::<usize>()
    };
    (shape.n * axis(0, shape.h, shape.out_h()) * axis(1, shape.w, shape.out_w())) as f64
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
    let weights = weights(isa, shape, weight, Orientation::Forward);
    let (store, finish) = (Store::Overwrite, epilogue.finish());
    multiply(&Product { isa, shape: *shape, x, weights, store, finish, y }, tile);
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
    let weights = weights(isa, &shape, weight, Orientation::Transposed);
    multiply(&Product { isa, shape, x: gy, weights, store, finish: None, y }, tile);
}

/// The filters of a correlation over `shape`.
fn weights<'a>(isa: Isa, shape: &ConvShape, values: &'a [f32], orientation: Orientation) -> Weights<'a> {
    Weights { isa, values, orientation, sources: shape.c_in, destinations: shape.c_out }
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
