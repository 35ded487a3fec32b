//! From what was typed to a recipe.

use std::path::Path;

use anyhow::Context;
use wrs_detection::DetectionError;
use wrs_detection::net::Network;
use wrs_detection::recipe::{DataSource, RECIPES, Recipe};
use wrs_train::recipe::Loaded;
use wrs_weights::darknet::Cfg;

use crate::exit;

/// Keys and values of a recipe, set from outside its text.
pub type Overrides = Vec<(String, String)>;

/// The recipe of that name, or in that file, with what was typed set in it.
pub fn load(recipe: &str, data: Option<&Path>, mut overrides: Overrides) -> anyhow::Result<Loaded<Recipe>> {
    let text = text_of(recipe)?;
    if let Some(data) = data {
        let plain = Recipe::load(recipe, &text, &overrides).map_err(DetectionError::from)?;
        if let DataSource::Scenes(_) = plain.recipe.data.source {
            let text = format!("--data: recipe `{recipe}` draws its own data\nhelp: leave --data away");
            return Err(exit::usage(text));
        }
        overrides.push(("data.source.folder.root".to_owned(), absolute("--data", data)?));
    }
    Ok(Recipe::load(recipe, &text, &overrides).map_err(DetectionError::from)?)
}

/// Whether a recipe of the program or a recipe's file is meant.
pub fn is_recipe(name: &str) -> bool {
    RECIPES.iter().any(|(known, _)| *known == name)
        || (Path::new(name).is_file() && Path::new(name).extension().is_some_and(|e| e == "toml"))
}

fn text_of(recipe: &str) -> anyhow::Result<String> {
    if let Some((_, text)) = RECIPES.iter().find(|(name, _)| *name == recipe) {
        return Ok((*text).to_owned());
    }
    if Path::new(recipe).is_file() {
        return std::fs::read_to_string(recipe).with_context(|| format!("cannot read {recipe}"));
    }
    let names: Vec<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
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

/// A typed path as a recipe keeps it: it must not depend on where the program was started.
pub fn absolute(flag: &str, path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path).with_context(|| format!("{flag} {}", path.display()))?;
    Ok(path.display().to_string())
}
