//! Adam and AdamW.

use serde::{Deserialize, Serialize};
use wrs_nn::{Buffer, Gradients, Params};
use wrs_ops::update::{self, AdamStep, Decay};

use crate::groups::Piece;
use crate::schedule::in_range;
use crate::{Groups, OptimError, Optimizer, OptimizerState, Rescaled, RowMatrix, SavedState, StepReport, StepSettings};

const FIRST: &str = "adam.first-moment";
const SECOND: &str = "adam.second-moment";
const STEPS: &str = "steps";

/// The constants of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

impl AdamConfig {
    /// Judges a recipe's values before the first step.
    ///
    /// # Errors
    /// The first constant outside its range.
    pub fn check(&self) -> Result<(), OptimError> {
        let below_one = 0.0..=1.0f64.next_down();
        in_range("adam.beta1", self.beta1, below_one.clone(), "a rate of at least 0 and under 1")?;
        in_range("adam.beta2", self.beta2, below_one, "a rate of at least 0 and under 1")?;
        in_range("adam.eps", self.eps, 0.0..=f64::MAX, "a number of at least 0")
    }
}

/// Adam (Kingma and Ba 2015) with coupled or decoupled weight decay (`torch.optim.Adam`, `torch.optim.AdamW`).
#[derive(Clone, Debug)]
pub struct Adam {
    groups: Groups,
    config: AdamConfig,
    decay: Decay,
    first: Buffer,
    second: Buffer,
    steps: u64,
}

impl Adam {
    /// At rest: moments zero, no step made.
    ///
    /// # Errors
    /// A constant outside its range.
    pub fn new(groups: Groups, config: AdamConfig, decay: Decay) -> Result<Self, OptimError> {
        config.check()?;
        let zeros = Buffer::zeros(groups.scalars());
        Ok(Self { groups, config, decay, first: zeros.clone(), second: zeros, steps: 0 })
    }
}

impl Optimizer for Adam {
    fn step_rows(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<(StepReport, Vec<Rescaled>), OptimError> {
        let begun = self.groups.begin(params, gradients, settings, matrices)?;
        let (first, second) = (self.first.host_mut(), self.second.host_mut());
        let mut rescaled = vec![Rescaled::default(); matrices.len()];
        for Piece { window, group, matrix } in begun.pieces {
            let step = AdamStep {
                lr: group.lr,
                beta1: self.config.beta1,
                beta2: self.config.beta2,
                eps: self.config.eps,
                step: self.steps + 1,
                weight_decay: group.weight_decay,
                decay: self.decay,
            };
            let (values, gradient) = (&mut begun.params[window.clone()], &begun.gradients[window.clone()]);
            let (m, v) = (&mut first[window.clone()], &mut second[window]);
            match matrix {
                Some(i) => rescaled[i] = update::adam_rows(values, gradient, m, v, &step, matrices[i].unit())?,
                None => update::adam(values, gradient, m, v, &step)?,
            }
        }
        self.steps += 1;
        Ok((StepReport::default(), rescaled))
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn groups(&self) -> &Groups {
        &self.groups
    }

    fn state(&self) -> OptimizerState<'_> {
        OptimizerState {
            buffers: vec![(FIRST, &self.first), (SECOND, &self.second)],
            counters: vec![(STEPS, self.steps)],
        }
    }

    fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError> {
        saved.take_buffer(FIRST, &mut self.first)?;
        saved.take_buffer(SECOND, &mut self.second)?;
        self.steps = saved.take_counter(STEPS)?;
        Ok(())
    }
}
