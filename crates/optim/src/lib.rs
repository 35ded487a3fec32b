//! Optimizers, schedules, EMA and weight rescaling (WRS).
//!
//! An [`Optimizer`] moves the trainable values of a [`Params`] in place.  It is made with [`Groups`], a partition of the
//! tensors; at each step the caller gives every group its learning rate and decay, most simply from a
//! [`schedule::Schedule`] through [`Groups::settings`].  [`Wrs`] wraps any optimizer and is one itself.
//!
//! Nothing here draws random numbers or reads a clock: a step is a function of the parameters, the gradient, the settings
//! and the [`OptimizerState`], so a run resumed from a checkpoint of these ends with the same bytes.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "the tests compare exactly where exactness is the claim"))]

pub mod candle;
pub mod schedule;

mod adam;
mod clip;
mod config;
mod ema;
mod error;
mod finite;
#[cfg(test)]
mod frozen_tests;
mod groups;
mod norms;
mod regularizer;
mod sgd;
mod state;
#[cfg(test)]
mod tiny_net;
#[cfg(test)]
mod torch_goldens;
mod wrs;

pub use adam::{Adam, AdamConfig};
pub use candle::{CandleFilter, CandleWrs, CandleWrsConfig, rescale_rows};
pub use clip::clip_grad_norm;
pub use config::OptimizerConfig;
pub use ema::{Ema, EmaConfig};
pub use error::OptimError;
pub use finite::check_gradients;
pub use groups::{DecayScope, Group, GroupSize, Groups, Warming};
pub use norms::{NormStats, NormTrace, StageNorms};
pub use regularizer::{ArmKind, Regularizer};
pub use schedule::{Factors, RunLength, Schedule};
pub use sgd::Sgd;
pub use state::{OptimizerState, SavedState};
pub use wrs::{RowStats, Select, Wrs, WrsConfig, WrsReport};
pub use wrs_ops::rows::Rescaled;
pub use wrs_ops::update::{Decay, Momentum};

use wrs_nn::{Gradients, ParamId, Params};
use wrs_ops::rows::UnitRows;

use wrs::MIN_NORM;

/// What one group needs to know for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupStep {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay; what it does is the optimizer's to say.
    pub weight_decay: f64,
}

/// What an optimizer needs to know for one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSettings {
    /// One for each group, in the order of [`Groups::iter`].
    pub groups: Vec<GroupStep>,
    /// The momentum of [`Sgd`]; [`Adam`] has its betas instead.
    pub momentum: f64,
    /// The epoch that the step belongs to, from 0: WRS may be active in some only.
    pub epoch: u64,
}

/// What happened in a step besides the update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// Weights were rescaled.
    pub rescale: Option<WrsReport>,
}

/// A tensor whose rows are rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowMatrix {
    /// The tensor.
    pub weight: ParamId,
    /// Values of a row: what feeds one output unit.
    pub row_len: usize,
}

impl RowMatrix {
    pub(crate) fn unit(self) -> UnitRows {
        UnitRows { row_len: self.row_len, min_norm: MIN_NORM }
    }
}

/// Moves a network's trainable values along a gradient.
pub trait Optimizer {
    /// What precedes the first step of a fresh run, before any copy of the parameters is made; not called when a run is
    /// resumed.
    ///
    /// # Errors
    /// Parameters of another network than this was made for.
    fn start(&mut self, params: &mut Params) -> Result<StepReport, OptimError> {
        self.groups().check(params)?;
        Ok(StepReport::default())
    }

    /// One step.
    ///
    /// # Errors
    /// Parameters, gradients or settings of another network than this was made for; see [`Wrs`] for its own.
    fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
    ) -> Result<StepReport, OptimError> {
        self.step_rows(params, gradients, settings, &[]).map(|(report, _)| report)
    }

    /// [`Self::step`], after which the rows of tensors are rescaled to unit norm; what became of them, in the tensors' order.
    ///
    /// It walks over the rows once: each is rescaled as soon as it has been updated.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn step_rows(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<(StepReport, Vec<Rescaled>), OptimError>;

    /// Steps made so far.
    fn steps(&self) -> u64;

    /// The parameter groups.
    fn groups(&self) -> &Groups;

    /// What must be saved to go on from here.
    fn state(&self) -> OptimizerState<'_>;

    /// Goes on from a saved state; takes its own parts only, so that several may share a checkpoint.
    ///
    /// # Errors
    /// A part that is missing or of another size.
    fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn start(&mut self, params: &mut Params) -> Result<StepReport, OptimError> {
        (**self).start(params)
    }

    fn step_rows(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<(StepReport, Vec<Rescaled>), OptimError> {
        (**self).step_rows(params, gradients, settings, matrices)
    }

    fn steps(&self) -> u64 {
        (**self).steps()
    }

    fn groups(&self) -> &Groups {
        (**self).groups()
    }

    fn state(&self) -> OptimizerState<'_> {
        (**self).state()
    }

    fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError> {
        (**self).load_state(saved)
    }
}
