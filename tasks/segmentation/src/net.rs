//! What a recipe says of the network.

use std::fmt;

use serde::{Deserialize, Serialize};
use wrs_backbones::{OutputStride, ResNetConfig, ResNetDepth};
use wrs_nn::{Corners, NormConfig};
use wrs_train::recipe::{SettingError, judge, judge_network};

/// DeepLabv3's choices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelConfig {
    /// Weighted layers of the ResNet: 18, 34, 50, 101 or 152.
    pub depth: ResNetDepth,
    /// Input pixels between neighbouring cells of the map that is classified: 8, 16 or 32.
    pub output_stride: OutputStride,
    /// Factors of the dilation of the last stage's blocks, (1, 2, 4) in the paper; without it, torchvision's dilations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_grid: Option<[usize; 3]>,
    /// Cells between the taps of the three dilated branches; without it, those of the output stride: 6, 12, 18 at 16, twice
    /// that at 8, half of it at 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<[usize; 3]>,
    /// Factor of every layer's channels; 1 is the network as published.
    pub width: f64,
    /// What stands between the projection and the logits.
    pub head: Head,
    /// Share of the projection's values that training drops.
    pub dropout: f64,
    /// A second classifier on the third stage, in training alone; without it, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<AuxiliaryConfig>,
    /// Whether logits grow to the input's size with the centres of the corner pixels on each other, rather than their outer
    /// edges.  A cell of the map lies on pixel `stride * i`: the centres fit inputs of `stride * k + 1` pixels, the edges are
    /// out by up to half a stride, other ways for other sizes; crops and pictures of sizes that agree learn to make up for it.
    pub align_corners: bool,
    /// epsilon of every batch norm.
    pub norm_eps: f64,
    /// Weight of the newest batch in the running statistics.
    pub norm_momentum: f64,
}

/// What stands between the projection of the spatial pyramid and the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// A 3x3 convolution with norm and ReLU, as in torchvision.
    Torchvision,
    /// Nothing (Chen et al. 2017, section 3.3).
    Paper,
}

/// torchvision's `FCNHead` on the third stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuxiliaryConfig {
    /// Share of its values that training drops (torchvision: 0.1).
    pub dropout: f64,
    /// Factor of its loss beside the main one's (torchvision: 0.5, mmsegmentation: 0.4).
    pub loss_weight: f64,
}

/// The network in a word: `deeplabv3-r101-os16`.
impl fmt::Display for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deeplabv3-r{}-os{}", u64::from(self.depth), self.output_stride.pixels())
    }
}

impl ModelConfig {
    /// Judges the values.
    ///
    /// # Errors
    /// The first one outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let factors = |key, factors: Option<[usize; 3]>| {
            let holds = factors.is_none_or(|factors| factors.iter().all(|factor| (1..=MOST_CELLS).contains(factor)));
            judge(key, holds, "three numbers from 1 to 1024", &format_args!("{:?}", factors.unwrap_or_default()))
        };
        let share =
            |key, value: f64| judge(key, (0.0..1.0).contains(&value), "a share of at least 0 and under 1", &value);
        factors("model.multi-grid", self.multi_grid)?;
        factors("model.rates", self.rates)?;
        share("model.dropout", self.dropout)?;
        if let Some(AuxiliaryConfig { dropout, loss_weight }) = self.auxiliary {
            share("model.auxiliary.dropout", dropout)?;
            let holds = loss_weight > 0.0 && loss_weight.is_finite();
            judge("model.auxiliary.loss-weight", holds, "a factor above 0", &loss_weight)?;
        }
        judge_network(self.width, self.norm_eps, self.norm_momentum)
    }

    /// The ResNet.
    pub fn backbone(&self) -> ResNetConfig {
        let Self { depth, output_stride, multi_grid, width, .. } = *self;
        ResNetConfig { depth, output_stride, multi_grid, width, norm: self.norm() }
    }

    /// Every batch norm.
    pub fn norm(&self) -> NormConfig {
        NormConfig { eps: self.norm_eps as f32, momentum: self.norm_momentum as f32 }
    }

    /// Cells between the taps of the three dilated branches: as many pixels at every output stride, where no others are given.
    pub fn rates(&self) -> [usize; 3] {
        self.rates.unwrap_or_else(|| PIXELS_BETWEEN_TAPS.map(|pixels| pixels / self.output_stride.pixels()))
    }

    /// A warning about rates that were given and are not those that the output stride asks for: at half the stride the same
    /// rates see half as far (about a point of mIOU, where it is a mistake).
    pub fn strange_rates(&self) -> Option<String> {
        let (given, stride) = (self.rates?, self.output_stride);
        let usual = Self { rates: None, ..*self }.rates();
        if given == usual {
            return None;
        }
        let other = [OutputStride::Eight, OutputStride::Sixteen, OutputStride::ThirtyTwo]
            .into_iter()
            .find(|other| Self { rates: None, output_stride: *other, ..*self }.rates() == given);
        let whose = other.map_or(String::new(), |other| format!(", but those of output stride {}", other.pixels()));
        Some(format!("model.rates: {given:?} are not output stride {}'s {usual:?}{whose}", stride.pixels()))
    }

    /// How logits grow to the input's size.
    pub fn corners(&self) -> Corners {
        if self.align_corners { Corners::Centres } else { Corners::Edges }
    }
}

/// More cells between two taps, or a larger factor, are not in any picture.
const MOST_CELLS: usize = 1024;

/// The paper's rates at output stride 16, in input pixels.
const PIXELS_BETWEEN_TAPS: [usize; 3] = [96, 192, 288];

#[cfg(test)]
mod tests;
