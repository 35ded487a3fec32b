//! Weight rescaling (WRS, Liu et al. 2021, appendix A.5): rows of unit norm.
//!
//! A row is what feeds one output unit: the `kh * kw * I` weights of a filter, or the inputs of a linear unit.

use crate::update::block_of_squares;
use crate::{ShapeError, blocks};
use rayon::prelude::*;

/// The largest relative error of a rounded `f32`, and so of the norm of a row that was just divided by its own: `2^-24`,
/// with room for the last bit of the `f64` sums.
const UNIT_ROUNDING: f64 = 5.960_464_5e-8;

/// What a rescale did, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rescaled {
    /// Norms before.
    pub norms: Vec<f64>,
    /// What each row was multiplied by: the inverse of its norm, or 1 where the row was left.
    pub factors: Vec<f64>,
    /// Rows left because they have no direction: a norm under the least one, or not finite.
    pub skipped: usize,
}

/// Refuses a row length that does not divide the matrix; gives the rows' number.
pub(crate) fn row_count(op: &'static str, values: usize, row_len: usize) -> Result<usize, ShapeError> {
    if row_len > 0 && values.is_multiple_of(row_len) {
        return Ok(values / row_len);
    }
    let expected = format!("a multiple of the row length {row_len}, which is at least 1");
    Err(ShapeError { op, what: "matrix", expected, got: values.to_string() })
}

#[inline(always)]
fn norm(row: &[f32]) -> f64 {
    block_of_squares(row).sqrt()
}

/// The L2 norm of every row, in `f64`.
///
/// # Shapes
/// `matrix` `[rows, row_len]`, `norms` `[rows]`.
///
/// # Errors
/// [`ShapeError`] when they do not fit.
pub fn row_norms(matrix: &[f32], row_len: usize, norms: &mut [f64]) -> Result<(), ShapeError> {
    let op = "row_norms";
    let rows = row_count(op, matrix.len(), row_len)?;
    if norms.len() != rows {
        let (expected, got) = (format!("{rows} values"), norms.len().to_string());
        return Err(ShapeError { op, what: "norms", expected, got });
    }
    let block = blocks::rows_per_task(row_len);
    norms.par_chunks_mut(block).zip(matrix.par_chunks(block * row_len)).for_each(|(norms, rows)| {
        for (n, row) in norms.iter_mut().zip(rows.chunks_exact(row_len)) {
            *n = norm(row);
        }
    });
    Ok(())
}

/// Rows that are to be of unit norm.
#[derive(Clone, Copy, Debug)]
pub struct UnitRows {
    /// Values of a row.
    pub row_len: usize,
    /// A row of a smaller norm (WRS uses `1e-12`), or of one that is not finite, is left and counted.
    pub min_norm: f64,
}

impl UnitRows {
    /// Divides one row by its L2 norm; gives that norm and the factor, which is 1 where the row was left.
    ///
    /// A row that is of unit norm already to the last bit is left, too: rescaling twice changes nothing.
    #[inline(always)]
    pub(crate) fn rescale(self, row: &mut [f32]) -> (f64, f64) {
        let norm = norm(row);
        if !has_direction(norm, self.min_norm) || (norm - 1.0).abs() <= UNIT_ROUNDING {
            return (norm, 1.0);
        }
        let factor = 1.0 / norm;
        for w in row {
            *w = (f64::from(*w) * factor) as f32;
        }
        (norm, factor)
    }
}

impl Rescaled {
    pub(crate) fn of_rows(rows: usize) -> Self {
        Self { norms: vec![0.0; rows], factors: vec![1.0; rows], skipped: 0 }
    }

    pub(crate) fn count_skipped(&mut self, unit: UnitRows) {
        self.skipped = self.norms.iter().filter(|&&n| !has_direction(n, unit.min_norm)).count();
    }
}

/// Divides every row by its L2 norm; see [`UnitRows`] for those that are left.
///
/// # Shapes
/// `matrix` `[rows, row_len]`.
///
/// # Errors
/// [`ShapeError`] when `row_len` does not divide it.
pub fn rescale_rows(matrix: &mut [f32], unit: UnitRows) -> Result<Rescaled, ShapeError> {
    let row_len = unit.row_len;
    let mut rescaled = Rescaled::of_rows(row_count("rescale_rows", matrix.len(), row_len)?);
    let block = blocks::rows_per_task(row_len);
    let found = rescaled.norms.par_chunks_mut(block).zip(rescaled.factors.par_chunks_mut(block));
    matrix.par_chunks_mut(block * row_len).zip(found).for_each(|(rows, (norms, factors))| {
        for ((row, norm), factor) in rows.chunks_exact_mut(row_len).zip(norms).zip(factors) {
            (*norm, *factor) = unit.rescale(row);
        }
    });
    rescaled.count_skipped(unit);
    Ok(rescaled)
}

#[inline(always)]
fn has_direction(norm: f64, min_norm: f64) -> bool {
    norm >= min_norm && norm > 0.0 && norm.is_finite()
}

/// The angle in radians between every row and what became of it; 0 where one of the two has no direction.
///
/// `2 atan2(|u - v|, |u + v|)` on the unit vectors (Kahan 2006), which keeps its digits at tiny angles, where the arc cosine
/// has none.
///
/// # Shapes
/// `before`, `after` `[rows, row_len]`.
///
/// # Errors
/// [`ShapeError`] when they do not fit.
pub fn row_angles(before: &[f32], after: &[f32], row_len: usize) -> Result<Vec<f64>, ShapeError> {
    let op = "row_angles";
    let rows = row_count(op, before.len(), row_len)?;
    crate::check_len(op, "after", after.len(), before.len())?;
    let mut angles = vec![0.0; rows];
    let block = blocks::rows_per_task(row_len);
    let tasks = angles.par_chunks_mut(block).zip(before.par_chunks(block * row_len));
    tasks.zip(after.par_chunks(block * row_len)).for_each(|((angles, before), after)| {
        let pairs = before.chunks_exact(row_len).zip(after.chunks_exact(row_len));
        for (a, (before, after)) in angles.iter_mut().zip(pairs) {
            *a = angle(before, after);
        }
    });
    Ok(angles)
}

fn angle(before: &[f32], after: &[f32]) -> f64 {
    let (m, n) = (norm(before), norm(after));
    if !(has_direction(m, 0.0) && has_direction(n, 0.0)) {
        return 0.0;
    }
    let (by, other_by) = (1.0 / m, 1.0 / n);
    let squares = |u: f32, v: f32| {
        let (u, v) = (f64::from(u) * by, f64::from(v) * other_by);
        ((u - v) * (u - v), (u + v) * (u + v))
    };
    // Interleaved sums, as in `block_of_squares`.
    let (mut differences, mut sums) = ([0.0; 8], [0.0; 8]);
    let ((before, before_rest), (after, after_rest)) = (before.as_chunks::<8>(), after.as_chunks::<8>());
    for (before, after) in before.iter().zip(after) {
        for i in 0..8 {
            let (difference, sum) = squares(before[i], after[i]);
            differences[i] += difference;
            sums[i] += sum;
        }
    }
    for (i, (u, v)) in before_rest.iter().zip(after_rest).enumerate() {
        let (difference, sum) = squares(*u, *v);
        differences[i] += difference;
        sums[i] += sum;
    }
    let length = |squares: [f64; 8]| squares.iter().sum::<f64>().sqrt();
    2.0 * length(differences).atan2(length(sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{normals, same_in_any_pool};

    fn unit(row_len: usize) -> UnitRows {
        UnitRows { row_len, min_norm: 1e-12 }
    }

    #[test]
    fn three_four_five() {
        let mut matrix = [3.0, 4.0, 0.0, 0.0, 1.0, 0.0];
        let rescaled = rescale_rows(&mut matrix, unit(2)).unwrap();
        assert_eq!(matrix, [0.6, 0.8, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(rescaled, Rescaled { norms: vec![5.0, 0.0, 1.0], factors: vec![0.2, 1.0, 1.0], skipped: 1 });
    }

    #[test]
    fn rows_without_a_direction_are_left_and_counted() {
        let mut matrix = [1e-13, 0.0, f32::NAN, 1.0, f32::INFINITY, 0.0, 2e-12, 0.0];
        let rescaled = rescale_rows(&mut matrix, unit(2)).unwrap();
        assert_eq!(rescaled.skipped, 3);
        assert_eq!(rescaled.factors[..3], [1.0; 3]);
        assert_eq!((matrix[0], matrix[3], matrix[4], matrix[6]), (1e-13, 1.0, f32::INFINITY, 1.0));
    }

    #[test]
    fn rescaled_rows_have_unit_norm_the_old_direction_and_stay() {
        for row_len in [1, 3, 27, 255, 1152] {
            let rows = 41;
            let mut before = normals(rows * row_len, "rows");
            for (i, row) in before.chunks_exact_mut(row_len).enumerate() {
                crate::update::scale(row, 10.0f32.powi(i as i32 % 13 - 6));
            }
            let once = same_in_any_pool(|| {
                let mut matrix = before.clone();
                rescale_rows(&mut matrix, unit(row_len)).unwrap();
                matrix
            });
            let mut norms = vec![0.0; rows];
            row_norms(&once, row_len, &mut norms).unwrap();
            assert!(norms.iter().all(|n| (n - 1.0).abs() <= UNIT_ROUNDING), "{norms:?}");
            assert!(row_angles(&before, &once, row_len).unwrap().iter().all(|&a| a < 1e-7));

            let mut twice = once.clone();
            let again = rescale_rows(&mut twice, unit(row_len)).unwrap();
            assert_eq!(once, twice);
            assert_eq!(again.factors, vec![1.0; rows]);
        }
    }

    #[test]
    fn angles_keep_their_digits() {
        let before = [1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        let after = [5.0, 0.0, 3.0, 3e-9, 0.0, 7.0, -2.0, -2.0, 1.0, 0.0];
        let angles = row_angles(&before, &after, 2).unwrap();
        let expected = [0.0, 1e-9, std::f64::consts::FRAC_PI_2, std::f64::consts::PI, 0.0];
        for (a, e) in angles.iter().zip(expected) {
            assert!((a - e).abs() <= 1e-7 * e, "expected {e}, got {a}");
        }
    }

    #[test]
    fn a_row_length_that_does_not_divide_is_refused() {
        assert!(rescale_rows(&mut [0.0; 5], unit(2)).is_err());
        assert!(rescale_rows(&mut [0.0; 5], unit(0)).is_err());
        assert!(row_norms(&[0.0; 4], 2, &mut [0.0; 3]).is_err());
        assert!(row_angles(&[0.0; 4], &[0.0; 2], 2).is_err());
    }
}
