//! One filter a channel: lanes run over the channels, nothing is summed across them.

use super::product::Layout;
use super::sampling::Sampling;
use super::{ConvShape, Epilogue, Shared};
use crate::conv::epilogue::Finish;
use crate::simd::{Isa, Kernel, LANES, Lanes, run};
use crate::{Store, scratch};
use rayon::prelude::*;

/// Output pixels of one partial sum of the weight gradient: fixed, so that the order of the additions is.
const PARTIAL: usize = 4096;

/// [`super::conv2d`], lengths already checked.
pub(super) fn forward(isa: Isa, shape: &ConvShape, x: &[f32], weight: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
    let taps: Vec<usize> = (0..shape.taps()).collect();
    let row = shape.out_w() * shape.c_out;
    let layout = Layout { origin: 0, strides: [shape.out_h() * row, row, shape.c_out] };
    let weights = by_tap(shape, weight, &taps);
    let lines = Lines {
        sampling: &Sampling::forward(shape),
        source: x,
        weights: &weights,
        channels: shape.c_in,
        layout,
        store: Store::Overwrite,
        finish: epilogue.finish(),
    };
    // SAFETY: the layout is that of `y`, which is ours alone; the epilogue was checked against the shape.
    unsafe { lines.run(isa, Shared::new(y)) }
}

/// [`super::conv2d_backward_input`], lengths already checked.
pub(super) fn backward_input(isa: Isa, shape: &ConvShape, gy: &[f32], weight: &[f32], gx: &mut [f32], store: Store) {
    let out = Shared::new(gx);
    let (pixel, row) = (shape.c_in, shape.w * shape.c_in);
    for down in 0..shape.stride[0].min(shape.h) {
        for right in 0..shape.stride[1].min(shape.w) {
            let (sampling, taps) = Sampling::backward(shape, [down, right]);
            let weights = by_tap(shape, weight, &taps);
            let layout = Layout {
                origin: down * row + right * pixel,
                strides: [shape.h * row, shape.stride[0] * row, shape.stride[1] * pixel],
            };
            let lines = Lines {
                sampling: &sampling,
                source: gy,
                weights: &weights,
                channels: shape.c_in,
                layout,
                store,
                finish: None,
            };
            // SAFETY: the layout is that of the class's pixels in `gx`, which is ours alone.
            unsafe { lines.run(isa, out) }
        }
    }
}

/// `[taps asked for][C]` of a weight `[C][taps]`.
fn by_tap(shape: &ConvShape, weight: &[f32], taps: &[usize]) -> Vec<f32> {
    taps.iter().flat_map(|tap| weight.iter().skip(*tap).step_by(shape.taps())).copied().collect()
}

/// Every pixel of a grid, each channel the weighted sum of the source pixels it meets.
struct Lines<'a> {
    sampling: &'a Sampling,
    source: &'a [f32],
    /// `[taps][channels]`
    weights: &'a [f32],
    channels: usize,
    layout: Layout,
    store: Store,
    finish: Option<Finish>,
}

impl Lines<'_> {
    /// # Safety
    /// `layout` keeps every pixel of the grid inside `out`, apart from one another, and nobody else touches `out`
    /// meanwhile; `finish` fits `out`.
    unsafe fn run(&self, isa: Isa, out: Shared) {
        (0..self.sampling.images * self.sampling.size[0]).into_par_iter().for_each(|line| {
            // SAFETY: lines are apart from one another; the instruction set is one this machine has.
            unsafe { run(isa, Line { all: self, index: line, out: out.get() }) }
        });
    }
}

/// One row of the grid.
///
/// # Safety
/// As [`Lines::run`], for the pixels of the row.
struct Line<'a> {
    all: &'a Lines<'a>,
    index: usize,
    out: *mut f32,
}

impl Kernel for Line<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Lines { sampling, source, weights, channels, layout, .. } = *self.all;
        let (image, row) = (self.index / sampling.size[0], self.index % sampling.size[0]);
        let mut met: Vec<(&[f32], &[f32])> = Vec::with_capacity(sampling.taps.len());
        for column in 0..sampling.size[1] {
            met.clear();
            for (tap, &[down, right]) in sampling.taps.iter().enumerate() {
                let at = (column * sampling.step[1]) as isize + right;
                let Some(line) = sampling.source_row(row, down) else { continue };
                if (0..sampling.source[1] as isize).contains(&at) {
                    let pixel = (image * sampling.source[0] + line) * sampling.source[1] + at as usize;
                    met.push((
                        &source[pixel * channels..(pixel + 1) * channels],
                        &weights[tap * channels..(tap + 1) * channels],
                    ));
                }
            }
            let place =
                layout.origin + image * layout.strides[0] + row * layout.strides[1] + column * layout.strides[2];
            // SAFETY: the pixel is inside the output, by the type's contract.
            unsafe { self.pixel::<V>(&met, place) }
        }
    }
}

impl Line<'_> {
    #[inline(always)]
    unsafe fn pixel<V: Lanes>(&self, met: &[(&[f32], &[f32])], place: usize) {
        let channels = self.all.channels;
        for channel in (0..channels).step_by(LANES) {
            let lanes = LANES.min(channels - channel);
            // SAFETY: `channel + lanes <= channels`, the length of every slice of `met` and of the pixel.
            unsafe {
                let to = self.out.add(place + channel);
                let mut sum = match self.all.store {
                    Store::Overwrite => V::zero(),
                    Store::Accumulate => V::load_partial(to, lanes),
                };
                for (source, weight) in met {
                    let source = V::load_partial(source.as_ptr().add(channel), lanes);
                    sum = source.mul_add(V::load_partial(weight.as_ptr().add(channel), lanes), sum);
                }
                if let Some(finish) = &self.all.finish {
                    sum = finish.apply_partial(sum, place, channel, lanes);
                }
                sum.store_partial(to, lanes);
            }
        }
    }
}

/// [`super::conv2d_backward_weight`], lengths already checked.
pub(super) fn backward_weight(isa: Isa, shape: &ConvShape, x: &[f32], gy: &[f32], gw: &mut [f32], store: Store) {
    let (sampling, channels, taps) = (Sampling::forward(shape), shape.c_in, shape.taps());
    let lines = shape.n * shape.out_h();
    let lines_per_partial = PARTIAL.div_ceil(shape.out_w());
    let mut partials = scratch::zeros(lines.div_ceil(lines_per_partial) * taps * channels);
    partials.par_chunks_mut(taps * channels).enumerate().for_each(|(i, out)| {
        let first = i * lines_per_partial;
        let lines = first..(first + lines_per_partial).min(lines);
        // SAFETY: the instruction set is one this machine has; the kernel's slices have the lengths of the shape.
        unsafe { run(isa, WeightGradient { sampling: &sampling, x, gy, channels, lines, out }) }
    });
    for (i, gw) in gw.iter_mut().enumerate() {
        let (channel, tap) = (i / taps, i % taps);
        let sum: f64 = partials.chunks(taps * channels).map(|p| f64::from(p[tap * channels + channel])).sum();
        *gw = match store {
            Store::Overwrite => sum as f32,
            Store::Accumulate => (f64::from(*gw) + sum) as f32,
        };
    }
}

/// The weight gradient of some lines of output pixels, added to `out [taps][channels]`.
///
/// # Safety
/// `x` and `gy` have the lengths of the sampling's source and grid.
struct WeightGradient<'a> {
    sampling: &'a Sampling,
    x: &'a [f32],
    gy: &'a [f32],
    channels: usize,
    lines: std::ops::Range<usize>,
    out: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { sampling, channels, .. } = self;
        for line in self.lines {
            let (image, row) = (line / sampling.size[0], line % sampling.size[0]);
            for (&[down, right], out) in sampling.taps.iter().zip(self.out.chunks_mut(channels)) {
                let Some(source_row) = sampling.source_row(row, down) else { continue };
                let (low, high) = sampling.columns_inside(right);
                let source_line = (image * sampling.source[0] + source_row) * sampling.source[1];
                for channel in (0..channels).step_by(LANES) {
                    let lanes = LANES.min(channels - channel);
                    // SAFETY: both pixels are inside their slices, and `channel + lanes <= channels`.
                    unsafe {
                        let to = out.as_mut_ptr().add(channel);
                        let mut sum = V::load_partial(to, lanes);
                        for column in low..high {
                            let source = source_line + (column * sampling.step[1]).wrapping_add_signed(right);
                            let pixel = line * sampling.size[1] + column;
                            let x = V::load_partial(self.x.as_ptr().add(source * channels + channel), lanes);
                            let g = V::load_partial(self.gy.as_ptr().add(pixel * channels + channel), lanes);
                            sum = x.mul_add(g, sum);
                        }
                        sum.store_partial(to, lanes);
                    }
                }
            }
        }
    }
}
