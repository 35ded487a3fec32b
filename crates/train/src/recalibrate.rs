//! Running statistics measured anew: batch norms trained on augmented pictures judge plain ones by statistics of others.
//!
//! "Precise BN" (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3): the statistics of whole batches of
//! plain training pictures under the final weights, averaged, take the place of the moving average.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use wrs_nn::{Calibration, Dims, InputGradient, NnError, Params, Pass, Value};
use wrs_ops::conv::Algorithms;

/// Training pictures, plain and as an evaluation sees them, that the norms' running statistics are measured on: augmented
/// pictures (mosaics above all) have other statistics than those that are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecalibrateBn {
    /// How many pictures, a draw of the seed; all where there are fewer.
    pub images: NonZeroUsize,
}

/// The same numbers with the running statistics of these batches, each its shape and its pixels; frozen statistics stay.
///
/// # Errors
/// The batches' own; [`NnError`] when the network refuses one, or none reaches a norm.
pub fn recalibrate<E: From<NnError>>(
    params: &Params,
    algorithms: Algorithms,
    batches: impl IntoIterator<Item = Result<(Dims, Vec<f32>), E>>,
    forward: impl Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError>,
) -> Result<Params, E> {
    let mut calibration = Calibration::new(params);
    for batch in batches {
        let (dims, pixels) = batch?;
        let mut pass = Pass::calibrate(params, algorithms);
        let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
        forward(&mut pass, &x)?;
        calibration.add(pass)?;
    }
    let mut measured = params.clone();
    calibration.finish(&mut measured)?;
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::TinyNet;

    const DIMS: Dims = Dims { n: 2, h: 1, w: 1, c: 2 };

    #[test]
    fn the_statistics_are_those_of_the_batches() {
        let (net, mut params) = TinyNet::new(0);
        // The stem's 1x1 convolution passes its two channels on.
        let weight = params.find("stem.conv.weight").unwrap();
        params.values_mut(weight).copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
        let batches: [Result<_, NnError>; 2] =
            [Ok((DIMS, vec![1.0, 10.0, 3.0, 10.0])), Ok((DIMS, vec![5.0, 0.0, 5.0, 4.0]))];
        let measured = recalibrate(&params, Algorithms::Exact, batches, |pass, x| net.forward(pass, x)).unwrap();
        let of = |name: &str| measured.values(measured.find(name).unwrap()).to_vec();
        // Channel means 2 and 5, 10 and 2; unbiased variances 2 and 0, 0 and 8: the means of both batches.
        assert_eq!(of("stem.bn.running_mean"), [3.5, 6.0]);
        assert_eq!(of("stem.bn.running_var"), [1.0, 4.0]);
        assert_eq!(measured.trainable().host(), params.trainable().host());
    }

    #[test]
    fn a_batch_that_cannot_be_had_is_the_error_and_none_at_all_is_one_too() {
        let (net, params) = TinyNet::new(0);
        let recalibrated = |batches: Vec<Result<_, NnError>>| {
            recalibrate(&params, Algorithms::Exact, batches, |pass, x| net.forward(pass, x)).map(drop)
        };
        assert!(matches!(recalibrated(vec![Err(NnError::NotTraining)]), Err(NnError::NotTraining)));
        assert!(matches!(recalibrated(Vec::new()), Err(NnError::NotCalibrated { .. })));
    }
}
