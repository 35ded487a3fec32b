//! Matrices turned over, sixteen by sixteen values at a time: filters are rows in memory and columns in the products.

use crate::simd::{Kernel, LANES, Lanes};

/// `out[k][j] = source[j][k]` for `k < depth` and `j < columns`, zeros for the columns from there to `width`.
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: `depth` values are readable at `source` and at each multiple of
/// `source_stride` up to the last column; `width` is a multiple of the lanes, `columns` at most that; `depth * width` values
/// are writable at `out`, and nobody else touches them meanwhile.
pub(crate) struct Transpose {
    /// The first column's first value.
    pub source: *const f32,
    /// Values from one column to the next.
    pub source_stride: usize,
    /// How many columns.
    pub columns: usize,
    /// Values of a column.
    pub depth: usize,
    /// `[depth][width]`
    pub out: *mut f32,
    /// Columns with padding.
    pub width: usize,
}

impl Kernel for Transpose {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for first in (0..self.width).step_by(LANES) {
            let columns = self.columns.saturating_sub(first).min(LANES);
            for k in (0..self.depth).step_by(LANES) {
                let rows = (self.depth - k).min(LANES);
                // SAFETY: the type's contract; columns and values that are not there are neither read nor written.
                unsafe {
                    let mut square = [V::zero(); LANES];
                    for (j, column) in square.iter_mut().enumerate().take(columns) {
                        let from = self.source.add((first + j) * self.source_stride + k);
                        // Many short columns: the hardware sees no stream to fetch ahead of.
                        V::prefetch(from.wrapping_add(LANES));
                        *column = if rows == LANES { V::load(from) } else { V::load_partial(from, rows) };
                    }
                    for (i, row) in V::transpose(square).into_iter().enumerate().take(rows) {
                        row.store(self.out.add((k + i) * self.width + first));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, run};

    #[test]
    fn every_value_changes_places() {
        for &isa in Isa::available() {
            for (columns, depth, width) in [(1, 1, 16), (16, 16, 16), (17, 5, 32), (64, 33, 64), (3, 40, 16)] {
                let stride = depth + 3;
                let source: Vec<f32> = (0..columns * stride).map(|i| i as f32 + 1.0).collect();
                let mut out = vec![-1.0; depth * width];
                let (from, to) = (source.as_ptr(), out.as_mut_ptr());
                // SAFETY: the instruction set is available, and the buffers have the sizes the kernel asks for.
                unsafe {
                    run(isa, Transpose { source: from, source_stride: stride, columns, depth, out: to, width });
                }
                for (i, &value) in out.iter().enumerate() {
                    let (k, j) = (i / width, i % width);
                    let expected = if j < columns { source[j * stride + k] } else { 0.0 };
                    assert_eq!(value, expected, "{isa:?} {columns} x {depth}: column {j}, value {k}");
                }
            }
        }
    }
}
