//! Sources in the order the micro-kernels read them.
//!
//! * Panels, for [`super::microkernel::RowsTimesPanel`]: the columns of a matrix `[depth][columns]` cut in blocks of 64, 32
//!   or 16, each stored `[depth][width]`, one block behind the other, zeros behind the last column.
//! * Tiles, for both sides of [`super::microkernel::OuterProduct`]: the channels of a run of pixels cut in blocks of any
//!   size, each stored `[pixel][size]`, zeros behind the last channel.

use super::microkernel::panel_width;
use super::transpose::Transpose;
use crate::simd::{Isa, Kernel, LANES, Lanes, run};
use rayon::prelude::*;

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

/// Values of all the panels of a matrix `[depth][columns]`.
pub(crate) fn panels_len(isa: Isa, columns: usize, depth: usize) -> usize {
    panels(isa, columns, depth).last().map_or(0, |last| last.offset + last.width * depth)
}

/// Rows of a panel that are packed at once: enough pieces to keep many threads busy, each long enough to read ahead.
const PIECE: usize = 256;

/// Packs the transpose of `source`, `[columns][depth]`, one row a column of the panels.
///
/// `out` has [`panels_len`] values, all of which are written.
pub(crate) fn pack_transposed(isa: Isa, source: &[f32], columns: usize, depth: usize, out: &mut [f32]) {
    let list = panels(isa, columns, depth);
    out.par_chunks_mut(panel_width(isa) * depth).zip(&list).for_each(|(out, panel)| {
        let source = &source[panel.first * depth..(panel.first + panel.columns) * depth];
        out.par_chunks_mut(PIECE * panel.width).enumerate().for_each(|(piece, out)| {
            let transpose = Transpose {
                source: source[piece * PIECE..].as_ptr(),
                source_stride: depth,
                columns: panel.columns,
                depth: out.len() / panel.width,
                out: out.as_mut_ptr(),
                width: panel.width,
            };
            // SAFETY: the instruction set is one this machine has; every column has the piece's values.
            unsafe { run(isa, transpose) };
        });
    });
}

/// Packs a matrix whose rows are contiguous: row `k` starts at `row_start(k)` of `source` and has `columns` values.
///
/// `out` has [`panels_len`] values, all of which are written.
pub(crate) fn pack_rows(
    isa: Isa,
    source: &[f32],
    columns: usize,
    depth: usize,
    row_start: impl Fn(usize) -> usize + Sync,
    out: &mut [f32],
) {
    let list = panels(isa, columns, depth);
    out.par_chunks_mut(panel_width(isa) * depth).zip(&list).for_each(|(out, panel)| {
        out.par_chunks_mut(PIECE * panel.width).enumerate().for_each(|(piece, out)| {
            for (k, out) in out.chunks_exact_mut(panel.width).enumerate() {
                let start = row_start(piece * PIECE + k) + panel.first;
                let (values, padding) = out.split_at_mut(panel.columns);
                values.copy_from_slice(&source[start..start + panel.columns]);
                padding.fill(0.0);
            }
        });
    });
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
                let by_column = numbers(columns * depth);
                let by_row: Vec<f32> =
                    (0..columns * depth).map(|i| by_column[i % columns * depth + i / columns]).collect();
                let len = panels_len(isa, columns, depth);
                let (mut a, mut b) = (vec![-1.0; len], vec![-1.0; len]);
                pack_transposed(isa, &by_column, columns, depth, &mut a);
                pack_rows(isa, &by_row, columns, depth, |k| k * columns, &mut b);
                assert_eq!(a, b);
                let list = panels(isa, columns, depth);
                assert_eq!(list.iter().map(|p| p.columns).sum::<usize>(), columns);
                for panel in &list {
                    for k in 0..depth {
                        for j in 0..panel.width {
                            let expected =
                                if j < panel.columns { by_column[(panel.first + j) * depth + k] } else { 0.0 };
                            assert_eq!(a[panel.offset + k * panel.width + j], expected);
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
