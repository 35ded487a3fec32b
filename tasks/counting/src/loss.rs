//! Bayesian loss: what the points of a crop may expect of its density map, against what they stand for.
//!
//! The sum over a crop's points, and its background, the mean over the crops of a batch (Ma et al. 2019, equations 7 and
//! 14); a crop without points pays for all its density.
//!
//! Legend: `B` crops, `h w` cells, `D` density.

use wrs_nn::{Buffer, Dims, Value};
use wrs_ops::ShapeError;

use crate::error::CountingError;
use crate::net::HeadActivation;
use crate::posterior::Posterior;

/// A loss and the gradient that starts the way back.
#[derive(Debug)]
pub struct Loss {
    /// Their part of what is minimised: the sum over these crops by the number of crops of the step.
    pub total: f64,
    /// Of each crop.
    pub per_image: Vec<f64>,
    /// What the network counts in each: the sum of its density.
    pub counts: Vec<f64>,
    /// Crops whose loss or whose output is not finite.
    pub not_finite: Vec<usize>,
    /// The output with the gradient of the total.
    pub seeds: Vec<(Value, Buffer)>,
}

/// The loss of a batch and its gradient, as a part of a step of `crops` crops in all.
///
/// # Shapes
/// `raw` `[B, h, w, 1]`, before the head's activation; a posterior over `h w` cells for each crop.
///
/// # Errors
/// [`CountingError::Shape`] for an output of more than one channel, or posteriors of another number or size.
pub fn loss(raw: Value, head: HeadActivation, posteriors: &[Posterior], crops: usize) -> Result<Loss, CountingError> {
    let dims = raw.dims();
    check(dims, posteriors)?;
    let cells = dims.h * dims.w;
    let weight = 1.0 / crops as f64;
    let mut gradient = Buffer::scratch(dims.len());
    let mut density = vec![0.0; cells];
    let (mut per_image, mut counts, mut not_finite) = (Vec::new(), Vec::new(), Vec::new());
    let outputs = raw.buffer().host().chunks_exact(cells).zip(gradient.host_mut().chunks_exact_mut(cells));
    for (i, ((raw, gradient), posterior)) in outputs.zip(posteriors).enumerate() {
        density.iter_mut().zip(raw).for_each(|(density, &raw)| *density = head.apply(raw));
        let loss = posterior.loss(&density, gradient, weight);
        gradient.iter_mut().zip(raw).for_each(|(gradient, &raw)| *gradient *= head.slope(raw));
        // The output, too: a rectifier makes 0 of NaN.
        if !loss.is_finite() || raw.iter().any(|raw| !raw.is_finite()) {
            not_finite.push(i);
        }
        per_image.push(loss);
        counts.push(density.iter().map(|&density| f64::from(density)).sum());
    }
    let total = per_image.iter().sum::<f64>() * weight;
    Ok(Loss { total, per_image, counts, not_finite, seeds: vec![(raw, gradient)] })
}

fn check(dims: Dims, posteriors: &[Posterior]) -> Result<(), ShapeError> {
    let refuse = |what, expected: String, got: usize| {
        Err(ShapeError { op: "bayesian loss", what, expected, got: got.to_string() })
    };
    let Dims { n, h, w, c } = dims;
    if c != 1 {
        return refuse("channels of the output", "1".to_owned(), c);
    }
    if dims.is_empty() {
        return refuse("cells of the output", "at least 1".to_owned(), 0);
    }
    if posteriors.len() != n {
        return refuse("posteriors", format!("{n}, one for each crop"), posteriors.len());
    }
    match posteriors.iter().find(|posterior| posterior.cells() != h * w) {
        Some(posterior) => refuse("cells of a posterior", format!("{h} x {w}"), posterior.cells()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
