//! The register tile of weight gradients.
#![allow(
    clippy::needless_range_loop,
    reason = "counted loops over constants unroll, and their arrays stay in registers"
)]

use super::rows_that_fit;
use crate::Store;
use crate::simd::{Kernel, LANES, Lanes};

/// Pixels that follow one another in both sources of an [`OuterProduct`].
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// The first pixel's place in the rows, in pixels.
    pub row_pixel: usize,
    /// The first pixel's place in the columns, in pixels.
    pub column_pixel: usize,
    /// How many pixels.
    pub pixels: usize,
}

/// The sum over pixels of the products of every row value with every column value.
///
/// Both sources may be the activations as they are (then a tile's rows follow the last one's, and `row_pitch` is the
/// number of channels), or packed by [`crate::conv::pack::PackTiles`] (then `row_pitch` is the size of its tiles).
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: every run lies inside both sources, its columns `column_step`
/// pixels apart, and `width` values are readable at each of its pixels' columns; `tile_rows`, or
/// `row_count` where that is less, is at most `outer_rows` of the instruction set; `columns <= width`, which is `outer_width` of the instruction set or 16; rows `0..row_count` of `out`,
/// `out_stride` values apart, are writable for `columns` values, and nobody else touches them meanwhile.
pub(crate) struct OuterProduct<'a> {
    /// The pixels to sum over.
    pub runs: &'a [Run],
    /// The first pixel's first row.
    pub rows: *const f32,
    /// Values from one pixel of the rows to the next.
    pub row_pitch: usize,
    /// Output rows; the last tile may be partly used.
    pub row_count: usize,
    /// Rows of a tile.
    pub tile_rows: usize,
    /// Values from one tile of the rows to the next.
    pub tile_stride: usize,
    /// The first pixel's first column.
    pub column_source: *const f32,
    /// Values from one pixel of the columns to the next.
    pub column_pitch: usize,
    /// Pixels of the columns from one pixel of a run to the next: the stride of the convolution.
    pub column_step: usize,
    /// Columns of a tile.
    pub width: usize,
    /// Columns that are written.
    pub columns: usize,
    /// The first row's first column.
    pub out: *mut f32,
    /// Values from one output row to the next.
    pub out_stride: usize,
    /// Whether to add to `out`.
    pub store: Store,
}

impl Kernel for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the caller vouches for the type's contract.
        unsafe {
            if self.width > LANES && V::REGISTERS >= 32 {
                self.all_tiles::<V, 2>();
            } else {
                self.all_tiles::<V, 1>();
            }
        }
    }
}

impl OuterProduct<'_> {
    #[inline(always)]
    unsafe fn all_tiles<V: Lanes, const NV: usize>(&self) {
        for tile in 0..self.row_count.div_ceil(self.tile_rows) {
            let count = self.tile_rows.min(self.row_count - tile * self.tile_rows);
            // SAFETY: the caller's contract; the tile is within `row_count`.
            unsafe { with_rows!(count, V, NV, self.tile(tile); 1 2 3 4 5 6 7 8 9 10 11 12) }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes, const ROWS: usize, const NV: usize>(&self, tile: usize) {
        // SAFETY: the type's contract covers every pointer below.
        unsafe {
            let mut sums = [[V::zero(); NV]; ROWS];
            let out = self.out.add(tile * self.tile_rows * self.out_stride);
            for r in 0..ROWS {
                for v in 0..NV {
                    V::prefetch(out.wrapping_add(r * self.out_stride + v * LANES));
                }
            }
            let rows = self.rows.add(tile * self.tile_stride);
            let step = self.column_step * self.column_pitch;
            for run in self.runs {
                let mut row = rows.add(run.row_pixel * self.row_pitch);
                let mut column = self.column_source.add(run.column_pixel * self.column_pitch);
                for _ in 0..run.pixels {
                    let mut columns = [V::zero(); NV];
                    for v in 0..NV {
                        columns[v] = V::load(column.add(v * LANES));
                    }
                    for r in 0..ROWS {
                        let value = V::splat(*row.add(r));
                        for v in 0..NV {
                            sums[r][v] = value.mul_add(columns[v], sums[r][v]);
                        }
                    }
                    // The step past the last pixel may leave the buffer.
                    row = row.wrapping_add(self.row_pitch);
                    column = column.wrapping_add(step);
                }
            }
            for r in 0..ROWS {
                for v in 0..NV {
                    self.put(sums[r][v], out.add(r * self.out_stride), v * LANES);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn put<V: Lanes>(&self, sum: V, row: *mut f32, column: usize) {
        let lanes = self.columns.saturating_sub(column).min(LANES);
        if lanes == 0 {
            return;
        }
        // SAFETY: `lanes` values are inside the row that the type's contract gives us.
        unsafe {
            let to = row.add(column);
            let before = if self.store == Store::Accumulate { V::load_partial(to, lanes) } else { V::zero() };
            before.add(sum).store_partial(to, lanes);
        }
    }
}
