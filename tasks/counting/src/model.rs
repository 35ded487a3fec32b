//! CSRNet (Li et al., "CSRNet: Dilated Convolutional Neural Networks for Understanding the Highly Congested Scenes", 2018)
//! on the first ten convolutions of VGG16, with batch norms where the configuration has them.
//!
//! Legend: `B` batch, `H W` input pixels, `h w` cells of 8x8 pixels, rounded down.

use wrs_backbones::{Vgg, VggBlock, VggConfig, VggDepth};
use wrs_nn::{Conv, ConvConfig, ConvInit, NnError, Parameter, Params, ParamsBuilder, Pass, Scope, Value};

use crate::net::{Backend, HeadActivation, ModelConfig};

/// VGG16's stages that are left: its first three poolings lie between them.
const FRONT_STAGES: usize = 4;

/// Channels of the back end at full width.
const BACK: [usize; 6] = [512, 512, 512, 256, 128, 64];

/// How the back end and the head begin, as their authors have it: far smaller than what keeps variances, so that first counts
/// are small.
const INIT: ConvInit = ConvInit::Normal { std: 0.01 };

/// The front end's scope, and what the names of its tensors begin with.
pub(crate) const FRONT: &str = "frontend";

/// The back end's.
pub(crate) const BACK_END: &str = "backend";

/// The head's.
pub(crate) const HEAD: &str = "output_layer";

/// A front end, a back end of dilated convolutions, and a head of one channel.
#[derive(Clone, Debug)]
pub struct CsrNet {
    front: Vgg,
    back: Vec<VggBlock>,
    head: Conv,
    activation: HeadActivation,
}

impl CsrNet {
    /// The network and its first values, a function of the seed: the front end's are torchvision's, those behind it normal with
    /// a standard deviation of 0.01.
    ///
    /// Tensors: `frontend.{i}`, the indices of torchvision's `features`; `backend.{3k}` and `backend.{3k + 1}`, or
    /// `backend.{2k}` without norms, as the authors' code has them; `output_layer`.
    pub fn new(config: &ModelConfig, seed: u64) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let net = Self::in_scope(&mut builder.root(), config);
        (net, builder.build(seed))
    }

    /// The network's tensors, without values.
    pub(crate) fn tensors(config: &ModelConfig) -> Vec<Parameter> {
        let mut builder = ParamsBuilder::new();
        Self::in_scope(&mut builder.root(), config);
        builder.parameters().to_vec()
    }

    /// The network that goldens and benchmarks speak of: back end B, batch norms, biases in every convolution, raw values.
    pub fn reference() -> (Self, Params) {
        let config = ModelConfig {
            backend: Backend::B,
            batch_norm: true,
            conv_bias: true,
            head: HeadActivation::None,
            width: 1.0,
            norm_eps: 1e-5,
            norm_momentum: 0.1,
        };
        Self::new(&config, 0)
    }

    fn in_scope(scope: &mut Scope<'_>, config: &ModelConfig) -> Self {
        let norm = config.norm();
        let vgg = VggConfig { depth: VggDepth::V16, norm, stages: FRONT_STAGES, width: config.width };
        let front = Vgg::new(&mut scope.sub(FRONT), &vgg);
        let mut c = vgg.channels(BACK[0]);
        let mut below = scope.sub(BACK_END);
        let mut back = Vec::with_capacity(BACK.len());
        for (i, (channels, dilation)) in BACK.into_iter().zip(config.backend.dilations()).enumerate() {
            let c_out = vgg.channels(channels);
            let conv = ConvConfig::same(c, c_out, 3).with_dilation(dilation).with_init(INIT);
            back.push(VggBlock::new(&mut below, i * VggBlock::entries(norm), conv, norm));
            c = c_out;
        }
        let head = Conv::new(&mut scope.sub(HEAD), ConvConfig::same(c, 1, 1).with_init(INIT));
        Self { front, back, head, activation: config.head }
    }

    /// What makes densities of [`Self::forward`]'s values.
    pub fn activation(&self) -> HeadActivation {
        self.activation
    }

    /// The last convolution's values, before what makes densities of them.
    ///
    /// # Shapes
    /// `x` `[B, H, W, 3]`, normalised, to `[B, floor(H / 8), floor(W / 8), 1]`: up to seven last rows and columns of pixels have
    /// no cell of their own.
    ///
    /// # Errors
    /// [`NnError::TooSmall`] for pictures of less than 8x8 pixels; [`NnError::SingleValueNorm`] where training sees a single cell.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let mut x = self.front.last_map(pass, x)?; // [B, h, w, 512]
        for block in &self.back {
            x = block.forward(pass, &x)?;
        }
        self.head.forward(pass, &x) // [B, h, w, 1]
    }

    /// The people in every cell, from [`Self::forward`]; their sum is the count.
    ///
    /// # Shapes
    /// `raw` `[B, h, w, 1]` to the same.
    pub fn density(&self, raw: &Value) -> Vec<f32> {
        raw.buffer().host().iter().map(|&raw| self.activation.apply(raw)).collect()
    }
}
