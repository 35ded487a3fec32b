//! Binary cross-entropy of logits, and its gradient.
//!
//! With `softplus(x) = ln(1 + e^x)` the loss of a logit `x` and a target `t` in [0, 1] is
//! `(1 - t) softplus(x) + positive * t softplus(-x)`: two terms that never cancel, at any `x`.

use crate::exp::exp_of_negative;
use crate::simd::{self, Isa, Kernel, Lanes};
use crate::{ShapeError, Store, blocks, check_len};
use rayon::prelude::*;

/// What a binary cross-entropy compares.
#[derive(Clone, Copy, Debug)]
pub struct Bce<'a> {
    /// Logits, of any shape.
    pub logits: &'a [f32],
    /// Targets in [0, 1], as many.
    pub targets: &'a [f32],
    /// A factor for every value, as many; 0 leaves a value out.
    pub weights: Option<&'a [f32]>,
    /// A factor for the part of the loss that pulls towards 1 (`pos_weight` in PyTorch); 1 for none.
    pub positive: f32,
}

impl<'a> Bce<'a> {
    /// Without weights.
    pub fn new(logits: &'a [f32], targets: &'a [f32]) -> Self {
        Self { logits, targets, weights: None, positive: 1.0 }
    }

    fn check(&self, op: &'static str) -> Result<(), ShapeError> {
        check_len(op, "targets", self.targets.len(), self.logits.len())?;
        self.weights.map_or(Ok(()), |weights| check_len(op, "weights", weights.len(), self.logits.len()))
    }

    fn block(&self, i: usize) -> Self {
        let part = i * blocks::VALUES..self.logits.len().min((i + 1) * blocks::VALUES);
        Self {
            logits: &self.logits[part.clone()],
            targets: &self.targets[part.clone()],
            weights: self.weights.map(|weights| &weights[part]),
            positive: self.positive,
        }
    }
}

/// The sum of the losses, in `f64`.
///
/// # Errors
/// [`ShapeError`] when the slices are not equally long.
pub fn bce_with_logits(args: &Bce) -> Result<f64, ShapeError> {
    args.check("bce_with_logits")?;
    Ok(total(Isa::chosen(), args))
}

/// The gradient of `scale` times the sum of the losses with respect to the logits.
///
/// # Shapes
/// `gx`: as many values as logits.
///
/// # Errors
/// [`ShapeError`] when the slices are not equally long.
pub fn bce_with_logits_backward(args: &Bce, scale: f32, gx: &mut [f32], store: Store) -> Result<(), ShapeError> {
    let op = "bce_with_logits_backward";
    args.check(op)?;
    check_len(op, "gx", gx.len(), args.logits.len())?;
    gradient(Isa::chosen(), args, scale, gx, store);
    Ok(())
}

fn total(isa: Isa, args: &Bce) -> f64 {
    let tasks = args.logits.len().div_ceil(blocks::VALUES);
    let sums: Vec<f64> = (0..tasks)
        .into_par_iter()
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        .map(|i| unsafe { simd::run(isa, Loss(args.block(i))) })
        .collect();
    sums.into_iter().sum()
}

fn gradient(isa: Isa, args: &Bce, scale: f32, gx: &mut [f32], store: Store) {
    gx.par_chunks_mut(blocks::VALUES).enumerate().for_each(|(i, gx)| {
        // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
        unsafe { simd::run(isa, Gradient { args: args.block(i), scale, gx, store }) }
    });
}

/// Values whose losses are computed side by side, so that the compiler can use vectors.
const CHUNK: usize = 64;

struct Loss<'a>(Bce<'a>);

impl Kernel for Loss<'_> {
    type Output = f64;
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) -> f64 {
        let Self(args) = self;
        let mut total = 0.0;
        let mut losses = [0.0; CHUNK];
        for start in (0..args.logits.len()).step_by(CHUNK) {
            let end = args.logits.len().min(start + CHUNK);
            let (logits, targets) = (&args.logits[start..end], &args.targets[start..end]);
            for ((loss, x), t) in losses.iter_mut().zip(logits).zip(targets) {
                let a = x.abs();
                // softplus(-|x|), to which max(x, 0) or max(-x, 0) is added: exact as these sums, which let NaN through.
                let small = ln_1p(exp_of_negative(a));
                let (up, down) = (small + 0.5 * (a + x), small + 0.5 * (a - x));
                *loss = (1.0 - t) * up + args.positive * t * down;
            }
            if let Some(weights) = args.weights {
                losses.iter_mut().zip(&weights[start..end]).for_each(|(loss, w)| *loss *= w);
            }
            total += losses[..end - start].iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
        total
    }
}

struct Gradient<'a> {
    args: Bce<'a>,
    scale: f32,
    gx: &'a mut [f32],
    store: Store,
}

impl Kernel for Gradient<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { args, scale, gx, store } = self;
        let mut gradients = [0.0; CHUNK];
        for start in (0..gx.len()).step_by(CHUNK) {
            let end = gx.len().min(start + CHUNK);
            let (logits, targets) = (&args.logits[start..end], &args.targets[start..end]);
            for ((g, x), t) in gradients.iter_mut().zip(logits).zip(targets) {
                let e = exp_of_negative(x.abs());
                let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
                // sigmoid(x) and sigmoid(-x), each with all its digits.
                let (up, down) = if *x > 0.0 { (large, small) } else { (small, large) };
                *g = scale * ((1.0 - t) * up - args.positive * t * down);
            }
            if let Some(weights) = args.weights {
                gradients.iter_mut().zip(&weights[start..end]).for_each(|(g, w)| *g *= w);
            }
            match store {
                Store::Overwrite => gx[start..end].copy_from_slice(&gradients[..end - start]),
                Store::Accumulate => gx[start..end].iter_mut().zip(&gradients).for_each(|(gx, g)| *gx += g),
            }
        }
    }
}

/// `ln(1 + u)` for `0 <= u <= 1`, from `2 atanh(u / (2 + u))`, whose series has 3e-9 left after eight terms.
#[inline(always)]
fn ln_1p(u: f32) -> f32 {
    let s = u / (2.0 + u);
    let q = s * s;
    let p = 1.0 / 11.0 + q * (1.0 / 13.0 + q * (1.0 / 15.0));
    let p = 1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * p));
    2.0 * s * (1.0 + q * (1.0 / 3.0 + q * p))
}

#[cfg(test)]
mod tests;
