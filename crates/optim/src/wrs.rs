//! Weight rescaling (WRS) around any optimizer.
//!
//! Liu et al. 2021, section 5 and appendix A.5: every `tau` optimizer steps each filter is divided by its L2 norm.  A filter
//! that feeds a batch norm computes the same function at any norm, so this only undoes the growth that the steps caused.
//! The paper leaves the norm's running statistics at the old scale, which changes evaluation mode until they have caught
//! up; we scale them along unless [`WrsConfig::literal`] is set.  The optimizer's moments are left alone.

use std::num::NonZeroU64;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrs_nn::{Buffer, Gradients, ParamId, Params};
use wrs_ops::rows::rescale_rows;

use crate::{Groups, OptimError, Optimizer, OptimizerState, Rescaled, RowMatrix, SavedState, StepReport, StepSettings};

pub(crate) mod report;
pub(crate) mod target;

pub use report::{RowStats, WrsReport};

use report::Tally;
use target::{Target, targets};

/// A row under this norm has no direction worth keeping.
pub(crate) const MIN_NORM: f64 = 1e-12;

const REFERENCE: &str = "wrs.reference";
const RESCALED_AT: &str = "wrs.rescaled-at";

/// Which tensors are rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// Convolutions that feed a batch norm: the function stays the same.
    Filters,
    /// Every weight of a convolution or linear layer, heads included: where no norm follows, the function changes.
    AllWeights,
}

impl Select {
    /// The tensors, in creation order; parameter groups keep decay off them.
    pub fn tensors(self, params: &Params) -> Vec<ParamId> {
        let mut ids: Vec<_> = targets(params, self).iter().map(|target| target.weight).collect();
        ids.sort_unstable();
        ids
    }
}

/// When and what WRS rescales.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WrsConfig {
    /// Optimizer steps from one rescale to the next; the first comes after the `tau`-th step.
    pub tau: NonZeroU64,
    /// Which tensors.
    pub select: Select,
    /// Leaves running statistics and conv biases at the old scale, as the paper does.
    pub literal: bool,
    /// One rescale more before the first step, for networks that begin with somebody else's norms.
    pub rescale_at_start: bool,
    /// Keeps a copy of the weights as of the last rescale, to report how far the filters have turned.
    pub angles: bool,
    /// The epochs in which it is active; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Range<u64>>,
}

impl WrsConfig {
    fn is_active(&self, epoch: u64) -> bool {
        self.active.as_ref().is_none_or(|epochs| epochs.contains(&epoch))
    }
}

/// An optimizer whose weights are rescaled.
///
/// A step's errors, besides the inner optimizer's: [`OptimError::NotFinite`] for a row without a norm.
#[derive(Clone, Debug)]
pub struct Wrs<O> {
    inner: O,
    config: WrsConfig,
    targets: Vec<Target>,
    /// The targets' weights as of the last rescale, in their order; empty unless angles are wanted.
    reference: Buffer,
    /// The step of the last rescale; 0 before the first.
    rescaled_at: u64,
}

impl<O: Optimizer> Wrs<O> {
    /// Wraps an optimizer at rest, made for the same network.
    ///
    /// # Errors
    /// Nothing to rescale, or an empty window of epochs.
    pub fn new(inner: O, params: &Params, config: WrsConfig) -> Result<Self, OptimError> {
        if let Some(epochs) = config.active.as_ref().filter(|epochs| epochs.is_empty()) {
            let got = format!("{epochs:?}");
            return Err(OptimError::Setting { setting: "wrs.active", expected: "at least one epoch", got });
        }
        let mut targets = targets(params, config.select);
        if targets.is_empty() {
            return Err(OptimError::NothingToRescale);
        }
        if config.literal {
            targets.iter_mut().for_each(Target::forget_norms);
        }
        let reference = if config.angles { copy_of(params, &targets) } else { Buffer::default() };
        Ok(Self { inner, config, targets, reference, rescaled_at: 0 })
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The tensors that are rescaled.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = ParamId> + '_ {
        self.targets.iter().map(|target| target.weight)
    }

    fn rescale(&mut self, params: &mut Params) -> Result<WrsReport, OptimError> {
        let mut offset = 0;
        let mut tallies = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let window = offset..offset + target.rows * target.row_len;
            offset = window.end;
            let reference = self.config.angles.then(|| &mut self.reference.host_mut()[window]);
            tallies.push(target.rescale(params, reference)?);
        }
        Ok(self.report(&tallies))
    }

    /// A step whose rows are rescaled as they are updated: nothing walks over the weights once more.
    fn step_and_rescale(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
    ) -> Result<StepReport, OptimError> {
        let matrices: Vec<RowMatrix> = self.targets.iter().map(Target::matrix).collect();
        let (mut report, rescaled) = self.inner.step_rows(params, gradients, settings, &matrices)?;
        let tallies = self.targets.iter().zip(&rescaled).map(|(target, rescaled)| target.follow(params, rescaled));
        report.rescale = Some(self.report(&tallies.collect::<Result<Vec<_>, _>>()?));
        Ok(report)
    }

    /// What the targets' rows were, all of which have just been rescaled.
    fn report(&mut self, tallies: &[Tally]) -> WrsReport {
        let step = self.inner.steps();
        let steps_since = step - self.rescaled_at;
        self.rescaled_at = step;
        let mut all = Tally::default();
        for tally in tallies {
            all.add(tally);
        }
        let tensors = self.tensors().zip(tallies).map(|(weight, tally)| (weight, tally.stats(steps_since)));
        WrsReport { step, steps_since, all: all.stats(steps_since), tensors: tensors.collect() }
    }
}

impl<O: Optimizer> Optimizer for Wrs<O> {
    fn start(&mut self, params: &mut Params) -> Result<StepReport, OptimError> {
        let mut report = self.inner.start(params)?;
        if self.config.rescale_at_start && self.config.is_active(0) {
            report.rescale = Some(self.rescale(params)?);
        }
        Ok(report)
    }

    fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
    ) -> Result<StepReport, OptimError> {
        let rescales = (self.inner.steps() + 1).is_multiple_of(self.config.tau.get());
        if !(rescales && self.config.is_active(settings.epoch)) {
            return self.inner.step(params, gradients, settings);
        }
        if !self.config.angles {
            return self.step_and_rescale(params, gradients, settings);
        }
        // The angles want each weight as the step left it.
        let mut report = self.inner.step(params, gradients, settings)?;
        report.rescale = Some(self.rescale(params)?);
        Ok(report)
    }

    fn step_rows(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<(StepReport, Vec<Rescaled>), OptimError> {
        // What somebody else rescales comes behind what is rescaled here.
        let report = self.step(params, gradients, settings)?;
        let rescale = |matrix: &RowMatrix| rescale_rows(params.values_mut(matrix.weight), matrix.unit());
        Ok((report, matrices.iter().map(rescale).collect::<Result<_, _>>()?))
    }

    fn steps(&self) -> u64 {
        self.inner.steps()
    }

    fn groups(&self) -> &Groups {
        self.inner.groups()
    }

    fn state(&self) -> OptimizerState<'_> {
        let mut state = self.inner.state();
        if self.config.angles {
            state.buffers.push((REFERENCE, &self.reference));
        }
        state.counters.push((RESCALED_AT, self.rescaled_at));
        state
    }

    fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError> {
        self.inner.load_state(saved)?;
        if self.config.angles {
            saved.take_buffer(REFERENCE, &mut self.reference)?;
        }
        self.rescaled_at = saved.take_counter(RESCALED_AT)?;
        Ok(())
    }
}

/// The targets' weights, one behind the other.
fn copy_of(params: &Params, targets: &[Target]) -> Buffer {
    let mut copy = Buffer::scratch(targets.iter().map(|target| target.rows * target.row_len).sum());
    let mut rest = copy.host_mut();
    for target in targets {
        let values = params.values(target.weight);
        let (window, behind) = rest.split_at_mut(values.len());
        window.copy_from_slice(values);
        rest = behind;
    }
    copy
}

#[cfg(test)]
mod tests;
