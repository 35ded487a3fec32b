//! DeepLabv3 (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017) on torchvision's ResNets,
//! under torchvision's names.
//!
//! Legend: `B` batch, `H W` input pixels, `h w` cells, `K` classes.

use std::ops::Range;

use wrs_backbones::{Backbone, OutputStride, ResNet, ResNetDepth};
use wrs_nn::{
    Conv, ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, ConvInit, Corners, Dims, NnError, NormConfig, Parameter,
    Params, ParamsBuilder, Pass, Scope, Value, dropout, resize_bilinear,
};
use wrs_ops::Activation;
use wrs_ops::resize::{Interpolation, ResizeShape, resize_argmax, resize_rows};

use crate::aspp::{Aspp, AsppShape};
use crate::net::{AuxiliaryConfig, Head, ModelConfig};

/// Channels of the pyramid's branches, its projection and the head, at full width.
const HEAD: usize = 256;

/// Channels of the auxiliary classifier, over those of the map below it.
const AUXILIARY_SHARE: usize = 4;

/// The maps that the two classifiers read, among the ResNet's four.
const LAST_MAP: usize = 3;
const AUXILIARY_MAP: usize = 2;

/// A ResNet, the pyramid, a classifier, and a second classifier for training.
#[derive(Clone, Debug)]
pub struct DeepLabV3 {
    backbone: ResNet,
    aspp: Aspp,
    /// torchvision's 3x3 convolution.
    refine: Option<ConvBn>,
    predict: Conv,
    auxiliary: Option<Auxiliary>,
    corners: Corners,
    classes: usize,
    stride: usize,
}

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[B, H, W, K]`
    pub logits: Value,
    /// The second classifier's, `[B, H, W, K]`, where the network has one.
    pub auxiliary: Option<Value>,
}

/// How the layers of a head are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLayers {
    norm: NormConfig,
}

impl HeadLayers {
    /// The heads' only block: convolution, batch norm, ReLU.
    pub(crate) fn conv_bn(self, scope: &mut Scope<'_>, conv: ConvConfig, names: ConvBnNames<'_>) -> ConvBn {
        let conv = conv.with_init(INIT);
        ConvBn::named(scope, ConvBnConfig { conv, norm: self.norm, activation: Activation::Relu }, names)
    }
}

/// Normal with variance `2 / fan_in`, biases 0, as the public re-implementations of the paper begin their heads.
const INIT: ConvInit = ConvInit::FanIn;

#[derive(Clone, Debug)]
struct Auxiliary {
    conv: ConvBn,
    predict: Conv,
    dropout: f64,
    dropout_name: String,
}

impl DeepLabV3 {
    /// The network and its first values, a function of the seed: the backbone's are torchvision's, the heads' normal.
    pub fn new(config: &ModelConfig, classes: usize, seed: u64) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let net = Self::in_scope(&mut builder.root(), config, classes);
        (net, builder.build(seed))
    }

    /// The network's tensors, without values.
    pub(crate) fn tensors(config: &ModelConfig, classes: usize) -> Vec<Parameter> {
        let mut builder = ParamsBuilder::new();
        Self::in_scope(&mut builder.root(), config, classes);
        builder.parameters().to_vec()
    }

    /// The network that goldens and benchmarks speak of: ResNet-101 at output stride 16 with multi-grid (1, 2, 4), 21 classes,
    /// torchvision's head and no second classifier; no dropout, so that its steps can be compared.
    pub fn reference() -> (Self, Params) {
        let config = ModelConfig {
            depth: ResNetDepth::R101,
            output_stride: OutputStride::Sixteen,
            multi_grid: Some([1, 2, 4]),
            rates: None,
            width: 1.0,
            head: Head::Torchvision,
            dropout: 0.0,
            auxiliary: None,
            align_corners: false,
            norm_eps: 1e-5,
            norm_momentum: 0.1,
        };
        Self::new(&config, 21, 0)
    }

    fn in_scope(scope: &mut Scope<'_>, config: &ModelConfig, classes: usize) -> Self {
        let resnet = config.backbone();
        let backbone = ResNet::new(&mut scope.sub("backbone"), &resnet);
        let maps = backbone.stages();
        let (layers, c) = (HeadLayers { norm: resnet.norm }, resnet.channels(HEAD));
        let mut head = scope.sub("classifier");
        let shape =
            AsppShape { c_in: maps[LAST_MAP].channels, c_out: c, rates: config.rates(), dropout: config.dropout };
        let aspp = Aspp::new(&mut head.sub(0), layers, &shape);
        let refine = (config.head == Head::Torchvision).then(|| {
            let names = ConvBnNames { conv: "1", norm: "2" };
            layers.conv_bn(&mut head, ConvConfig::same(c, c, 3), names)
        });
        let predict = Conv::new(&mut head.sub(4), ConvConfig::same(c, classes, 1).with_init(INIT));
        let auxiliary = config.auxiliary.map(|auxiliary| {
            Auxiliary::new(&mut scope.sub("aux_classifier"), layers, auxiliary, maps[AUXILIARY_MAP].channels, classes)
        });
        Self {
            backbone,
            aspp,
            refine,
            predict,
            auxiliary,
            corners: config.corners(),
            classes,
            stride: config.output_stride.pixels(),
        }
    }

    /// Number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Input pixels between neighbouring cells of the logits: cell `i` lies on pixel `stride * i`.
    pub fn output_stride(&self) -> usize {
        self.stride
    }

    /// # Shapes
    /// `x` `[B, H, W, 3]`, normalised, of any size, to `[B, H, W, K]`.
    ///
    /// # Errors
    /// [`NnError`] when a batch norm, other than that of the pooled map, would see a single value.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Outputs, NnError> {
        let size = [x.dims().h, x.dims().w];
        let maps = self.backbone.forward(pass, x)?;
        let low = self.classify(pass, &maps[LAST_MAP])?;
        let logits = resize_bilinear(pass, &low, size, self.corners)?;
        let auxiliary = match &self.auxiliary {
            Some(head) => {
                let low = head.forward(pass, &maps[AUXILIARY_MAP])?;
                Some(resize_bilinear(pass, &low, size, self.corners)?)
            }
            None => None,
        };
        Ok(Outputs { logits, auxiliary })
    }

    /// The logits of [`Self::forward`], without the second classifier.
    ///
    /// # Shapes
    /// `x` `[B, H, W, 3]` to `[B, H, W, K]`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn logits(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let low = self.forward_low(pass, x)?;
        resize_bilinear(pass, &low, [x.dims().h, x.dims().w], self.corners)
    }

    /// The logits as they are before they grow to the input's size, without the second classifier: what [`Self::labels`] wants.
    ///
    /// # Shapes
    /// `x` `[B, H, W, 3]` to `[B, ceil(H / s), ceil(W / s), K]` for an output stride `s`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_low(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let maps = self.backbone.forward(pass, x)?;
        self.classify(pass, &maps[LAST_MAP])
    }

    /// The class with the largest logit at every pixel (the lowest of equal ones), from [`Self::forward_low`]: those of
    /// [`Self::forward`], which are never all in memory here.
    ///
    /// # Shapes
    /// `low` `[B, h, w, K]` to `[B, H, W]`, `size` being `[H, W]`.
    ///
    /// # Errors
    /// [`NnError::Shape`] when a size is 0 or there are more than 256 classes.
    pub fn labels(&self, low: &Value, size: [usize; 2]) -> Result<Vec<u8>, NnError> {
        let shape = growth(low, size);
        let mut labels = vec![0; shape.batch * size[0] * size[1]];
        resize_argmax(&shape, Interpolation::Bilinear(self.corners), low.buffer().host(), &mut labels)
            .map_err(|source| NnError::Shape { layer: "labels".to_owned(), source })?;
        Ok(labels)
    }

    /// The logits of the pixels of some rows of one picture, from [`Self::forward_low`], at any size.
    ///
    /// # Shapes
    /// `low` `[1, h, w, K]` to `[rows, W, K]`, `size` being `[H, W]`.
    ///
    /// # Errors
    /// [`NnError::Shape`] when a size is 0, or there are no such rows.
    pub fn grown_rows(&self, low: &Value, size: [usize; 2], rows: Range<usize>) -> Result<Vec<f32>, NnError> {
        let shape = growth(low, size);
        let mut logits = vec![0.0; rows.len() * size[1] * shape.channels];
        resize_rows(&shape, Interpolation::Bilinear(self.corners), rows, low.buffer().host(), &mut logits)
            .map_err(|source| NnError::Shape { layer: "logits".to_owned(), source })?;
        Ok(logits)
    }

    fn classify(&self, pass: &mut Pass<'_>, map: &Value) -> Result<Value, NnError> {
        let mut x = self.aspp.forward(pass, map)?;
        if let Some(refine) = &self.refine {
            x = refine.forward(pass, &x)?;
        }
        self.predict.forward(pass, &x)
    }
}

/// From the logits' size to a picture's.
fn growth(low: &Value, size: [usize; 2]) -> ResizeShape {
    let Dims { n, h, w, c } = low.dims();
    ResizeShape { batch: n, input: [h, w], output: size, channels: c }
}

impl Auxiliary {
    /// Adds torchvision's `0`, `1` and `4` to a scope.
    fn new(scope: &mut Scope<'_>, layers: HeadLayers, config: AuxiliaryConfig, c_in: usize, classes: usize) -> Self {
        let c = c_in / AUXILIARY_SHARE;
        let conv = layers.conv_bn(scope, ConvConfig::same(c_in, c, 3), ConvBnNames { conv: "0", norm: "1" });
        let predict = Conv::new(&mut scope.sub(4), ConvConfig::same(c, classes, 1).with_init(INIT));
        Self { conv, predict, dropout: config.dropout, dropout_name: scope.path(3) }
    }

    fn forward(&self, pass: &mut Pass<'_>, map: &Value) -> Result<Value, NnError> {
        let x = self.conv.forward(pass, map)?;
        let x = dropout(pass, &x, self.dropout, &self.dropout_name)?;
        self.predict.forward(pass, &x)
    }
}

#[cfg(test)]
mod tests;
