//! Stochastic gradient descent with momentum.

use wrs_nn::{Buffer, Gradients, Params};
use wrs_ops::update::{self, Momentum, SgdStep, Velocity};

use crate::{Groups, OptimError, Optimizer, OptimizerState, SavedState, StepReport, StepSettings};

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
    fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        settings: &StepSettings,
    ) -> Result<StepReport, OptimError> {
        let begun = self.groups.begin(params, gradients, settings)?;
        let velocity = self.velocity.host_mut();
        for (window, group) in begun.windows {
            let step = SgdStep {
                lr: group.lr,
                momentum: settings.momentum,
                kind: self.kind,
                weight_decay: group.weight_decay,
                // From zeros the first step gives what PyTorch's, which copies the gradient, gives.
                velocity: Velocity::Running,
            };
            let (values, gradient) = (&mut begun.params[window.clone()], &begun.gradients[window.clone()]);
            update::sgd(values, gradient, Some(&mut velocity[window]), &step)?;
        }
        self.steps += 1;
        Ok(StepReport::default())
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
