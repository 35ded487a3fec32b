//! The taps of a pixel side by side, for inputs of few channels: one long row instead of many short ones.

use super::sampling::{Sampling, Segment};
use crate::simd::{Kernel, LANES, Lanes};

/// Writes `[count, kernel rows, kernel columns, channels]`, zeros at the taps outside the source.
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: `sampling` is a forward one of a kernel with `kernel_columns`
/// columns; `source` is readable for all its source pixels, `pitch` values each of which the first `channels` are read;
/// `first + count` is at most the sampling's pixels; `out` is writable for what is written.
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

impl Kernel for Im2col<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for segment in self.sampling.segments(self.first, self.count) {
            for kernel_row in 0..self.sampling.taps.len() / self.kernel_columns {
                // SAFETY: the type's contract.
                unsafe { self.kernel_row::<V>(segment, kernel_row) }
            }
        }
    }
}

impl Im2col<'_> {
    #[inline(always)]
    unsafe fn kernel_row<V: Lanes>(&self, segment: Segment, kernel_row: usize) {
        let (sampling, channels) = (self.sampling, self.channels);
        let taps = &sampling.taps[kernel_row * self.kernel_columns..(kernel_row + 1) * self.kernel_columns];
        let (length, pitch_out) = (taps.len() * channels, sampling.taps.len() * channels);
        let out = self.out.wrapping_add(segment.at * pitch_out + kernel_row * length);
        let Some(row) = sampling.source_row(segment.row, taps[0][0]) else {
            for i in 0..segment.pixels {
                // SAFETY: the type's contract.
                unsafe { fill_zero::<V>(out.add(i * pitch_out), length) };
            }
            return;
        };
        let line = self.source.wrapping_add((segment.image * sampling.source[0] + row) * sampling.source[1] * self.pitch);
        let (leftmost, rightmost) = (taps[0][1], taps[taps.len() - 1][1]);
        // Neighbouring taps of whole pixels are one run of memory, where all of them are inside.
        let joined = (rightmost - leftmost) as usize + 1 == taps.len() && self.pitch == channels;
        let end = segment.column + segment.pixels;
        let (low, high) = if joined {
            let low = sampling.columns_inside(leftmost).0.clamp(segment.column, end);
            (low, sampling.columns_inside(rightmost).1.clamp(low, end))
        } else {
            (end, end)
        };
        // SAFETY: the type's contract; from `low` to `high` every tap is inside.
        unsafe {
            for column in (segment.column..low).chain(high..end) {
                self.tap_by_tap::<V>(taps, column, line, out.add((column - segment.column) * pitch_out));
            }
            for column in low..high {
                let source = (column * sampling.step[1]).wrapping_add_signed(leftmost) * channels;
                copy::<V>(line.add(source), out.add((column - segment.column) * pitch_out), length);
            }
        }
    }

    /// One pixel at the edge, or whose taps are not neighbours.
    #[inline(always)]
    unsafe fn tap_by_tap<V: Lanes>(&self, taps: &[[isize; 2]], column: usize, line: *const f32, out: *mut f32) {
        for (j, tap) in taps.iter().enumerate() {
            let source = (column * self.sampling.step[1]) as isize + tap[1];
            // SAFETY: the type's contract; a tap is read only where its pixel is inside the source.
            unsafe {
                let out = out.add(j * self.channels);
                if (0..self.sampling.source[1] as isize).contains(&source) {
                    copy::<V>(line.add(source as usize * self.pitch), out, self.channels);
                } else {
                    fill_zero::<V>(out, self.channels);
                }
            }
        }
    }
}

/// # Safety
/// `length` values are readable and writable.
#[inline(always)]
unsafe fn copy<V: Lanes>(from: *const f32, to: *mut f32, length: usize) {
    let mut i = 0;
    while i < length {
        let lanes = (length - i).min(LANES);
        // SAFETY: `i + lanes <= length`.
        unsafe { V::load_partial(from.add(i), lanes).store_partial(to.add(i), lanes) };
        i += lanes;
    }
}

/// # Safety
/// `length` values are writable.
#[inline(always)]
unsafe fn fill_zero<V: Lanes>(to: *mut f32, length: usize) {
    let mut i = 0;
    while i < length {
        let lanes = (length - i).min(LANES);
        // SAFETY: `i + lanes <= length`.
        unsafe { V::zero().store_partial(to.add(i), lanes) };
        i += lanes;
    }
}
