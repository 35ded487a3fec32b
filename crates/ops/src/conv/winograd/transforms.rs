//! The two-dimensional transforms of tiles, sixteen channels at a time: columns first, then rows.
//!
//! Each is a [`Kernel`] over a run of tiles.  Channels past the last are zeros when read and are not written, except in work
//! space, whose rows hold whole groups of lanes.

#![allow(clippy::needless_range_loop, reason = "indices are those of the transforms' matrices")]

use super::grid::{Grid, Pixels};
use super::layout::Layout;
use super::lines::{Lines, MAX_OUTPUTS, MAX_WINDOW};
use crate::Store;
use crate::conv::epilogue::Finish;
use crate::simd::{Kernel, LANES, Lanes};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// `n` values, sixteen at most, and zeros behind them.
///
/// # Safety
/// The instruction set of `V`; `min(n, 16)` values are readable at `from`.
#[inline(always)]
pub(super) unsafe fn load_at_most<V: Lanes>(from: *const f32, n: usize) -> V {
    // SAFETY: the caller's contract; the partial form touches `n` values only.
    unsafe { if n >= LANES { V::load(from) } else { V::load_partial(from, n) } }
}

/// Writes the first `n` lanes, sixteen at most.
///
/// # Safety
/// The instruction set of `V`; `min(n, 16)` values are writable at `to`.
#[inline(always)]
pub(super) unsafe fn store_at_most<V: Lanes>(value: V, to: *mut f32, n: usize) {
    // SAFETY: the caller's contract; the partial form touches `n` values only.
    unsafe { if n >= LANES { value.store(to) } else { value.store_partial(to, n) } }
}

/// Sixteen channels of one pixel of a map, zeros outside of it.
///
/// # Safety
/// The instruction set of `V`; `pixels` lies in the map of `channels` at `map`, whose `n` channels from `channel` exist.
#[inline(always)]
unsafe fn load_pixel<V: Lanes, const SIDE: usize>(
    map: *const f32,
    pixels: &Pixels<SIDE>,
    [i, j]: [usize; 2],
    [channel, channels]: [usize; 2],
) -> V {
    match (pixels.rows[i], pixels.columns[j]) {
        // SAFETY: pixel and channel exist by the caller's contract.
        (Some(row), Some(column)) => unsafe {
            load_at_most(map.add((row + column) * channels + channel), channels - channel)
        },
        // SAFETY: the instruction set is there.
        _ => unsafe { V::zero() },
    }
}

/// `Bᵀ d B` of the windows of a run of tiles.
///
/// # Promises
/// `x` is the input of `grid` with `channels` channels; `tiles` are tiles of it; `layout` has room for them, counted from
/// the first, at `to`.
pub(super) struct Inputs<'a, L> {
    pub(super) grid: &'a Grid,
    pub(super) x: &'a [f32],
    pub(super) channels: usize,
    pub(super) tiles: Range<usize>,
    pub(super) to: *mut f32,
    pub(super) layout: Layout,
    pub(super) lines: PhantomData<L>,
}

impl<L: Lines> Kernel for Inputs<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for (t, tile) in self.tiles.enumerate() {
            let window = self.grid.window(tile);
            for channel in (0..self.channels).step_by(LANES) {
                // SAFETY: the kernel's promises; work space holds whole groups of lanes; the columns read are written.
                unsafe {
                    // Not zeroed: the loop is too long to be unrolled, and then the zeros would be stored for nothing.
                    let mut half = [const { MaybeUninit::<[V; MAX_WINDOW]>::uninit() }; MAX_WINDOW];
                    for j in 0..L::WINDOW {
                        let mut column = [V::zero(); MAX_WINDOW];
                        for i in 0..L::WINDOW {
                            column[i] = load_pixel(self.x.as_ptr(), &window, [i, j], [channel, self.channels]);
                        }
                        half[j].write(L::input(column));
                    }
                    let to = self.to.add(self.layout.offset(t, channel));
                    for i in 0..L::WINDOW {
                        let mut row = [V::zero(); MAX_WINDOW];
                        for j in 0..L::WINDOW {
                            row[j] = half[j].assume_init_ref()[i];
                        }
                        row = L::input(row);
                        for j in 0..L::WINDOW {
                            row[j].store(to.add((i * L::WINDOW + j) * self.layout.position));
                        }
                    }
                }
            }
        }
    }
}

/// `A y Aᵀ` of the output gradients of a run of tiles.
///
/// # Promises
/// `gy` is the output's gradient of `grid` with `channels` channels; `tiles` are tiles of it; `layout` has room for them,
/// counted from the first, at `to`.
pub(super) struct OutputGradients<'a, L> {
    pub(super) grid: &'a Grid,
    pub(super) gy: &'a [f32],
    pub(super) channels: usize,
    pub(super) tiles: Range<usize>,
    pub(super) to: *mut f32,
    pub(super) layout: Layout,
    pub(super) lines: PhantomData<L>,
}

impl<L: Lines> Kernel for OutputGradients<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for (t, tile) in self.tiles.enumerate() {
            let outputs = self.grid.outputs(tile);
            for channel in (0..self.channels).step_by(LANES) {
                // SAFETY: the kernel's promises; work space holds whole groups of lanes.
                unsafe {
                    let mut half = [[V::zero(); MAX_OUTPUTS]; MAX_WINDOW];
                    for j in 0..L::OUTPUTS {
                        let mut column = [V::zero(); MAX_OUTPUTS];
                        for i in 0..L::OUTPUTS {
                            column[i] = load_pixel(self.gy.as_ptr(), &outputs, [i, j], [channel, self.channels]);
                        }
                        let column = L::output_transposed(column);
                        for i in 0..L::WINDOW {
                            half[i][j] = column[i];
                        }
                    }
                    let to = self.to.add(self.layout.offset(t, channel));
                    for i in 0..L::WINDOW {
                        let row = L::output_transposed(half[i]);
                        for j in 0..L::WINDOW {
                            row[j].store(to.add((i * L::WINDOW + j) * self.layout.position));
                        }
                    }
                }
            }
        }
    }
}

/// `Aᵀ p A` of the products of a run of tiles, finished and written.
///
/// # Promises
/// At `products`, with `position` values from one position to the next, lies a row of `panel_width` values for each of
/// `tiles`, counted from the first: the channels from `first_channel` of the output `y` of `grid`, of `channels` channels,
/// as many as there are.  No other thread touches those pixels' channels.  `finish` fits the output.
pub(super) struct Outputs<'a, L> {
    pub(super) grid: &'a Grid,
    pub(super) products: *const f32,
    pub(super) position: usize,
    pub(super) panel_width: usize,
    pub(super) y: *mut f32,
    pub(super) channels: usize,
    pub(super) first_channel: usize,
    pub(super) tiles: Range<usize>,
    pub(super) store: Store,
    pub(super) finish: Option<Finish>,
    pub(super) lines: PhantomData<L>,
}

impl<L: Lines> Kernel for Outputs<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let width = self.panel_width.min(self.channels - self.first_channel);
        for (t, tile) in self.tiles.clone().enumerate() {
            let pixels = self.grid.outputs(tile);
            for lane in (0..width).step_by(LANES) {
                // SAFETY: the kernel's promises; a panel holds whole groups of lanes.
                unsafe {
                    let from = self.products.add(t * self.panel_width + lane);
                    let mut half = [[V::zero(); MAX_WINDOW]; MAX_OUTPUTS];
                    for j in 0..L::WINDOW {
                        let mut column = [V::zero(); MAX_WINDOW];
                        for i in 0..L::WINDOW {
                            column[i] = V::load(from.add((i * L::WINDOW + j) * self.position));
                        }
                        let column = L::output(column);
                        for i in 0..L::OUTPUTS {
                            half[i][j] = column[i];
                        }
                    }
                    for i in 0..L::OUTPUTS {
                        self.write_row(L::output(half[i]), pixels.rows[i], &pixels.columns, self.first_channel + lane);
                    }
                }
            }
        }
    }
}

impl<L: Lines> Outputs<'_, L> {
    /// # Safety
    /// The instruction set of `V`, and the kernel's promises.
    #[inline(always)]
    unsafe fn write_row<V: Lanes>(
        &self,
        values: [V; MAX_OUTPUTS],
        row: Option<usize>,
        columns: &[Option<usize>; MAX_OUTPUTS],
        channel: usize,
    ) {
        let Some(row) = row else { return };
        let n = self.channels - channel;
        for j in 0..L::OUTPUTS {
            let Some(column) = columns[j] else { return };
            let at = (row + column) * self.channels + channel;
            // SAFETY: pixel and channel lie in the output, which `finish` fits.
            unsafe {
                let to = self.y.add(at);
                let mut value = values[j];
                if self.store == Store::Accumulate {
                    value = value.add(load_at_most(to, n));
                }
                if let Some(finish) = &self.finish {
                    let pixel = at - channel;
                    value = if n >= LANES {
                        finish.apply(value, pixel, channel)
                    } else {
                        finish.apply_partial(value, pixel, channel, n)
                    };
                }
                store_at_most(value, to, n);
            }
        }
    }
}
