//! The gradient of the weight as sums of outer products over pixels.
//!
//! Filters are the rows and input channels the columns of the register tiles, so that a tile is written where it belongs
//! in `[O, kh, kw, I]`.  Long inputs are cut in parts, by the shape alone, whose sums are added in order; filters and
//! channels are cut in ranges as the threads need, which changes no sum.

mod task;

use super::direct_forward::gather;
use super::microkernel::{outer_rows, outer_width};
use super::product::Gather;
use super::sampling::Sampling;
use super::{ConvShape, Shared};
use crate::simd::{Isa, LANES};
use crate::{Store, scratch};
use rayon::prelude::*;
use task::{Gradient, Task};

/// Pixels of a block: one tile's worth of them stays in the first-level cache.
const BLOCK: usize = 192;
/// Pixels a part has at least.
const PART: usize = 2048;
/// Most parts, and most values of all their sums.
const MOST_PARTS: usize = 32;
const MOST_PARTIAL_VALUES: usize = 1 << 22;
/// Filters, or channels, a range has at least: the other side is packed again for each.
const RANGE: usize = 64;

/// How the work is cut.
struct Cut {
    /// Rows of output pixels of a block.
    lines_per_block: usize,
    blocks: usize,
    /// Runs of blocks that are summed apart from one another.
    parts: usize,
    filter_ranges: usize,
    channel_ranges: usize,
}

impl Cut {
    fn new(shape: &ConvShape, gather: Gather) -> Self {
        let lines = shape.n * shape.out_h();
        let lines_per_block = (BLOCK / shape.out_w()).clamp(1, lines);
        let blocks = lines.div_ceil(lines_per_block);
        let most_parts = (MOST_PARTIAL_VALUES / shape.weight_len()).clamp(1, MOST_PARTS);
        let parts = (shape.out_pixels() / PART).clamp(1, most_parts).min(blocks);

        // One task a thread: the more there are, the more often the same pixels are packed.
        let wanted = rayon::current_num_threads().div_ceil(parts * shape.groups);
        let most_filters = shape.group_out().div_ceil(RANGE);
        let most_channels = match gather {
            Gather::Pointers => shape.group_in().div_ceil(RANGE),
            Gather::Copies { .. } => 1,
        };
        // A cut of the channels packs the output's gradient once more, a cut of the filters the input, and that for every
        // kernel row.
        let (filter_ranges, channel_ranges) = if shape.kernel[0] * shape.group_in() > shape.group_out() {
            let channels = wanted.min(most_channels);
            (wanted.div_ceil(channels).min(most_filters), channels)
        } else {
            let filters = wanted.min(most_filters);
            (filters, wanted.div_ceil(filters).min(most_channels))
        };
        Self { lines_per_block, blocks, parts, filter_ranges, channel_ranges }
    }
}

/// [`super::conv2d_backward_weight`], lengths already checked.
pub(super) fn backward(isa: Isa, shape: &ConvShape, x: &[f32], gy: &[f32], gw: &mut [f32], store: Store) {
    let gather = gather(shape);
    let cut = Cut::new(shape, gather);
    let (filters, channels) = match gather {
        Gather::Pointers => (shape.group_out(), shape.group_in()),
        Gather::Copies { .. } => (shape.group_out(), shape.taps() * shape.group_in()),
    };
    let gradient = Gradient {
        isa,
        shape,
        sampling: &Sampling::forward(shape),
        gather,
        x,
        gy,
        lines_per_block: cut.lines_per_block,
        // The fewest tiles that do, all of one size.
        tile_rows: filters.div_ceil(filters.div_ceil(outer_rows(isa))),
        tile_columns: outer_width(isa).min(channels.next_multiple_of(LANES)),
        store: if cut.parts == 1 { store } else { Store::Overwrite },
    };
    let tasks = cut.filter_ranges * cut.channel_ranges * shape.groups;
    let run = |i: usize, out: Shared| {
        let (range, part) = (i % tasks, i / tasks);
        let (filter_range, rest) = (range % cut.filter_ranges, range / cut.filter_ranges);
        let (channel_range, group) = (rest % cut.channel_ranges, rest / cut.channel_ranges);
        let task = Task {
            group,
            filters: piece(filters, gradient.tile_rows, filter_range, cut.filter_ranges),
            channels: piece(channels, gradient.tile_columns, channel_range, cut.channel_ranges),
            blocks: piece(cut.blocks, 1, part, cut.parts),
        };
        // SAFETY: `out` has the weight's values, of which no other task of the part touches these.
        unsafe { gradient.task(&task, out) };
    };
    if cut.parts == 1 {
        let out = Shared::new(gw);
        (0..tasks).into_par_iter().for_each(|i| run(i, out));
        return;
    }
    let mut sums = scratch::take(cut.parts * gw.len());
    let starts: Vec<Shared> = sums.chunks_mut(gw.len()).map(Shared::new).collect();
    (0..cut.parts * tasks).into_par_iter().for_each(|i| run(i, starts[i / tasks]));
    add_parts(&sums, gw, store);
}

/// The `index`-th of `count` ranges of `0..len`, cut at multiples of `unit`.
fn piece(len: usize, unit: usize, index: usize, count: usize) -> std::ops::Range<usize> {
    let start = |index: usize| (index * len.div_ceil(unit) / count * unit).min(len);
    start(index)..start(index + 1)
}

/// `gw (+)= sum of the parts`, in order.
fn add_parts(sums: &[f32], gw: &mut [f32], store: Store) {
    const PIECE: usize = 1 << 12;
    let len = gw.len();
    gw.par_chunks_mut(PIECE).enumerate().for_each(|(piece, gw)| {
        if store == Store::Overwrite {
            gw.fill(0.0);
        }
        for part in sums.chunks(len) {
            for (gw, part) in gw.iter_mut().zip(&part[piece * PIECE..]) {
                *gw += part;
            }
        }
    });
}
