//! The networks that a recipe can name, behind one face.

use std::fmt;

use serde::{Deserialize, Serialize};
use wrs_backbones::Darknet53Config;
use wrs_datasets::augment::batch_pixels;
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_nn::{NnError, NormConfig, Params, Pass, Value};
use wrs_train::recipe::{SettingError, judge_network};
use wrs_weights::darknet::{Cfg, CfgError, DarknetConv};

use crate::anchors::{ANCHORS_PER_LEVEL, LevelPlan, yolov3_levels};
use crate::darknet::{DarknetNet, DarknetOptions, builtin, yolov3_order};
use crate::model::{MAX_STRIDE, YoloV3};

/// Which network, and what can be chosen of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelConfig {
    /// Its layers.
    pub network: Network,
    /// Factor of every layer's channels; 1 is the network as published.
    pub width: f64,
    /// epsilon of every batch norm.
    pub norm_eps: f64,
    /// Weight of the newest batch in the running statistics.
    pub norm_momentum: f64,
}

/// The layers of a detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Network {
    /// Darknet53 and three heads.
    #[serde(rename = "yolov3")]
    YoloV3,
    /// The same with a pyramid of max pools before the first head.
    #[serde(rename = "yolov3-spp")]
    YoloV3Spp,
    /// Seven convolutions with pools between them, and two heads.
    #[serde(rename = "yolov3-tiny")]
    YoloV3Tiny,
    /// What a `.cfg` of Darknet describes.
    Darknet {
        /// The text of the file.
        cfg: String,
    },
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::YoloV3 => "yolov3",
            Self::YoloV3Spp => "yolov3-spp",
            Self::YoloV3Tiny => "yolov3-tiny",
            Self::Darknet { .. } => "darknet cfg",
        })
    }
}

impl Network {
    /// The `.cfg` it is built from; none for the network that has layers of its own.
    fn cfg(&self) -> Option<Result<Cfg, CfgError>> {
        let text = match self {
            Self::YoloV3 => return None,
            Self::YoloV3Spp | Self::YoloV3Tiny => builtin(&self.to_string()).unwrap_or_default(),
            Self::Darknet { cfg } => cfg,
        };
        Some(Cfg::parse(&self.to_string(), text))
    }
}

/// A detector's layers.
#[derive(Clone, Debug)]
pub enum DetectionNet {
    /// The paper's.
    YoloV3(YoloV3),
    /// One of a `.cfg`.
    Darknet(DarknetNet),
}

/// What a network reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// 3, or 1 for grey.
    pub channels: usize,
    /// The sides are multiples of this.
    pub stride: usize,
}

/// Shares of red, green and blue in grey (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

impl InputSpec {
    /// A batch of pictures as the network reads them, in 0..1; those of another size are resized bilinearly.
    ///
    /// # Shapes
    /// Out: `[B, H, W, C]` with `H`, `W` of `to`.
    pub fn pixels<'a>(self, pictures: impl IntoIterator<Item = &'a ImageRgb8>, to: ImageSize) -> Vec<f32> {
        let rgb = batch_pixels(pictures, to);
        if self.channels == 1 {
            rgb.chunks_exact(3).map(|rgb| rgb.iter().zip(LUMA).map(|(value, share)| value * share).sum()).collect()
        } else {
            rgb
        }
    }
}

impl ModelConfig {
    /// Judges the values.
    ///
    /// # Errors
    /// The first one outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        judge_network(self.width, self.norm_eps, self.norm_momentum)
    }

    /// What the outputs are.
    ///
    /// # Errors
    /// [`CfgError`] for a `.cfg` that is none.
    pub fn levels(&self) -> Result<Vec<LevelPlan>, CfgError> {
        match self.network.cfg().transpose()? {
            None => Ok(yolov3_levels()),
            Some(cfg) => Ok(DarknetNet::new(&cfg, &DarknetOptions::default(), 0)?.0.levels().to_vec()),
        }
    }

    fn norm(&self) -> NormConfig {
        NormConfig { eps: self.norm_eps as f32, momentum: self.norm_momentum as f32 }
    }
}

impl DetectionNet {
    /// The network of a recipe and its first values, a function of the seed.
    ///
    /// # Errors
    /// [`CfgError`] for a `.cfg` that is none, or cannot be built for so many classes.
    pub fn new(config: &ModelConfig, classes: usize, seed: u64) -> Result<(Self, Params), CfgError> {
        let (width, norm) = (config.width, config.norm());
        let Some(cfg) = config.network.cfg().transpose()? else {
            let (net, params) = YoloV3::new(&Darknet53Config { width, norm }, classes, ANCHORS_PER_LEVEL, seed);
            return Ok((Self::YoloV3(net), params));
        };
        let options = DarknetOptions { width, norm, classes: Some(classes), ..DarknetOptions::default() };
        let (net, params) = DarknetNet::new(&cfg, &options, seed)?;
        Ok((Self::Darknet(net), params))
    }

    /// Number of classes, `K`.
    pub fn classes(&self) -> usize {
        match self {
            Self::YoloV3(net) => net.classes(),
            Self::Darknet(net) => net.classes(),
        }
    }

    /// What its input is.
    pub fn input(&self) -> InputSpec {
        match self {
            Self::YoloV3(_) => InputSpec { channels: 3, stride: MAX_STRIDE },
            Self::Darknet(net) => InputSpec { channels: net.channels(), stride: net.max_stride() },
        }
    }

    /// Its convolutions as Darknet's files order them.
    pub fn darknet_order(&self, params: &Params) -> Vec<DarknetConv> {
        match self {
            Self::YoloV3(_) => yolov3_order(params),
            Self::Darknet(net) => net.darknet_order().to_vec(),
        }
    }

    /// # Shapes
    /// `x` `[B, H, W, C]`, values in 0..1, to one `[B, H / s, W / s, A * (5 + K)]` per level, in the order of the anchors'.
    ///
    /// # Errors
    /// [`NnError`] when H or W does not fit or a batch norm would see a single value.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        match self {
            Self::YoloV3(net) => net.forward(pass, x),
            Self::Darknet(net) => net.forward(pass, x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_input_is_luma() {
        let size = ImageSize { width: 2, height: 1 };
        let picture = ImageRgb8 { size, pixels: vec![255, 0, 0, 51, 102, 204] };
        let grey = InputSpec { channels: 1, stride: 32 }.pixels([&picture], size);
        let expected = [0.299, 0.2 * 0.299 + 0.4 * 0.587 + 0.8 * 0.114];
        assert_eq!(grey.len(), 2);
        assert!(grey.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{grey:?}");
        assert_eq!(InputSpec { channels: 3, stride: 32 }.pixels([&picture], size).len(), 6);
    }
}
