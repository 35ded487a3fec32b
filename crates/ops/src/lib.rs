//! Forward and backward kernels on channels-last slices.
//!
//! Plain functions: slices and explicit shapes in, slices out.  No autograd, no layers, no tensor library.  Every function
//! checks the lengths it is given and refuses with a [`ShapeError`]; every float reduction is split by shape and added in
//! a fixed order, so the bytes do not depend on the number of threads.
//!
//! Legend: `N` batch, `H W` input pixels, `h w` output pixels, `C`/`I` input channels, `O` output channels.
//! Activations are `[N, H, W, C]`, conv weights `[O, kh, kw, I]` (a filter is a contiguous row).

#![cfg_attr(test, allow(clippy::float_cmp))] // the tests compare bits on purpose

#[cfg(test)]
mod any_pool;
pub mod bce;
mod blocks;
pub mod concat;
pub mod conv;
pub mod dropout;
pub mod exp;
mod instruction_set;
pub mod norm_act;
#[cfg(test)]
mod oracle;
pub mod pool;
pub mod resize;
pub mod rng;
pub mod rows;
pub mod scratch;
mod simd;
pub mod smooth;
pub mod softmax;
pub mod softmax_cross_entropy;
pub mod update;

pub use instruction_set::{InstructionSetError, instruction_set};

/// What a backward kernel does with the values already in its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The destination is written; what it held is not read.
    Overwrite,
    /// The result is added to what the destination holds.
    Accumulate,
}

/// The activation fused behind a convolution or a norm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `y = x`
    #[default]
    Identity,
    /// `y = max(x, 0)`; the derivative at 0 is 0, as in PyTorch.
    Relu,
    /// `y = x` above 0, `slope * x` elsewhere; the derivative at 0 is the slope, as in PyTorch.
    LeakyRelu(f32),
}

impl Activation {
    /// The factor of values at or below zero: every activation here is piecewise linear.
    pub fn negative_slope(self) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope,
        }
    }
}

/// A size that does not fit: what was expected, what was given, of what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{op}: {what}: expected {expected}, got {got}")]
pub struct ShapeError {
    /// The kernel that refuses.
    pub op: &'static str,
    /// The argument that does not fit.
    pub what: &'static str,
    /// What would fit.
    pub expected: String,
    /// What was given.
    pub got: String,
}

/// Refuses a slice whose length is not the one its shape asks for.
///
/// # Errors
/// [`ShapeError`] when `got != expected`.
pub fn check_len(op: &'static str, what: &'static str, got: usize, expected: usize) -> Result<(), ShapeError> {
    if got == expected {
        return Ok(());
    }
    Err(ShapeError { op, what, expected: format!("{expected} values"), got: format!("{got}") })
}
