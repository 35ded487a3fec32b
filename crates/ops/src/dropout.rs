//! Dropout (Srivastava et al. 2014) with inverted scaling: what is kept is divided by the share that is kept.

use crate::rng::Rng;
use crate::{ShapeError, Store, blocks, check_len};
use rayon::prelude::*;

/// Which values are dropped: a function of these alone, so that the backward draws it again instead of keeping it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// Probability of a value to be dropped, in [0, 1).
    pub probability: f64,
    /// The run's.
    pub seed: u64,
    /// What the draw is for: different for every layer.
    pub purpose: String,
    /// Which of the run's forward passes.
    pub step: u64,
}

impl Dropped {
    fn check(&self, op: &'static str) -> Result<(), ShapeError> {
        if (0.0..1.0).contains(&self.probability) {
            return Ok(());
        }
        let (expected, got) = ("at least 0 and less than 1".to_owned(), self.probability.to_string());
        Err(ShapeError { op, what: "probability", expected, got })
    }

    /// The factor of every value of a block: 0, or the inverse of the share that is kept.
    fn factors(&self, block: usize) -> impl Iterator<Item = f32> + use<> {
        let mut rng = Rng::new(self.seed, &self.purpose, self.step, block as u64);
        let (probability, kept) = (self.probability, (1.0 / (1.0 - self.probability)) as f32);
        std::iter::repeat_with(move || if rng.chance(probability) { 0.0 } else { kept })
    }
}

/// Drops values: `y = x / (1 - probability)` where kept, 0 elsewhere.
///
/// # Shapes
/// Both equally long.
///
/// # Errors
/// [`ShapeError`] when they are not, or when the probability is outside [0, 1).
pub fn dropout(dropped: &Dropped, x: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    apply("dropout", dropped, x, y, Store::Overwrite)
}

/// The gradient of [`dropout`]: that of every kept value, times the same factor.
///
/// # Shapes
/// Both equally long.
///
/// # Errors
/// As [`dropout`].
pub fn dropout_backward(dropped: &Dropped, gy: &[f32], gx: &mut [f32], store: Store) -> Result<(), ShapeError> {
    apply("dropout_backward", dropped, gy, gx, store)
}

fn apply(op: &'static str, dropped: &Dropped, from: &[f32], to: &mut [f32], store: Store) -> Result<(), ShapeError> {
    dropped.check(op)?;
    check_len(op, "values", from.len(), to.len())?;
    let tasks = to.par_chunks_mut(blocks::VALUES).zip(from.par_chunks(blocks::VALUES)).enumerate();
    tasks.for_each(|(block, (to, from))| {
        for ((to, from), factor) in to.iter_mut().zip(from).zip(dropped.factors(block)) {
            // A dropped value is gone even where it was not finite.
            let value = if factor > 0.0 { factor * from } else { 0.0 };
            *to = match store {
                Store::Overwrite => value,
                Store::Accumulate => *to + value,
            };
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{normals, same_in_any_pool};

    fn dropped(probability: f64, purpose: &str, step: u64) -> Dropped {
        Dropped { probability, seed: 3, purpose: purpose.to_owned(), step }
    }

    fn ones(dropped: &Dropped, len: usize) -> Vec<f32> {
        let mut y = vec![f32::NAN; len];
        dropout(dropped, &vec![1.0; len], &mut y).unwrap();
        y
    }

    #[test]
    fn the_share_is_dropped_and_the_mean_stays() {
        let len = 3 * blocks::VALUES + 77;
        for probability in [0.15, 0.5, 0.9] {
            let y = same_in_any_pool(|| ones(&dropped(probability, "a", 0), len));
            let kept = (1.0 / (1.0 - probability)) as f32;
            assert!(y.iter().all(|v| *v == 0.0 || *v == kept));
            let share = y.iter().filter(|v| **v == 0.0).count() as f64 / len as f64;
            // Four standard deviations of a share over this many draws.
            let room = 4.0 * (probability * (1.0 - probability) / len as f64).sqrt();
            assert!((share - probability).abs() < room, "{share} of {probability}");
        }
        assert_eq!(ones(&dropped(0.0, "a", 0), 9), [1.0; 9]);
    }

    #[test]
    fn the_draw_depends_on_layer_step_and_place() {
        let base = ones(&dropped(0.5, "a", 0), 2 * blocks::VALUES);
        assert_eq!(base, ones(&dropped(0.5, "a", 0), 2 * blocks::VALUES));
        assert_ne!(base, ones(&dropped(0.5, "b", 0), 2 * blocks::VALUES));
        assert_ne!(base, ones(&dropped(0.5, "a", 1), 2 * blocks::VALUES));
        assert_ne!(base[..blocks::VALUES], base[blocks::VALUES..]);
    }

    #[test]
    fn the_gradient_has_the_factors_of_the_forward() {
        let (d, gy) = (dropped(0.3, "a", 5), normals(50_000, "gy"));
        let factors = ones(&d, gy.len());
        let mut gx = vec![2.0; gy.len()];
        dropout_backward(&d, &gy, &mut gx, Store::Accumulate).unwrap();
        assert!(gx.iter().zip(&gy).zip(&factors).all(|((gx, gy), factor)| *gx == 2.0 + factor * gy));
    }

    #[test]
    fn what_is_dropped_is_gone_and_nonsense_is_refused() {
        let mut y = [1.0; 4];
        let d = (0..64).map(|step| dropped(0.5, "a", step)).find(|d| ones(d, 4)[0] == 0.0).unwrap();
        dropout(&d, &[f32::NAN, 1.0, 1.0, 1.0], &mut y).unwrap();
        assert_eq!(y[0], 0.0);
        for probability in [-0.1, 1.0, f64::NAN] {
            let error = dropout(&dropped(probability, "a", 0), &[1.0], &mut [0.0]).unwrap_err();
            assert!(error.to_string().starts_with("dropout: probability: expected"), "{error}");
        }
        assert!(dropout(&dropped(0.5, "a", 0), &[1.0; 2], &mut [0.0]).is_err());
    }
}
