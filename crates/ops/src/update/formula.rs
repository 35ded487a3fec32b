//! The optimizers' formulas, value by value.

use crate::ShapeError;

use super::{AdamStep, Decay, Momentum, SgdStep, Velocity};

/// A formula over values, their gradients and `S` states a value.
pub(super) trait Formula<const S: usize>: Sync {
    /// All slices are equally long.
    fn apply(&self, params: &mut [f32], grads: &[f32], states: [&mut [f32]; S]);
}

impl Formula<0> for SgdStep {
    #[inline(always)]
    fn apply(&self, params: &mut [f32], grads: &[f32], []: [&mut [f32]; 0]) {
        let (lr, decay) = (self.lr as f32, self.weight_decay as f32);
        for (p, g) in params.iter_mut().zip(grads) {
            *p -= lr * (g + decay * *p);
        }
    }
}

impl Formula<1> for SgdStep {
    #[inline(always)]
    fn apply(&self, params: &mut [f32], grads: &[f32], [velocity]: [&mut [f32]; 1]) {
        let (lr, decay, momentum) = (self.lr as f32, self.weight_decay as f32, self.momentum as f32);
        if self.velocity == Velocity::Fresh {
            // From zero, the running formula gives the gradient.
            velocity.fill(0.0);
        }
        match self.kind {
            Momentum::Classical => {
                for ((p, g), v) in params.iter_mut().zip(grads).zip(velocity) {
                    *v = momentum * *v + (g + decay * *p);
                    *p -= lr * *v;
                }
            }
            Momentum::Nesterov => {
                for ((p, g), v) in params.iter_mut().zip(grads).zip(velocity) {
                    let g = g + decay * *p;
                    *v = momentum * *v + g;
                    *p -= lr * (g + momentum * *v);
                }
            }
        }
    }
}

/// What a step of Adam multiplies by.
pub(super) struct AdamFactors {
    step_size: f32,
    root: f32,
    first: f32,
    kept: f32,
    second: f32,
    eps: f32,
    /// Times the parameter, added to the gradient.
    added: f32,
    /// What the parameter is multiplied by.
    factor: f32,
}

impl AdamFactors {
    /// # Errors
    /// [`ShapeError`] for step 0.
    pub fn new(step: &AdamStep) -> Result<Self, ShapeError> {
        if step.step == 0 {
            let expected = "a number from 1 on".to_owned();
            return Err(ShapeError { op: "adam", what: "step", expected, got: "0".to_owned() });
        }
        let t = step.step as f64;
        let (added, factor) = match step.decay {
            Decay::Coupled => (step.weight_decay as f32, 1.0),
            Decay::Decoupled => (0.0, (1.0 - step.lr * step.weight_decay) as f32),
            Decay::Unscaled => (0.0, (1.0 - step.weight_decay) as f32),
        };
        Ok(Self {
            step_size: (step.lr / (1.0 - step.beta1.powf(t))) as f32,
            root: (1.0 - step.beta2.powf(t)).sqrt() as f32,
            first: (1.0 - step.beta1) as f32,
            kept: step.beta2 as f32,
            second: (1.0 - step.beta2) as f32,
            eps: step.eps as f32,
            added,
            factor,
        })
    }
}

impl Formula<2> for AdamFactors {
    #[inline(always)]
    fn apply(&self, params: &mut [f32], grads: &[f32], [m, v]: [&mut [f32]; 2]) {
        for (((p, g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            let g = g + self.added * *p;
            *m += self.first * (g - *m);
            *v = self.kept * *v + self.second * (g * g);
            *p = self.factor * *p - self.step_size * (*m / (v.sqrt() / self.root + self.eps));
        }
    }
}
