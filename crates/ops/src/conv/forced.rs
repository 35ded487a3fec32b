//! Passes by an algorithm that is named instead of chosen: what benches time the choice against.

use super::{Algorithms, ConvShape, Epilogue, Pass, Tile, winograd, winograd_tile};
use super::{direct_forward, direct_input, direct_weight};
use crate::simd::Isa;
use crate::{ShapeError, Store, check_len};

/// The tile that [`super::conv2d`] and its gradients take for a pass of this shape; `None` where they sum directly.
pub fn chosen_tile(shape: &ConvShape, pass: Pass, algorithms: Algorithms) -> Option<Tile> {
    winograd_tile(shape, pass, algorithms)
}

/// Whether [`forced_pass`] computes a pass of this shape with a tile.
pub fn winograd_exists(shape: &ConvShape, pass: Pass) -> bool {
    winograd::exists(shape, pass)
}

/// One pass, written over `out`, by Winograd's algorithm with the given tile, or by the direct kernels as
/// [`Algorithms::Fast`] has them.
///
/// # Shapes
/// `operands` and `out`: `x`, `weight` and `y`; `gy`, `weight` and `gx`; or `x`, `gy` and `gw`, as in [`ConvShape`].
///
/// # Errors
/// [`ShapeError`] when the algorithm does not compute the pass, or a slice has another length than the shape asks for.
pub fn forced_pass(
    shape: &ConvShape,
    pass: Pass,
    tile: Option<Tile>,
    operands: [&[f32]; 2],
    out: &mut [f32],
) -> Result<(), ShapeError> {
    const OP: &str = "forced_pass";
    shape.check()?;
    if tile.is_some() && !winograd::exists(shape, pass) {
        let expected = "3x3, stride 1, one group, one dilation, a padding of at most twice that".to_owned();
        return Err(ShapeError { op: OP, what: "convolution", expected, got: format!("{shape:?}") });
    }
    let (x, weight, y) = (("x", shape.x_len()), ("weight", shape.weight_len()), ("y", shape.y_len()));
    let (lens, (what, len)) = match pass {
        Pass::Forward => ([x, weight], y),
        Pass::BackwardInput => ([y, weight], x),
        Pass::BackwardWeight => ([x, y], weight),
    };
    for (values, (what, len)) in operands.iter().zip(lens) {
        check_len(OP, what, values.len(), len)?;
    }
    check_len(OP, what, out.len(), len)?;
    let (isa, store, [first, second]) = (Isa::chosen(), Store::Overwrite, operands);
    let (plain, fast) = (Epilogue::default(), Algorithms::Fast);
    match (pass, tile) {
        (Pass::Forward, Some(tile)) => winograd::forward(isa, shape, first, second, &plain, out, tile),
        (Pass::Forward, None) => direct_forward::forward(isa, shape, first, second, &plain, out, fast),
        (Pass::BackwardInput, Some(tile)) => winograd::backward_input(isa, shape, first, second, out, store, tile),
        (Pass::BackwardInput, None) => direct_input::backward(isa, shape, first, second, out, store, fast),
        (Pass::BackwardWeight, Some(tile)) => winograd::backward_weight(isa, shape, first, second, out, store, tile),
        (Pass::BackwardWeight, None) => direct_weight::backward(isa, shape, first, second, out, store),
    }
    Ok(())
}
