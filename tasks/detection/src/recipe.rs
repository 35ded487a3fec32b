//! What a detection recipe says: everything that changes a result, nothing hidden.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wrs_datasets::augment::{AffineGains, Augment, HsvGains, MultiScale};
use wrs_datasets::detection::{EmptyImages, FirstPixel, Layout};
use wrs_datasets::scenes::ScenesOptions;
use wrs_optim::EmaConfig;
use wrs_train::recipe::{SettingError, TaskRecipe, TrainingSettings, judge};

use crate::loss::LossSettings;
use crate::net::ModelConfig;
use crate::nms::NmsSettings;

/// The recipes that come with the program: name and text.
pub const RECIPES: [(&str, &str); 8] = [
    ("demo", include_str!("../recipes/demo.toml")),
    ("bccd/yolov3-wrs", include_str!("../recipes/bccd-yolov3-wrs.toml")),
    ("bccd/yolov3-wd", include_str!("../recipes/bccd-yolov3-wd.toml")),
    ("coco/yolov3-wrs", include_str!("../recipes/coco-yolov3-wrs.toml")),
    ("coco/yolov3-wd", include_str!("../recipes/coco-yolov3-wd.toml")),
    ("coco/yolov3-darknet", include_str!("../recipes/coco-yolov3-darknet.toml")),
    ("coco/yolov3-mmdet", include_str!("../recipes/coco-yolov3-mmdet.toml")),
    ("coco/overfit8", include_str!("../recipes/coco-overfit8.toml")),
];

/// The task a recipe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Boxes around objects.
    Detection,
}

/// A training from beginning to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// `detection`
    pub task: Task,
    /// What every training has, whatever is learned.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// Pictures per optimizer step: gradients of several micro-batches are added up to it.
    pub nominal_batch: NonZeroU64,
    /// During warm-up the micro-batches of a step grow from one to as many as make up `nominal-batch`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub growing_accumulation: bool,
    /// Where the pictures come from.
    pub data: DataSettings,
    /// What happens to a picture before the network sees it.
    pub augment: AugmentSettings,
    /// Nine anchors, width and height in pixels of the network's input, smallest first.
    pub anchors: Vec<[f32; 2]>,
    /// The network.
    pub model: ModelConfig,
    /// The loss.
    pub loss: LossSettings,
    /// The gradient of a step is shortened to this norm; without it, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_grad_norm: Option<f64>,
    /// The average of the weights that is evaluated and saved as the best; without it the weights themselves are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaConfig>,
    /// How the validation split is evaluated.
    pub evaluation: EvaluationSettings,
}

/// Where the pictures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataSettings {
    /// A folder or a generator.
    pub source: DataSource,
    /// Training split: `train`, `val`, or the name of an annotation file.
    pub train_split: String,
    /// Validation split.
    pub val_split: String,
    /// Training images without a usable box.
    pub empty_images: EmptyImages,
    /// Every object is of one class, `object`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_class: bool,
    /// Only these images, by id; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_images: Option<Vec<u64>>,
}

/// A folder or a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum DataSource {
    /// A data set of the user's, in COCO's, YOLO's or VOC's layout.
    Folder {
        /// Where it is, a folder or a `data.yaml`; `--data` sets it.
        #[serde(skip_serializing_if = "Option::is_none")]
        root: Option<PathBuf>,
        /// Its layout; without it, the one that is recognised.
        #[serde(skip_serializing_if = "Option::is_none")]
        layout: Option<Layout>,
        /// Where VOC's xml counts pixels from; other layouts have no use for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        first_pixel: Option<FirstPixel>,
    },
    /// Made-up scenes, written into the run's directory.
    Scenes(ScenesOptions),
}

/// What happens to a training picture before the network sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AugmentSettings {
    /// Side of the square samples, in pixels.
    pub size: NonZeroUsize,
    /// Share of samples that are mosaics of four pictures.
    pub mosaic: f64,
    /// Share of samples mirrored left to right.
    pub flip_left_right: f64,
    /// Colour jitter.
    pub hsv: HsvGains,
    /// Rotation, translation, scale, shear.
    pub affine: AffineGains,
    /// The batch is resized to a size drawn for each optimizer step; without it, every batch has the samples' size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_scale: Option<MultiScaleSettings>,
}

/// Sizes that a batch may have: multiples of the network's stride, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MultiScaleSettings {
    /// Smallest side in pixels.
    pub min: usize,
    /// Largest side in pixels.
    pub max: usize,
    /// Optimizer steps that share a draw.
    pub every: NonZeroU64,
}

impl AugmentSettings {
    /// How a sample is made.
    pub fn augment(&self) -> Augment {
        let Self { mosaic, flip_left_right, hsv, affine, .. } = *self;
        Augment { size: self.size.get(), mosaic, affine, hsv, flip_left_right }
    }

    /// The sizes of batches, if they change, for a network whose sides are multiples of `stride`.
    ///
    /// # Errors
    /// [`SettingError`] when the ends are out of order.
    pub fn multi_scale(&self, stride: usize) -> Result<Option<MultiScale>, SettingError> {
        let Some(MultiScaleSettings { min, max, .. }) = self.multi_scale else { return Ok(None) };
        let refused = |_| SettingError {
            key: "augment.multi-scale",
            expected: "0 < min <= max".into(),
            got: format!("min {min}, max {max}"),
        };
        MultiScale::new(min, max, stride).map(Some).map_err(refused)
    }
}

/// The network's input for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputShape {
    /// The picture's own, padded to whole strides: what the paper's code tests with.
    Rectangle,
    /// Square, as the samples of the training are.
    Square,
    /// Square and filled by the picture, whatever its ratio: what AlexeyAB's darknet does.
    Stretch,
}

/// How pictures are evaluated: resized to `size` along the long side and padded, or stretched; one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Long side of the network's input, in pixels.
    pub size: NonZeroUsize,
    /// Its other side.
    pub shape: InputShape,
    /// Which boxes count.
    pub nms: NmsSettings,
}

impl TaskRecipe for Recipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check(&self) -> Result<(), SettingError> {
        self.model.check()?;
        judge("nominal-batch", self.nominal_batch >= self.training.batch, "at least `batch`", &self.nominal_batch)?;
        for (key, share) in
            [("augment.mosaic", self.augment.mosaic), ("augment.flip-left-right", self.augment.flip_left_right)]
        {
            judge(key, (0.0..=1.0).contains(&share), "a share from 0 to 1", &share)?;
        }
        if let Some(norm) = self.clip_grad_norm {
            judge("clip-grad-norm", norm.is_finite() && norm > 0.0, "a norm above 0", &norm)?;
        }
        self.augment.multi_scale(1)?;
        self.evaluation.nms.check().map_err(|e| SettingError::unusable("evaluation.nms", &e))
    }
}
