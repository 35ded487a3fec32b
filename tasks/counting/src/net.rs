//! What a recipe says of the network.

use std::fmt;

use serde::{Deserialize, Serialize};
use wrs_backbones::VggNorm;
use wrs_nn::NormConfig;
use wrs_train::recipe::{SettingError, judge, judge_network};

/// Pixels between neighbouring cells of the density: three poolings.
pub const STRIDE: usize = 8;

/// CSRNet's choices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelConfig {
    /// Dilations of the back end: `a`, `b`, `c` or `d`.
    pub backend: Backend,
    /// Whether a batch norm stands behind every convolution but the last.
    pub batch_norm: bool,
    /// Whether convolutions keep their biases before a norm, as torchvision's `vgg16_bn` does; without norms they must.
    pub conv_bias: bool,
    /// What makes densities of the last convolution's values.
    pub head: HeadActivation,
    /// Factor of every layer's channels; 1 is the network as published.
    pub width: f64,
    /// epsilon of every batch norm.
    pub norm_eps: f64,
    /// Weight of the newest batch in the running statistics.
    pub norm_momentum: f64,
}

/// Dilations of the six convolutions of the back end (Li et al., "CSRNet", 2018, table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// 1, 1, 1, 1, 1, 1.
    A,
    /// 2, 2, 2, 2, 2, 2: the one the authors kept.
    B,
    /// 2, 2, 2, 4, 4, 4.
    C,
    /// 4, 4, 4, 4, 4, 4.
    D,
}

impl Backend {
    /// Cells between the taps of each convolution.
    pub fn dilations(self) -> [usize; 6] {
        match self {
            Self::A => [1; 6],
            Self::B => [2; 6],
            Self::C => [2, 2, 2, 4, 4, 4],
            Self::D => [4; 6],
        }
    }

    fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
            Self::C => 'c',
            Self::D => 'd',
        }
    }
}

/// What makes densities of the last convolution's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadActivation {
    /// Nothing, as in CSRNet: densities may be negative.
    None,
    /// The absolute value, as with Bayesian loss (Ma et al. 2019).
    Abs,
    /// The positive part, as in DM-Count; a cell below zero learns nothing.
    Relu,
}

impl HeadActivation {
    /// The density of a cell.
    pub fn apply(self, raw: f32) -> f32 {
        match self {
            Self::Abs => raw.abs(),
            // Not `max`, which would make 0 of what is not a number.
            Self::Relu if raw < 0.0 => 0.0,
            Self::None | Self::Relu => raw,
        }
    }

    /// The slope of [`Self::apply`] there; 0 at the kink, as in PyTorch.
    pub fn slope(self, raw: f32) -> f32 {
        match self {
            Self::None => 1.0,
            Self::Abs if raw < 0.0 => -1.0,
            Self::Abs | Self::Relu if raw > 0.0 => 1.0,
            Self::Abs | Self::Relu => 0.0,
        }
    }
}

/// The network in a word: `csrnet-b-bn`, or `csrnet-b` without norms.
impl fmt::Display for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "csrnet-{}{}", self.backend.letter(), if self.batch_norm { "-bn" } else { "" })?;
        #[allow(clippy::float_cmp)] // exactly 1, or another number
        let is_whole = self.width == 1.0;
        if is_whole { Ok(()) } else { write!(f, " x{}", self.width) }
    }
}

impl ModelConfig {
    /// Bytes that a pixel of the input takes while a picture is counted: the first two convolutions' maps at full size, which
    /// are alive together, the input, and an eighth of all that for what kernels put aside.
    pub fn bytes_per_pixel(&self) -> f64 {
        let maps = 2.0 * 64.0 * self.width.max(1.0 / 64.0);
        (maps + 3.0) * size_of::<f32>() as f64 * 1.125
    }

    /// Judges the values.
    ///
    /// # Errors
    /// The first one outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let bias = self.conv_bias || self.batch_norm;
        judge("model.conv-bias", bias, "true where batch-norm is false", &self.conv_bias)?;
        judge_network(self.width, self.norm_eps, self.norm_momentum)
    }

    /// What stands behind every convolution but the last.
    pub fn norm(&self) -> Option<VggNorm> {
        let norm = NormConfig { eps: self.norm_eps as f32, momentum: self.norm_momentum as f32 };
        self.batch_norm.then_some(VggNorm { norm, conv_bias: self.conv_bias })
    }

    /// Side in pixels of the square that a cell of the density depends on.
    pub fn receptive_field(&self) -> usize {
        FRONT_END_FIELD + STRIDE * self.backend.dilations().iter().map(|d| 2 * d).sum::<usize>()
    }

    /// Pixels around the pixels of some cells that their densities depend on, in whole cells: what a tile needs on every side.
    pub fn halo_px(&self) -> usize {
        ((self.receptive_field() - STRIDE) / 2).next_multiple_of(STRIDE)
    }
}

/// Side in pixels of the square that a cell of the front end depends on.
const FRONT_END_FIELD: usize = 92;

#[cfg(test)]
mod tests;
