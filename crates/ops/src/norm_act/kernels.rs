//! The inner loops: a block of rows, sixteen channels at a time.

use super::{Affine, ResidualAt};
use crate::simd::{Kernel, LANES, Lanes};

/// Vectors side by side in a reduction: 64 channels of a row are read in one go, and the sums stay in registers.
const WIDE: usize = 4;

/// Rows summed before they are added to the sum of the block: a sum of sums rounds less than one long sum.
const GROUP: usize = 16;

#[inline(always)]
unsafe fn load<V: Lanes>(from: &[f32], at: usize, n: usize) -> V {
    debug_assert!(at + n <= from.len());
    // SAFETY: the caller has `n` values at `at`.
    unsafe {
        let from = from.as_ptr().add(at);
        if n == LANES { V::load(from) } else { V::load_partial(from, n) }
    }
}

#[inline(always)]
unsafe fn store<V: Lanes>(value: V, to: &mut [f32], at: usize, n: usize) {
    debug_assert!(at + n <= to.len());
    // SAFETY: the caller has `n` values at `at`.
    unsafe {
        let to = to.as_mut_ptr().add(at);
        if n == LANES { value.store(to) } else { value.store_partial(to, n) }
    }
}

/// A kernel whose outputs each depend on their own channel of their own row.
trait Elementwise {
    /// Values in the block, channels in a row.
    fn dims(&self) -> (usize, usize);
    /// # Safety
    /// `n` channels from `channel` on are in the row, and `at` is where they lie in the block.
    unsafe fn lanes<V: Lanes>(&mut self, at: usize, channel: usize, n: usize);
}

#[inline(always)]
unsafe fn over_rows<V: Lanes, K: Elementwise>(mut kernel: K) {
    let (values, channels) = kernel.dims();
    let whole = channels - channels % LANES;
    for row in (0..values).step_by(channels) {
        for channel in (0..whole).step_by(LANES) {
            // SAFETY: the block holds whole rows, and these sixteen channels are in the row.
            unsafe { kernel.lanes::<V>(row + channel, channel, LANES) }
        }
        if whole < channels {
            // SAFETY: as above, for the channels left over.
            unsafe { kernel.lanes::<V>(row + whole, whole, channels - whole) }
        }
    }
}

/// A kernel that sums over the rows of a block.
trait Reduction {
    fn channels(&self) -> usize;
    /// # Safety
    /// `W` groups of `n` channels, sixteen apart from `channel` on, are in every row.
    unsafe fn strip<V: Lanes, const W: usize>(&mut self, channel: usize, n: usize);
}

#[inline(always)]
unsafe fn over_strips<V: Lanes, K: Reduction>(mut kernel: K) {
    let channels = kernel.channels();
    let mut channel = 0;
    while channel < channels {
        let left = channels - channel;
        // SAFETY: the strip ends at or before the last channel.
        unsafe {
            if left >= WIDE * LANES {
                kernel.strip::<V, WIDE>(channel, LANES);
                channel += WIDE * LANES;
            } else {
                kernel.strip::<V, 1>(channel, left.min(LANES));
                channel += LANES;
            }
        }
    }
}

/// `y = act(z * scale + shift)` with the residual before or behind the activation.
///
/// `z`, the residual and `y` are equally long, a multiple of the length of `affine`.
pub(super) struct Apply<'a> {
    pub z: &'a [f32],
    pub affine: &'a Affine,
    pub slope: f32,
    pub residual: Option<(&'a [f32], ResidualAt)>,
    pub y: &'a mut [f32],
}

impl Elementwise for Apply<'_> {
    #[inline(always)]
    fn dims(&self) -> (usize, usize) {
        (self.y.len(), self.affine.scale.len())
    }
    #[inline(always)]
    unsafe fn lanes<V: Lanes>(&mut self, at: usize, channel: usize, n: usize) {
        // SAFETY: the caller names `n` channels of a row that is there.
        unsafe {
            let scale = load::<V>(&self.affine.scale, channel, n);
            let shift = load::<V>(&self.affine.shift, channel, n);
            let mut v = load::<V>(self.z, at, n).mul_add(scale, shift);
            if let Some((values, ResidualAt::BeforeActivation)) = self.residual {
                v = v.add(load(values, at, n));
            }
            v = v.select_positive(v, v.mul(V::splat(self.slope)));
            if let Some((values, ResidualAt::AfterActivation)) = self.residual {
                v = v.add(load(values, at, n));
            }
            store(v, self.y, at, n);
        }
    }
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the slices hold whole rows of these channels.
        unsafe { over_rows::<V, _>(self) }
    }
}

/// Per channel, the sums of `z - pivot` and of its square, where the pivot is the block's first row.
///
/// Sums of differences do not cancel where the mean is large against the spread.  `z` is at least one whole row; `sums`
/// holds `2 * channels` values.
pub(super) struct Moments<'a> {
    pub z: &'a [f32],
    pub channels: usize,
    pub sums: &'a mut [f32],
}

impl Reduction for Moments<'_> {
    #[inline(always)]
    fn channels(&self) -> usize {
        self.channels
    }
    #[inline(always)]
    unsafe fn strip<V: Lanes, const W: usize>(&mut self, channel: usize, n: usize) {
        // SAFETY: the caller names `W` groups of `n` channels that are in every row.
        unsafe {
            let (mut pivot, mut sum, mut squares) = ([V::zero(); W], [V::zero(); W], [V::zero(); W]);
            for (w, pivot) in pivot.iter_mut().enumerate() {
                *pivot = load(self.z, channel + w * LANES, n);
            }
            for group in (0..self.z.len()).step_by(GROUP * self.channels) {
                let (mut few, mut few_squares) = ([V::zero(); W], [V::zero(); W]);
                let end = self.z.len().min(group + GROUP * self.channels);
                for row in (group..end).step_by(self.channels) {
                    for w in 0..W {
                        let d = load::<V>(self.z, row + channel + w * LANES, n).sub(pivot[w]);
                        few[w] = few[w].add(d);
                        few_squares[w] = d.mul_add(d, few_squares[w]);
                    }
                }
                for w in 0..W {
                    sum[w] = sum[w].add(few[w]);
                    squares[w] = squares[w].add(few_squares[w]);
                }
            }
            for w in 0..W {
                store(sum[w], self.sums, channel + w * LANES, n);
                store(squares[w], self.sums, self.channels + channel + w * LANES, n);
            }
        }
    }
}

impl Kernel for Moments<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the slices hold whole rows of these channels.
        unsafe { over_strips::<V, _>(self) }
    }
}

/// What both passes of the backward read.
///
/// The length of `z` is a multiple of that of `affine` and `mean`.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub z: &'a [f32],
    pub affine: &'a Affine,
    pub mean: &'a [f32],
    pub slope: f32,
}

impl Saved<'_> {
    /// The gradient behind the activation, and `z - mean`.
    #[inline(always)]
    unsafe fn lanes<V: Lanes>(&self, gy: V, at: usize, channel: usize, n: usize) -> (V, V) {
        // SAFETY: the caller names `n` channels of a row that is there.
        unsafe {
            let z = load::<V>(self.z, at, n);
            let scale = load::<V>(&self.affine.scale, channel, n);
            let before = z.mul_add(scale, load(&self.affine.shift, channel, n));
            let g = before.select_positive(gy, gy.mul(V::splat(self.slope)));
            (g, z.sub(load(self.mean, channel, n)))
        }
    }
}

/// Per channel, the sums of `g` and of `g * (z - mean)`, where `g` is the gradient behind the activation.
///
/// `gy` is as long as `saved.z`; `sums` holds `2 * channels` values.
pub(super) struct GradientSums<'a> {
    pub saved: Saved<'a>,
    pub gy: &'a [f32],
    pub sums: &'a mut [f32],
}

impl Reduction for GradientSums<'_> {
    #[inline(always)]
    fn channels(&self) -> usize {
        self.saved.mean.len()
    }
    #[inline(always)]
    unsafe fn strip<V: Lanes, const W: usize>(&mut self, channel: usize, n: usize) {
        let channels = self.saved.mean.len();
        // SAFETY: the caller names `W` groups of `n` channels that are in every row.
        unsafe {
            let (mut sum, mut products) = ([V::zero(); W], [V::zero(); W]);
            for group in (0..self.gy.len()).step_by(GROUP * channels) {
                let (mut few, mut few_products) = ([V::zero(); W], [V::zero(); W]);
                let end = self.gy.len().min(group + GROUP * channels);
                for row in (group..end).step_by(channels) {
                    for w in 0..W {
                        let c = channel + w * LANES;
                        let (g, d) = self.saved.lanes(load::<V>(self.gy, row + c, n), row + c, c, n);
                        few[w] = few[w].add(g);
                        few_products[w] = g.mul_add(d, few_products[w]);
                    }
                }
                for w in 0..W {
                    sum[w] = sum[w].add(few[w]);
                    products[w] = products[w].add(few_products[w]);
                }
            }
            for w in 0..W {
                store(sum[w], self.sums, channel + w * LANES, n);
                store(products[w], self.sums, channels + channel + w * LANES, n);
            }
        }
    }
}

impl Kernel for GradientSums<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the slices hold whole rows of these channels.
        unsafe { over_strips::<V, _>(self) }
    }
}

/// `gz = scale * g + slant * (z - mean) + offset`
///
/// `gz` is as long as `saved.z`, and so is `gy`; where `gy` is not given, it is read from `gz`.
pub(super) struct GradientApply<'a> {
    pub saved: Saved<'a>,
    pub gy: Option<&'a [f32]>,
    pub slant: &'a [f32],
    pub offset: &'a [f32],
    pub gz: &'a mut [f32],
}

impl Elementwise for GradientApply<'_> {
    #[inline(always)]
    fn dims(&self) -> (usize, usize) {
        (self.gz.len(), self.saved.mean.len())
    }
    #[inline(always)]
    unsafe fn lanes<V: Lanes>(&mut self, at: usize, channel: usize, n: usize) {
        // SAFETY: the caller names `n` channels of a row that is there.
        unsafe {
            let gy = load::<V>(self.gy.unwrap_or(self.gz), at, n);
            let (g, d) = self.saved.lanes(gy, at, channel, n);
            let tail = d.mul_add(load(self.slant, channel, n), load(self.offset, channel, n));
            let gz = g.mul_add(load(&self.saved.affine.scale, channel, n), tail);
            store(gz, self.gz, at, n);
        }
    }
}

impl Kernel for GradientApply<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the slices hold whole rows of these channels.
        unsafe { over_rows::<V, _>(self) }
    }
}

/// `gradient *= act'(y)`, the slope told by the sign of `y`, which is as long.
pub(super) struct ActivationGradient<'a> {
    pub y: &'a [f32],
    pub slope: f32,
    pub gradient: &'a mut [f32],
}

impl Kernel for ActivationGradient<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for at in (0..self.gradient.len()).step_by(LANES) {
            let n = LANES.min(self.gradient.len() - at);
            // SAFETY: both slices have `n` values at `at`.
            unsafe {
                let (y, g) = (load::<V>(self.y, at, n), load::<V>(self.gradient, at, n));
                store(y.select_positive(g, g.mul(V::splat(self.slope))), self.gradient, at, n);
            }
        }
    }
}
