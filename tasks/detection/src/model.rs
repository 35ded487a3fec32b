//! YOLOv3 (Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018).
//!
//! Legend: `B` batch, `H W` input pixels, `A` anchors per level, `K` classes.  Level 0 has stride 32, level 2 stride 8.

use wrs_backbones::{Backbone, Darknet53, Darknet53Config};
use wrs_nn::{
    Conv, ConvBn, ConvConfig, NnError, NormConfig, Parameter, Params, ParamsBuilder, Pass, Scope, Value, concat,
    upsample_nearest,
};

/// Channels of the three necks at full width, coarsest first.
const NECKS: [usize; 3] = [512, 256, 128];

/// Added to the first values of each objectness bias: most cells hold nothing.
const OBJECTNESS_PRIOR: f32 = -4.5;

/// Values of one anchor before its classes: tx, ty, tw, th, objectness.
pub const BOX_VALUES: usize = 5;

/// Position of the objectness among them.
pub const OBJECTNESS: usize = 4;

/// The sides of a picture are multiples of this.
pub const MAX_STRIDE: usize = 32;

/// The detector: Darknet53, three necks joined by routes, three heads.
#[derive(Clone, Debug)]
pub struct YoloV3 {
    backbone: Darknet53,
    necks: Vec<Neck>,
    routes: Vec<ConvBn>,
    heads: Vec<Head>,
    classes: usize,
}

#[derive(Clone, Debug)]
struct Neck {
    convs: Vec<ConvBn>,
}

#[derive(Clone, Debug)]
struct Head {
    expand: ConvBn,
    predict: Conv,
}

impl YoloV3 {
    /// The network and its first values: PyTorch's defaults, and priors in the head biases (specs of the 2020 recipe:
    /// objectness -4.5, classes ln(0.6 / (K - 0.99))).
    pub fn new(config: &Darknet53Config, classes: usize, anchors_per_level: usize, seed: u64) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let net = Self::in_scope(&mut builder.root(), config, classes, anchors_per_level);
        let mut params = builder.build(seed);
        for head in &net.heads {
            add_head_priors(params.values_mut(head.predict.bias()), classes);
        }
        (net, params)
    }

    /// The tensors of a network at full width, without values.
    pub(crate) fn tensors(classes: usize, anchors_per_level: usize) -> Vec<Parameter> {
        let mut builder = ParamsBuilder::new();
        let config = Darknet53Config { width: 1.0, norm: NormConfig::default() };
        Self::in_scope(&mut builder.root(), &config, classes, anchors_per_level);
        builder.parameters().to_vec()
    }

    /// The network that goldens and benchmarks speak of: full width, 80 classes, PyTorch's norms.
    pub fn reference() -> (Self, Params) {
        Self::new(&Darknet53Config { width: 1.0, norm: NormConfig::default() }, 80, 3, 0)
    }

    fn in_scope(scope: &mut Scope<'_>, config: &Darknet53Config, classes: usize, anchors_per_level: usize) -> Self {
        let backbone = Darknet53::new(&mut scope.sub("backbone"), config);
        let skips: Vec<usize> = backbone.stages().iter().rev().map(|stage| stage.channels).collect();
        let widths = NECKS.map(|full| config.channels(full));
        let (mut necks, mut routes, mut heads) = (Vec::new(), Vec::new(), Vec::new());
        for (level, (&c, &skip)) in widths.iter().zip(&skips).enumerate() {
            let from_above = if level == 0 { 0 } else { c };
            necks.push(Neck::new(&mut scope.sub("necks").sub(level), config, skip + from_above, c));
        }
        for (i, pair) in widths.windows(2).enumerate() {
            let conv = ConvConfig::same(pair[0], pair[1], 1);
            routes.push(config.conv_bn(&mut scope.sub("routes").sub(i), conv));
        }
        let outputs = anchors_per_level * (BOX_VALUES + classes);
        for (level, &c) in widths.iter().enumerate() {
            heads.push(Head::new(&mut scope.sub("heads").sub(level), config, c, outputs));
        }
        Self { backbone, necks, routes, heads, classes }
    }

    /// Number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// # Shapes
    /// `x` `[B, H, W, 3]`, values in 0..1, to `[B, H / s, W / s, A * (5 + K)]` for strides `s` of 32, 16, 8.
    ///
    /// # Errors
    /// [`NnError`] when H or W is no multiple of 32 or a batch norm would see a single value.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let skips = self.backbone.forward(pass, x)?; // strides 8, 16, 32
        let mut outputs = Vec::with_capacity(self.heads.len());
        let mut feature: Option<Value> = None;
        let levels = self.necks.iter().zip(&self.heads).zip(skips.into_iter().rev());
        for (level, ((neck, head), skip)) in levels.enumerate() {
            let joined = match feature.take() {
                None => skip,
                Some(above) => {
                    let route = self.routes[level - 1].forward(pass, &above)?;
                    let up = upsample_nearest(pass, &route, 2)?;
                    concat(pass, &[&up, &skip])?
                }
            };
            let own = neck.forward(pass, joined)?;
            outputs.push(head.forward(pass, &own)?);
            feature = Some(own);
        }
        Ok(outputs)
    }
}

/// Adds what is known before training to a head's first biases, `[A * (5 + K)]`: most cells hold nothing, and few classes.
pub(crate) fn add_head_priors(bias: &mut [f32], classes: usize) {
    let class_prior = (0.6 / (classes as f32 - 0.99)).ln();
    for anchor in bias.chunks_mut(BOX_VALUES + classes) {
        anchor[OBJECTNESS] += OBJECTNESS_PRIOR;
        anchor[BOX_VALUES..].iter_mut().for_each(|b| *b += class_prior);
    }
}

impl Neck {
    /// Five alternating 1x1 and 3x3 convolutions.
    fn new(scope: &mut Scope<'_>, config: &Darknet53Config, c_in: usize, c: usize) -> Self {
        let shapes = [(c_in, c, 1), (c, 2 * c, 3), (2 * c, c, 1), (c, 2 * c, 3), (2 * c, c, 1)];
        let mut convs = Vec::with_capacity(shapes.len());
        for (i, (c_in, c_out, kernel)) in shapes.into_iter().enumerate() {
            convs.push(config.conv_bn(&mut scope.sub("convs").sub(i), ConvConfig::same(c_in, c_out, kernel)));
        }
        Self { convs }
    }

    fn forward(&self, pass: &mut Pass<'_>, mut x: Value) -> Result<Value, NnError> {
        for conv in &self.convs {
            x = conv.forward(pass, &x)?;
        }
        Ok(x)
    }
}

impl Head {
    fn new(scope: &mut Scope<'_>, config: &Darknet53Config, c: usize, outputs: usize) -> Self {
        let expand = config.conv_bn(&mut scope.sub("expand"), ConvConfig::same(c, 2 * c, 3));
        let predict = Conv::new(&mut scope.sub("predict"), ConvConfig::same(2 * c, outputs, 1));
        Self { expand, predict }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let x = self.expand.forward(pass, x)?;
        self.predict.forward(pass, &x)
    }
}
