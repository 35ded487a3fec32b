//! The transforms of filters, and of the products that make up a weight gradient.

#![allow(clippy::needless_range_loop, reason = "indices are those of the transforms' matrices")]

use super::lines::{Lines, MAX_WINDOW, TAPS};
use super::transforms::{load_at_most, store_at_most};
use crate::Store;
use crate::simd::{Kernel, LANES, Lanes};
use std::marker::PhantomData;

/// `G g Gᵀ` of the filters from `depth` source channels to one panel of destination channels.
///
/// # Promises
/// At `taps` lies `[tap][depth][width]`, `tap_step` values from one tap to the next; there is room for
/// `[position][depth][width]` at `to`, `position` values from one position to the next.
pub(super) struct Filters<L> {
    pub(super) taps: *const f32,
    pub(super) tap_step: usize,
    pub(super) depth: usize,
    /// Channels of a panel, in whole groups of lanes.
    pub(super) width: usize,
    pub(super) to: *mut f32,
    pub(super) position: usize,
    pub(super) lines: PhantomData<L>,
}

impl<L: Lines> Kernel for Filters<L> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for at in (0..self.depth * self.width).step_by(LANES) {
            // SAFETY: the kernel's promises.
            unsafe {
                let taps = self.taps.add(at);
                let mut half = [[V::zero(); TAPS]; MAX_WINDOW];
                for j in 0..TAPS {
                    let mut column = [V::zero(); TAPS];
                    for i in 0..TAPS {
                        column[i] = V::load(taps.add((i * TAPS + j) * self.tap_step));
                    }
                    let column = L::filter(column);
                    for i in 0..L::WINDOW {
                        half[i][j] = column[i];
                    }
                }
                let to = self.to.add(at);
                for i in 0..L::WINDOW {
                    let row = L::filter(half[i]);
                    for j in 0..L::WINDOW {
                        row[j].store(to.add((i * L::WINDOW + j) * self.position));
                    }
                }
            }
        }
    }
}

/// `Gᵀ u G`: from the summed products of output gradients and inputs to the gradient of the filters.
///
/// # Promises
/// At `products`, `position` values from one position to the next and `row` values from one filter to the next, lie the
/// sums of `filters` filters and `channels` input channels, in whole groups of lanes.  The gradient of the first tap of the
/// first filter and channel is at `gw`, taps `tap_step` and filters `9 * tap_step` values apart, and nobody else touches
/// those channels.
pub(super) struct FilterGradients<L> {
    pub(super) products: *const f32,
    pub(super) position: usize,
    pub(super) row: usize,
    pub(super) filters: usize,
    pub(super) channels: usize,
    pub(super) gw: *mut f32,
    pub(super) tap_step: usize,
    pub(super) store: Store,
    pub(super) lines: PhantomData<L>,
}

impl<L: Lines> Kernel for FilterGradients<L> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for filter in 0..self.filters {
            for channel in (0..self.channels).step_by(LANES) {
                // SAFETY: the kernel's promises; no more than `channels` channels are written.
                unsafe {
                    let from = self.products.add(filter * self.row + channel);
                    let mut half = [[V::zero(); MAX_WINDOW]; TAPS];
                    for j in 0..L::WINDOW {
                        let mut column = [V::zero(); MAX_WINDOW];
                        for i in 0..L::WINDOW {
                            column[i] = V::load(from.add((i * L::WINDOW + j) * self.position));
                        }
                        let column = L::filter_transposed(column);
                        for i in 0..TAPS {
                            half[i][j] = column[i];
                        }
                    }
                    let gw = self.gw.add(filter * TAPS * TAPS * self.tap_step + channel);
                    for i in 0..TAPS {
                        let row = L::filter_transposed(half[i]);
                        for j in 0..TAPS {
                            let to = gw.add((i * TAPS + j) * self.tap_step);
                            let n = self.channels - channel;
                            let before = if self.store == Store::Accumulate { load_at_most(to, n) } else { V::zero() };
                            store_at_most(row[j].add(before), to, n);
                        }
                    }
                }
            }
        }
    }
}
