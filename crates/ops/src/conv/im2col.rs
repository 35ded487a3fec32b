//! The taps of a pixel side by side, for inputs of few channels: one long row instead of many short ones.

use super::pack::copy_over;
use super::sampling::{Sampling, Segment};
use crate::simd::{Kernel, LANES, Lanes};

/// Writes `[count, kernel rows, kernel columns, channels]`, zeros at the taps outside the source.
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: `sampling` is a forward one of a kernel with `kernel_columns`
/// columns; `source` is readable for all its source pixels, `pitch` values each of which the first `channels` are read;
/// `first + count` is at most the sampling's pixels; `out` is writable for [`Im2col::out_len`] values, and nobody else
/// touches them meanwhile.
pub(crate) struct Im2col<'a> {
    /// Where the taps lie.
    pub sampling: &'a Sampling,
    /// Taps of a kernel row.
    pub kernel_columns: usize,
    /// The first source pixel's first channel.
    pub source: *const f32,
    /// Values from one source pixel to the next.
    pub pitch: usize,
    /// Channels that are copied.
    pub channels: usize,
    /// The first pixel of the grid.
    pub first: usize,
    /// How many pixels.
    pub count: usize,
    /// Where to.
    pub out: *mut f32,
}

impl Im2col<'_> {
    /// The values `count` rows of `depth` values are written in: stores are whole, and the last goes beyond the end.  As
    /// much again may be read by kernels that take whole tiles of columns.
    pub(crate) fn out_len(count: usize, depth: usize) -> usize {
        count * depth + 2 * LANES
    }
}

impl Kernel for Im2col<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let mut rows = Vec::with_capacity(self.sampling.taps.len() / self.kernel_columns);
        for segment in self.sampling.segments(self.first, self.count) {
            rows.clear();
            rows.extend(self.sampling.taps.chunks(self.kernel_columns).map(|taps| self.kernel_row(segment, taps)));
            let mut out = self.out.wrapping_add(segment.at * self.sampling.taps.len() * self.channels);
            for column in segment.column..segment.column + segment.pixels {
                for row in &rows {
                    // SAFETY: the type's contract; places are written in the order they have in memory.
                    unsafe { self.taps_of_row::<V>(row, column, out) };
                    out = out.wrapping_add(self.kernel_columns * self.channels);
                }
            }
        }
    }
}

/// A kernel row at a row of pixels.
struct KernelRow<'a> {
    taps: &'a [[isize; 2]],
    /// The source row's first pixel; none when the row is outside.
    line: Option<*const f32>,
    /// Columns of pixels all of whose taps are inside and neighbours in memory: from the first up to the second.
    joined: (usize, usize),
}

impl Im2col<'_> {
    #[inline(always)]
    fn kernel_row<'a>(&self, segment: Segment, taps: &'a [[isize; 2]]) -> KernelRow<'a> {
        let sampling = self.sampling;
        let line = sampling.source_row(segment.row, taps[0][0]).map(|row| {
            let pixel = (segment.image * sampling.source[0] + row) * sampling.source[1];
            self.source.wrapping_add(pixel * self.pitch)
        });
        let (leftmost, rightmost) = (taps[0][1], taps[taps.len() - 1][1]);
        let neighbours = (rightmost - leftmost) as usize + 1 == taps.len() && self.pitch == self.channels;
        let joined = if neighbours {
            (sampling.columns_inside(leftmost).0, sampling.columns_inside(rightmost).1)
        } else {
            (0, 0)
        };
        KernelRow { taps, line, joined }
    }

    #[inline(always)]
    unsafe fn taps_of_row<V: Lanes>(&self, row: &KernelRow, column: usize, out: *mut f32) {
        let length = row.taps.len() * self.channels;
        let first = column * self.sampling.step[1];
        // SAFETY: the type's contract; a tap is read only where its pixel is inside the source.
        unsafe {
            let Some(line) = row.line else {
                copy_over::<V>(self.source, 0, out, length);
                return;
            };
            if row.joined.0 <= column && column < row.joined.1 {
                let source = first.wrapping_add_signed(row.taps[0][1]) * self.channels;
                copy_over::<V>(line.add(source), length, out, length);
                return;
            }
            for (j, tap) in row.taps.iter().enumerate() {
                let source = first as isize + tap[1];
                let inside = (0..self.sampling.source[1] as isize).contains(&source);
                let (source, there) = if inside { (source as usize, self.channels) } else { (0, 0) };
                copy_over::<V>(
                    line.wrapping_add(source * self.pitch),
                    there,
                    out.add(j * self.channels),
                    self.channels,
                );
            }
        }
    }
}
