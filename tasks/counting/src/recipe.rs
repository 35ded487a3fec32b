//! What a counting recipe says: everything that changes a result, nothing hidden.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wrs_datasets::augment::InputSettings;
use wrs_datasets::augment::counting::{CountingAugment, ShorterSide};
use wrs_datasets::counting::{CountingLayout, Dots, Part, SwapXy};
use wrs_datasets::scenes::CrowdOptions;
use wrs_optim::{OptimizerConfig, Regularizer, Schedule};
use wrs_train::recalibrate::RecalibrateBn;
use wrs_train::recipe::{Loaded, RecipeOrSetting, RunLength, SettingError, parse};
use wrs_weights::Origin;

use crate::net::{ModelConfig, STRIDE};
use crate::posterior::BayesianConfig;
use crate::tile::Padding;

/// The recipes that come with the program: name and text.
pub const RECIPES: [(&str, &str); 7] = [
    ("demo-counting", include_str!("../recipes/demo-counting.toml")),
    ("qnrf/csrnet-wrs", include_str!("../recipes/qnrf-csrnet-wrs.toml")),
    ("qnrf/csrnet-wd", include_str!("../recipes/qnrf-csrnet-wd.toml")),
    ("shanghaitech-a", include_str!("../recipes/shanghaitech-a.toml")),
    ("ucf-cc-50", include_str!("../recipes/ucf-cc-50.toml")),
    ("cells", include_str!("../recipes/cells.toml")),
    ("cells-wd", include_str!("../recipes/cells-wd.toml")),
];

/// What recipes, runs and weights of this task call it.
pub const TASK: &str = "counting";

/// The task a recipe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// How many there are.
    Counting,
}

/// A training from beginning to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// `counting`
    pub task: Task,
    /// What the run is called.
    pub name: String,
    /// The seed of every draw.
    pub seed: u64,
    /// Optimizer steps or epochs.
    #[serde(flatten)]
    pub length: RunLength,
    /// Optimizer steps between checkpoints.
    pub checkpoint_every: NonZeroU64,
    /// Optimizer steps between evaluations; the last step is always evaluated.
    pub evaluate_every: NonZeroU64,
    /// Crops that the network sees at once: what each norm takes its statistics of.  Those left at the end of an epoch make a
    /// smaller batch.
    pub batch: NonZeroU64,
    /// Crops per optimizer step: the gradients of `nominal-batch / batch` batches are added.
    pub nominal_batch: NonZeroU64,
    /// Learning rate before the schedule's factors.
    pub lr: f64,
    /// Where the pictures come from.
    pub data: DataSettings,
    /// The size that pictures are brought to before anything else, in training and evaluation; without it, their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<ShorterSide>,
    /// How crops are made.
    pub augment: CountingAugment,
    /// How bytes become the network's input.
    pub input: InputSettings,
    /// The network.
    pub model: ModelConfig,
    /// The Bayesian loss.
    pub loss: BayesianConfig,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// Weight rescaling or weight decay.
    pub regularizer: Regularizer,
    /// What the network starts from: a file, a name such as `imagenet/resnet101`, or `none`; what does not fit starts afresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Origin>,
    /// Parts that keep their values, by the beginning of their names: `frontend`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Steps between two lines about filter norms and effective learning rates in metrics.jsonl; without it, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_every: Option<NonZeroU64>,
    /// Running statistics are measured anew before an evaluation; without it, the training's own are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recalibrate_bn: Option<RecalibrateBn>,
    /// How whole pictures are counted.
    pub evaluation: EvaluationSettings,
}

/// Where the pictures come from, and which serve what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataSettings {
    /// A folder or a generator.
    pub source: DataSource,
    /// Training and test pictures.
    pub parts: Parts,
    /// Validation pictures, which pick the best weights.
    pub validation: Validation,
}

/// A folder or a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum DataSource {
    /// A data set of the user's.
    Folder {
        /// Where it is; `--data` sets it.
        #[serde(skip_serializing_if = "Option::is_none")]
        root: Option<PathBuf>,
        /// Its layout; without it, the one that is recognised.
        #[serde(skip_serializing_if = "Option::is_none")]
        layout: Option<CountingLayout>,
        /// ShanghaiTech: which of the two sets, where both lie there.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
        /// Whether the files give y before x.
        #[serde(default, skip_serializing_if = "is_default")]
        swap_xy: SwapXy,
        /// MAT files: the variable that holds the points, where it is not the layout's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        variable: Option<String>,
        /// Dot images: what a dot is; without it, each file's own dots tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        dots: Option<Dots>,
    },
    /// Made-up crowds, written into the run's directory.
    Crowds(CrowdOptions),
}

/// From a picture to another one, by their names in natural order, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdRange {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
}

/// Which pictures are trained on and which are the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Parts {
    /// As the data set has them.
    Splits {
        /// Name of the training split.
        train: String,
        /// Name of the test split, where there is one with annotations.
        #[serde(skip_serializing_if = "Option::is_none")]
        test: Option<String>,
    },
    /// Cross-validation: one fold is the test, the others are trained on.
    Fold {
        /// The split that is cut.
        split: String,
        /// Which fold is the test, from 0.
        index: usize,
        /// Number of folds.
        of: usize,
        /// The seed of the cut.
        seed: u64,
    },
    /// By the pictures' names.
    Ranges {
        /// The split that is cut.
        split: String,
        /// What is trained on.
        train: IdRange,
        /// The test.
        test: IdRange,
    },
}

/// Which pictures pick the best weights.  They are never the test's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Validation {
    /// So many of the training pictures, which are then not trained on.
    Cut {
        /// How many.
        images: usize,
        /// The seed of the cut.
        seed: u64,
    },
    /// The training pictures that a file names, one a line.
    List {
        /// The file; beside the data, unless its whole path is given.
        file: PathBuf,
    },
    /// A split that the data set has for it.
    Split {
        /// Its name.
        name: String,
    },
}

/// How whole pictures are counted, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EvaluationSettings {
    /// What becomes of the up to seven pixels beyond the last whole cell.
    pub padding: Padding,
    /// Memory that the program may take, in MiB: pictures that need more are counted in tiles, to the same density; without it,
    /// every picture is counted whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mem: Option<u64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Recipe {
    /// Reads a recipe and judges its values.
    ///
    /// # Errors
    /// [`RecipeOrSetting::Recipe`] for text that is no recipe; [`RecipeOrSetting::Setting`] for a value outside its range.
    pub fn load(source: &str, text: &str, overrides: &[(String, String)]) -> Result<Loaded<Self>, RecipeOrSetting> {
        let loaded: Loaded<Self> = parse(source, text, overrides)?;
        loaded.recipe.check()?;
        Ok(loaded)
    }

    fn check(&self) -> Result<(), SettingError> {
        let refuse = |key: &'static str, expected: &'static str, got: String| {
            Err(SettingError { key, expected: expected.to_owned(), got })
        };
        let other = |key: &'static str, e: String| SettingError { key, expected: "a usable value".into(), got: e };
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return refuse("lr", "a number above 0", self.lr.to_string());
        }
        if self.nominal_batch < self.batch {
            return refuse("nominal-batch", "at least `batch`", self.nominal_batch.to_string());
        }
        if !self.nominal_batch.get().is_multiple_of(self.batch.get()) {
            return refuse("nominal-batch", "a multiple of `batch`", self.nominal_batch.to_string());
        }
        if !self.augment.crop.is_multiple_of(STRIDE) {
            return refuse("augment.crop", "a multiple of 8", self.augment.crop.to_string());
        }
        if let Parts::Fold { index, of, .. } = self.data.parts
            && !(of >= 2 && index < of)
        {
            return refuse(
                "data.parts.fold",
                "two folds or more, and an index below their number",
                format!("{index} of {of}"),
            );
        }
        if let Validation::Cut { images: 0, .. } = self.data.validation {
            return refuse("data.validation.cut.images", "at least 1", "0".to_owned());
        }
        self.model.check().map_err(|e| SettingError { key: e.key, expected: e.expected.to_owned(), got: e.got })?;
        self.loss.check()?;
        self.augment.check().map_err(|e| other("augment", e.to_string()))?;
        if let Some(resize) = &self.resize {
            resize.check().map_err(|e| other("resize", e.to_string()))?;
        }
        self.input.check().map_err(|e| other("input", e.to_string()))?;
        self.schedule.check().map_err(|e| other("schedule", e.to_string()))?;
        self.evaluation.check()
    }
}

impl EvaluationSettings {
    /// Judges the values.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn check(self) -> Result<(), SettingError> {
        match self.max_mem {
            Some(0) => {
                let expected = "at least 1 MiB".to_owned();
                Err(SettingError { key: "evaluation.max-mem", expected, got: "0".to_owned() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, overrides: &[(&str, &str)]) -> Result<Loaded<Recipe>, RecipeOrSetting> {
        let text = RECIPES.iter().find(|(known, _)| *known == name).unwrap().1;
        let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Recipe::load(name, text, &overrides)
    }

    #[test]
    fn every_recipe_is_whole_and_called_by_its_name() {
        for (name, _) in RECIPES {
            assert_eq!(load(name, &[]).unwrap().recipe.name, name);
        }
    }

    #[test]
    fn the_arms_differ_in_the_regulariser_alone() {
        let table = |name: &str| {
            let mut table = toml::Table::try_from(load(name, &[]).unwrap().recipe).unwrap();
            table.remove("name").and(table.remove("regularizer")).unwrap();
            table
        };
        assert_eq!(table("qnrf/csrnet-wrs"), table("qnrf/csrnet-wd"));
        assert_eq!(table("cells"), table("cells-wd"));
    }

    #[test]
    fn the_papers_values_stand_in_its_recipe() {
        let recipe = load("qnrf/csrnet-wrs", &[]).unwrap().recipe;
        assert_eq!((recipe.nominal_batch.get(), recipe.length.epochs(), recipe.augment.crop), (32, Some(300), 512));
        assert!((recipe.lr - 1e-4).abs() < 1e-12);
        let Regularizer::Wrs { rescale, weight_decay, .. } = &recipe.regularizer else { unreachable!() };
        assert_eq!((rescale.tau.get(), rescale.literal), (1, false));
        assert!((weight_decay - 1e-4).abs() < 1e-12);
        assert!(matches!(recipe.data.validation, Validation::Cut { images: 120, .. }), "1,081 are left of 1,201");
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (key, value, named) in [
            ("lr", "0.0", "lr"),
            ("nominal-batch", "4", "nominal-batch"),
            ("nominal-batch", "12", "nominal-batch"),
            ("augment.crop", "100", "augment.crop"),
            ("augment.flip-left-right", "1.5", "flip-left-right"),
            ("augment.visible-area.keep", "0.0", "visible-area.keep"),
            ("input.std", "[1.0, 0.0, 1.0]", "input.std"),
            ("input.mean", "[2.0, 0.0, 1.0]", "input.mean"),
            ("model.width", "0.0", "width"),
            ("loss.sigma-px", "0.0", "sigma-px"),
            ("data.validation.cut.images", "0", "data.validation.cut.images"),
            ("evaluation.max-mem", "0", "evaluation.max-mem"),
        ] {
            let error = load("demo-counting", &[(key, value)]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(named), "{key}: {error}");
        }
        let fold = load("ucf-cc-50", &[("data.parts.fold.index", "5")]).err().map(|e| e.to_string());
        assert!(fold.unwrap_or_default().contains("data.parts.fold"));
    }
}
