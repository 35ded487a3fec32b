//! The sizes of every layer's output, and what the network costs.
//!
//! Legend: `c h w` of one picture.

use std::fmt;

use super::{Cfg, CfgError, Convolutional, LayerKind, Maxpool, Shortcut, Yolo};

/// A network with more numbers is a mistake: 8 GiB of them.
const LARGEST_NETWORK: u64 = 1 << 31;

/// No map is larger.
pub(super) const LARGEST_SIDE: usize = 1 << 15;

/// No route joins more.
const LARGEST_CHANNELS: usize = 1 << 20;

/// What a layer gives for an input of the size walked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Input pixels between neighbouring cells; `None` behind an average over all of them.
    pub stride: Option<usize>,
    /// Trainable numbers of the layer.
    pub params: u64,
    /// Its numbers in a `.weights` file: running statistics too.
    pub file_floats: u64,
    /// Floating-point operations of its convolution on one picture, two per multiply-add.
    pub flops: u64,
}

impl fmt::Display for LayerShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// The whole network over an input of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Of each layer.
    pub layers: Vec<LayerShape>,
    /// The sides of a picture must be multiples of this.
    pub max_stride: usize,
}

impl Walk {
    /// Trainable numbers.
    pub fn params(&self) -> u64 {
        self.layers.iter().map(|layer| layer.params).sum()
    }

    /// Numbers in its `.weights` file.
    pub fn file_floats(&self) -> u64 {
        self.layers.iter().map(|layer| layer.file_floats).sum()
    }

    /// Floating-point operations of its convolutions on one picture.
    pub fn flops(&self) -> u64 {
        self.layers.iter().map(|layer| layer.flops).sum()
    }
}

impl Cfg {
    /// Every layer's output for an input of `[height, width]`; the sizes of `[net]` are a good choice.
    ///
    /// # Errors
    /// [`CfgError`] with the line of the layer that does not fit what it reads: groups that do not divide the channels,
    /// shortcuts of other shapes, filters before `[yolo]` that are not `anchors * (5 + classes)`, or sides that are not
    /// multiples of the largest stride.
    pub fn walk(&self, [height, width]: [usize; 2]) -> Result<Walk, CfgError> {
        let input = shape(self.net.channels, height, width, Some(1));
        let mut layers: Vec<LayerShape> = Vec::with_capacity(self.layers.len());
        let mut floats = 0;
        for (i, layer) in self.layers.iter().enumerate() {
            let before = layers.last().copied().unwrap_or(input);
            // Maps that do not meet again are most often the fault of the input's size.
            let sides = |error| self.check_sides([height, width], &layers).err().unwrap_or(error);
            let one = At { cfg: self, index: i, before }.output(&layer.kind, &layers).map_err(sides)?;
            floats += one.file_floats;
            if floats > LARGEST_NETWORK {
                let (expected, got) = (format!("a network of at most {LARGEST_NETWORK} numbers"), floats.to_string());
                return Err(self.error(i, "filters", expected, got, "give the layers fewer filters"));
            }
            layers.push(one);
        }
        self.check_levels()?;
        let max_stride = self.check_sides([height, width], &layers)?;
        Ok(Walk { layers, max_stride })
    }

    /// The largest stride of these layers, which must divide the input's sides.
    fn check_sides(&self, sides: [usize; 2], layers: &[LayerShape]) -> Result<usize, CfgError> {
        let max_stride = layers.iter().filter_map(|layer| layer.stride).max().unwrap_or(1);
        match ["height", "width"].into_iter().zip(sides).find(|(_, side)| side % max_stride != 0) {
            None => Ok(max_stride),
            Some((what, side)) => Err(CfgError {
                file: self.file.clone(),
                line: self.net.line,
                what: format!("input {what}"),
                expected: format!("a multiple of {max_stride}, the network's largest stride"),
                got: side.to_string(),
                help: format!("use {}", side.next_multiple_of(max_stride)),
            }),
        }
    }

    /// All levels speak of one list of anchors and of the same classes.
    fn check_levels(&self) -> Result<(), CfgError> {
        let mut levels = self.yolo_layers();
        let Some((_, first)) = levels.next() else { return Ok(()) };
        for (i, yolo) in levels {
            if yolo.classes != first.classes {
                let (expected, got) =
                    (format!("{}, as the first [yolo] says", first.classes), yolo.classes.to_string());
                return Err(self.error(i, "classes", expected, got, "give every [yolo] the same classes"));
            }
            if yolo.anchors != first.anchors {
                let (expected, got) = ("the list of the first [yolo]".to_owned(), "another".to_owned());
                return Err(self.error(i, "anchors", expected, got, "list all anchors in each [yolo]; `mask` chooses"));
            }
        }
        Ok(())
    }
}

fn shape(channels: usize, height: usize, width: usize, stride: Option<usize>) -> LayerShape {
    LayerShape { channels, height, width, stride, params: 0, file_floats: 0, flops: 0 }
}

/// A layer and what it reads.
struct At<'a> {
    cfg: &'a Cfg,
    index: usize,
    before: LayerShape,
}

impl At<'_> {
    fn error(&self, key: &str, expected: String, got: String, help: &str) -> CfgError {
        self.cfg.error(self.index, key, expected, got, help)
    }

    fn output(&self, kind: &LayerKind, earlier: &[LayerShape]) -> Result<LayerShape, CfgError> {
        let LayerShape { channels, height, width, stride, .. } = self.before;
        match kind {
            LayerKind::Convolutional(conv) => self.convolutional(conv),
            LayerKind::Shortcut(shortcut) => self.shortcut(shortcut, earlier),
            LayerKind::Route(from) => self.route(from, earlier),
            LayerKind::Maxpool(pool) => self.maxpool(*pool),
            LayerKind::Upsample(factor) => self.upsample(*factor),
            LayerKind::Avgpool => Ok(shape(channels, 1, 1, None)),
            LayerKind::Softmax | LayerKind::Dropout(_) => Ok(shape(channels, height, width, stride)),
            LayerKind::Yolo(yolo) => self.yolo(yolo),
        }
    }

    fn convolutional(&self, conv: &Convolutional) -> Result<LayerShape, CfgError> {
        let (c, Convolutional { filters, size, groups, .. }) = (self.before.channels, *conv);
        if c % groups != 0 || filters % groups != 0 {
            let expected = format!("a divisor of the {c} channels read and of the {filters} filters");
            return Err(self.error("groups", expected, groups.to_string(), "correct `groups` or `filters`"));
        }
        let windows = |side: usize| self.windows(side, size, 2 * conv.padding, conv.stride);
        let (height, width) = (windows(self.before.height)?, windows(self.before.width)?);
        let weights = (filters * size * size * (c / groups)) as u64;
        let per_filter = if conv.batch_normalize { [2, 4] } else { [1, 1] };
        let [params, file_floats] = per_filter.map(|n| weights + n * filters as u64);
        // Small enough for any product below: checked before it is multiplied.
        let flops = if file_floats <= LARGEST_NETWORK { 2 * weights * (height * width) as u64 } else { 0 };
        let stride = self.before.stride.map(|stride| stride * conv.stride);
        Ok(LayerShape { params, file_floats, flops, ..shape(filters, height, width, stride) })
    }

    /// Windows along a side with `padding` pixels added in all.
    fn windows(&self, side: usize, size: usize, padding: usize, stride: usize) -> Result<usize, CfgError> {
        let padded = side + padding;
        if padded < size {
            let expected = format!("a window of at most {padded}, the padded map's side");
            return Err(self.error("size", expected, size.to_string(), "the input is too small for this network"));
        }
        let windows = (padded - size) / stride + 1;
        if windows > LARGEST_SIDE {
            let expected = format!("a map of at most {LARGEST_SIDE} x {LARGEST_SIDE}");
            return Err(self.error("padding", expected, windows.to_string(), "pad less"));
        }
        Ok(windows)
    }

    fn maxpool(&self, pool: Maxpool) -> Result<LayerShape, CfgError> {
        let windows = |side: usize| self.windows(side, pool.size, pool.padding, pool.stride);
        let LayerShape { channels, height, width, stride, .. } = self.before;
        Ok(shape(channels, windows(height)?, windows(width)?, stride.map(|stride| stride * pool.stride)))
    }

    fn upsample(&self, factor: usize) -> Result<LayerShape, CfgError> {
        let LayerShape { channels, height, width, stride, .. } = self.before;
        match stride {
            Some(stride) if stride % factor == 0 => {
                Ok(shape(channels, height * factor, width * factor, Some(stride / factor)))
            }
            _ => {
                let got = stride.map_or("an average over all pixels".to_owned(), |s| format!("a map of stride {s}"));
                let expected = format!("a map whose stride is a multiple of {factor}");
                Err(self.error("stride", expected, got, "maps finer than the picture are not supported"))
            }
        }
    }

    fn shortcut(&self, shortcut: &Shortcut, earlier: &[LayerShape]) -> Result<LayerShape, CfgError> {
        let LayerShape { channels, height, width, stride, .. } = self.before;
        for &from in &shortcut.from {
            if !self.same_grid(&earlier[from]) || earlier[from].channels != channels {
                let (expected, got) = (self.before.to_string(), format!("{} of layer {from}", earlier[from]));
                return Err(self.error("from", expected, got, "a shortcut adds maps of one shape"));
            }
        }
        Ok(shape(channels, height, width, stride))
    }

    fn same_grid(&self, other: &LayerShape) -> bool {
        let key = |s: &LayerShape| (s.height, s.width, s.stride);
        key(&self.before) == key(other)
    }

    fn route(&self, from: &[usize], earlier: &[LayerShape]) -> Result<LayerShape, CfgError> {
        let first = earlier[from[0]];
        let mut channels = 0;
        for &layer in from {
            let one = earlier[layer];
            if !(At { before: first, ..*self }.same_grid(&one)) {
                let (expected, got) = (format!("maps as large as {first} of layer {}", from[0]), one.to_string());
                return Err(self.error("layers", expected, got, "a route joins maps of one size"));
            }
            channels += one.channels;
        }
        if channels > LARGEST_CHANNELS {
            let expected = format!("at most {LARGEST_CHANNELS} channels");
            return Err(self.error("layers", expected, channels.to_string(), "join fewer layers"));
        }
        Ok(shape(channels, first.height, first.width, first.stride))
    }

    fn yolo(&self, yolo: &Yolo) -> Result<LayerShape, CfgError> {
        let LayerShape { channels, height, width, stride, .. } = self.before;
        let (anchors, classes) = (yolo.mask.len(), yolo.classes);
        let expected = anchors * (5 + classes);
        if channels != expected {
            let help = format!("the convolution before it needs filters={expected}");
            let what = format!("{expected} channels: {anchors} anchors * (5 + {classes} classes)");
            return Err(self.error("classes", what, channels.to_string(), &help));
        }
        if stride.is_none() {
            let got = "an average over all pixels".to_owned();
            return Err(self.error("", "a map of cells".into(), got, "boxes need their places"));
        }
        Ok(shape(channels, height, width, stride))
    }
}
