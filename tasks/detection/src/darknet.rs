//! Any network that a Darknet `.cfg` describes, of our blocks: it predicts, evaluates and trains.
//!
//! Legend: `B` batch, `H W` input pixels, `s` a level's stride, `A` its anchors, `K` classes.

mod builtin;
mod readers;
mod step;
mod yolov3;

use wrs_nn::{ConvInit, NnError, NormConfig, Params, ParamsBuilder, Pass, Value};
use wrs_weights::darknet::{Cfg, CfgError, DarknetConv, LayerKind, Walk};

use crate::anchors::LevelPlan;
use crate::model::add_head_priors;

pub use builtin::{BUILTIN_NAMES, builtin, published_masks_note};
pub use yolov3::yolov3_order;

use readers::Readers;
use step::{Reads, Step};

/// What can be chosen of a network besides its `.cfg`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DarknetOptions {
    /// Factor of every layer's filters but the heads'; 1 is the network as described.
    pub width: f64,
    /// Of every batch norm.
    pub norm: NormConfig,
    /// First values of every convolution.
    pub init: ConvInit,
    /// Number of classes in place of the `.cfg`'s; the heads' filters follow.
    pub classes: Option<usize>,
}

impl Default for DarknetOptions {
    /// The network as described, for Darknet's weights: epsilon 1e-5 inside the root, as its GPU code and AlexeyAB's have it.
    fn default() -> Self {
        Self { width: 1.0, norm: NormConfig::default(), init: ConvInit::default(), classes: None }
    }
}

/// A detector of a `.cfg`.
#[derive(Clone, Debug)]
pub struct DarknetNet {
    steps: Vec<Step>,
    readers: Readers,
    levels: Vec<LevelPlan>,
    sizes: Vec<[f32; 2]>,
    classes: usize,
    channels: usize,
    max_stride: usize,
    order: Vec<DarknetConv>,
}

impl DarknetNet {
    /// The network and its first values; head biases get the priors of [`crate::model::YoloV3::new`].
    ///
    /// # Errors
    /// [`CfgError`] with the line of what does not fit, or of a layer that no detector has.
    pub fn new(cfg: &Cfg, options: &DarknetOptions, seed: u64) -> Result<(Self, Params), CfgError> {
        let mut cfg = cfg.with_width(options.width)?;
        if let Some(classes) = options.classes {
            cfg = cfg.with_classes(classes)?;
        }
        let walk = cfg.walk([cfg.net.height, cfg.net.width])?;
        let levels = levels(&cfg, &walk);
        if levels.is_empty() {
            let (expected, got) = ("a [yolo] section".to_owned(), "none".to_owned());
            return Err(cfg.error(cfg.layers.len() - 1, "", expected, got, "a detector gives boxes"));
        }
        let readers = Readers::new(&cfg)?;
        let mut builder = ParamsBuilder::new();
        let steps = step::build(&cfg, &walk, options, &readers, &mut builder.root())?;
        let mut params = builder.build(seed);
        let order = order(&cfg, &params);
        for conv in order.iter().filter(|conv| conv.head_anchors.is_some() && conv.norm.is_none()) {
            add_head_priors(params.values_mut(conv.bias_or_beta), cfg.classes());
        }
        let (sizes, classes, channels) = (cfg.anchors(), cfg.classes(), cfg.net.channels);
        let net = Self { steps, readers, levels, sizes, classes, channels, max_stride: walk.max_stride, order };
        Ok((net, params))
    }

    /// The maps of the `[yolo]` layers, in the order of the `.cfg`.
    ///
    /// A layer's output is given back as soon as its last reader has run; training keeps what backward needs.  Dropout acts in
    /// training alone and needs a pass with draws.
    ///
    /// # Shapes
    /// `x` `[B, H, W, C]`, values in 0..1, H and W multiples of [`Self::max_stride`], to `[B, H / s, W / s, A * (5 + K)]` each.
    ///
    /// # Errors
    /// [`NnError`] when H, W or C does not fit, a batch norm would see a single value, or dropout has no draws.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let mut maps = Vec::with_capacity(self.levels.len());
        let mut values: Vec<Value> = Vec::with_capacity(self.steps.len());
        for (layer, step) in self.steps.iter().enumerate() {
            let output = step.forward(pass, &Reads { values: &values, input: x })?;
            if matches!(step, Step::Yolo) {
                maps.push(output.clone());
            }
            values.push(output);
            for &done in self.readers.last_of(layer) {
                // The input stands for a value that nobody reads any more: the caller holds it anyway.
                values[done] = x.clone();
            }
        }
        Ok(maps)
    }

    /// Its outputs, in the order of [`Self::forward`].
    pub fn levels(&self) -> &[LevelPlan] {
        &self.levels
    }

    /// Its anchors, width and height in pixels of the network's input.
    pub fn sizes(&self) -> &[[f32; 2]] {
        &self.sizes
    }

    /// Number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Channels of the input: 1 for grey, 3 for RGB.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The sides of a picture are multiples of this.
    pub fn max_stride(&self) -> usize {
        self.max_stride
    }

    /// Its convolutions as Darknet's files order them.
    pub fn darknet_order(&self) -> &[DarknetConv] {
        &self.order
    }
}

fn levels(cfg: &Cfg, walk: &Walk) -> Vec<LevelPlan> {
    let level = |(i, yolo): (usize, &wrs_weights::darknet::Yolo)| {
        let stride = walk.layers[i].stride.unwrap_or(1);
        LevelPlan { stride, mask: yolo.mask.clone(), scale_xy: yolo.scale_x_y }
    };
    cfg.yolo_layers().map(level).collect()
}

fn order(cfg: &Cfg, params: &Params) -> Vec<DarknetConv> {
    let conv = |(i, layer): (usize, &wrs_weights::darknet::Layer)| {
        if !matches!(layer.kind, LayerKind::Convolutional(_)) {
            return None;
        }
        let conv = DarknetConv::find(params, i, &step::name(i))?;
        Some(match cfg.layers.get(i + 1).map(|next| &next.kind) {
            Some(LayerKind::Yolo(yolo)) => conv.predicting_for(yolo.mask.len()),
            _ => conv,
        })
    };
    cfg.layers.iter().enumerate().filter_map(conv).collect()
}
