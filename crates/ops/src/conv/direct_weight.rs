//! The gradient of the weight as sums of outer products over pixels.
//!
//! Filters are the rows and input channels the columns of the register tiles, so that a tile is written where it belongs
//! in `[O, kh, kw, I]`.  Pixels are taken a block of output rows at a time: both sides are packed, then every tap and
//! every tile is summed over the block.  Long inputs are cut in parts, by the shape alone, whose sums are added in order;
//! filters are cut in ranges as the threads need, which changes no sum.

use super::direct_forward::gather;
use super::im2col::Im2col;
use super::microkernel::{OuterProduct, Run, outer_rows, outer_width};
use super::pack::PackTiles;
use super::product::Gather;
use super::sampling::Sampling;
use super::{ConvShape, Shared};
use crate::simd::{Isa, LANES, run};
use crate::{Store, scratch};
use rayon::prelude::*;
use std::ops::Range;

/// Pixels of a block: one tile's worth of them stays in the first-level cache.
const BLOCK: usize = 192;
/// Pixels a part has at least.
const PART: usize = 2048;
/// Most parts, and most values of all their sums.
const MOST_PARTS: usize = 16;
const MOST_PARTIAL_VALUES: usize = 1 << 24;
/// Filters a range has at least: packing the input costs each range the same.
const FILTERS: usize = 48;
/// Tasks a thread gets, so that a late one is not waited for long.
const TASKS_PER_THREAD: usize = 4;

/// [`super::conv2d_backward_weight`], lengths already checked.
pub(super) fn backward(isa: Isa, shape: &ConvShape, x: &[f32], gy: &[f32], gw: &mut [f32], store: Store) {
    let lines = shape.n * shape.out_h();
    let lines_per_block = (BLOCK / shape.out_w()).clamp(1, lines);
    let blocks = lines.div_ceil(lines_per_block);
    let most_parts = (MOST_PARTIAL_VALUES / gw.len()).clamp(1, MOST_PARTS);
    let parts = (shape.out_pixels() / PART).clamp(1, most_parts).min(blocks);
    let filters = shape.group_out();
    let most_ranges = filters.div_ceil(FILTERS);
    let wanted = TASKS_PER_THREAD * rayon::current_num_threads();
    let ranges = wanted.div_ceil(parts * shape.groups).clamp(1, most_ranges);
    let gradient = Gradient {
        isa,
        shape,
        sampling: &Sampling::forward(shape),
        gather: gather(shape),
        x,
        gy,
        lines_per_block,
        // The fewest tiles that do, all of one size.
        tile_rows: filters.div_ceil(filters.div_ceil(outer_rows(isa))),
    };
    let part_sum = |i: usize, out: Shared| {
        let (part, range, group) = (i / ranges / shape.groups, i % ranges, i / ranges % shape.groups);
        let tiles = filters.div_ceil(gradient.tile_rows);
        let filter = |range: usize| (range * tiles / ranges * gradient.tile_rows).min(filters);
        let task = Task {
            group,
            filters: filter(range)..filter(range + 1),
            blocks: part * blocks / parts..(part + 1) * blocks / parts,
        };
        // SAFETY: `out` has the weight's values, of which no other task of the part touches these filters'.
        unsafe { gradient.task(&task, out) };
    };
    let tasks = ranges * shape.groups;
    if parts == 1 {
        if store == Store::Overwrite {
            gw.fill(0.0);
        }
        let out = Shared::new(gw);
        (0..tasks).into_par_iter().for_each(|i| part_sum(i, out));
        return;
    }
    let mut sums = scratch::zeros(parts * gw.len());
    let starts: Vec<Shared> = sums.chunks_mut(gw.len()).map(Shared::new).collect();
    (0..parts * tasks).into_par_iter().for_each(|i| part_sum(i, starts[i / tasks]));
    add_parts(&sums, gw, store);
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

/// One weight gradient and how its work is cut.
struct Gradient<'a> {
    isa: Isa,
    shape: &'a ConvShape,
    sampling: &'a Sampling,
    gather: Gather,
    x: &'a [f32],
    gy: &'a [f32],
    lines_per_block: usize,
    tile_rows: usize,
}

/// Some filters of a group over some blocks of pixels.
struct Task {
    group: usize,
    filters: Range<usize>,
    blocks: Range<usize>,
}

/// Channels of the input, packed in tiles of `width`.
struct Columns {
    channels: usize,
    width: usize,
    tile_stride: usize,
    values: scratch::Scratch,
}

impl Columns {
    fn new(isa: Isa, channels: usize, pixels: usize) -> Self {
        let width = outer_width(isa).min(channels.next_multiple_of(LANES));
        let tile_stride = pixels * width;
        Self { channels, width, tile_stride, values: scratch::take(channels.div_ceil(width) * tile_stride) }
    }

    /// Packs `pixels` pixels, the first of them at place `at`.
    ///
    /// # Safety
    /// `source` has `pixels` pixels of `channels` channels, `stride` values apart; `at + pixels` is within the buffer.
    unsafe fn pack(&mut self, isa: Isa, source: *const f32, stride: usize, at: usize, pixels: usize) {
        let out = self.values[at * self.width..].as_mut_ptr();
        let tiles = PackTiles {
            source,
            source_stride: stride,
            pixels,
            channels: self.channels,
            size: self.width,
            out,
            tile_stride: self.tile_stride,
        };
        // SAFETY: the caller's contract; the buffer has a tile of `pixels` pixels for every `width` channels.
        unsafe { run(isa, tiles) };
    }
}

impl Gradient<'_> {
    /// Adds the task's part of the gradient to `out`.
    ///
    /// # Safety
    /// `out` has the weight's values, and nobody else touches those of the task's filters meanwhile.
    unsafe fn task(&self, task: &Task, out: Shared) {
        if task.filters.is_empty() {
            return;
        }
        let shape = self.shape;
        let [_, out_w] = self.sampling.size;
        let block_pixels = self.lines_per_block * out_w;
        let tiles = task.filters.len().div_ceil(self.tile_rows);
        let mut rows = scratch::take(tiles * block_pixels * self.tile_rows);
        let mut columns = match self.gather {
            Gather::Pointers => Columns::new(self.isa, shape.group_in(), self.lines_per_block * shape.w),
            Gather::Copies { .. } => Columns::new(self.isa, shape.taps() * shape.group_in(), block_pixels),
        };
        let lines = shape.n * shape.out_h();
        for block in task.blocks.clone() {
            let first = block * self.lines_per_block;
            let lines = first..(first + self.lines_per_block).min(lines);
            let pack = PackTiles {
                source: self.gy[lines.start * out_w * shape.c_out..]
                    [task.group * shape.group_out() + task.filters.start..]
                    .as_ptr(),
                source_stride: shape.c_out,
                pixels: lines.len() * out_w,
                channels: task.filters.len(),
                size: self.tile_rows,
                out: rows.as_mut_ptr(),
                tile_stride: block_pixels * self.tile_rows,
            };
            // SAFETY: the lines are within `gy`; `rows` has a tile of a block's pixels for every `tile_rows` filters.
            unsafe { run(self.isa, pack) };
            // SAFETY: the caller's contract.
            unsafe {
                match self.gather {
                    Gather::Pointers => self.tap_by_tap(task, lines, &rows, &mut columns, out),
                    Gather::Copies { kernel_columns } => {
                        self.all_taps(task, lines, kernel_columns, &rows, &mut columns, out);
                    }
                }
            }
        }
    }

    /// Few channels: the taps side by side are the columns.
    ///
    /// # Safety
    /// As [`Gradient::task`].
    unsafe fn all_taps(
        &self,
        task: &Task,
        lines: Range<usize>,
        kernel_columns: usize,
        rows: &[f32],
        columns: &mut Columns,
        out: Shared,
    ) {
        let [_, out_w] = self.sampling.size;
        let (pixels, depth) = (lines.len() * out_w, columns.channels);
        let mut copies = scratch::take(pixels * depth);
        let im2col = Im2col {
            sampling: self.sampling,
            kernel_columns,
            source: self.x[task.group * self.shape.group_in()..].as_ptr(),
            pitch: self.shape.c_in,
            channels: self.shape.group_in(),
            first: lines.start * out_w,
            count: pixels,
            out: copies.as_mut_ptr(),
        };
        // SAFETY: `x` holds every source pixel, `copies` every tap of the lines, and `columns` every pixel.
        unsafe {
            run(self.isa, im2col);
            columns.pack(self.isa, copies.as_ptr(), depth, 0, pixels);
        }
        let runs = [Run { row_pixel: 0, column_pixel: 0, pixels }];
        // SAFETY: the run is all of both packed sources; the rest is the caller's contract.
        unsafe { self.sum(task, &runs, (rows, columns, 1), 0, out) };
    }

    /// Each kernel row's input rows are packed once and shared by its taps.
    ///
    /// # Safety
    /// As [`Gradient::task`].
    unsafe fn tap_by_tap(&self, task: &Task, lines: Range<usize>, rows: &[f32], columns: &mut Columns, out: Shared) {
        let (shape, sampling) = (self.shape, self.sampling);
        let ([out_h, out_w], [in_h, in_w]) = (sampling.size, sampling.source);
        let mut runs = Vec::with_capacity(lines.len());
        for kernel_row in 0..shape.kernel[0] {
            let taps = kernel_row * shape.kernel[1]..(kernel_row + 1) * shape.kernel[1];
            let down = sampling.taps[taps.start][0];
            let mut met = Vec::with_capacity(lines.len());
            for (i, line) in lines.clone().enumerate() {
                let Some(row) = sampling.source_row(line % out_h, down) else { continue };
                let pixel = (line / out_h * in_h + row) * in_w;
                let source = &self.x[pixel * shape.c_in..][task.group * shape.group_in()..];
                // SAFETY: an input row has `in_w` pixels, and `columns` room for one for every line.
                unsafe { columns.pack(self.isa, source.as_ptr(), shape.c_in, i * in_w, in_w) };
                met.push(i);
            }
            for tap in taps {
                let right = sampling.taps[tap][1];
                let (low, high) = sampling.columns_inside(right);
                if low == high || met.is_empty() {
                    continue;
                }
                let start = (low * sampling.step[1]).wrapping_add_signed(right);
                runs.clear();
                runs.extend(met.iter().map(|i| Run {
                    row_pixel: i * out_w + low,
                    column_pixel: i * in_w + start,
                    pixels: high - low,
                }));
                // SAFETY: the runs are inside the packed lines; the rest is the caller's contract.
                unsafe { self.sum(task, &runs, (rows, columns, sampling.step[1]), tap, out) };
            }
        }
    }

    /// Adds the runs' outer products to the gradient of one tap, or of all of them side by side.
    ///
    /// # Safety
    /// As [`Gradient::task`]; the runs are inside the packed rows and columns.
    unsafe fn sum(
        &self,
        task: &Task,
        runs: &[Run],
        (rows, columns, column_step): (&[f32], &Columns, usize),
        tap: usize,
        out: Shared,
    ) {
        let (filter, filter_len) =
            (task.group * self.shape.group_out() + task.filters.start, self.shape.taps() * self.shape.group_in());
        let start = filter * filter_len + tap * self.shape.group_in();
        for (tile, channel) in (0..columns.channels).step_by(columns.width).enumerate() {
            let product = OuterProduct {
                runs,
                rows: rows.as_ptr(),
                row_count: task.filters.len(),
                tile_rows: self.tile_rows,
                tile_stride: self.lines_per_block * self.sampling.size[1] * self.tile_rows,
                column_source: columns.values[tile * columns.tile_stride..].as_ptr(),
                column_step,
                width: columns.width,
                columns: columns.width.min(columns.channels - channel),
                out: out.get().wrapping_add(start + channel),
                out_stride: filter_len,
                store: Store::Accumulate,
            };
            // SAFETY: the caller's contract; the instruction set is one this machine has.
            unsafe { run(self.isa, product) };
        }
    }
}
