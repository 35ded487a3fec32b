//! One layer of a `.cfg` as a block of ours.

use wrs_nn::{
    Conv, ConvBn, ConvBnConfig, ConvConfig, NnError, Pass, PoolConfig, Scope, Smooth, Value, activate, add, concat,
    dropout, global_average_pool, max_pool, upsample_nearest,
};
use wrs_ops::Activation;
use wrs_weights::darknet::{self, Cfg, CfgError, Convolutional, LayerKind, Walk};

use super::DarknetOptions;
use super::readers::Readers;

/// Slope of Darknet's leaky ReLU at and below zero.
const SLOPE: f32 = 0.1;

/// What a layer does in a pass.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Convolution and norm, perhaps with the next layer's shortcut in the same block.
    ConvBn { conv: ConvBn, smooth: Option<Smooth>, shortcut: Option<usize> },
    /// Convolution with a bias.
    Conv { conv: Conv, smooth: Option<Smooth> },
    /// Sum with other layers.
    Add { from: Vec<usize>, activation: Activation, smooth: Option<Smooth> },
    /// Concatenation.
    Route(Vec<usize>),
    /// Maximum over windows.
    MaxPool(PoolConfig),
    /// Repeated pixels.
    Upsample(usize),
    /// Mean over all pixels.
    Average,
    /// Values dropped in training.
    Dropout { probability: f64, name: String },
    /// The layer before, which has done this one's work.
    Same,
    /// The layer before is an output of the network.
    Yolo,
}

/// What a step may read.
pub(super) struct Reads<'v> {
    /// Outputs of the layers before.
    pub values: &'v [Value],
    /// The network's input.
    pub input: &'v Value,
}

/// The name of a layer's tensors.
pub(super) fn name(layer: usize) -> String {
    format!("layers.{layer}")
}

/// Every layer's step; its tensors go to `layers.{i}` of the scope.
///
/// # Errors
/// [`CfgError`] for a layer that no detector has.
pub(super) fn build(
    cfg: &Cfg,
    walk: &Walk,
    options: &DarknetOptions,
    readers: &Readers,
    scope: &mut Scope<'_>,
) -> Result<Vec<Step>, CfgError> {
    let mut steps: Vec<Step> = Vec::with_capacity(cfg.layers.len());
    for (i, layer) in cfg.layers.iter().enumerate() {
        let step = match &layer.kind {
            LayerKind::Convolutional(conv) => {
                let c_in = i.checked_sub(1).map_or(cfg.net.channels, |before| walk.layers[before].channels);
                let shortcut = readers.shortcut_behind(cfg, i);
                convolution(conv, c_in, options, shortcut, &mut scope.sub("layers").sub(i))
            }
            LayerKind::Shortcut(_) if matches!(steps.last(), Some(Step::ConvBn { shortcut: Some(_), .. })) => {
                Step::Same
            }
            LayerKind::Shortcut(shortcut) => {
                let (activation, smooth) = split(shortcut.activation);
                Step::Add { from: shortcut.from.clone(), activation, smooth }
            }
            LayerKind::Route(from) => Step::Route(from.clone()),
            LayerKind::Maxpool(pool) => Step::MaxPool(PoolConfig::darknet(pool.size, pool.stride, pool.padding)),
            LayerKind::Upsample(factor) => Step::Upsample(*factor),
            LayerKind::Avgpool => Step::Average,
            LayerKind::Dropout(probability) => Step::Dropout { probability: *probability, name: name(i) },
            LayerKind::Yolo(_) => Step::Yolo,
            LayerKind::Softmax => {
                let (expected, got) = ("layers of a detector".to_owned(), "a classifier's".to_owned());
                return Err(cfg.error(i, "", expected, got, "use the .cfg of a detector: it ends in [yolo]"));
            }
        };
        steps.push(step);
    }
    Ok(steps)
}

fn convolution(
    layer: &Convolutional,
    c_in: usize,
    options: &DarknetOptions,
    shortcut: Option<usize>,
    scope: &mut Scope<'_>,
) -> Step {
    let Convolutional { filters, size, stride, padding, groups, batch_normalize, activation } = *layer;
    let same = ConvConfig::same(c_in, filters, size).with_stride(stride).with_init(options.init);
    let conv = ConvConfig { padding: [padding; 2], groups, ..same };
    let (activation, smooth) = split(activation);
    if !batch_normalize {
        return Step::Conv { conv: Conv::new(scope, conv).with_activation(activation), smooth };
    }
    let shortcut = shortcut.filter(|_| smooth.is_none());
    Step::ConvBn { conv: ConvBn::new(scope, ConvBnConfig { conv, norm: options.norm, activation }), smooth, shortcut }
}

/// What a block does itself, and what follows it as a layer of its own.
fn split(activation: darknet::Activation) -> (Activation, Option<Smooth>) {
    match activation {
        darknet::Activation::Linear => (Activation::Identity, None),
        darknet::Activation::Leaky => (Activation::LeakyRelu(SLOPE), None),
        darknet::Activation::Relu => (Activation::Relu, None),
        darknet::Activation::Mish => (Activation::Identity, Some(Smooth::Mish)),
        darknet::Activation::Swish => (Activation::Identity, Some(Smooth::Swish)),
        darknet::Activation::Logistic => (Activation::Identity, Some(Smooth::Logistic)),
    }
}

impl Step {
    pub fn forward(&self, pass: &mut Pass<'_>, reads: &Reads<'_>) -> Result<Value, NnError> {
        let Reads { values, input } = *reads;
        let x = values.last().unwrap_or(input);
        let (y, smooth) = match self {
            Self::ConvBn { conv, smooth, shortcut: None } => (conv.forward(pass, x)?, *smooth),
            Self::ConvBn { conv, smooth, shortcut: Some(from) } => {
                (conv.forward_residual(pass, x, &values[*from])?, *smooth)
            }
            Self::Conv { conv, smooth } => (conv.forward(pass, x)?, *smooth),
            Self::Add { from, activation, smooth } => {
                let others = from.iter().map(|&layer| &values[layer]);
                let inputs: Vec<&Value> = std::iter::once(x).chain(others).collect();
                (add(pass, &inputs, *activation)?, *smooth)
            }
            Self::Route(from) => match from[..] {
                [one] => (values[one].clone(), None),
                _ => (concat(pass, &from.iter().map(|&layer| &values[layer]).collect::<Vec<_>>())?, None),
            },
            Self::MaxPool(config) => (max_pool(pass, x, *config)?, None),
            Self::Upsample(factor) => (upsample_nearest(pass, x, *factor)?, None),
            Self::Average => (global_average_pool(pass, x)?, None),
            Self::Dropout { probability, name } => (dropout(pass, x, *probability, name)?, None),
            Self::Same | Self::Yolo => (x.clone(), None),
        };
        match smooth {
            Some(smooth) => activate(pass, &y, smooth),
            None => Ok(y),
        }
    }
}
