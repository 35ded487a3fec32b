//! Basic blocks and bottlenecks: convolutions, and a shortcut added before the last activation.

use wrs_nn::{ConvBn, ConvBnNames, ConvConfig, NnError, Pass, ResidualAt, Scope, Value};
use wrs_ops::Activation;

use super::ResNetConfig;
use super::dilation::BlockPlan;

/// Channels out of a bottleneck, over those of its narrow convolutions.
const EXPANSION: usize = 4;

const NAMES: [ConvBnNames<'static>; 3] = [
    ConvBnNames { conv: "conv1", norm: "bn1" },
    ConvBnNames { conv: "conv2", norm: "bn2" },
    ConvBnNames { conv: "conv3", norm: "bn3" },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// A 3x3 convolution between two of 1x1.
    Bottleneck,
}

impl BlockKind {
    /// Channels out of a block whose narrow convolutions have `width`.
    pub(super) fn c_out(self, width: usize) -> usize {
        match self {
            Self::Basic => width,
            Self::Bottleneck => EXPANSION * width,
        }
    }

    /// The convolutions beside the shortcut: those in front of the last, and the last.
    fn convs(self, shape: &BlockShape) -> (Vec<ConvConfig>, ConvConfig) {
        let BlockShape { c_in, width, plan } = *shape;
        let three = |c_in, dilation| ConvConfig::same(c_in, width, 3).with_dilation(dilation);
        match self {
            Self::Basic => {
                (vec![three(c_in, plan.first_dilation).with_stride(plan.stride)], three(width, plan.dilation))
            }
            Self::Bottleneck => {
                let reduce = ConvConfig::same(c_in, width, 1);
                let spatial = three(width, plan.first_dilation).with_stride(plan.stride);
                (vec![reduce, spatial], ConvConfig::same(width, self.c_out(width), 1))
            }
        }
    }
}

/// What a block is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    pub c_in: usize,
    /// Channels of the narrow convolutions.
    pub width: usize,
    pub plan: BlockPlan,
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    inner: Vec<ConvBn>,
    /// Where the shortcut comes in.
    last: ConvBn,
    projection: Option<ConvBn>,
}

impl Block {
    /// Adds `conv{i}`, `bn{i}` and, where the plain network's shortcut changes size or channels, `downsample.{0, 1}`.
    pub(super) fn new(scope: &mut Scope<'_>, config: &ResNetConfig, kind: BlockKind, shape: &BlockShape) -> Self {
        let (inner, last) = kind.convs(shape);
        let last_names = NAMES[inner.len()];
        let inner =
            inner.into_iter().zip(NAMES).map(|(conv, names)| config.conv_bn(scope, conv, Activation::Relu, names));
        let inner = inner.collect();
        let last = config.conv_bn(scope, last, Activation::Relu, last_names);
        let BlockShape { c_in, width, plan } = *shape;
        let c_out = kind.c_out(width);
        let projection = (plan.nominal_stride != 1 || c_in != c_out).then(|| {
            let conv = ConvConfig::same(c_in, c_out, 1).with_stride(plan.stride);
            let names = ConvBnNames { conv: "0", norm: "1" };
            config.conv_bn(&mut scope.sub("downsample"), conv, Activation::Identity, names)
        });
        Self { inner, last, projection }
    }

    /// # Shapes
    /// `[N, H, W, c_in]` to `[N, ceil(H / stride), ceil(W / stride), c_out]`.
    pub(super) fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value, NnError> {
        let mut inner = x.clone();
        for conv in &self.inner {
            inner = conv.forward(pass, &inner)?;
        }
        let shortcut = match &self.projection {
            Some(projection) => projection.forward(pass, &x)?,
            None => x,
        };
        self.last.forward_residual_at(pass, &inner, &shortcut, ResidualAt::BeforeActivation)
    }
}
