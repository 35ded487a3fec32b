//! Norms for convolutions that were trained without.

use wrs_nn::{Calibration, Dims, InputGradient, NnError, Params, Pass};
use wrs_ops::conv::Algorithms;

use super::layers::Norm;
use crate::model::CsrNet;

/// Norms that are the identity and whose statistics say nothing: evaluation is the file's, training would begin by
/// normalising what its convolutions do not expect.
#[derive(Debug)]
#[must_use]
pub struct Uncalibrated {
    norms: Vec<Norm>,
    eps: f64,
}

impl Uncalibrated {
    pub(super) fn new(norms: Vec<Norm>, eps: f64) -> Self {
        Self { norms, eps }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// Makes the running statistics those of the convolutions' outputs over these batches, and scale and shift their standard
    /// deviation and mean, so that each norm undoes what it does: evaluation stays the function of the file, and training
    /// begins close to it, as far as a batch is like the others.
    ///
    /// One pass does for all layers: the norms are the identity while it lasts, so every convolution sees what it saw in the
    /// network without norms.  A channel that is the same everywhere gets a scale of `sqrt(eps)`.
    ///
    /// # Errors
    /// The batches' own; [`NnError`] when the network refuses one, or there is none.  The network is then as it was.
    pub fn calibrate<E: From<NnError>>(
        self,
        net: &CsrNet,
        params: &mut Params,
        algorithms: Algorithms,
        batches: impl IntoIterator<Item = Result<(Dims, Vec<f32>), E>>,
    ) -> Result<(), E> {
        let mut calibration = Calibration::new(params);
        for batch in batches {
            let (dims, pixels) = batch?;
            let mut pass = Pass::observe(params, algorithms);
            let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
            net.forward(&mut pass, &x)?;
            calibration.add(pass)?;
        }
        let mut measured = params.clone();
        calibration.finish(&mut measured)?;
        for Norm { gamma, beta, mean, var } in self.norms {
            for (i, (&mean_now, &var_now)) in measured.values(mean).iter().zip(measured.values(var)).enumerate() {
                params.values_mut(mean)[i] = mean_now;
                params.values_mut(var)[i] = var_now;
                params.values_mut(gamma)[i] = (f64::from(var_now) + self.eps).sqrt() as f32;
                // The identity so far was one with a shift: the bias, where the convolution keeps none.
                params.values_mut(beta)[i] += mean_now;
            }
        }
        Ok(())
    }
}
