//! What a counting recipe says: everything that changes a result, nothing hidden.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wrs_datasets::augment::InputSettings;
use wrs_datasets::augment::counting::{CountingAugment, ShorterSide};
use wrs_datasets::counting::{CountingLayout, Dots, Part, SwapXy};
use wrs_datasets::scenes::CrowdOptions;
use wrs_train::recipe::{SettingError, TaskRecipe, TrainingSettings, judge};

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
    /// What every training has, whatever is learned.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// Crops per optimizer step: the gradients of `nominal-batch / batch` batches are added.  Crops left at the end of an epoch
    /// make a smaller batch.
    pub nominal_batch: NonZeroU64,
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

impl TaskRecipe for Recipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check(&self) -> Result<(), SettingError> {
        let (batch, nominal) = (self.training.batch, self.nominal_batch);
        judge("nominal-batch", nominal >= batch, "at least `batch`", &nominal)?;
        judge("nominal-batch", nominal.get().is_multiple_of(batch.get()), "a multiple of `batch`", &nominal)?;
        let crop = self.augment.crop;
        judge("augment.crop", crop.is_multiple_of(STRIDE), "a multiple of 8", &crop)?;
        if let Parts::Fold { index, of, .. } = self.data.parts {
            let expected = "two folds or more, and an index below their number";
            judge("data.parts.fold", of >= 2 && index < of, expected, &format_args!("{index} of {of}"))?;
        }
        if let Validation::Cut { images, .. } = self.data.validation {
            judge("data.validation.cut.images", images > 0, "at least 1", &images)?;
        }
        self.model.check()?;
        self.loss.check()?;
        self.augment.check().map_err(|e| SettingError::unusable("augment", &e))?;
        if let Some(resize) = &self.resize {
            resize.check().map_err(|e| SettingError::unusable("resize", &e))?;
        }
        self.input.check().map_err(|e| SettingError::unusable("input", &e))?;
        self.evaluation.check()
    }
}

impl EvaluationSettings {
    /// Judges the values.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn check(self) -> Result<(), SettingError> {
        judge("evaluation.max-mem", self.max_mem != Some(0), "at least 1 MiB", &0)
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
    fn every_recipe_is_whole_and_called_by_its_name() {
        for (name, _) in RECIPES {
            assert_eq!(load(name, &[]).unwrap().recipe.training.name, name);
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
        assert_eq!(
            (recipe.nominal_batch.get(), recipe.training.length.epochs(), recipe.augment.crop),
            (32, Some(300), 512)
        );
        assert!((recipe.training.lr - 1e-4).abs() < 1e-12);
        let Regularizer::Wrs { rescale, weight_decay, .. } = &recipe.training.regularizer else { unreachable!() };
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
