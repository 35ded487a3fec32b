//! From what was typed to a recipe.

use std::path::Path;

use anyhow::Context;
use wrs_detection::DetectionError;
use wrs_detection::net::Network;
use wrs_train::TrainError;
use wrs_train::recipe::{Loaded, RecipeOrSetting, TaskRecipe, load, task_of};
use wrs_train::run_dir::Place;
use wrs_train::session::{TrainOptions, TrainOutcome};
use wrs_weights::Origin;
use wrs_weights::darknet::Cfg;

use crate::exit;
use crate::task::Task;

/// Keys and values of a recipe, set from outside its text.
pub type Overrides = Vec<(String, String)>;

/// A recipe of some task, typed.
pub enum AnyRecipe {
    /// Boxes around objects.
    Detection(Loaded<wrs_detection::recipe::Recipe>),
    /// A class for every pixel.
    Segmentation(Loaded<wrs_segmentation::recipe::Recipe>),
    /// How many there are.
    Counting(Loaded<wrs_counting::recipe::Recipe>),
}

impl AnyRecipe {
    /// The recipe of that name, or in that file, with what was typed set in it.
    pub fn load(recipe: &str, data: Option<&Path>, overrides: Overrides) -> anyhow::Result<Self> {
        let text = text_of(recipe)?;
        Ok(match task(recipe)? {
            Task::Detection => {
                use wrs_detection::recipe::{DataSource, Recipe};
                let draws = |of: &Recipe| matches!(of.data.source, DataSource::Scenes(_));
                Self::Detection(with_data(recipe, &text, data, overrides, draws)?)
            }
            Task::Segmentation => {
                use wrs_segmentation::recipe::{DataSource, Recipe};
                let draws = |of: &Recipe| matches!(of.data.source, DataSource::Scenes(_));
                Self::Segmentation(with_data(recipe, &text, data, overrides, draws)?)
            }
            Task::Counting => {
                use wrs_counting::recipe::{DataSource, Recipe};
                let draws = |of: &Recipe| matches!(of.data.source, DataSource::Crowds(_));
                Self::Counting(with_data(recipe, &text, data, overrides, draws)?)
            }
        })
    }

    /// What its runs are called.
    pub fn name(&self) -> &str {
        match self {
            Self::Detection(loaded) => &loaded.recipe.training.name,
            Self::Segmentation(loaded) => &loaded.recipe.training.name,
            Self::Counting(loaded) => &loaded.recipe.training.name,
        }
    }

    /// Its text, every value as it would be used.
    pub fn resolved(&self) -> &str {
        match self {
            Self::Detection(loaded) => &loaded.resolved,
            Self::Segmentation(loaded) => &loaded.resolved,
            Self::Counting(loaded) => &loaded.resolved,
        }
    }

    /// Begins a run of it.
    pub fn train(&self, place: Place<'_>, source: &str, options: TrainOptions) -> anyhow::Result<TrainOutcome> {
        Ok(match self {
            Self::Detection(loaded) => wrs_detection::train::train(loaded, place, source, options)?,
            Self::Segmentation(loaded) => wrs_segmentation::train::train(loaded, place, source, options)?,
            Self::Counting(loaded) => wrs_counting::train::train(loaded, place, source, options)?,
        })
    }
}

/// The task of the recipe of that name, or in that file.
pub fn task(recipe: &str) -> anyhow::Result<Task> {
    let task = task_of(recipe, &text_of(recipe)?).map_err(|e| TrainError::from(RecipeOrSetting::from(e)))?;
    Task::named(&task, &format_args!("recipe `{recipe}`"))
}

/// A task's recipe, on the folder that was typed.
fn with_data<R: TaskRecipe>(
    recipe: &str,
    text: &str,
    data: Option<&Path>,
    mut overrides: Overrides,
    draws_its_own: impl Fn(&R) -> bool,
) -> anyhow::Result<Loaded<R>> {
    let read = |set: &Overrides| load::<R>(recipe, text, set).map_err(TrainError::from);
    if let Some(data) = data {
        if draws_its_own(&read(&overrides)?.recipe) {
            let text = format!("--data: recipe `{recipe}` draws its own data\nhelp: leave --data away");
            return Err(exit::usage(text));
        }
        overrides.push(("data.source.folder.root".to_owned(), absolute("--data", data)?));
    }
    Ok(read(&overrides)?)
}

/// The recipes that come with the program: name and text.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let others = wrs_segmentation::recipe::RECIPES.into_iter().chain(wrs_counting::recipe::RECIPES);
    wrs_detection::recipe::RECIPES.into_iter().chain(others)
}

/// Whether a recipe of the program is meant.
pub fn is_built_in(name: &str) -> bool {
    all().any(|(known, _)| known == name)
}

/// Whether a recipe of the program or a recipe's file is meant.
pub fn is_recipe(name: &str) -> bool {
    is_built_in(name) || (Path::new(name).is_file() && Path::new(name).extension().is_some_and(|e| e == "toml"))
}

fn text_of(recipe: &str) -> anyhow::Result<String> {
    if let Some((_, text)) = all().find(|(name, _)| *name == recipe) {
        return Ok(text.to_owned());
    }
    if Path::new(recipe).is_file() {
        return std::fs::read_to_string(recipe).with_context(|| format!("cannot read {recipe}"));
    }
    let names: Vec<&str> = all().map(|(name, _)| name).collect();
    let text = format!("no recipe and no file is called `{recipe}`\nhelp: recipes are {}", names.join(", "));
    Err(exit::usage(text))
}

/// What `--set` was given, each KEY=VALUE.
pub fn typed_overrides(set: &[String]) -> anyhow::Result<Overrides> {
    let split = |item: &String| {
        let (key, value) =
            item.split_once('=').ok_or_else(|| exit::usage(format!("--set: expected KEY=VALUE, got `{item}`")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    set.iter().map(split).collect()
}

/// A Darknet network and its anchors in place of a recipe's: the recipe holds the text, so that it stays whole.
pub fn cfg_overrides(path: &Path) -> anyhow::Result<Overrides> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let cfg = Cfg::parse(&path.display().to_string(), &text).map_err(DetectionError::from)?;
    let network = Network::Darknet { cfg: text };
    let anchors: Vec<String> = cfg.anchors().iter().map(|[w, h]| format!("[{w}, {h}]")).collect();
    let network = toml::Value::try_from(&network)?.to_string();
    Ok(vec![("model.network".to_owned(), network), ("anchors".to_owned(), format!("[{}]", anchors.join(", ")))])
}

/// What was typed to start from, as a recipe keeps it.
pub fn init_override(init: &Origin) -> anyhow::Result<(String, String)> {
    let init = init.clone().absolute().with_context(|| format!("--init {init}"))?;
    Ok(("init".to_owned(), init.to_string()))
}

/// A typed path as a recipe keeps it: it must not depend on where the program was started.
pub fn absolute(flag: &str, path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path).with_context(|| format!("{flag} {}", path.display()))?;
    Ok(path.display().to_string())
}
