//! The filters of a convolution as the products want them: panels of destination channels, transformed.

use super::filters::Filters;
use super::layout::odd_lines;
use super::lines::{Lines, TAPS, positions};
use crate::conv::Shared;
use crate::conv::microkernel::panel_width;
use crate::conv::pack::Panel;
use crate::conv::transpose::Transpose;
use crate::scratch::{Scratch, take};
use crate::simd::{Isa, run};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Which side of the weights is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// The input channels, as in the forward pass.
    Forward,
    /// The output channels, with the taps flipped, as in the gradient of the input.
    Transposed,
}

/// Source channels whose filters are transformed at a time.
pub(super) const FILTER_DEPTH: usize = 128;

/// The filters of a convolution, from `sources` channels that are summed over to `destinations` channels.
pub(super) struct Weights<'a> {
    pub(super) isa: Isa,
    /// `[O, 3, 3, I]`
    pub(super) values: &'a [f32],
    pub(super) orientation: Orientation,
    pub(super) sources: usize,
    pub(super) destinations: usize,
}

/// Transformed filters of one panel: `[position][depth][width]`.
#[derive(Clone, Copy)]
pub(super) struct PanelFilters {
    pub(super) values: *const f32,
    /// From one position to the next.
    pub(super) position: usize,
    pub(super) depth: usize,
}

/// The transformed filters of all panels, one behind the other.
pub(super) struct KeptFilters {
    values: Scratch,
    /// Where each panel's filters start.
    offsets: Vec<usize>,
    depth: usize,
}

impl KeptFilters {
    pub(super) fn panel(&self, index: usize, panel: &Panel) -> PanelFilters {
        let values = self.values[self.offsets[index]..].as_ptr();
        PanelFilters { values, position: odd_lines(self.depth * panel.width), depth: self.depth }
    }
}

/// Values that [`Weights::transform`] needs beside its result.
pub(super) fn taps_len(isa: Isa) -> usize {
    TAPS * TAPS * odd_lines(FILTER_DEPTH * panel_width(isa))
}

impl Weights<'_> {
    pub(super) fn transform_all<L: Lines>(&self, panels: &[Panel]) -> KeptFilters {
        let depth = self.sources;
        let (mut end, mut offsets) = (0, Vec::with_capacity(panels.len()));
        for panel in panels {
            offsets.push(end);
            end += positions::<L>() * odd_lines(depth * panel.width);
        }
        let mut values = take(end);
        let to = Shared::new(&mut values);
        let tasks: Vec<_> =
            (0..panels.len()).flat_map(|p| (0..depth).step_by(FILTER_DEPTH).map(move |from| (p, from))).collect();
        tasks.into_par_iter().for_each_init(
            || take(taps_len(self.isa)),
            |taps, (p, from)| {
                let (panel, depths) = (&panels[p], from..depth.min(from + FILTER_DEPTH));
                // SAFETY: the filters of a panel lie inside `values`, those of `from` on `from` rows behind the first.
                let to = unsafe { to.get().add(offsets[p] + from * panel.width) };
                // SAFETY: there the rows of `depths` have room at every position, and no other task writes them.
                unsafe { self.transform::<L>(panel, depths, taps, to, odd_lines(depth * panel.width)) }
            },
        );
        KeptFilters { values, offsets, depth }
    }

    /// The transforms of the filters from the source channels `depths` to `panel`; `taps` is work space.
    ///
    /// # Safety
    /// At `to` there is room for `[depths][width]` at every position, `position` values apart, and nobody else touches it.
    pub(super) unsafe fn transform<L: Lines>(
        &self,
        panel: &Panel,
        depths: Range<usize>,
        taps: &mut [f32],
        to: *mut f32,
        position: usize,
    ) {
        let tap_step = odd_lines(depths.len() * panel.width);
        match self.orientation {
            Orientation::Forward => self.transpose(panel, depths.clone(), taps, tap_step),
            Orientation::Transposed => self.flip(panel, depths.clone(), taps, tap_step),
        }
        let (taps, depth, width) = (taps.as_ptr(), depths.len(), panel.width);
        let filters = Filters::<L> { taps, tap_step, depth, width, to, position, lines: PhantomData };
        // SAFETY: the instruction set is available; `taps` was just filled; the caller vouches for `to`.
        unsafe { run(self.isa, filters) }
    }

    /// The filters from the source channels `depths`, the weights' output channels, to `panel`, taps in reverse:
    /// `[tap][depth][width]`, taps `tap_step` values apart.
    fn flip(&self, panel: &Panel, depths: Range<usize>, taps: &mut [f32], tap_step: usize) {
        let (count, channels) = (TAPS * TAPS, self.destinations);
        // Copied before anything is computed: the processor fetches many short runs at once, and waits for none.
        for (k, filter) in depths.enumerate() {
            for tap in 0..count {
                let source = (filter * count + count - 1 - tap) * channels + panel.first;
                let to = &mut taps[tap * tap_step + k * panel.width..][..panel.width];
                let (values, padding) = to.split_at_mut(panel.columns);
                values.copy_from_slice(&self.values[source..source + panel.columns]);
                padding.fill(0.0);
            }
        }
    }

    /// The filters from the source channels `depths` to `panel`: `[tap][depth][width]`, taps `tap_step` values apart.
    fn transpose(&self, panel: &Panel, depths: Range<usize>, taps: &mut [f32], tap_step: usize) {
        let (count, channels) = (TAPS * TAPS, self.sources);
        for (tap, taps) in taps.chunks_mut(tap_step).enumerate().take(count) {
            let first = (panel.first * count + tap) * channels;
            let transpose = Transpose {
                source: self.values[first + depths.start..].as_ptr(),
                source_stride: count * channels,
                columns: panel.columns,
                depth: depths.len(),
                out: taps.as_mut_ptr(),
                width: panel.width,
            };
            // SAFETY: the instruction set is available; the panel's filters are those of `weight`; `taps` has room for
            // `depths` rows of the panel's width.
            unsafe { run(self.isa, transpose) }
        }
    }
}
