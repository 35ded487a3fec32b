//! What a segmentation recipe says: everything that changes a result, nothing hidden.

mod evaluation;

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
pub use wrs_datasets::augment::InputSettings;
use wrs_datasets::augment::segmentation::SegmentationAugment;
use wrs_datasets::scenes::ScenesOptions;
use wrs_datasets::segmentation::{BrokenFiles, MissingFiles, Overlap, SegmentationLayout, UnknownLabels};
use wrs_train::recipe::{SettingError, TaskRecipe, TrainingSettings};

use crate::net::ModelConfig;

pub use evaluation::EvaluationSettings;

/// The recipes that come with the program: name and text.
pub const RECIPES: [(&str, &str); 6] = [
    ("demo-segmentation", include_str!("../recipes/demo-segmentation.toml")),
    ("voc/deeplabv3-wrs", include_str!("../recipes/voc-deeplabv3-wrs.toml")),
    ("voc/deeplabv3-wd", include_str!("../recipes/voc-deeplabv3-wd.toml")),
    ("voc/overfit16", include_str!("../recipes/voc-overfit16.toml")),
    ("camvid-small", include_str!("../recipes/camvid-small.toml")),
    ("camvid-small-wd", include_str!("../recipes/camvid-small-wd.toml")),
];

/// What recipes, runs and weights of this task call it.
pub const TASK: &str = "segmentation";

/// The task a recipe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A class for every pixel.
    Segmentation,
}

/// A training from beginning to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// `segmentation`
    pub task: Task,
    /// What every training has, whatever is learned.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// What becomes of the pictures that do not fill a batch at the end of an epoch.
    pub last_batch: LastBatch,
    /// Where the pictures come from.
    pub data: DataSettings,
    /// What happens to a picture before the network sees it.
    pub augment: SegmentationAugment,
    /// How its bytes become the network's input.
    pub input: InputSettings,
    /// The network.
    pub model: ModelConfig,
    /// How the validation split is evaluated.
    pub evaluation: EvaluationSettings,
}

/// What becomes of the pictures that do not fill a batch at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastBatch {
    /// They wait for another epoch's order.
    Drop,
    /// They make a smaller batch; a single picture, of which the pooling branch's norm could learn nothing, is dropped.
    Keep,
}

impl LastBatch {
    /// Pictures of an epoch that are trained on, of `images`.
    pub fn trained(self, images: u64, batch: NonZeroU64) -> u64 {
        let rest = images % batch;
        match self {
            Self::Keep if rest > 1 => images,
            // A set smaller than a batch is a batch.
            _ if images < batch.get() => images,
            Self::Drop | Self::Keep => images - rest,
        }
    }
}

/// Where the pictures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataSettings {
    /// A folder or a generator.
    pub source: DataSource,
    /// Training split: `train`, `trainaug`, or the name of another list.
    pub train_split: String,
    /// Validation split.
    pub val_split: String,
    /// Only these images, by id; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_images: Option<Vec<String>>,
}

/// A folder or a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum DataSource {
    /// A data set of the user's, in VOC's layout or as folders of pictures and masks.
    Folder {
        /// Where it is; `--data` sets it.
        #[serde(skip_serializing_if = "Option::is_none")]
        root: Option<PathBuf>,
        /// Its layout; without it, the one that is recognised.
        #[serde(skip_serializing_if = "Option::is_none")]
        layout: Option<SegmentationLayout>,
        /// Names of its classes, by label; without it, the layout's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        class_names: Option<Vec<String>>,
        /// Labels that are no class, beside 255.
        void_labels: Vec<u8>,
        /// Labels that mean another class than their number says, as pairs: `[[255, 1]]` for masks of black and white.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mask_map: Vec<(u8, u8)>,
        /// What becomes of a label that is neither a class nor void.
        unknown_labels: UnknownLabels,
        /// What becomes of pictures and masks that are listed but not there.
        missing: MissingFiles,
        /// What becomes of files that are cut off or damaged, and of pairs whose sizes differ; without it, they are refused.
        #[serde(default, skip_serializing_if = "BrokenFiles::are_refused")]
        broken: BrokenFiles,
        /// Whether pictures may be trained on and evaluated on.
        overlap: Overlap,
    },
    /// Made-up scenes, written into the run's directory.
    Scenes(ScenesOptions),
}

impl TaskRecipe for Recipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check(&self) -> Result<(), SettingError> {
        self.model.check()?;
        self.augment.check().map_err(|e| SettingError::unusable("augment", &e))?;
        self.input.check().map_err(|e| SettingError::unusable("input", &e))?;
        self.evaluation.check()
    }
}

#[cfg(test)]
mod tests {
    use wrs_optim::Regularizer;
    use wrs_train::recipe::{self, Loaded, RecipeOrSetting};

    use super::*;

    fn load(name: &str, overrides: &[(&str, &str)]) -> Result<Loaded<Recipe>, RecipeOrSetting> {
        let text = RECIPES.iter().find(|(known, _)| *known == name).unwrap().1;
        let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        recipe::load(name, text, &overrides)
    }

    #[test]
    fn the_papers_arms_differ_in_the_regulariser_alone() {
        let table = |name: &str| {
            let mut table = toml::Table::try_from(load(name, &[]).unwrap().recipe).unwrap();
            table.remove("name").and(table.remove("regularizer")).unwrap();
            table
        };
        assert_eq!(table("voc/deeplabv3-wrs"), table("voc/deeplabv3-wd"));
        assert_eq!(table("camvid-small"), table("camvid-small-wd"));
    }

    #[test]
    fn the_papers_values_stand_in_its_recipe() {
        let recipe = load("voc/deeplabv3-wrs", &[]).unwrap().recipe;
        let training = &recipe.training;
        assert_eq!((training.batch.get(), training.length.epochs(), recipe.augment.crop), (10, Some(52), 513));
        let trained = recipe.last_batch.trained(10_582, training.batch);
        assert_eq!(52 * trained / training.batch, 55_016, "the two left over wait");
        let length = wrs_optim::RunLength { steps: 55_068, steps_per_epoch: 1059.try_into().unwrap() };
        // Goldens of the schedule: the learning rate before steps 0, 1, 1,059, 27,534 and 55,067.
        for (step, expected) in
            [(0, 1.0e-4), (1, 9.999_838e-5), (1059, 9.828_488e-5), (27_534, 5.405_279e-5), (55_067, 1.005_356e-6)]
        {
            let lr = training.lr * training.schedule.at(step, length).weights;
            assert!((lr - expected).abs() < 1e-6 * expected, "step {step}: {lr}");
        }
        let Regularizer::Wrs { rescale, weight_decay, .. } = &training.regularizer else { unreachable!() };
        assert_eq!((rescale.tau.get(), rescale.literal), (10, false));
        assert!((weight_decay - 2e-4).abs() < 1e-12);
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (key, value, named) in [
            ("lr", "0.0", "lr"),
            ("input.std", "[1.0, 0.0, 1.0]", "input.std"),
            ("input.mean", "[2.0, 0.0, 1.0]", "input.mean"),
            ("evaluation.scales", "[]", "evaluation.scales"),
            ("evaluation.max-pixels", "1023", "evaluation.max-pixels"),
            ("augment.scale", "[2.0, 0.5]", "scale"),
            ("augment.flip-left-right", "1.5", "flip-left-right"),
            ("model.dropout", "1.0", "dropout"),
            ("model.output-stride", "12", "output-stride"),
            ("schedule.curve.polynomial.power", "-1.0", "power"),
        ] {
            let error = load("demo-segmentation", &[(key, value)]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(named), "{key}: {error}");
        }
    }

    #[test]
    fn the_last_batch_is_dropped_kept_or_all_there_is() {
        let of = |policy: LastBatch, images: u64| policy.trained(images, NonZeroU64::new(10).unwrap());
        assert_eq!([of(LastBatch::Drop, 10_582), of(LastBatch::Keep, 10_582)], [10_580, 10_582]);
        assert_eq!([of(LastBatch::Drop, 21), of(LastBatch::Keep, 21)], [20, 20], "a picture alone is dropped");
        assert_eq!([of(LastBatch::Drop, 7), of(LastBatch::Keep, 7), of(LastBatch::Keep, 1)], [7, 7, 1]);
    }
}
