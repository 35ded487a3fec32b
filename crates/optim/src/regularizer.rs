//! The arms of the experiment: weight rescaling, weight decay.

use std::fmt;

use serde::{Deserialize, Serialize};
use wrs_nn::{ParamId, Params};

use crate::{DecayScope, Groups, OptimError, Optimizer, OptimizerConfig, Wrs, WrsConfig};

/// What keeps the weights in bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Regularizer {
    /// Weight rescaling: filters before a norm go back to unit norm; decay on the rest.
    Wrs {
        /// When and what.
        rescale: WrsConfig,
        /// Decay of what is not rescaled.
        weight_decay: f64,
        /// Which of the rest decays.
        decay_scope: DecayScope,
    },
    /// Weight decay alone.
    WeightDecay {
        /// Decay.
        weight_decay: f64,
        /// What decays.
        decay_scope: DecayScope,
    },
}

/// Which arm of the experiment a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArmKind {
    /// [`Regularizer::Wrs`].
    Wrs,
    /// [`Regularizer::WeightDecay`].
    WeightDecay,
}

impl ArmKind {
    /// Every arm.
    pub const ALL: [Self; 2] = [Self::Wrs, Self::WeightDecay];

    /// The arm's key under `regularizer` in a recipe.
    pub fn key(self) -> &'static str {
        match self {
            Self::Wrs => "wrs",
            Self::WeightDecay => "weight-decay",
        }
    }

    /// The arm of a recipe's key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.key() == key)
    }
}

impl fmt::Display for ArmKind {
    /// As tables and verdicts call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Wrs => "WRS",
            Self::WeightDecay => "WD",
        })
    }
}

impl Regularizer {
    /// Scope and strength of the decay.
    pub fn decay(&self) -> (DecayScope, f64) {
        match self {
            Self::Wrs { weight_decay, decay_scope, .. } | Self::WeightDecay { weight_decay, decay_scope } => {
                (*decay_scope, *weight_decay)
            }
        }
    }

    /// The tensors that are rescaled and therefore do not decay.
    pub fn rescaled(&self, params: &Params) -> Vec<ParamId> {
        match self {
            Self::Wrs { rescale, .. } => rescale.select.tensors(params),
            Self::WeightDecay { .. } => Vec::new(),
        }
    }

    /// Its arm of the experiment.
    pub fn arm(&self) -> ArmKind {
        match self {
            Self::Wrs { .. } => ArmKind::Wrs,
            Self::WeightDecay { .. } => ArmKind::WeightDecay,
        }
    }

    /// An optimizer at rest with groups by role, WRS around it in that arm.  What is to be frozen must be frozen before.
    ///
    /// # Errors
    /// A constant of the optimizer outside its range; nothing to rescale.
    pub fn build_optimizer(&self, config: &OptimizerConfig, params: &Params) -> Result<Box<dyn Optimizer>, OptimError> {
        let (scope, decay) = self.decay();
        let inner = config.build(Groups::by_role(params, scope, decay, &self.rescaled(params))?)?;
        Ok(match self {
            Self::Wrs { rescale, .. } => Box::new(Wrs::new(inner, params, rescale.clone())?),
            Self::WeightDecay { .. } => inner,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::{step, tiny_net};

    fn read(text: &str) -> Regularizer {
        #[derive(Deserialize)]
        struct Recipe {
            regularizer: Regularizer,
        }
        toml::from_str::<Recipe>(text).unwrap().regularizer
    }

    const WRS: &str = "[regularizer.wrs]\nweight-decay = 0.5\ndecay-scope = \"conv\"\n[regularizer.wrs.rescale]\ntau = 2\n\
                       select = \"filters\"\nliteral = false\nrescale-at-start = false\nangles = false\n";
    const WEIGHT_DECAY: &str = "[regularizer.weight-decay]\nweight-decay = 0.5\ndecay-scope = \"conv\"\n";

    #[test]
    fn an_arm_bears_the_name_of_its_key() {
        for (text, arm, name) in [(WRS, ArmKind::Wrs, "WRS"), (WEIGHT_DECAY, ArmKind::WeightDecay, "WD")] {
            let regularizer = read(text);
            assert_eq!((regularizer.arm(), arm.to_string().as_str()), (arm, name));
            assert!(text.contains(&format!("[regularizer.{}]", arm.key())));
            assert_eq!(ArmKind::of_key(arm.key()), Some(arm));
        }
        assert_eq!(ArmKind::of_key("WRS"), None);
    }

    #[test]
    fn the_arms_optimizer_rescales_or_decays() {
        let config = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false };
        let params = tiny_net(3);
        let mut wrs = read(WRS).build_optimizer(&config, &params).unwrap();
        let decays = |of: &dyn Optimizer| of.groups().iter().map(|group| group.weight_decay).collect::<Vec<_>>();
        assert_eq!(decays(wrs.as_ref()), [0.0, 0.5, 0.0, 0.0]);
        let mut moved = params.clone();
        let rescaled: Vec<bool> = (0..4).map(|_| step(wrs.as_mut(), &mut moved, 0).rescale.is_some()).collect();
        assert_eq!(rescaled, [false, true, false, true], "every tau steps");

        let mut plain = read(WEIGHT_DECAY).build_optimizer(&config, &params).unwrap();
        assert_eq!(decays(plain.as_ref()), [0.5, 0.0, 0.0]);
        let mut moved = params.clone();
        assert!((0..4).all(|_| step(plain.as_mut(), &mut moved, 0).rescale.is_none()));
    }

    #[test]
    fn a_constant_out_of_range_is_refused() {
        let config = OptimizerConfig::Sgd { momentum: 2.0, nesterov: false };
        let refused = read(WEIGHT_DECAY).build_optimizer(&config, &tiny_net(0)).err().unwrap();
        assert!(matches!(refused, OptimError::Setting { setting: "sgd.momentum", .. }), "{refused}");
    }
}
