//! VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015, table 1) as
//! torchvision lays out and names its `features`, with and without batch norms; the classifier is left out.

mod block;

use serde::{Deserialize, Serialize};
use wrs_nn::{ConvConfig, ConvInit, NnError, NormConfig, Pass, PoolConfig, Scope, Value, max_pool};

use crate::width::channels_at;
use crate::{Backbone, Stage};

pub use block::VggBlock;

/// Channels of the convolutions of the five stages, a pooling behind each.
const STAGES: [usize; 5] = [64, 128, 256, 512, 512];

/// The networks of the paper's table 1, by their number of weighted layers; a recipe writes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum VggDepth {
    /// The paper's A: convolutions 1, 1, 2, 2, 2.
    V11,
    /// B: convolutions 2, 2, 2, 2, 2.
    V13,
    /// D: convolutions 2, 2, 3, 3, 3.
    V16,
    /// E: convolutions 2, 2, 4, 4, 4.
    V19,
}

impl From<VggDepth> for u64 {
    fn from(depth: VggDepth) -> Self {
        // Three layers of every network are the classifier's.
        depth.convolutions().iter().sum::<usize>() as u64 + 3
    }
}

/// A number of layers that no VGG has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a depth of 11, 13, 16 or 19, got {0}")]
pub struct UnknownVggDepth(pub u64);

impl TryFrom<u64> for VggDepth {
    type Error = UnknownVggDepth;

    fn try_from(layers: u64) -> Result<Self, UnknownVggDepth> {
        let all = [Self::V11, Self::V13, Self::V16, Self::V19];
        all.into_iter().find(|&depth| u64::from(depth) == layers).ok_or(UnknownVggDepth(layers))
    }
}

impl VggDepth {
    fn convolutions(self) -> [usize; 5] {
        match self {
            Self::V11 => [1, 1, 2, 2, 2],
            Self::V13 => [2; 5],
            Self::V16 => [2, 2, 3, 3, 3],
            Self::V19 => [2, 2, 4, 4, 4],
        }
    }
}

/// The batch norm behind every convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VggNorm {
    /// Its numbers.
    pub norm: NormConfig,
    /// Whether the convolutions keep the biases that their norms take out again, as torchvision's do.
    pub conv_bias: bool,
}

/// What can be chosen of a VGG.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VggConfig {
    /// Which of the networks.
    pub depth: VggDepth,
    /// The norms of torchvision's `vgg*_bn`; without them the convolutions have biases and nothing else behind them.
    pub norm: Option<VggNorm>,
    /// How many stages are there, 1 to 5; what follows is left out, the pooling behind the last one included.
    pub stages: usize,
    /// Factor of every layer's channels; 1 is the paper's network.
    pub width: f64,
}

impl VggConfig {
    /// torchvision's network of a depth without norms: all five stages at full width.
    pub fn new(depth: VggDepth) -> Self {
        Self { depth, norm: None, stages: STAGES.len(), width: 1.0 }
    }

    /// torchvision's network of a depth with norms.
    pub fn with_norms(depth: VggDepth) -> Self {
        Self { norm: Some(VggNorm { norm: NormConfig::default(), conv_bias: true }), ..Self::new(depth) }
    }

    /// A layer's channels at this width: at least 8, and a multiple of 8 (1 gives the paper's).
    pub fn channels(&self, at_full_width: usize) -> usize {
        channels_at(self.width, at_full_width)
    }
}

/// The convolutions of a VGG, giving the map of every stage as it is before its pooling.
///
/// A pooling drops the last row or column of an odd map, so maps are the input's size over their stride, rounded down.
#[derive(Clone, Debug)]
pub struct Vgg {
    stages: Vec<Vec<VggBlock>>,
    maps: Vec<Stage>,
    name: String,
}

impl Vgg {
    /// Adds the network's tensors to a scope under the indices of torchvision's `features`.  First values are torchvision's:
    /// normal with variance `2 / fan_out`, biases 0.
    pub fn new(scope: &mut Scope<'_>, config: &VggConfig) -> Self {
        let (mut c_in, mut index) = (3, 0);
        let mut stages = Vec::with_capacity(config.stages);
        let mut maps = Vec::with_capacity(config.stages);
        for (i, convolutions) in config.depth.convolutions().into_iter().enumerate().take(config.stages) {
            let c = config.channels(STAGES[i]);
            let mut blocks = Vec::with_capacity(convolutions);
            for _ in 0..convolutions {
                let conv = ConvConfig::same(c_in, c, 3).with_init(ConvInit::FanOut);
                blocks.push(VggBlock::new(scope, index, conv, config.norm));
                index += VggBlock::entries(config.norm);
                c_in = c;
            }
            // The pooling's own entry.
            index += 1;
            stages.push(blocks);
            maps.push(Stage { stride: 1 << i, channels: c });
        }
        Self { stages, maps, name: scope.name().to_owned() }
    }

    /// The map of the last stage alone; those before it are freed as soon as nothing needs them.
    ///
    /// # Shapes
    /// `x` `[N, H, W, 3]` to `[N, floor(H / stride), floor(W / stride), channels]`.
    ///
    /// # Errors
    /// [`NnError::TooSmall`] for pictures that end before the last stage.
    pub fn last_map(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        self.run(pass, x, |_| {})
    }

    fn run(&self, pass: &mut Pass<'_>, x: &Value, mut on_map: impl FnMut(&Value)) -> Result<Value, NnError> {
        let (h, w) = (x.dims().h, x.dims().w);
        let least = self.maps.last().map_or(1, |map| map.stride);
        if h.min(w) < least {
            return Err(NnError::TooSmall { layer: self.name.clone(), least, h, w });
        }
        let mut x = x.clone();
        for (i, blocks) in self.stages.iter().enumerate() {
            if i > 0 {
                x = max_pool(pass, &x, PoolConfig::square(2, 2, 0))?;
            }
            for block in blocks {
                x = block.forward(pass, &x)?;
            }
            on_map(&x);
        }
        Ok(x)
    }
}

impl Backbone for Vgg {
    fn stages(&self) -> Vec<Stage> {
        self.maps.clone()
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let mut maps = Vec::with_capacity(self.maps.len());
        self.run(pass, x, |map| maps.push(map.clone()))?;
        Ok(maps)
    }
}
