//! Running statistics measured anew, with the weights as they are: precise batch norm.
//!
//! The running averages of training lag behind the weights and saw augmented pictures.  Here the statistics of several
//! batches are averaged instead (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3).

use crate::pass::{Calibrating, StatisticsUpdate};
use crate::{NnError, ParamId, Params, Pass, Role};

/// Averages over batches on the way to running statistics; frozen ones stay as they are.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// By parameter; none for what is not measured.
    averages: Vec<Option<Average>>,
}

/// A sum weighted by pixels, channel by channel.
#[derive(Clone, Debug)]
struct Average {
    sums: Vec<f64>,
    pixels: f64,
    /// A batch came by, with a single value perhaps.
    reached: bool,
}

impl Calibration {
    /// No batch seen yet.
    pub fn new(params: &Params) -> Self {
        let average = |(id, p): (ParamId, &crate::Parameter)| {
            let measured = matches!(p.role, Role::RunningMean | Role::RunningVar) && !params.is_frozen(id);
            measured.then(|| Average { sums: vec![0.0; p.range.len()], pixels: 0.0, reached: false })
        };
        Self { averages: params.iter().map(average).collect() }
    }

    /// Adds what the norms of a [`Pass::calibrate`] or [`Pass::observe`] saw: means and unbiased variances, weighted by the pixels they are of.
    ///
    /// # Errors
    /// [`NnError::NotCalibrating`] for another pass; [`NnError::Shape`] for another network's.
    pub fn add(&mut self, pass: Pass<'_>) -> Result<(), NnError> {
        let Calibrating { measured, unmeasured } = pass.into_calibrating()?;
        for id in unmeasured {
            if let Some(average) = self.averages.get_mut(id.index()).and_then(Option::as_mut) {
                average.reached = true;
            }
        }
        for StatisticsUpdate { mean, var, stats, count, .. } in measured {
            let pixels = count as f64;
            self.add_to(mean, &stats.mean, pixels, 1.0)?;
            self.add_to(var, &stats.var, pixels, pixels / (pixels - 1.0))?;
        }
        Ok(())
    }

    fn add_to(&mut self, id: ParamId, values: &[f32], pixels: f64, factor: f64) -> Result<(), NnError> {
        let average = self.averages.get_mut(id.index()).and_then(Option::as_mut);
        let channels = average.as_ref().map_or(0, |average| average.sums.len());
        wrs_ops::check_len("calibration", "channels", values.len(), channels).map_err(NnError::shape("norm"))?;
        if let Some(Average { sums, pixels: total, reached }) = average {
            *reached = true;
            *total += pixels;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += pixels * (factor * f64::from(*value));
            }
        }
        Ok(())
    }

    /// Makes the averages the network's running statistics; a norm that only single values reached keeps those it has.
    ///
    /// # Errors
    /// [`NnError::NotCalibrated`] when no batch reached a norm, [`NnError::Shape`] for another network; nothing has changed
    /// then.
    pub fn finish(self, params: &mut Params) -> Result<(), NnError> {
        let fits = |(id, average): (ParamId, &Option<Average>)| {
            let Some(average) = average else { return Ok(()) };
            let p = params.get(id);
            wrs_ops::check_len("calibration", "channels", average.sums.len(), p.range.len())
                .map_err(NnError::shape(&p.name))?;
            if average.reached { Ok(()) } else { Err(NnError::NotCalibrated { tensor: p.name.clone() }) }
        };
        let ids: Vec<ParamId> = params.iter().map(|(id, _)| id).collect();
        wrs_ops::check_len("calibration", "tensors", self.averages.len(), ids.len())
            .map_err(NnError::shape("network"))?;
        ids.iter().copied().zip(&self.averages).try_for_each(fits)?;
        for (id, average) in ids.into_iter().zip(self.averages) {
            let Some(Average { sums, pixels, .. }) = average.filter(|average| average.pixels > 0.0) else { continue };
            for (value, sum) in params.values_mut(id).iter_mut().zip(sums) {
                *value = (sum / pixels) as f32;
            }
        }
        Ok(())
    }
}
