//! Softmax cross-entropy of per-pixel logits, and its gradient, in one pass.
//!
//! With `m` the largest logit of a pixel, `e_k = exp(x_k - m)` and `y` its label, the loss is
//! `(m - x_y) + ln(e_y + sum of the other e_k)` and its derivative `softmax_k - [k = y]`, which at the label is the other
//! classes' share, negative: no exponential overflows, and a pixel that is sure of its label keeps all its digits.
//!
//! Legend: `B` images, `P` pixels of one image, `K` classes.

use crate::exp::exp_of_negative;
use crate::simd::{self, Isa, Kernel, LANES, Lanes};
use crate::{ShapeError, blocks, check_len};
use rayon::prelude::*;

/// The label of pixels that count for nothing: VOC's void.
pub const IGNORE_INDEX: u8 = 255;

/// What a softmax cross-entropy compares.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a> {
    /// `[B, P, K]`
    pub logits: &'a [f32],
    /// `[B, P]`, each under `K` or [`IGNORE_INDEX`].
    pub labels: &'a [u8],
    /// `B`
    pub images: usize,
    /// `K`, from 1 to 255.
    pub classes: usize,
}

/// The losses of one image's pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageLoss {
    /// Their sum over the pixels that count.
    pub sum: f64,
    /// How many count.
    pub pixels: u64,
}

/// The losses of a batch, image by image.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchLoss {
    /// In the batch's order.
    pub images: Vec<ImageLoss>,
}

impl BatchLoss {
    /// The mean over all pixels of the batch that count; 0 where none does.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.images.iter().map(|image| image.sum).sum();
        if self.pixels() == 0 { 0.0 } else { sum / self.pixels() as f64 }
    }

    /// How many pixels count.
    pub fn pixels(&self) -> u64 {
        self.images.iter().map(|image| image.pixels).sum()
    }

    /// The images whose loss is infinite or not a number.
    pub fn not_finite(&self) -> Vec<usize> {
        let broken = |(i, image): (usize, &ImageLoss)| (!image.sum.is_finite()).then_some(i);
        self.images.iter().enumerate().filter_map(broken).collect()
    }
}

/// A cross-entropy that cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrossEntropyError {
    /// Sizes that do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A label that is no class.
    #[error(
        "softmax_cross_entropy: image {image} of the batch, pixel {pixel}: expected a label under {classes} or \
         {IGNORE_INDEX}, got {label}\nhelp: the labels are those of another number of classes"
    )]
    Label {
        /// Which image.
        image: usize,
        /// Which of its pixels, row by row.
        pixel: usize,
        /// `K`
        classes: usize,
        /// The label.
        label: u8,
    },
}

/// The losses, and the gradient of `scale` times their mean over all pixels that count, with respect to the logits; pixels
/// that do not count have none, so a batch without any has loss 0 and gradient 0 (PyTorch: not a number).
///
/// # Shapes
/// `gradient` `[B, P, K]`, overwritten.
///
/// # Errors
/// [`CrossEntropyError`] when the slices do not fit, or a label is no class.  Losses that are not finite are no error here:
/// see [`BatchLoss::not_finite`].
pub fn softmax_cross_entropy(
    args: &CrossEntropy,
    scale: f32,
    gradient: &mut [f32],
) -> Result<BatchLoss, CrossEntropyError> {
    check_len("softmax_cross_entropy", "gradient", gradient.len(), args.logits.len())?;
    let counts = args.count()?;
    Ok(compute(Isa::chosen(), args, &counts, scale, gradient))
}

impl CrossEntropy<'_> {
    /// How many pixels of each image count, all labels being classes.
    fn count(&self) -> Result<Vec<u64>, CrossEntropyError> {
        let op = "softmax_cross_entropy";
        if !(1..=usize::from(IGNORE_INDEX)).contains(&self.classes) {
            let (expected, got) = (format!("1 to {IGNORE_INDEX}"), self.classes.to_string());
            return Err(ShapeError { op, what: "classes", expected, got }.into());
        }
        check_len(op, "logits", self.logits.len(), self.labels.len() * self.classes)?;
        if self.images == 0 || !self.labels.len().is_multiple_of(self.images) {
            let expected = format!("a multiple of the {} images, of which there is one", self.images);
            return Err(ShapeError { op, what: "labels", expected, got: self.labels.len().to_string() }.into());
        }
        let is_class = |label: u8| usize::from(label) < self.classes;
        let count = |(image, labels): (usize, &[u8])| {
            if let Some(pixel) = labels.iter().position(|&label| !is_class(label) && label != IGNORE_INDEX) {
                return Err(CrossEntropyError::Label { image, pixel, classes: self.classes, label: labels[pixel] });
            }
            Ok(labels.iter().filter(|&&label| label != IGNORE_INDEX).count() as u64)
        };
        if self.labels.is_empty() {
            return Ok(vec![0; self.images]);
        }
        self.labels.chunks(self.labels.len() / self.images).enumerate().map(count).collect()
    }
}

fn compute(isa: Isa, args: &CrossEntropy, counts: &[u64], scale: f32, gradient: &mut [f32]) -> BatchLoss {
    let CrossEntropy { logits, labels, images, classes } = *args;
    let pixels = (labels.len() / images).max(1);
    let block = blocks::rows_per_task(classes);
    let share = f64::from(scale) / counts.iter().sum::<u64>().max(1) as f64;
    let batch = gradient.par_chunks_mut(pixels * classes).zip(logits.par_chunks(pixels * classes));
    let sums = batch.zip(labels.par_chunks(pixels)).map(|((gradient, logits), labels)| {
        let tasks = gradient.par_chunks_mut(block * classes).zip(logits.par_chunks(block * classes));
        let parts: Vec<f64> = tasks
            .zip(labels.par_chunks(block))
            .map(|((gradient, logits), labels)| {
                let rows = Rows { logits, labels, gradient, classes, share: share as f32 };
                // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
                unsafe { simd::run(isa, rows) }
            })
            .collect();
        parts.into_iter().sum::<f64>()
    });
    let mut sums: Vec<f64> = sums.collect();
    sums.resize(images, 0.0);
    let images = sums.into_iter().zip(counts).map(|(sum, &pixels)| ImageLoss { sum, pixels });
    BatchLoss { images: images.collect() }
}

struct Rows<'a> {
    logits: &'a [f32],
    labels: &'a [u8],
    gradient: &'a mut [f32],
    classes: usize,
    /// What a pixel's gradient is multiplied by.
    share: f32,
}

impl Kernel for Rows<'_> {
    type Output = f64;
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) -> f64 {
        let Self { logits, labels, gradient, classes, share } = self;
        let mut columns = vec![[0.0; LANES]; classes];
        let mut total = 0.0;
        let rows = logits.chunks(LANES * classes).zip(gradient.chunks_mut(LANES * classes));
        for ((logits, gradient), labels) in rows.zip(labels.chunks(LANES)) {
            to_columns(logits, &mut columns);
            total += pixels(&mut columns, labels, share);
            to_rows(&columns, labels, gradient);
        }
        total
    }
}

/// Up to sixteen pixels, one a lane; lanes without a pixel keep what they hold.
#[inline(always)]
fn to_columns(logits: &[f32], columns: &mut [[f32; LANES]]) {
    for (lane, row) in logits.chunks_exact(columns.len()).enumerate() {
        for (column, x) in columns.iter_mut().zip(row) {
            column[lane] = *x;
        }
    }
}

#[inline(always)]
fn to_rows(columns: &[[f32; LANES]], labels: &[u8], gradient: &mut [f32]) {
    for ((lane, row), &label) in gradient.chunks_exact_mut(columns.len()).enumerate().zip(labels) {
        if label == IGNORE_INDEX {
            row.fill(0.0);
            continue;
        }
        for (g, column) in row.iter_mut().zip(columns) {
            *g = column[lane];
        }
    }
}

/// Replaces the logits by their gradient and gives the sum of the losses.
#[inline(always)]
fn pixels(columns: &mut [[f32; LANES]], labels: &[u8], share: f32) -> f64 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for column in columns.iter() {
        for (m, x) in largest.iter_mut().zip(column) {
            *m = if *x > *m { *x } else { *m };
        }
    }
    let mut own = [0.0; LANES];
    for (lane, &label) in labels.iter().enumerate() {
        if let Some(column) = columns.get_mut(usize::from(label)) {
            // Out of the sum below, which would drown in it where the pixel is sure of its label.
            own[lane] = std::mem::replace(&mut column[lane], f32::NEG_INFINITY);
        }
    }
    let mut others = [0.0; LANES];
    for column in columns.iter_mut() {
        for ((x, m), sum) in column.iter_mut().zip(largest).zip(&mut others) {
            *x = exp_of_negative(m - *x);
            *sum += *x;
        }
    }
    let mut factors = [0.0; LANES];
    let mut total = 0.0;
    for (lane, &label) in labels.iter().enumerate() {
        let e = exp_of_negative(largest[lane] - own[lane]);
        factors[lane] = share / (others[lane] + e);
        if label != IGNORE_INDEX {
            let gap = f64::from(largest[lane]) - f64::from(own[lane]);
            total += gap + (f64::from(others[lane]) + (f64::from(e) - 1.0)).ln_1p();
        }
    }
    for column in columns.iter_mut() {
        for (x, factor) in column.iter_mut().zip(factors) {
            *x *= factor;
        }
    }
    for (lane, &label) in labels.iter().enumerate() {
        if let Some(column) = columns.get_mut(usize::from(label)) {
            column[lane] = -others[lane] * factors[lane];
        }
    }
    total
}

#[cfg(test)]
mod tests;
