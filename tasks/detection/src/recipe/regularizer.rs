//! The arms of the experiment: weight rescaling, weight decay.

use serde::{Deserialize, Serialize};
use wrs_nn::{ParamId, Params};
use wrs_optim::{DecayScope, WrsConfig};

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
}
