//! Concatenation along channels, and the split that is its backward.

use crate::{ShapeError, Store, blocks, check_len};
use rayon::prelude::*;

/// One input of a concatenation.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// `[rows, channels]`
    pub values: &'a [f32],
    /// Its width.
    pub channels: usize,
}

/// The gradient of one input of a concatenation.
#[derive(Debug)]
pub struct PartGradient<'a> {
    /// `[rows, channels]`, or nothing where nobody asks for it.
    pub gradient: Option<&'a mut [f32]>,
    /// Its width.
    pub channels: usize,
    /// What happens to the values already there.
    pub store: Store,
}

/// Lays the rows of `parts` side by side.
///
/// # Shapes
/// Each part `[rows, its channels]`, `y` `[rows, sum of channels]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit.
pub fn concat(rows: usize, parts: &[Part], y: &mut [f32]) -> Result<(), ShapeError> {
    let op = "concat";
    let total: usize = parts.iter().map(|part| part.channels).sum();
    check_len(op, "y", y.len(), rows * total)?;
    for part in parts {
        check_len(op, "part", part.values.len(), rows * part.channels)?;
    }
    let block = blocks::rows_per_task(total);
    y.par_chunks_mut(block * total.max(1)).enumerate().for_each(|(i, y)| {
        let mut offset = 0;
        for part in parts.iter().filter(|part| part.channels > 0) {
            let values = &part.values[i * block * part.channels..];
            for (to, from) in y.chunks_exact_mut(total).zip(values.chunks_exact(part.channels)) {
                to[offset..offset + part.channels].copy_from_slice(from);
            }
            offset += part.channels;
        }
    });
    Ok(())
}

/// Hands each part of a concatenation its columns of the gradient.
///
/// # Shapes
/// `gy` `[rows, sum of channels]`, each gradient `[rows, its channels]`.
///
/// # Errors
/// [`ShapeError`] when a slice does not fit.
pub fn split(rows: usize, gy: &[f32], parts: &mut [PartGradient]) -> Result<(), ShapeError> {
    let op = "split";
    let total: usize = parts.iter().map(|part| part.channels).sum();
    check_len(op, "gy", gy.len(), rows * total)?;
    for part in parts.iter() {
        if let Some(gradient) = &part.gradient {
            check_len(op, "gradient of a part", gradient.len(), rows * part.channels)?;
        }
    }
    let mut offset = 0;
    for part in parts.iter_mut() {
        if let Some(gradient) = part.gradient.as_deref_mut() {
            take_columns(gy, total, offset, gradient, part.channels, part.store);
        }
        offset += part.channels;
    }
    Ok(())
}

fn take_columns(from: &[f32], total: usize, offset: usize, to: &mut [f32], channels: usize, store: Store) {
    let block = blocks::rows_per_task(channels);
    to.par_chunks_mut(block * channels.max(1)).enumerate().for_each(|(i, to)| {
        for (to, from) in to.chunks_exact_mut(channels).zip(from[i * block * total..].chunks_exact(total)) {
            let from = &from[offset..offset + channels];
            match store {
                Store::Overwrite => to.copy_from_slice(from),
                Store::Accumulate => to.iter_mut().zip(from).for_each(|(to, from)| *to += from),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{normals, same_in_any_pool};

    #[test]
    fn rows_stand_side_by_side() {
        let (a, b) = ([1.0, 2.0, 3.0], [10.0, 11.0, 20.0, 21.0, 30.0, 31.0]);
        let mut y = [0.0; 9];
        concat(3, &[Part { values: &a, channels: 1 }, Part { values: &b, channels: 2 }], &mut y).unwrap();
        assert_eq!(y, [1.0, 10.0, 11.0, 2.0, 20.0, 21.0, 3.0, 30.0, 31.0]);
    }

    #[test]
    fn splitting_undoes_concatenating_for_any_widths() {
        for (rows, widths) in [(1, vec![5]), (700, vec![1, 3, 21]), (333, vec![255, 64, 1, 16]), (9, vec![0, 4, 0])] {
            let values: Vec<Vec<f32>> =
                widths.iter().map(|&c| normals(rows * c, &format!("concat {rows} {c}"))).collect();
            let parts: Vec<Part> =
                values.iter().zip(&widths).map(|(values, &channels)| Part { values, channels }).collect();
            let y = same_in_any_pool(|| {
                let mut y = vec![f32::NAN; rows * widths.iter().sum::<usize>()];
                concat(rows, &parts, &mut y).unwrap();
                y
            });
            let mut back: Vec<Vec<f32>> = values.iter().map(|v| vec![1.0; v.len()]).collect();
            for (store, before) in [(Store::Accumulate, 1.0), (Store::Overwrite, 0.0)] {
                let mut parts: Vec<PartGradient> = back
                    .iter_mut()
                    .zip(&widths)
                    .map(|(gradient, &channels)| PartGradient { gradient: Some(gradient), channels, store })
                    .collect();
                split(rows, &y, &mut parts).unwrap();
                for (back, values) in back.iter().flatten().zip(values.iter().flatten()) {
                    assert_eq!(*back, before + values);
                }
            }
        }
    }

    #[test]
    fn a_part_nobody_asks_for_is_passed_over() {
        let gy = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut last = [0.0; 2];
        let skipped = PartGradient { gradient: None, channels: 2, store: Store::Overwrite };
        let wanted = PartGradient { gradient: Some(&mut last), channels: 1, store: Store::Overwrite };
        split(2, &gy, &mut [skipped, wanted]).unwrap();
        assert_eq!(last, [3.0, 6.0]);
    }

    #[test]
    fn lengths_are_checked() {
        let error = concat(2, &[Part { values: &[0.0; 3], channels: 2 }], &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "concat: part: expected 4 values, got 3");
        assert!(split(2, &[0.0; 3], &mut []).is_err());
    }
}
