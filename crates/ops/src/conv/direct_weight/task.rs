//! One task of the weight gradient: pixels are taken a block of output rows at a time, and every tap and every tile is
//! summed over the block.
//!
//! Pixels of many channels are packed first, tile by tile: read as they lie, one tile's worth of channels at a time, they
//! would compete for few lines of the cache.

use crate::conv::im2col::Im2col;
use crate::conv::microkernel::{OuterProduct, Run};
use crate::conv::pack::{PackTiles, tile_stride};
use crate::conv::product::Gather;
use crate::conv::sampling::Sampling;
use crate::conv::{ConvShape, Shared};
use crate::simd::{Isa, run};
use crate::{Store, scratch};
use std::ops::Range;

/// Most channels of pixels that are read as they lie.
const MOST_DIRECT: usize = 64;

/// One weight gradient.
pub(super) struct Gradient<'a> {
    pub isa: Isa,
    pub shape: &'a ConvShape,
    pub sampling: &'a Sampling,
    pub gather: Gather,
    pub x: &'a [f32],
    pub gy: &'a [f32],
    /// Rows of output pixels of a block.
    pub lines_per_block: usize,
    /// Filters and channels of a register tile.
    pub tile_rows: usize,
    pub tile_columns: usize,
    pub store: Store,
}

/// Some filters and channels of a group, over some blocks of pixels.
pub(super) struct Task {
    pub group: usize,
    pub filters: Range<usize>,
    /// Of the group, or of all the taps side by side.
    pub channels: Range<usize>,
    pub blocks: Range<usize>,
}

/// Pixels as a micro-kernel reads them.
struct Source {
    /// Where the first tile of the first pixel is.
    base: *const f32,
    /// Values from one pixel to the next, and from one tile to the next.
    pitch: usize,
    tile_stride: usize,
    /// Room for packing; none for pixels read as they lie.
    room: Option<scratch::Scratch>,
}

impl Source {
    /// Pixels of `pitch` channels as they lie, cut in tiles of `size`.
    fn direct(base: *const f32, pitch: usize, size: usize) -> Self {
        Self { base, pitch, tile_stride: size, room: None }
    }

    /// Room for `pixels` pixels of `channels` channels in tiles of `size`.
    fn packed(channels: usize, size: usize, pixels: usize) -> Self {
        let tile_stride = tile_stride(pixels, size);
        let room = scratch::take(channels.div_ceil(size) * tile_stride);
        Self { base: room.as_ptr(), pitch: size, tile_stride, room: Some(room) }
    }

    /// Packs `pixels` pixels as the `at`-th and following, unless they are read as they lie.
    ///
    /// # Safety
    /// `channels` values are readable at `source` and each further multiple of `stride`; there is room for the pixels.
    unsafe fn pack(
        &mut self,
        isa: Isa,
        (source, stride): (*const f32, usize),
        channels: usize,
        (at, pixels): (usize, usize),
    ) {
        let Some(room) = &mut self.room else { return };
        let tiles = PackTiles {
            source,
            source_stride: stride,
            pixels,
            channels,
            size: self.pitch,
            out: room[at * self.pitch..].as_mut_ptr(),
            tile_stride: self.tile_stride,
        };
        // SAFETY: the caller's contract; there is a tile for every `size` channels, and the instruction set is there.
        unsafe { run(isa, tiles) };
        // The address from before would be one that a shared borrow gave, and the room has been written since.
        self.base = room.as_ptr();
    }
}

/// Both sides of the products, and what has been written so far.
struct Sides {
    rows: Source,
    columns: Source,
    /// By tap: whether the gradient holds something to add to.
    begun: Vec<bool>,
}

impl Gradient<'_> {
    /// Computes the task's part of the gradient.
    ///
    /// # Safety
    /// `out` has the weight's values, and nobody else touches those of the task's filters and channels meanwhile.
    pub(super) unsafe fn task(&self, task: &Task, out: Shared) {
        if task.filters.is_empty() || task.channels.is_empty() {
            return;
        }
        let mut sides = self.sides(task);
        let all = self.shape.n * self.sampling.size[0];
        for block in task.blocks.clone() {
            let first = block * self.lines_per_block;
            let lines = first..(first + self.lines_per_block).min(all);
            self.pack_rows(task, &lines, &mut sides.rows);
            // SAFETY: the caller's contract.
            unsafe {
                match self.gather {
                    Gather::Pointers => self.tap_by_tap(task, &lines, &mut sides, out),
                    Gather::Copies { kernel_columns } => self.all_taps(task, &lines, kernel_columns, &mut sides, out),
                }
            }
        }
        // SAFETY: the caller's contract.
        unsafe { self.clear_untouched(task, &sides.begun, out) };
    }

    fn sides(&self, task: &Task) -> Sides {
        let shape = self.shape;
        let pixels = self.lines_per_block * self.sampling.size[1];
        let rows = if shape.c_out <= MOST_DIRECT {
            Source::direct(self.gy[self.row(task)..].as_ptr(), shape.c_out, self.tile_rows)
        } else {
            Source::packed(task.filters.len(), self.tile_rows, pixels)
        };
        let (columns, taps) = match self.gather {
            Gather::Pointers if shape.c_in <= MOST_DIRECT && shape.group_in().is_multiple_of(self.tile_columns) => {
                let source = self.x[self.column(task)..].as_ptr();
                (Source::direct(source, shape.c_in, self.tile_columns), shape.taps())
            }
            Gather::Pointers => {
                let pixels = self.lines_per_block * shape.w;
                (Source::packed(task.channels.len(), self.tile_columns, pixels), shape.taps())
            }
            // The copies of each block take their place later.
            Gather::Copies { .. } => {
                (Source::direct(std::ptr::null(), shape.taps() * shape.group_in(), self.tile_columns), 1)
            }
        };
        Sides { rows, columns, begun: vec![self.store == Store::Accumulate; taps] }
    }

    /// The task's first filter among a pixel's channels.
    fn row(&self, task: &Task) -> usize {
        task.group * self.shape.group_out() + task.filters.start
    }

    /// The task's first channel among an input pixel's.
    fn column(&self, task: &Task) -> usize {
        task.group * self.shape.group_in() + task.channels.start
    }

    fn pack_rows(&self, task: &Task, lines: &Range<usize>, rows: &mut Source) {
        let (out_w, c_out) = (self.sampling.size[1], self.shape.c_out);
        let source = self.gy[lines.start * out_w * c_out + self.row(task)..].as_ptr();
        // SAFETY: the lines are within `gy`, and there is room for a block of them.
        unsafe { rows.pack(self.isa, (source, c_out), task.filters.len(), (0, lines.len() * out_w)) };
    }

    /// Few channels: the taps side by side are the columns.
    ///
    /// # Safety
    /// As [`Gradient::task`].
    unsafe fn all_taps(
        &self,
        task: &Task,
        lines: &Range<usize>,
        kernel_columns: usize,
        sides: &mut Sides,
        out: Shared,
    ) {
        let first = lines.start * self.sampling.size[1];
        let pixels = lines.len() * self.sampling.size[1];
        let mut copies = scratch::take(Im2col::out_len(pixels, sides.columns.pitch));
        let im2col = Im2col {
            sampling: self.sampling,
            kernel_columns,
            source: self.x[task.group * self.shape.group_in()..].as_ptr(),
            pitch: self.shape.c_in,
            channels: self.shape.group_in(),
            first,
            count: pixels,
            out: copies.as_mut_ptr(),
        };
        // SAFETY: `x` holds every source pixel, and `copies` every tap of the lines.
        unsafe { run(self.isa, im2col) };
        sides.columns.base = copies[task.channels.start..].as_ptr();
        let row_pixel = if sides.rows.room.is_some() { 0 } else { first };
        let runs = [Run { row_pixel, column_pixel: 0, pixels }];
        // SAFETY: the run is all of the block's pixels on either side; the rest is the caller's contract.
        unsafe { self.sum(task, &runs, 0, sides, out) };
    }

    /// Each kernel row's input rows are packed once and shared by its taps.
    ///
    /// # Safety
    /// As [`Gradient::task`].
    unsafe fn tap_by_tap(&self, task: &Task, lines: &Range<usize>, sides: &mut Sides, out: Shared) {
        let (shape, sampling) = (self.shape, self.sampling);
        let ([out_h, out_w], [in_h, in_w]) = (sampling.size, sampling.source);
        let mut runs = Vec::with_capacity(lines.len());
        let mut met = Vec::with_capacity(lines.len());
        for kernel_row in 0..shape.kernel[0] {
            let taps = kernel_row * shape.kernel[1]..(kernel_row + 1) * shape.kernel[1];
            let down = sampling.taps[taps.start][0];
            met.clear();
            for (i, line) in lines.clone().enumerate() {
                let Some(row) = sampling.source_row(line % out_h, down) else { continue };
                let pixel = (line / out_h * in_h + row) * in_w;
                let source = self.x[pixel * shape.c_in + self.column(task)..].as_ptr();
                let place = (i * in_w, in_w);
                // SAFETY: an input row has `in_w` pixels, and there is room for one for every line.
                unsafe { sides.columns.pack(self.isa, (source, shape.c_in), task.channels.len(), place) };
                let row_pixel = if sides.rows.room.is_some() { i * out_w } else { line * out_w };
                met.push((row_pixel, if sides.columns.room.is_some() { place.0 } else { pixel }));
            }
            for tap in taps {
                let right = sampling.taps[tap][1];
                let (low, high) = sampling.columns_inside(right);
                if low == high || met.is_empty() {
                    continue;
                }
                let start = (low * sampling.step[1]).wrapping_add_signed(right);
                let pixels = high - low;
                runs.clear();
                runs.extend(met.iter().map(|(row_pixel, column_pixel)| Run {
                    row_pixel: row_pixel + low,
                    column_pixel: column_pixel + start,
                    pixels,
                }));
                // SAFETY: the runs are inside the lines; the rest is the caller's contract.
                unsafe { self.sum(task, &runs, tap, sides, out) };
            }
        }
    }

    /// Adds the runs' outer products to the gradient of one tap, or of all of them side by side.
    ///
    /// # Safety
    /// As [`Gradient::task`]; the runs are inside both sides.
    unsafe fn sum(&self, task: &Task, runs: &[Run], tap: usize, sides: &mut Sides, out: Shared) {
        let Sides { rows, columns, begun } = sides;
        let column_step = match self.gather {
            Gather::Pointers => self.sampling.step[1],
            Gather::Copies { .. } => 1,
        };
        let store = if begun[tap] { Store::Accumulate } else { Store::Overwrite };
        begun[tap] = true;
        for (tile, channel) in task.channels.clone().step_by(self.tile_columns).enumerate() {
            let product = OuterProduct {
                runs,
                rows: rows.base,
                row_pitch: rows.pitch,
                row_count: task.filters.len(),
                tile_rows: self.tile_rows,
                tile_stride: rows.tile_stride,
                column_source: columns.base.wrapping_add(tile * columns.tile_stride),
                column_pitch: columns.pitch,
                column_step,
                width: self.tile_columns,
                columns: self.tile_columns.min(task.channels.end - channel),
                out: out.get().wrapping_add(self.place(task, task.filters.start, tap) + channel),
                out_stride: self.shape.taps() * self.shape.group_in(),
                store,
            };
            // SAFETY: the caller's contract; whole tiles of columns are readable: packed ones are padded, those read as
            // they lie fill their tiles, and copies have room behind them.  The instruction set is one this machine has.
            unsafe { run(self.isa, product) };
        }
    }

    /// Where a tap of a filter of the task's group starts in the weight.
    fn place(&self, task: &Task, filter: usize, tap: usize) -> usize {
        ((task.group * self.shape.group_out() + filter) * self.shape.taps() + tap) * self.shape.group_in()
    }

    /// Zeros for the taps that met no pixel.
    ///
    /// # Safety
    /// As [`Gradient::task`].
    unsafe fn clear_untouched(&self, task: &Task, begun: &[bool], out: Shared) {
        for tap in (0..begun.len()).filter(|&tap| !begun[tap]) {
            for filter in task.filters.clone() {
                let place = self.place(task, filter, tap) + task.channels.start;
                // SAFETY: these values are the task's own.
                unsafe { out.get().add(place).write_bytes(0, task.channels.len()) };
            }
        }
    }
}
