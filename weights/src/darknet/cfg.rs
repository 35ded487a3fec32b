//! A `.cfg` file as typed sections.

mod change;
mod error;
mod keys;
mod known;
mod lines;
mod sections;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use error::{CfgError, CfgNote, CfgNoteKind};
pub use walk::{LayerShape, Walk};

use crate::WeightsError;

/// No network is described in more text than this.
const LARGEST_FILE: u64 = 4 << 20;

/// A network, as a `.cfg` file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cfg {
    /// The file's name in messages.
    pub file: String,
    /// `[net]`: input and training.
    pub net: NetSection,
    /// The layers, numbered from 0 as Darknet numbers them.
    pub layers: Vec<Layer>,
    /// What was read over.
    pub notes: Vec<CfgNote>,
}

/// `[net]`: the input, and how Darknet would train.
#[derive(Clone, Debug, PartialEq)]
pub struct NetSection {
    /// Line of the section.
    pub line: usize,
    /// Pixels across; the program's own sizes may differ.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// 3 for RGB, 1 for grey.
    pub channels: usize,
    /// Pictures of an optimizer step.
    pub batch: usize,
    /// Parts that such a batch is computed in.
    pub subdivisions: usize,
    /// Of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// After the burn-in.
    pub learning_rate: f64,
    /// Steps over which the learning rate grows with the fourth power.
    pub burn_in: usize,
    /// Optimizer steps in all.
    pub max_batches: usize,
    /// Name of the learning rate's curve.
    pub policy: String,
    /// Where the policy `steps` changes the learning rate.
    pub steps: Vec<usize>,
    /// By what factors.
    pub scales: Vec<f64>,
    /// Rotation of training pictures, in degrees.
    pub angle: f64,
    /// Largest factor of their saturation.
    pub saturation: f64,
    /// Largest factor of their exposure.
    pub exposure: f64,
    /// Largest shift of their hue, in turns.
    pub hue: f64,
}

/// A layer and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Line of the section.
    pub line: usize,
    /// What it is.
    pub kind: LayerKind,
    /// Each key, with its line.
    keys: Vec<(String, usize)>,
}

impl Layer {
    /// The line of a key, or of the section when the key has its default.
    pub fn line_of(&self, key: &str) -> usize {
        self.keys.iter().find(|(k, _)| k == key).map_or(self.line, |&(_, line)| line)
    }
}

/// The sections that a network may be made of.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// Convolution, perhaps a batch norm, activation.
    Convolutional(Convolutional),
    /// Sum of the layer before and others.
    Shortcut(Shortcut),
    /// The layers of these numbers, concatenated along channels; a single one is passed on.
    Route(Vec<usize>),
    /// Maximum over windows.
    Maxpool(Maxpool),
    /// Every pixel repeated this many times in both directions.
    Upsample(usize),
    /// Mean over all pixels.
    Avgpool,
    /// Class probabilities of a classifier.
    Softmax,
    /// Values dropped in training with this probability.
    Dropout(f64),
    /// A level of boxes, whose logits are the layer before.
    Yolo(Yolo),
}

impl LayerKind {
    /// The section's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolutional(_) => "convolutional",
            Self::Shortcut(_) => "shortcut",
            Self::Route(_) => "route",
            Self::Maxpool(_) => "maxpool",
            Self::Upsample(_) => "upsample",
            Self::Avgpool => "avgpool",
            Self::Softmax => "softmax",
            Self::Dropout(_) => "dropout",
            Self::Yolo(_) => "yolo",
        }
    }
}

/// The activations that a section may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// None.
    Linear,
    /// Slope 0.1 below 0.
    Leaky,
    /// `max(x, 0)`
    Relu,
    /// `x * tanh(ln(1 + e^x))`
    Mish,
    /// `x * logistic(x)`, also called SiLU.
    Swish,
    /// `1 / (1 + e^-x)`
    Logistic,
}

/// `[convolutional]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolutional {
    /// Output channels.
    pub filters: usize,
    /// Side of the kernel.
    pub size: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros on every side.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// With a batch norm, and then without a bias.
    pub batch_normalize: bool,
    /// Behind it.
    pub activation: Activation,
}

/// `[shortcut]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The layers that are added to the one before.
    pub from: Vec<usize>,
    /// Behind the sum.
    pub activation: Activation,
}

/// `[maxpool]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maxpool {
    /// Side of the window.
    pub size: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows and columns added in all: half of them, rounded down, above and to the left.
    pub padding: usize,
}

/// `[yolo]`
#[derive(Clone, Debug, PartialEq)]
pub struct Yolo {
    /// Its anchors, by their place in the list.
    pub mask: Vec<usize>,
    /// All sizes, width and height in pixels of the network's input.
    pub anchors: Vec<[f32; 2]>,
    /// Number of classes.
    pub classes: usize,
    /// `a` of `bx = a * sigmoid(tx) - (a - 1) / 2 + column`.
    pub scale_x_y: f64,
    /// How far Darknet's training crops go, as a share of the sides.
    pub jitter: f64,
    /// Predictors whose box overlaps a truth by more are no negatives.
    pub ignore_thresh: f64,
    /// Predictors whose box overlaps a truth by more are positives.
    pub truth_thresh: f64,
    /// Whether Darknet's training changes the input's size.
    pub random: bool,
    /// Most truths of a picture.
    pub max: usize,
}

impl Cfg {
    /// Reads a description; `file` is its name in messages.
    ///
    /// As in Darknet blanks mean nothing, lines that begin with `#` or `;` are comments, and of a key given twice the first
    /// counts (with a note).  A comment may also stand behind a value.
    ///
    /// # Errors
    /// [`CfgError`] with the line: a section or an activation that is not known, a value outside its range, a reference to a
    /// layer that is not there.
    pub fn parse(file: &str, text: &str) -> Result<Self, CfgError> {
        let raw = lines::sections(file, text)?;
        sections::typed(file, raw)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`WeightsError::Io`], [`WeightsError::Cfg`].
    pub fn load(path: &Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)).map_err(io)?;
        let file = crate::container::name_of(path);
        if bytes.len() as u64 > LARGEST_FILE {
            let got = "a longer one".to_owned();
            let expected = format!("a text of at most {} MiB", LARGEST_FILE >> 20);
            let help = "is it the .weights file?".to_owned();
            return Err(CfgError { file, line: 1, what: "file".into(), expected, got, help }.into());
        }
        // Comments come in every encoding; keys and values are ASCII.
        Ok(Self::parse(&file, &String::from_utf8_lossy(&bytes))?)
    }

    /// The levels of boxes: layer number and section.
    pub fn yolo_layers(&self) -> impl Iterator<Item = (usize, &Yolo)> {
        self.layers.iter().enumerate().filter_map(|(i, layer)| match &layer.kind {
            LayerKind::Yolo(yolo) => Some((i, yolo)),
            _ => None,
        })
    }

    /// Number of classes, which all levels share; 0 without a level.
    pub fn classes(&self) -> usize {
        self.yolo_layers().next().map_or(0, |(_, yolo)| yolo.classes)
    }

    /// The anchors, which all levels share, in pixels of the network's input, up to the last that a mask speaks of.
    pub fn anchors(&self) -> Vec<[f32; 2]> {
        let used = self.yolo_layers().flat_map(|(_, yolo)| &yolo.mask).max().map_or(0, |&last| last + 1);
        self.yolo_layers().next().map_or(Vec::new(), |(_, yolo)| yolo.anchors.iter().copied().take(used).collect())
    }

    /// An error at a key of a layer, or at the layer if the key is empty.
    pub fn error(&self, layer: usize, key: &str, expected: String, got: String, help: &str) -> CfgError {
        let at = &self.layers[layer];
        let key = if key.is_empty() { String::new() } else { format!(" `{key}`") };
        let what = format!("layer {layer} [{}]{key}", at.kind.name());
        let line = at.line_of(key.trim_matches([' ', '`']));
        CfgError { file: self.file.clone(), line, what, expected, got, help: help.to_owned() }
    }
}
