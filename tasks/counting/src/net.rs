//! What a recipe settles of the network.

use serde::{Deserialize, Serialize};

/// Pixels between neighbouring cells of the density: three poolings.
pub const STRIDE: usize = 8;

/// What the last layer's output goes through to become a density.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadActivation {
    /// Nothing: densities may be negative.
    None,
    /// The modulus.
    Abs,
    /// `max(x, 0)`
    Relu,
}

impl HeadActivation {
    /// The density of an output.
    pub fn apply(self, raw: f32) -> f32 {
        match self {
            Self::None => raw,
            Self::Abs => raw.abs(),
            Self::Relu => raw.max(0.0),
        }
    }

    /// Its derivative; 0 at the kinks.
    pub fn slope(self, raw: f32) -> f32 {
        match self {
            Self::None => 1.0,
            Self::Abs if raw == 0.0 => 0.0,
            Self::Abs => raw.signum(),
            Self::Relu => f32::from(raw > 0.0),
        }
    }
}
