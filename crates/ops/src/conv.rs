//! 2-D convolution: forward, and the gradients of input, weight and bias.
//!
//! Activations `[N, H, W, C]`, weights `[O, kh, kw, I / groups]`.  The algorithm follows the shape:
//!
//! * an implicit matrix product (`product`): pixels are rows, gathered tap by tap through pointers, so nothing is copied;
//!   a 1x1 convolution is the same with one tap; few input channels are copied side by side first (`im2col`);
//! * for the weight gradient a sum of outer products over packed pixels (`direct_weight`);
//! * one filter a channel (`depthwise`): lanes run over the channels;
//! * Winograd's for 3x3 at stride 1, where it pays and [`Algorithms::Fast`] allows it.
//!
//! All end in the register tiles of `microkernel`.  Sums over pixels are cut by shape alone and added in a fixed order.

mod bias;
mod depthwise;
mod direct_forward;
mod direct_input;
mod direct_weight;
mod epilogue;
mod forced;
mod im2col;
mod microkernel;
mod pack;
mod product;
mod sampling;
mod shape;
#[cfg(test)]
mod tests;
mod transpose;
mod winograd;

pub use epilogue::Epilogue;
pub use forced::{chosen_tile, forced_pass, winograd_exists};
pub use shape::ConvShape;
pub use winograd::{Pass, Tile};

use crate::simd::Isa;
use crate::{ShapeError, Store, check_len};

/// Which algorithms may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithms {
    /// The fastest for the shape; Winograd's rounds a little more, and so do long sums.
    #[default]
    Fast,
    /// The direct ones only, whose sums are those of the definition, in short runs.
    Exact,
}

/// The start of an output that several threads write, each in places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: only an address; those who write behind it keep to places of their own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }
}

/// `y = act(conv(x, weight) * scale + shift)`, with a residual before or behind the activation, by the [`Epilogue`].
///
/// # Shapes
/// `x [N, H, W, C]`, `weight [O, kh, kw, C / groups]`, `y [N, h, w, O]`, as in [`ConvShape`].
///
/// # Errors
/// [`ShapeError`] when the convolution does not exist or a slice has another length than the shape asks for.
pub fn conv2d(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: &Epilogue,
    y: &mut [f32],
    algorithms: Algorithms,
) -> Result<(), ShapeError> {
    const OP: &str = "conv2d";
    shape.check()?;
    check_len(OP, "x", x.len(), shape.x_len())?;
    check_len(OP, "weight", weight.len(), shape.weight_len())?;
    check_len(OP, "y", y.len(), shape.y_len())?;
    epilogue.check(OP, shape)?;
    forward_with(Isa::chosen(), shape, x, weight, epilogue, y, algorithms);
    Ok(())
}

/// The gradient of the input: `gx = conv transposed (gy, weight)`.
///
/// # Shapes
/// `gy [N, h, w, O]`, `weight [O, kh, kw, C / groups]`, `gx [N, H, W, C]`.
///
/// # Errors
/// [`ShapeError`] when the convolution does not exist or a slice has another length than the shape asks for.
pub fn conv2d_backward_input(
    shape: &ConvShape,
    gy: &[f32],
    weight: &[f32],
    gx: &mut [f32],
    store: Store,
    algorithms: Algorithms,
) -> Result<(), ShapeError> {
    const OP: &str = "conv2d_backward_input";
    shape.check()?;
    check_len(OP, "gy", gy.len(), shape.y_len())?;
    check_len(OP, "weight", weight.len(), shape.weight_len())?;
    check_len(OP, "gx", gx.len(), shape.x_len())?;
    backward_input_with(Isa::chosen(), shape, gy, weight, gx, store, algorithms);
    Ok(())
}

/// The gradient of the weight, summed over images and pixels in an order that only the shape decides.
///
/// # Shapes
/// `x [N, H, W, C]`, `gy [N, h, w, O]`, `gw [O, kh, kw, C / groups]`.
///
/// # Errors
/// [`ShapeError`] when the convolution does not exist or a slice has another length than the shape asks for.
pub fn conv2d_backward_weight(
    shape: &ConvShape,
    x: &[f32],
    gy: &[f32],
    gw: &mut [f32],
    store: Store,
    algorithms: Algorithms,
) -> Result<(), ShapeError> {
    const OP: &str = "conv2d_backward_weight";
    shape.check()?;
    check_len(OP, "x", x.len(), shape.x_len())?;
    check_len(OP, "gy", gy.len(), shape.y_len())?;
    check_len(OP, "gw", gw.len(), shape.weight_len())?;
    backward_weight_with(Isa::chosen(), shape, x, gy, gw, store, algorithms);
    Ok(())
}

/// The gradient of the bias: `gb = sum of gy over images and pixels`, in f64 and a fixed order.
///
/// # Shapes
/// `gy [N, h, w, O]`, `gb [O]`.
///
/// # Errors
/// [`ShapeError`] when the convolution does not exist or a slice has another length than the shape asks for.
pub fn conv2d_backward_bias(shape: &ConvShape, gy: &[f32], gb: &mut [f32], store: Store) -> Result<(), ShapeError> {
    const OP: &str = "conv2d_backward_bias";
    shape.check()?;
    check_len(OP, "gy", gy.len(), shape.y_len())?;
    check_len(OP, "gb", gb.len(), shape.c_out)?;
    bias::backward(gy, gb, store);
    Ok(())
}

/// The tile of Winograd's algorithm, where it pays and is allowed.
fn winograd_tile(shape: &ConvShape, pass: Pass, algorithms: Algorithms) -> Option<Tile> {
    match algorithms {
        Algorithms::Fast => winograd::applies(shape, pass),
        Algorithms::Exact => None,
    }
}

/// [`conv2d`] on an instruction set, lengths already checked.
fn forward_with(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: &Epilogue,
    y: &mut [f32],
    algorithms: Algorithms,
) {
    if let Some(tile) = winograd_tile(shape, Pass::Forward, algorithms) {
        winograd::forward(isa, shape, x, weight, epilogue, y, tile);
    } else if shape.is_depthwise() {
        depthwise::forward(isa, shape, x, weight, epilogue, y);
    } else {
        direct_forward::forward(isa, shape, x, weight, epilogue, y, algorithms);
    }
}

/// [`conv2d_backward_input`] on an instruction set, lengths already checked.
fn backward_input_with(
    isa: Isa,
    shape: &ConvShape,
    gy: &[f32],
    weight: &[f32],
    gx: &mut [f32],
    store: Store,
    algorithms: Algorithms,
) {
    if let Some(tile) = winograd_tile(shape, Pass::BackwardInput, algorithms) {
        winograd::backward_input(isa, shape, gy, weight, gx, store, tile);
    } else if shape.is_depthwise() {
        depthwise::backward_input(isa, shape, gy, weight, gx, store);
    } else {
        direct_input::backward(isa, shape, gy, weight, gx, store, algorithms);
    }
}

/// [`conv2d_backward_weight`] on an instruction set, lengths already checked.
fn backward_weight_with(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    gy: &[f32],
    gw: &mut [f32],
    store: Store,
    algorithms: Algorithms,
) {
    if let Some(tile) = winograd_tile(shape, Pass::BackwardWeight, algorithms) {
        winograd::backward_weight(isa, shape, x, gy, gw, store, tile);
    } else if shape.is_depthwise() {
        depthwise::backward_weight(isa, shape, x, gy, gw, store);
    } else {
        direct_weight::backward(isa, shape, x, gy, gw, store);
    }
}
