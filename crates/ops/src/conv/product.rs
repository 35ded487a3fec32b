//! The implicit matrix product behind the forward and the backward-input pass: rows of pixels, gathered tap by tap through
//! pointers, times packed weights.
//!
//! The work is a grid of (group, range of panels, chunk of pixels).  How it is cut may follow the number of threads: no
//! sum crosses a cut, so the bytes do not change.  See [`Cut`] for who packs the weights.

use super::epilogue::Finish;
use super::im2col::Im2col;
use super::microkernel::{MOST_ROWS, RowPlaces, RowsTimesPanel, panel_width};
use super::pack::{Matrix, Packed, Panel};
use super::sampling::Sampling;
use super::{Algorithms, Shared};
use crate::Store;
use crate::blocks::keep_threads_busy;
use crate::scratch;
use crate::simd::{Isa, run};
use rayon::prelude::*;

/// Pixels of a chunk: their sums against one panel stay in the first-level cache.
const CHUNK: usize = 8 * MOST_ROWS;
/// Tasks a thread gets, so that a late one is not waited for long.
const TASKS_PER_THREAD: usize = 4;

/// Values summed over by one micro-kernel call.
///
/// The fewer, the less is rounded: on CSRNet's output 512 round 1.7 times as much as 128.  The more, the seldomer a tile of
/// sums is begun, added and stored; 512 of the widest panel, 128 KiB, still stay in the second-level cache.
pub(crate) fn summed_at_once(algorithms: Algorithms) -> usize {
    match algorithms {
        Algorithms::Exact => 128,
        Algorithms::Fast => 512,
    }
}

/// Where the pixels of a grid lie in the output, in values.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// The first pixel.
    pub origin: usize,
    /// From one image to the next, one row to the next, one column to the next.
    pub strides: [usize; 3],
}

/// How a pixel's source values are brought together.
#[derive(Clone, Copy)]
pub(crate) enum Gather {
    /// By a pointer for each tap.
    Pointers,
    /// Copied side by side; the kernel has this many columns.
    Copies { kernel_columns: usize },
}

/// `out[pixel][columns] (+)= sum over taps and channels of source * weights`, group by group.
pub(crate) struct Product<'a> {
    pub isa: Isa,
    pub sampling: &'a Sampling,
    pub gather: Gather,
    pub groups: usize,
    /// `[images, source, groups * channels]`
    pub source: &'a [f32],
    /// Source channels of a group.
    pub channels: usize,
    /// By group, from taps and source channels to output channels.
    pub weights: Matrix<'a>,
    pub layout: Layout,
    /// Values that are summed over at once.
    pub at_once: usize,
    pub store: Store,
    pub finish: Option<Finish>,
}

/// How the work is cut into tasks.
struct Cut {
    /// Pixels of a task.
    chunk: usize,
    chunks: usize,
    /// Ranges of a group's panels.
    ranges: usize,
    /// Whether every panel belongs to one task, which packs it slice by slice and multiplies each while it is in a cache.
    ///
    /// All pixels are then read anew for every panel, but no weight is written to memory and read back: that pays where
    /// there are more weights than source values, and as many panels as keep all threads busy.
    packs_itself: bool,
}

/// One cell of the grid of work.
struct Task<'a> {
    group: usize,
    panels: &'a [Panel],
    first: usize,
    count: usize,
}

/// The weights as a task finds them.
enum Weights<'a> {
    Packed(&'a Packed),
    /// As they lie in memory; room for one slice of a panel.
    Raw(scratch::Scratch),
}

/// The pixels of a task as rows.
struct Rows<'a> {
    /// `[taps][pixels]`
    pointers: &'a [*const f32],
    taps: usize,
    /// Values behind each pointer.
    depth: usize,
    padding: &'a [f32],
    /// Where each pixel lies in the output.
    places: &'a [usize],
    /// Whether the values are met for the first time.
    cold: bool,
}

impl Product<'_> {
    /// Computes the product.
    ///
    /// # Safety
    /// `layout` keeps every pixel of the grid, `groups * columns` values each, inside `out`, apart from one another, and
    /// nobody else touches `out` meanwhile; `finish` fits `out`.
    pub(crate) unsafe fn run(&self, out: Shared) {
        let panels = self.weights.panels(self.isa);
        let cut = self.cut(panels.len());
        let packed = (!cut.packs_itself).then(|| self.weights.pack_all(self.isa, self.groups, &panels));
        let padding = scratch::zeros(self.channels);
        let Cut { chunk, chunks, ranges, .. } = cut;
        (0..self.groups * ranges * chunks).into_par_iter().for_each(|i| {
            let (range, first) = (i / chunks % ranges, i % chunks * chunk);
            let task = Task {
                group: i / chunks / ranges,
                panels: &panels[range * panels.len() / ranges..(range + 1) * panels.len() / ranges],
                first,
                count: chunk.min(self.sampling.pixels() - first),
            };
            let weights = match &packed {
                Some(packed) => Weights::Packed(packed),
                None => Weights::Raw(scratch::take(self.at_once * panel_width(self.isa))),
            };
            // SAFETY: the tasks' outputs are apart; the rest is the caller's contract.
            unsafe { self.task(&task, weights, &padding, out) };
        });
    }

    fn cut(&self, panels: usize) -> Cut {
        let (pixels, groups) = (self.sampling.pixels(), self.groups);
        let weights = groups * self.weights.depth * self.weights.columns;
        if weights > self.source.len() && keep_threads_busy(groups * panels) {
            return Cut { chunk: pixels, chunks: 1, ranges: panels, packs_itself: true };
        }
        let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
        let (mut chunks, mut ranges) = (pixels.div_ceil(CHUNK).max(1), 1);
        if chunks * groups < wanted {
            ranges = panels.min(wanted.div_ceil(chunks * groups));
        }
        if chunks * ranges * groups < wanted {
            chunks = wanted.div_ceil(ranges * groups);
        }
        let chunk = pixels.div_ceil(chunks).next_multiple_of(MOST_ROWS / 2);
        Cut { chunk, chunks: pixels.div_ceil(chunk), ranges, packs_itself: false }
    }

    /// # Safety
    /// That of [`Product::run`], for the task's part of the output.
    unsafe fn task(&self, task: &Task, mut weights: Weights, padding: &[f32], out: Shared) {
        let source = self.source[task.group * self.channels..].as_ptr();
        let pitch = self.groups * self.channels;
        let taps = self.sampling.taps.len();
        let window = (task.first, task.count);
        let copies;
        let (pointers, taps, depth) = match self.gather {
            Gather::Pointers => {
                let mut pointers = vec![padding.as_ptr(); taps * task.count];
                self.sampling.pointers(source, pitch, padding.as_ptr(), window, &mut pointers, task.count);
                (pointers, taps, self.channels)
            }
            Gather::Copies { kernel_columns } => {
                let depth = taps * self.channels;
                let mut rows = scratch::take(Im2col::out_len(task.count, depth));
                let im2col = Im2col {
                    sampling: self.sampling,
                    kernel_columns,
                    source,
                    pitch,
                    channels: self.channels,
                    first: task.first,
                    count: task.count,
                    out: rows.as_mut_ptr(),
                };
                // SAFETY: `source` holds every source pixel, `rows` every tap of the window.
                unsafe { run(self.isa, im2col) };
                copies = rows;
                (copies.chunks_exact(depth).take(task.count).map(<[f32]>::as_ptr).collect(), 1, depth)
            }
        };
        let places: Vec<usize> = self.places(window);
        for (i, panel) in task.panels.iter().enumerate() {
            let rows = Rows { pointers: &pointers, taps, depth, padding, places: &places, cold: i == 0 };
            // SAFETY: the pointers have `depth` values behind them for each of `taps` taps; the rest as above.
            unsafe { self.panel(task, panel, &rows, &mut weights, out) };
        }
    }

    /// Where the pixels of a window start in the output.
    fn places(&self, (first, count): (usize, usize)) -> Vec<usize> {
        let Layout { origin, strides: [image, row, column] } = self.layout;
        let mut places = Vec::with_capacity(count);
        for segment in self.sampling.segments(first, count) {
            let start = origin + segment.image * image + segment.row * row;
            places.extend((segment.column..segment.column + segment.pixels).map(|x| start + x * column));
        }
        places
    }

    /// The task's pixels against one panel, a slice of the depth at a time.
    ///
    /// # Safety
    /// That of [`Product::run`]; the pointers have `depth` values behind each.
    unsafe fn panel(&self, task: &Task, panel: &Panel, rows: &Rows, weights: &mut Weights, out: Shared) {
        let &Rows { pointers, taps, depth, padding, places, cold } = rows;
        let channel = task.group * self.weights.columns + panel.first;
        let finish = self.finish.map(|finish| finish.at_channel(channel));
        // Pixels no tap reaches get one call over nothing, which stores zeros.
        let depth = if taps == 0 { 0 } else { depth };
        let taps_at_once = (self.at_once / depth.max(1)).max(1);
        let mut store = self.store;
        for tap in (0..taps.max(1)).step_by(taps_at_once) {
            let taps_now = taps_at_once.min(taps - tap);
            for from in (0..depth.max(1)).step_by(self.at_once) {
                let depth_now = self.at_once.min(depth - from);
                let last = tap + taps_now == taps && from + depth_now == depth;
                let first = tap * depth + from;
                let slice = match weights {
                    Weights::Packed(packed) => packed.rows_from(task.group, panel, first),
                    Weights::Raw(room) => {
                        self.weights.pack(self.isa, task.group, panel, first..first + taps_now * depth_now, room);
                        &room[..]
                    }
                };
                let kernel = RowsTimesPanel {
                    rows: task.count,
                    pointers: &pointers[tap * task.count..],
                    pointer_stride: task.count,
                    padding: padding.as_ptr(),
                    taps: taps_now,
                    from,
                    depth: depth_now,
                    panel: slice.as_ptr(),
                    width: panel.width,
                    columns: panel.columns,
                    out: out.get().wrapping_add(channel),
                    places: RowPlaces::At(places),
                    cold,
                    store,
                    finish: if last { finish } else { None },
                };
                // SAFETY: the caller's contract; the instruction set is one this machine has.
                unsafe { run(self.isa, kernel) };
                store = Store::Accumulate;
            }
        }
    }
}
