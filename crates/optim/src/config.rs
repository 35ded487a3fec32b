//! The optimizer of a recipe.

use serde::{Deserialize, Serialize};
use wrs_ops::update::{Decay, Momentum};

use crate::schedule::in_range;
use crate::{Adam, AdamConfig, Groups, OptimError, Optimizer, Sgd};

/// Which optimizer, with its constants; learning rate and decay are the groups'.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// [`Sgd`].
    Sgd {
        /// Share of the velocity that is kept.
        momentum: f64,
        /// Whether the gradient is looked up ahead.
        nesterov: bool,
    },
    /// [`Adam`] with coupled decay.
    Adam(AdamConfig),
    /// [`Adam`] with decoupled decay, `w -= lr * decay * w` at each step, as in PyTorch.
    Adamw(AdamConfig),
    /// [`Adam`] with decoupled decay that the learning rate does not scale, `w -= decay * w` at each step, as in
    /// `tf.contrib.opt.AdamWOptimizer`: at a learning rate of 1e-4 ten thousand times as strong.
    AdamwUnscaled(AdamConfig),
}

impl OptimizerConfig {
    /// The momentum that [`Groups::settings`] wants; 0 for Adam, which reads none.
    pub fn momentum(&self) -> f64 {
        match self {
            Self::Sgd { momentum, .. } => *momentum,
            Self::Adam(_) | Self::Adamw(_) | Self::AdamwUnscaled(_) => 0.0,
        }
    }

    /// The optimizer at rest.
    ///
    /// # Errors
    /// A constant outside its range.
    pub fn build(&self, groups: Groups) -> Result<Box<dyn Optimizer>, OptimError> {
        Ok(match *self {
            Self::Sgd { momentum, nesterov } => {
                in_range("sgd.momentum", momentum, 0.0..=1.0, "a momentum from 0 to 1")?;
                Box::new(Sgd::new(groups, if nesterov { Momentum::Nesterov } else { Momentum::Classical }))
            }
            Self::Adam(config) => Box::new(Adam::new(groups, config, Decay::Coupled)?),
            Self::Adamw(config) => Box::new(Adam::new(groups, config, Decay::Decoupled)?),
            Self::AdamwUnscaled(config) => Box::new(Adam::new(groups, config, Decay::Unscaled)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use wrs_nn::Gradients;

    use super::*;
    use crate::schedule::Curve;
    use crate::tiny_net::tiny_net;
    use crate::{DecayScope, RunLength, Schedule};

    const LENGTH: RunLength = RunLength { steps: 10, steps_per_epoch: NonZeroU64::MIN };

    #[test]
    fn recipes_are_strict_and_round_trip() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Recipe {
            optimizer: OptimizerConfig,
        }
        for (text, expected) in [
            ("sgd = { momentum = 0.937, nesterov = true }", OptimizerConfig::Sgd { momentum: 0.937, nesterov: true }),
            (
                "adamw = { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }",
                OptimizerConfig::Adamw(AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 }),
            ),
            (
                "adamw-unscaled = { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }",
                OptimizerConfig::AdamwUnscaled(AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 }),
            ),
        ] {
            let recipe: Recipe = toml::from_str(&format!("optimizer = {{ {text} }}")).unwrap();
            assert_eq!(recipe.optimizer, expected);
            assert_eq!(toml::from_str::<Recipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        }
        for wrong in
            ["sgd = { momentum = 0.9 }", "sgd = { momentum = 0.9, nesterov = true, dampening = 0 }", "lion = {}"]
        {
            assert!(toml::from_str::<Recipe>(&format!("optimizer = {{ {wrong} }}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn constants_outside_their_range_are_named() {
        let groups = || Groups::by_role(&tiny_net(0), DecayScope::All, 0.0, &[]).unwrap();
        for (config, named) in [
            (OptimizerConfig::Sgd { momentum: 1.5, nesterov: false }, "sgd.momentum"),
            (OptimizerConfig::Adam(AdamConfig { beta1: 1.0, beta2: 0.999, eps: 1e-8 }), "adam.beta1"),
            (OptimizerConfig::Adamw(AdamConfig { beta1: 0.9, beta2: f64::NAN, eps: 1e-8 }), "adam.beta2"),
            (OptimizerConfig::AdamwUnscaled(AdamConfig { beta1: 0.9, beta2: 0.9, eps: -1.0 }), "adam.eps"),
        ] {
            let refusal = config.build(groups()).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(refusal.starts_with(named), "{named}: {refusal}");
        }
    }

    /// From rest, with gradient 1 for every value: the moments' quotient is the gradient's sign.
    #[test]
    fn one_step_of_each_decay_in_closed_form() {
        let (lr, decay, adam) = (1e-3, 0.1, AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
        let params = tiny_net(0);
        let sign = |g: f64| g / (g.abs() + adam.eps);
        for (config, after) in [
            (OptimizerConfig::Adam(adam), &(|w: f64| w - lr * sign(1.0 + decay * w)) as &dyn Fn(f64) -> f64),
            (OptimizerConfig::Adamw(adam), &|w| w - lr * decay * w - lr * sign(1.0)),
            (OptimizerConfig::AdamwUnscaled(adam), &|w| w - decay * w - lr * sign(1.0)),
        ] {
            let mut moved = params.clone();
            let mut optimizer = config.build(Groups::by_role(&params, DecayScope::All, decay, &[]).unwrap()).unwrap();
            let mut gradients = Gradients::new(&params);
            gradients.finish().host_mut().fill(1.0);
            let factors = Schedule { curve: Curve::Constant, warm_up: None }.at(0, LENGTH);
            let settings = optimizer.groups().settings(lr, config.momentum(), &factors, 0);
            optimizer.step(&mut moved, &mut gradients, &settings).unwrap();
            for (got, w) in moved.trainable().host().iter().zip(params.trainable().host()) {
                let expected = after(f64::from(*w));
                assert!((f64::from(*got) - expected).abs() < 2e-7 * (1.0 + expected.abs()), "{config:?}: {w} to {got}");
            }
        }
    }
}
