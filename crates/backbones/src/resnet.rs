//! ResNet (He et al., "Deep Residual Learning for Image Recognition", 2016) as torchvision lays it out and names it: the
//! stride of a bottleneck stands in its 3x3 convolution, the sum is activated last.  Output strides below 32 come by
//! dilation.

mod block;
mod dilation;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use wrs_nn::{
    ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, ConvInit, NnError, NormConfig, Pass, PoolConfig, Scope, Value,
    max_pool,
};
use wrs_ops::Activation;

use crate::width::channels_at;
use crate::{Backbone, Stage};

pub use dilation::{OutputStride, UnknownOutputStride};

use block::{Block, BlockKind, BlockShape};
use dilation::StagePlan;

/// Channels of the stem, and of the narrow convolutions of the four stages.
const STEM: usize = 64;
const STAGES: [usize; 4] = [64, 128, 256, 512];

/// Stride of the stem's convolution and pooling together.
const STEM_STRIDE: usize = 4;

/// The networks of the paper's Table 1, by their number of weighted layers; a recipe writes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum ResNetDepth {
    /// Basic blocks 2, 2, 2, 2.
    R18,
    /// Basic blocks 3, 4, 6, 3.
    R34,
    /// Bottlenecks 3, 4, 6, 3.
    R50,
    /// Bottlenecks 3, 4, 23, 3.
    R101,
    /// Bottlenecks 3, 8, 36, 3.
    R152,
}

impl From<ResNetDepth> for u64 {
    fn from(depth: ResNetDepth) -> Self {
        match depth {
            ResNetDepth::R18 => 18,
            ResNetDepth::R34 => 34,
            ResNetDepth::R50 => 50,
            ResNetDepth::R101 => 101,
            ResNetDepth::R152 => 152,
        }
    }
}

/// A number of layers that no ResNet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a depth of 18, 34, 50, 101 or 152, got {0}")]
pub struct UnknownDepth(pub u64);

impl TryFrom<u64> for ResNetDepth {
    type Error = UnknownDepth;

    fn try_from(layers: u64) -> Result<Self, UnknownDepth> {
        let all = [Self::R18, Self::R34, Self::R50, Self::R101, Self::R152];
        all.into_iter().find(|&depth| u64::from(depth) == layers).ok_or(UnknownDepth(layers))
    }
}

impl ResNetDepth {
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::R18 => [2, 2, 2, 2],
            Self::R34 | Self::R50 => [3, 4, 6, 3],
            Self::R101 => [3, 4, 23, 3],
            Self::R152 => [3, 8, 36, 3],
        }
    }

    fn kind(self) -> BlockKind {
        match self {
            Self::R18 | Self::R34 => BlockKind::Basic,
            Self::R50 | Self::R101 | Self::R152 => BlockKind::Bottleneck,
        }
    }
}

/// What can be chosen of a ResNet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Which of the networks.
    pub depth: ResNetDepth,
    /// Input pixels between neighbouring cells of the last map; changes no tensor's shape.
    pub output_stride: OutputStride,
    /// Factors of the dilation of the blocks of the last stage, (1, 2, 4) in DeepLabv3 (Chen et al. 2017, section 4.2.1);
    /// the first block then has the stage's full dilation, too.  ResNet-18, of two blocks a stage, uses the first two.
    pub multi_grid: Option<[usize; 3]>,
    /// Factor of every layer's channels; 1 is the paper's network.
    pub width: f64,
    /// Of every batch norm.
    pub norm: NormConfig,
}

impl ResNetConfig {
    /// torchvision's network of a depth: output stride 32, full width.
    pub fn new(depth: ResNetDepth) -> Self {
        let (output_stride, norm) = (OutputStride::ThirtyTwo, NormConfig::default());
        Self { depth, output_stride, multi_grid: None, width: 1.0, norm }
    }

    /// A layer's channels at this width: at least 8, and a multiple of 8 (1 gives the paper's).
    pub fn channels(&self, at_full_width: usize) -> usize {
        channels_at(self.width, at_full_width)
    }

    fn conv_bn(
        &self,
        scope: &mut Scope<'_>,
        conv: ConvConfig,
        activation: Activation,
        names: ConvBnNames<'_>,
    ) -> ConvBn {
        let conv = conv.with_init(ConvInit::FanOut);
        ConvBn::named(scope, ConvBnConfig { conv, norm: self.norm, activation }, names)
    }
}

/// A residual network without its classifier, giving the maps of its four stages.
#[derive(Clone, Debug)]
pub struct ResNet {
    stem: ConvBn,
    stages: Vec<ResNetStage>,
}

#[derive(Clone, Debug)]
struct ResNetStage {
    blocks: Vec<Block>,
    map: Stage,
}

impl ResNet {
    /// Adds the network's tensors to a scope under torchvision's names: `conv1`, `bn1`, `layer{1-4}.{i}.{conv1, bn1, …}`.
    pub fn new(scope: &mut Scope<'_>, config: &ResNetConfig) -> Self {
        let mut c = config.channels(STEM);
        let conv = ConvConfig::same(3, c, 7).with_stride(2);
        let stem = config.conv_bn(scope, conv, Activation::Relu, ConvBnNames { conv: "conv1", norm: "bn1" });
        let plans = StagePlan::all(config.output_stride, STEM_STRIDE);
        let mut stages = Vec::with_capacity(STAGES.len());
        for (i, plan) in plans.into_iter().enumerate() {
            let stage = ResNetStage::new(&mut scope.sub(format!("layer{}", i + 1)), config, (i, plan), c);
            c = stage.map.channels;
            stages.push(stage);
        }
        Self { stem, stages }
    }
}

impl ResNetStage {
    fn new(scope: &mut Scope<'_>, config: &ResNetConfig, (i, plan): (usize, StagePlan), mut c: usize) -> Self {
        let kind = config.depth.kind();
        let width = config.channels(STAGES[i]);
        let grid = config.multi_grid.filter(|_| i + 1 == STAGES.len());
        let blocks = (0..config.depth.blocks()[i]).map(|k| {
            let shape = BlockShape { c_in: c, width, plan: plan.block(k, grid) };
            c = kind.c_out(width);
            Block::new(&mut scope.sub(k), config, kind, &shape)
        });
        Self { blocks: blocks.collect(), map: Stage { stride: plan.output_stride, channels: kind.c_out(width) } }
    }
}

impl Backbone for ResNet {
    fn stages(&self) -> Vec<Stage> {
        self.stages.iter().map(|stage| stage.map).collect()
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let x = self.stem.forward(pass, x)?;
        let mut x = max_pool(pass, &x, PoolConfig::square(3, 2, 1))?;
        let mut maps = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            for block in &stage.blocks {
                x = block.forward(pass, x)?;
            }
            maps.push(x.clone());
        }
        Ok(maps)
    }
}
