//! Sources in the order the micro-kernels read them.
//!
//! * Panels, for [`super::microkernel::RowsTimesPanel`]: the columns of a matrix `[depth][columns]` cut in blocks of 64, 32
//!   or 16, each stored `[depth][width]`, one block behind the other, zeros behind the last column.
//! * Tiles, for both sides of [`super::microkernel::OuterProduct`]: the channels of a run of pixels cut in blocks of any
//!   size, each stored `[pixel][size]`, zeros behind the last channel.

use super::microkernel::panel_width;
use super::transpose::Transpose;
use crate::scratch::{Scratch, take};
use crate::simd::{Isa, Kernel, LANES, Lanes, run};
use rayon::prelude::*;
use std::ops::Range;

/// One block of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    /// The first column.
    pub first: usize,
    /// Columns that are there.
    pub columns: usize,
    /// Columns with padding: 64, 32 or 16.
    pub width: usize,
    /// Where the panel starts among the packed values, in values.
    pub offset: usize,
}

/// The panels of a matrix `[depth][columns]`, in order.
///
/// All but the last are as wide as panels get; the last is the narrowest that holds what is left.
pub(crate) fn panels(isa: Isa, columns: usize, depth: usize) -> Vec<Panel> {
    let widest = panel_width(isa);
    (0..columns)
        .step_by(widest)
        .map(|first| {
            let columns = widest.min(columns - first);
            let width = if columns <= LANES { LANES } else { widest.min(columns.next_power_of_two()) };
            // Every panel in front of this one is full.
            Panel { first, columns, width, offset: first * depth }
        })
        .collect()
}

/// Rows of a panel that are packed at once: enough pieces to keep many threads busy, each long enough to read ahead.
const PIECE: usize = 256;

/// The matrices `[depth][columns]` of some groups, as they lie in memory.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub depth: usize,
    pub columns: usize,
    /// One group behind the other.
    pub values: &'a [f32],
    /// Values from one group to the next.
    pub group: usize,
    pub order: Order<'a>,
}

/// How a matrix lies in memory.
#[derive(Clone, Copy)]
pub(crate) enum Order<'a> {
    /// Turned over: `[columns][depth]`.
    Columns,
    /// Row by row; each starts where this says.
    Rows(&'a (dyn Fn(usize) -> usize + Sync)),
}

/// The packed panels of all groups, `[group][panel]`.
pub(crate) struct Packed {
    values: Scratch,
    /// Values from one group to the next.
    group: usize,
}

impl Packed {
    /// The rows of a panel from the `row`-th on, and what is behind them.
    pub(crate) fn rows_from(&self, group: usize, panel: &Panel, row: usize) -> &[f32] {
        &self.values[group * self.group + panel.offset + row * panel.width..]
    }
}

impl Matrix<'_> {
    /// The panels of a group.
    pub(crate) fn panels(&self, isa: Isa) -> Vec<Panel> {
        panels(isa, self.columns, self.depth)
    }

    /// Packs the panels, which are those of [`Matrix::panels`], of all groups.
    pub(crate) fn pack_all(&self, isa: Isa, groups: usize, panels: &[Panel]) -> Packed {
        let group = panels.last().map_or(0, |last| last.offset + last.width * self.depth);
        let mut values = take(groups * group);
        if group > 0 {
            values.par_chunks_mut(group).enumerate().for_each(|(group, out)| {
                out.par_chunks_mut(panel_width(isa) * self.depth).zip(panels).for_each(|(out, panel)| {
                    out.par_chunks_mut(PIECE * panel.width).enumerate().for_each(|(piece, out)| {
                        let rows = piece * PIECE..self.depth.min((piece + 1) * PIECE);
                        self.pack(isa, group, panel, rows, out);
                    });
                });
            });
        }
        Packed { values, group }
    }

    /// Packs some rows of one panel, `[rows][width]`, at the front of `out`.
    ///
    /// # Panics
    /// If the matrix does not have the rows, or `out` no room for them.
    pub(crate) fn pack(&self, isa: Isa, group: usize, panel: &Panel, rows: Range<usize>, out: &mut [f32]) {
        assert!(rows.end <= self.depth && rows.len() * panel.width <= out.len(), "{rows:?} of {}", self.depth);
        let values = &self.values[group * self.group..][..self.group];
        match self.order {
            Order::Columns => {
                let columns = &values[panel.first * self.depth..][..panel.columns * self.depth];
                let transpose = Transpose {
                    source: columns[rows.start..].as_ptr(),
                    source_stride: self.depth,
                    columns: panel.columns,
                    depth: rows.len(),
                    out: out.as_mut_ptr(),
                    width: panel.width,
                };
                // SAFETY: the instruction set is one this machine has; every column has the rows, `out` room for them.
                unsafe { run(isa, transpose) };
            }
            Order::Rows(start) => {
                for (row, out) in rows.zip(out.chunks_exact_mut(panel.width)) {
                    let (there, padding) = out.split_at_mut(panel.columns);
                    there.copy_from_slice(&values[start(row) + panel.first..][..panel.columns]);
                    padding.fill(0.0);
                }
            }
        }
    }
}

/// The values from one tile of [`PackTiles`] to the next.
///
/// The line more than the tile has takes what is written behind its last pixel, and keeps the places of one pixel in all
/// tiles from competing for the same few lines of the cache.
pub(crate) fn tile_stride(pixels: usize, size: usize) -> usize {
    (pixels * size).next_multiple_of(LANES) + LANES
}

/// Cuts the channels of `pixels` pixels in tiles: `out[tile][pixel][size]`, zeros behind the last channel.
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: `channels` values are readable at `source` and at each further
/// multiple of `source_stride` up to the last pixel; `out` is writable for `pixels * size + LANES` values at each
/// multiple of `tile_stride` up to the last tile, and nobody else touches them meanwhile.
pub(crate) struct PackTiles {
    /// The first pixel's first channel.
    pub source: *const f32,
    /// Values from one pixel to the next.
    pub source_stride: usize,
    /// How many pixels.
    pub pixels: usize,
    /// How many channels.
    pub channels: usize,
    /// Channels of a tile.
    pub size: usize,
    /// The first tile.
    pub out: *mut f32,
    /// Values from one tile to the next.
    pub tile_stride: usize,
}

/// How far ahead of its reading [`PackTiles`] asks for memory, in values: the hardware stops at the end of a page.
const AHEAD: usize = 2048;

impl Kernel for PackTiles {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let whole = self.channels / self.size;
        let rest = self.channels % self.size;
        // Pixel by pixel: the source is read in the order it lies in memory.
        for pixel in 0..self.pixels {
            // SAFETY: the type's contract; the last tile reads the channels that are left only.
            unsafe {
                let source = self.source.add(pixel * self.source_stride);
                let out = self.out.add(pixel * self.size);
                for tile in 0..whole {
                    V::prefetch(source.wrapping_add(tile * self.size + AHEAD));
                    copy_over::<V>(
                        source.add(tile * self.size),
                        self.size,
                        out.add(tile * self.tile_stride),
                        self.size,
                    );
                }
                if rest > 0 {
                    copy_over::<V>(source.add(whole * self.size), rest, out.add(whole * self.tile_stride), self.size);
                }
            }
        }
    }
}

/// Copies `there` values and writes zeros behind them, up to `wanted` and on to the next multiple of [`LANES`]: whole
/// stores are many times faster than partial ones, and what comes next in memory is written later.
///
/// # Safety
/// So many values are readable and writable.
#[inline(always)]
pub(crate) unsafe fn copy_over<V: Lanes>(from: *const f32, there: usize, to: *mut f32, wanted: usize) {
    let mut i = 0;
    while i < wanted {
        let lanes = there.saturating_sub(i).min(LANES);
        // SAFETY: the caller's contract; with no lanes the address is not read.
        unsafe { V::load_partial(from.wrapping_add(i), lanes).store(to.add(i)) };
        i += LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| i as f32 + 1.0).collect()
    }

    #[test]
    fn panels_hold_every_column_once_and_zeros_behind() {
        for &isa in Isa::available() {
            for (columns, depth) in [(1, 3), (16, 1), (17, 5), (64, 2), (65, 300), (255, 130), (100, 7)] {
                let (groups, group) = (3, columns * depth + 2);
                let by_column = numbers(groups * group);
                let mut by_row = by_column.clone();
                for (by_row, by_column) in by_row.chunks_exact_mut(group).zip(by_column.chunks_exact(group)) {
                    for i in 0..columns * depth {
                        by_row[i] = by_column[i % columns * depth + i / columns];
                    }
                }
                let start = |row: usize| row * columns;
                let matrix = |values, order| Matrix { depth, columns, values, group, order };
                for matrix in [matrix(&by_column, Order::Columns), matrix(&by_row, Order::Rows(&start))] {
                    let list = matrix.panels(isa);
                    assert_eq!(list.iter().map(|p| p.columns).sum::<usize>(), columns);
                    let packed = matrix.pack_all(isa, groups, &list);
                    for (group, panel) in (0..groups).flat_map(|group| list.iter().map(move |panel| (group, panel))) {
                        // Some rows alone are packed like all of them.
                        let rows = depth / 3..depth;
                        let mut slice = vec![-1.0; rows.len() * panel.width + 1];
                        matrix.pack(isa, group, panel, rows.clone(), &mut slice);
                        assert_eq!(slice.pop(), Some(-1.0));
                        assert_eq!(slice, packed.rows_from(group, panel, rows.start)[..slice.len()]);
                        let first = group * matrix.group + panel.first * depth;
                        for (i, &value) in packed.rows_from(group, panel, 0)[..depth * panel.width].iter().enumerate() {
                            let (row, column) = (i / panel.width, i % panel.width);
                            let expected =
                                if column < panel.columns { by_column[first + column * depth + row] } else { 0.0 };
                            assert_eq!(value, expected, "{isa:?} {columns} {depth} {group} {panel:?} {i}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_hold_every_channel_once_and_zeros_behind() {
        for &isa in Isa::available() {
            for (channels, size) in [(5, 12), (12, 12), (25, 12), (64, 32), (33, 32), (7, 2), (16, 16)] {
                let (pixels, stride) = (3, channels + 2);
                let source = numbers(pixels * stride);
                let tiles = channels.div_ceil(size);
                let tile_stride = tile_stride(pixels, size);
                let mut out = vec![-1.0; tiles * tile_stride];
                let (source_at, out_at) = (source.as_ptr(), out.as_mut_ptr());
                // SAFETY: the instruction set is available, and the buffers have the sizes the kernel asks for.
                unsafe {
                    run(
                        isa,
                        PackTiles {
                            source: source_at,
                            source_stride: stride,
                            pixels,
                            channels,
                            size,
                            out: out_at,
                            tile_stride,
                        },
                    );
                };
                for (i, &value) in out.iter().enumerate() {
                    let (tile, pixel, lane) = (i / tile_stride, i % tile_stride / size, i % tile_stride % size);
                    if pixel >= pixels {
                        continue;
                    }
                    let channel = tile * size + lane;
                    let expected = if channel < channels { source[pixel * stride + channel] } else { 0.0 };
                    assert_eq!(value, expected, "{isa:?} {channels} {size} at {i}");
                }
            }
        }
    }
}
