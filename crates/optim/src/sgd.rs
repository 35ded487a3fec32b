//! Stochastic gradient descent with momentum.

use wrs_nn::{Buffer, Gradients, Params};
use wrs_ops::update::{self, Momentum, SgdStep, Velocity};

use crate::groups::Piece;
use crate::{Groups, OptimError, Optimizer, OptimizerState, Rescaled, RowMatrix, SavedState, StepReport, StepSettings};

const VELOCITY: &str = "sgd.velocity";
const STEPS: &str = "steps";

/// SGD with classical or Nesterov momentum and coupled weight decay (`torch.optim.SGD`, dampening 0).
#[derive(Clone, Debug)]
pub struct Sgd {
    groups: Groups,
    kind: Momentum,
    velocity: Buffer,
    steps: u64,
}

impl Sgd {
    /// At rest: no velocity, no step made.
    pub fn new(groups: Groups, kind: Momentum) -> Self {
        Self { kind, velocity: Buffer::zeros(groups.scalars()), groups, steps: 0 }
    }
}

impl Optimizer for Sgd {
    fn step_rows(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<(StepReport, Vec<Rescaled>), OptimError> {
        let begun = self.groups.begin(params, gradients, settings, matrices)?;
        let velocity = self.velocity.host_mut();
        let mut rescaled = vec![Rescaled::default(); matrices.len()];
        for Piece { window, group, matrix } in begun.pieces {
            let step = SgdStep {
                lr: group.lr,
                momentum: settings.momentum,
                kind: self.kind,
                weight_decay: group.weight_decay,
                // From zeros the first step gives what PyTorch's, which copies the gradient, gives.
                velocity: Velocity::Running,
            };
            let (values, gradient) = (&mut begun.params[window.clone()], &begun.gradients[window.clone()]);
            let velocity = &mut velocity[window];
            match matrix {
                Some(i) => rescaled[i] = update::sgd_rows(values, gradient, velocity, &step, matrices[i].unit())?,
                None => update::sgd(values, gradient, Some(velocity), &step)?,
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
        OptimizerState { buffers: vec![(VELOCITY, &self.velocity)], counters: vec![(STEPS, self.steps)] }
    }

    fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError> {
        saved.take_buffer(VELOCITY, &mut self.velocity)?;
        self.steps = saved.take_counter(STEPS)?;
        Ok(())
    }
}
