//! Darknet53: 52 convolutions, each followed by batch norm and leaky ReLU (Redmon and Farhadi, "YOLOv3: An Incremental
//! Improvement", 2018, Table 1; the 53rd convolution is the ImageNet classifier).

use wrs_nn::{ConvBn, ConvBnConfig, ConvConfig, NnError, NormConfig, Pass, Scope, Value};
use wrs_ops::Activation;

use crate::width::channels_at;
use crate::{Backbone, Stage};

/// Channels after each stage, and the residual blocks in it.
const STAGES: [(usize, usize); 5] = [(64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)];

/// The first stage whose map is given: stride 8.
const FIRST_MAP: usize = 2;

/// Slope of Darknet's leaky ReLU at and below zero.
const SLOPE: f32 = 0.1;

/// What can be chosen of a Darknet53.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Darknet53Config {
    /// Factor of every layer's channels; 1 is the paper's network.
    pub width: f64,
    /// Of every batch norm.
    pub norm: NormConfig,
}

impl Darknet53Config {
    /// A layer's channels at this width: at least 8, and a multiple of 8 (1 gives the paper's).
    pub fn channels(&self, at_full_width: usize) -> usize {
        channels_at(self.width, at_full_width)
    }

    /// Darknet's only block: convolution, batch norm, leaky ReLU.
    pub fn conv_bn(&self, scope: &mut Scope<'_>, conv: ConvConfig) -> ConvBn {
        ConvBn::new(scope, ConvBnConfig { conv, norm: self.norm, activation: Activation::LeakyRelu(SLOPE) })
    }
}

/// The residual network of YOLOv3, giving its maps at strides 8, 16 and 32.
#[derive(Clone, Debug)]
pub struct Darknet53 {
    stem: ConvBn,
    stages: Vec<DarknetStage>,
    channels: Vec<usize>,
}

#[derive(Clone, Debug)]
struct DarknetStage {
    down: ConvBn,
    blocks: Vec<Residual>,
}

#[derive(Clone, Debug)]
struct Residual {
    reduce: ConvBn,
    expand: ConvBn,
}

impl Darknet53 {
    /// Adds the network's tensors under `stem` and `stages.{i}` of a scope.
    pub fn new(scope: &mut Scope<'_>, config: &Darknet53Config) -> Self {
        let mut c = config.channels(32);
        let stem = config.conv_bn(&mut scope.sub("stem"), ConvConfig::same(3, c, 3));
        let mut stages = Vec::with_capacity(STAGES.len());
        for (i, &(full, depth)) in STAGES.iter().enumerate() {
            let c_out = config.channels(full);
            stages.push(DarknetStage::new(&mut scope.sub("stages").sub(i), config, c, c_out, depth));
            c = c_out;
        }
        let channels = STAGES[FIRST_MAP..].iter().map(|&(full, _)| config.channels(full)).collect();
        Self { stem, stages, channels }
    }
}

impl DarknetStage {
    fn new(scope: &mut Scope<'_>, config: &Darknet53Config, c_in: usize, c: usize, depth: usize) -> Self {
        let down = config.conv_bn(&mut scope.sub("down"), ConvConfig::same(c_in, c, 3).with_stride(2));
        let blocks = (0..depth).map(|i| Residual::new(&mut scope.sub("blocks").sub(i), config, c)).collect();
        Self { down, blocks }
    }
}

impl Residual {
    fn new(scope: &mut Scope<'_>, config: &Darknet53Config, c: usize) -> Self {
        let reduce = config.conv_bn(&mut scope.sub("reduce"), ConvConfig::same(c, c / 2, 1));
        let expand = config.conv_bn(&mut scope.sub("expand"), ConvConfig::same(c / 2, c, 3));
        Self { reduce, expand }
    }
}

impl Backbone for Darknet53 {
    fn stages(&self) -> Vec<Stage> {
        let strides = (FIRST_MAP..).map(|i| 2 << i);
        strides.zip(&self.channels).map(|(stride, &channels)| Stage { stride, channels }).collect()
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let mut x = self.stem.forward(pass, x)?;
        let mut maps = Vec::with_capacity(3);
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.down.forward(pass, &x)?;
            for block in &stage.blocks {
                let inner = block.reduce.forward(pass, &x)?;
                x = block.expand.forward_residual(pass, &inner, &x)?;
            }
            if i >= FIRST_MAP {
                maps.push(x.clone());
            }
        }
        Ok(maps)
    }
}
