//! Smooth activations, element by element, and their gradients from the input.
//!
//! Every form is written with `e = exp(-|x|)`, which neither overflows nor loses digits, so that each is accurate at any
//! finite `x`.

use crate::exp::exp_of_negative;
use crate::simd::{self, Isa, Kernel, Lanes};
use crate::{ShapeError, Store, blocks, check_len};
use rayon::prelude::*;

/// An activation whose gradient needs its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smooth {
    /// `1 / (1 + e^-x)`
    Logistic,
    /// `x * logistic(x)`, also called SiLU (Ramachandran et al. 2017).
    Swish,
    /// `x * tanh(ln(1 + e^x))` (Misra 2019).
    Mish,
}

/// The activation of every value.
///
/// # Shapes
/// Both equally long.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn smooth(activation: Smooth, x: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    check_len("smooth", "y", y.len(), x.len())?;
    forward(Isa::chosen(), activation, x, y);
    Ok(())
}

/// The gradient of [`smooth`]: `gx = gy * act'(x)`.
///
/// # Shapes
/// All equally long.
///
/// # Errors
/// [`ShapeError`] when they are not.
pub fn smooth_backward(
    activation: Smooth,
    x: &[f32],
    gy: &[f32],
    gx: &mut [f32],
    store: Store,
) -> Result<(), ShapeError> {
    let op = "smooth_backward";
    check_len(op, "gy", gy.len(), x.len())?;
    check_len(op, "gx", gx.len(), x.len())?;
    backward(Isa::chosen(), activation, x, gy, gx, store);
    Ok(())
}

fn forward(isa: Isa, activation: Smooth, x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(blocks::VALUES).zip(x.par_chunks(blocks::VALUES)).for_each(|(y, x)| {
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        unsafe { simd::run(isa, Forward { activation, x, y }) }
    });
}

fn backward(isa: Isa, activation: Smooth, x: &[f32], gy: &[f32], gx: &mut [f32], store: Store) {
    let inputs = x.par_chunks(blocks::VALUES).zip(gy.par_chunks(blocks::VALUES));
    gx.par_chunks_mut(blocks::VALUES).zip(inputs).for_each(|(gx, (x, gy))| {
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        unsafe { simd::run(isa, Backward { activation, x, gy, gx, store }) }
    });
}

/// `logistic(x)`, and `logistic(-x)` with all its digits.
#[inline(always)]
fn logistic(x: f32) -> (f32, f32) {
    let e = exp_of_negative(x.abs());
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    if x > 0.0 { (large, small) } else { (small, large) }
}

/// `t = tanh(ln(1 + e^x))` and `1 - t^2`.
///
/// With `n = e^x (e^x + 2)` they are `n / (n + 2)` and `4 (n + 1) / (n + 2)^2`; above 0 both are taken times powers of
/// `e^-x`.
#[inline(always)]
fn tanh_of_softplus(x: f32) -> (f32, f32) {
    let e = exp_of_negative(x.abs());
    let square = e * e;
    let positive = x > 0.0;
    let numerator = if positive { 1.0 + 2.0 * e } else { square + 2.0 * e };
    let denominator = numerator + if positive { 2.0 * square } else { 2.0 };
    let between = if positive { (numerator + square) * square } else { numerator + 1.0 };
    (numerator / denominator, 4.0 * between / (denominator * denominator))
}

#[inline(always)]
fn value(activation: Smooth, x: f32) -> f32 {
    match activation {
        Smooth::Logistic => logistic(x).0,
        Smooth::Swish => x * logistic(x).0,
        Smooth::Mish => x * tanh_of_softplus(x).0,
    }
}

#[inline(always)]
fn derivative(activation: Smooth, x: f32) -> f32 {
    let (up, down) = logistic(x);
    match activation {
        Smooth::Logistic => up * down,
        Smooth::Swish => up + x * (up * down),
        Smooth::Mish => {
            let (t, rest) = tanh_of_softplus(x);
            t + x * (up * rest)
        }
    }
}

struct Forward<'a> {
    activation: Smooth,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // One loop for each activation, so that none asks which it is inside.
        match self.activation {
            Smooth::Logistic => each(self.x, self.y, Smooth::Logistic),
            Smooth::Swish => each(self.x, self.y, Smooth::Swish),
            Smooth::Mish => each(self.x, self.y, Smooth::Mish),
        }
    }
}

#[inline(always)]
fn each(x: &[f32], y: &mut [f32], activation: Smooth) {
    for (x, y) in x.iter().zip(y) {
        *y = value(activation, *x);
    }
}

struct Backward<'a> {
    activation: Smooth,
    x: &'a [f32],
    gy: &'a [f32],
    gx: &'a mut [f32],
    store: Store,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { activation, x, gy, gx, store } = self;
        match activation {
            Smooth::Logistic => each_gradient(x, gy, gx, store, Smooth::Logistic),
            Smooth::Swish => each_gradient(x, gy, gx, store, Smooth::Swish),
            Smooth::Mish => each_gradient(x, gy, gx, store, Smooth::Mish),
        }
    }
}

#[inline(always)]
fn each_gradient(x: &[f32], gy: &[f32], gx: &mut [f32], store: Store, activation: Smooth) {
    for ((x, gy), gx) in x.iter().zip(gy).zip(gx) {
        let g = gy * derivative(activation, *x);
        *gx = match store {
            Store::Overwrite => g,
            Store::Accumulate => *gx + g,
        };
    }
}

#[cfg(test)]
mod tests;
