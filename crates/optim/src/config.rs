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
    /// [`Adam`] with decoupled decay.
    Adamw(AdamConfig),
}

impl OptimizerConfig {
    /// The momentum that [`Groups::settings`] wants; 0 for Adam, which reads none.
    pub fn momentum(&self) -> f64 {
        match self {
            Self::Sgd { momentum, .. } => *momentum,
            Self::Adam(_) | Self::Adamw(_) => 0.0,
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecayScope;
    use crate::tiny_net::tiny_net;

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
        ] {
            let refusal = config.build(groups()).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(refusal.starts_with(named), "{named}: {refusal}");
        }
    }
}
