//! Winograd's algorithm with a tile that is named instead of chosen: what benches time the choice against.

use super::{Algorithms, ConvShape, Epilogue, Pass, Tile, winograd, winograd_tile};
use crate::simd::Isa;
use crate::{ShapeError, Store, check_len};

/// The tile that [`super::conv2d`] and its gradients take for a pass of this shape; `None` where they sum directly.
pub fn chosen_tile(shape: &ConvShape, pass: Pass, algorithms: Algorithms) -> Option<Tile> {
    winograd_tile(shape, pass, algorithms)
}

/// Whether [`winograd_pass`] computes a pass of this shape.
pub fn winograd_exists(shape: &ConvShape, pass: Pass) -> bool {
    winograd::exists(shape, pass)
}

/// One pass by Winograd's algorithm with the given tile, written over `out`.
///
/// # Shapes
/// `operands` and `out`: `x`, `weight` and `y`; `gy`, `weight` and `gx`; or `x`, `gy` and `gw`, as in [`ConvShape`].
///
/// # Errors
/// [`ShapeError`] when the algorithm does not compute the pass, or a slice has another length than the shape asks for.
pub fn winograd_pass(
    shape: &ConvShape,
    pass: Pass,
    tile: Tile,
    operands: [&[f32]; 2],
    out: &mut [f32],
) -> Result<(), ShapeError> {
    const OP: &str = "winograd_pass";
    shape.check()?;
    if !winograd::exists(shape, pass) {
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
    match pass {
        Pass::Forward => winograd::forward(isa, shape, first, second, &Epilogue::default(), out, tile),
        Pass::BackwardInput => winograd::backward_input(isa, shape, first, second, out, store, tile),
        Pass::BackwardWeight => winograd::backward_weight(isa, shape, first, second, out, store, tile),
    }
    Ok(())
}
