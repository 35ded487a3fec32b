//! The difference of two arms on images, and seeds, drawn anew.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use wrs_ops::rng::Rng;

use crate::compare::error::CompareError;
use crate::compare::paired::mean;
use crate::compare::resampled::Resampled;
use crate::compare::{CompareOptions, Interval};

/// The two runs of one seed.
pub(crate) struct Pair<S> {
    pub a: S,
    pub b: S,
}

/// A bootstrap over images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageBootstrap {
    /// The percentiles of the difference.
    #[serde(flatten)]
    pub interval: Interval,
    /// Draws without a label, where nothing is defined; they are in no percentile.
    pub undefined_draws: usize,
}

/// The least number of draws that leaves one beyond either end of an interval.
pub(crate) fn least_draws(confidence: f64) -> usize {
    // Rounding must not turn 2 / (1 - 0.95) into 41.
    (2.0 / (1.0 - confidence) - 1e-6).ceil() as usize
}

/// The differences of one draw.
struct Draw {
    /// Every seed once.
    over_images: f64,
    /// Seeds drawn too.
    over_seeds_and_images: f64,
}

/// The percentile intervals of the mean difference: images drawn, and, with two seeds or more, seeds and images drawn.
///
/// A draw takes as many images as there are, with replacement, the same for every run of both arms; and as many seeds,
/// again the same for both arms.
///
/// # Errors
/// Fewer draws that hold a label than the percentiles need.
pub(crate) fn intervals<S: Resampled, M>(
    pairs: &[Pair<S>],
    images: usize,
    options: &CompareOptions<M>,
) -> Result<(ImageBootstrap, Option<Interval>), CompareError> {
    let CompareOptions { confidence, draws, seed, .. } = *options;
    let one_draw = |(scratch, weights): &mut (S::Scratch, Vec<u32>), index: usize| -> Option<Draw> {
        let index = index as u64;
        draw_images(weights, images, &mut Rng::new(seed, "compare images", 0, index));
        let difference = |pair: &Pair<S>| Some(pair.b.value(weights, scratch)? - pair.a.value(weights, scratch)?);
        let differences = pairs.iter().map(difference).collect::<Option<Vec<f64>>>()?;
        let mut rng = Rng::new(seed, "compare seeds", 0, index);
        let drawn: Vec<f64> = pairs.iter().map(|_| differences[rng.below(pairs.len())]).collect();
        Some(Draw { over_images: mean(&differences), over_seeds_and_images: mean(&drawn) })
    };
    let all: Vec<Option<Draw>> = (0..draws).into_par_iter().map_init(Default::default, one_draw).collect();
    let defined: Vec<Draw> = all.into_iter().flatten().collect();
    let least = least_draws(confidence);
    if defined.len() < least {
        return Err(CompareError::MostlyUndefined { draws, defined: defined.len(), least });
    }
    let over_images = ImageBootstrap {
        interval: middle(defined.iter().map(|draw| draw.over_images).collect(), confidence),
        undefined_draws: draws - defined.len(),
    };
    let over_both = || middle(defined.iter().map(|draw| draw.over_seeds_and_images).collect(), confidence);
    Ok((over_images, (pairs.len() >= 2).then(over_both)))
}

/// How often each image is drawn.
fn draw_images(weights: &mut Vec<u32>, images: usize, rng: &mut Rng) {
    weights.clear();
    weights.resize(images, 0);
    for _ in 0..images {
        weights[rng.below(images)] += 1;
    }
}

/// The middle share `confidence` of the values, of which there is at least one.
fn middle(mut values: Vec<f64>, confidence: f64) -> Interval {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) }
}

/// The quantile of ascending values, linear between them (numpy's default).
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let last = ascending.len() - 1;
    let position = share * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    ascending[below] + (ascending[above] - ascending[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // np.quantile([1, 2, 4, 8, 16], [0, 0.1, 0.25, 0.5, 0.9, 1])
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (share, expected) in [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.9, 12.8), (1.0, 16.0)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-12, "{share}");
        }
        assert!((quantile(&[3.0], 0.025) - 3.0).abs() < 1e-15);
        let interval = middle(vec![16.0, 1.0, 8.0, 4.0, 2.0], 0.8);
        assert!((interval.low - 1.4).abs() < 1e-12 && (interval.high - 12.8).abs() < 1e-12, "{interval:?}");
    }

    #[test]
    fn one_draw_lies_beyond_either_end() {
        assert_eq!([0.5, 0.9, 0.95, 0.99].map(least_draws), [4, 20, 40, 200]);
    }

    #[test]
    fn images_are_drawn_with_replacement() {
        let mut weights = Vec::new();
        let mut never = 0;
        for index in 0..200 {
            draw_images(&mut weights, 50, &mut Rng::new(1, "test", 0, index));
            assert_eq!(weights.iter().sum::<u32>(), 50);
            never += weights.iter().filter(|&&w| w == 0).count();
        }
        // An image is missing with probability (1 - 1/50)^50 = 0.364.
        assert!((3450..3830).contains(&never), "{never}");
    }
}
