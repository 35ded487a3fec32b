//! Probabilities of logits.

use rayon::prelude::*;

use crate::{ShapeError, blocks};

/// Each row's `exp(x_k - m) / sum exp(x_j - m)`, `m` being its largest value, in place.
///
/// # Shapes
/// `x` `[rows, K]`.
///
/// # Errors
/// [`ShapeError`] when `K` is 0 or does not divide the slice.
pub fn softmax_in_place(classes: usize, x: &mut [f32]) -> Result<(), ShapeError> {
    if classes == 0 || !x.len().is_multiple_of(classes) {
        let expected = format!("a multiple of {classes} classes, at least one");
        return Err(ShapeError { op: "softmax", what: "x", expected, got: x.len().to_string() });
    }
    let task = blocks::rows_per_task(classes) * classes;
    x.par_chunks_mut(task).for_each(|rows| rows.chunks_exact_mut(classes).for_each(row));
    Ok(())
}

fn row(x: &mut [f32]) {
    let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut *x {
        *value = (*value - most).exp();
        sum += *value;
    }
    for value in x {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_probabilities_whatever_their_size() {
        let mut x = vec![0.0, 2f32.ln(), 1e30, 1e30, -1e30, 0.0];
        softmax_in_place(2, &mut x).unwrap();
        let expected = [1.0 / 3.0, 2.0 / 3.0, 0.5, 0.5, 0.0, 1.0];
        assert!(x.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{x:?}");
        assert!(softmax_in_place(0, &mut x).is_err());
        assert!(softmax_in_place(4, &mut x).is_err());
    }
}
