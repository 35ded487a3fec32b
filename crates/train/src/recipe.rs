//! Recipes: TOML text and `--set` overrides into typed values, nothing hidden and nothing ignored.
//!
//! A recipe is complete: a missing key is an error, and so is one that nothing reads.  Each error names the file, line and
//! column, or the `--set` that brought the value, and the nearest valid key.

mod error;
mod overrides;
mod sections;
mod setting;
mod training;
mod typed;

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::TrainError;
use crate::run_dir::RunFiles;
pub use error::RecipeError;
use error::Source;
pub use overrides::Override;
pub use sections::RunLength;
pub use setting::{RecipeOrSetting, SettingError, judge, judge_above_zero, judge_network};
pub use training::{TaskRecipe, TrainingSettings};

/// A recipe that was read, and how it came to be.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The typed recipe.
    pub recipe: T,
    /// The whole recipe as TOML, for the run's directory; it reads back as the same recipe.
    pub resolved: String,
    /// What was set from outside the text, in the order given.
    pub overrides: Vec<Override>,
}

impl<T> Loaded<T> {
    /// BLAKE3 of the resolved recipe.
    pub fn digest(&self) -> String {
        blake3::hash(self.resolved.as_bytes()).to_hex().to_string()
    }
}

/// Reads a recipe and judges its values; `source_name` is the text's name in messages, `overrides` are keys (dots between the
/// parts) and values.
///
/// A value is read as TOML and, where it is none, taken as a string.  Setting one of `steps` and `epochs` removes the
/// other.
///
/// # Errors
/// [`RecipeOrSetting::Recipe`] for text that is no recipe; [`RecipeOrSetting::Setting`] for a value outside its range.
pub fn load<T: TaskRecipe>(
    source_name: &str,
    text: &str,
    overrides: &[(String, String)],
) -> Result<Loaded<T>, RecipeOrSetting> {
    let given = Given::read(source_name, text, overrides)?;
    // Within the whole these settings are flattened, which serde reads from a copy that has lost the places.  By themselves
    // they keep them, and pass over the keys of others.
    given.typed::<TrainingSettings>()?;
    let loaded: Loaded<T> = given.resolve()?;
    loaded.recipe.training().check()?;
    loaded.recipe.check()?;
    Ok(loaded)
}

/// The recipe that a run was made with.
///
/// # Errors
/// [`TrainError::RunDir`] where it cannot be read; as [`load`].
pub fn of_run<T: TaskRecipe>(files: &RunFiles) -> Result<Loaded<T>, TrainError> {
    Ok(load(&files.recipe().display().to_string(), &files.read_recipe()?, &[])?)
}

/// A recipe's text with what was set over it, before it is typed.
struct Given<'a> {
    source: Source<'a>,
    table: Table,
    overrides: Vec<Override>,
}

impl<'a> Given<'a> {
    fn read(source_name: &'a str, text: &'a str, overrides: &[(String, String)]) -> Result<Self, RecipeError> {
        let mut source = Source::parse(source_name, text)?;
        let mut table = source.table()?;
        let overrides = overrides::apply(&mut table, overrides)?;
        source.add_overrides(&overrides);
        if let [first, second] = RunLength::KEYS
            && table.contains_key(first)
            && table.contains_key(second)
        {
            return Err(source.error(&[second], format!("expected one of `{first}` and `{second}`, got both")));
        }
        Ok(Self { source, table, overrides })
    }

    fn typed<T: DeserializeOwned>(&self) -> Result<T, RecipeError> {
        typed::from_table(&self.table).map_err(|error| self.source.typed_error(&self.table, error))
    }

    /// The typed recipe, of which every key was read.
    fn resolve<T: DeserializeOwned + Serialize>(self) -> Result<Loaded<T>, RecipeError> {
        let recipe: T = self.typed()?;
        let resolved = toml::to_string(&recipe).map_err(|e| RecipeError::Resolved(e.to_string()))?;
        let written: Table = resolved.parse().map_err(|e: toml::de::Error| RecipeError::Resolved(e.to_string()))?;
        if let Some(unread) = first_unread(&self.table, &written, &mut Vec::new()) {
            return Err(self.source.unread(&written, &unread));
        }
        Ok(Loaded { recipe, resolved, overrides: self.overrides })
    }
}

/// The task that a recipe says it is for, before it is read as one of that task.
///
/// # Errors
/// [`RecipeError::At`] for text that is not TOML, or whose `task` is missing or no text.
pub fn task_of(source_name: &str, text: &str) -> Result<String, RecipeError> {
    let source = Source::parse(source_name, text)?;
    match source.table()?.remove("task") {
        Some(Value::String(task)) => Ok(task),
        Some(other) => Err(source.error(&["task"], format!("`task`: expected a text, got {}", other.type_str()))),
        None => Err(source.error(&[], "missing key `task`".to_owned())),
    }
}

/// The path of a key in `given` that the typed recipe does not have: serde passes such keys over where it flattens.
fn first_unread(given: &Table, written: &Table, path: &mut Vec<String>) -> Option<Vec<String>> {
    for (key, value) in given {
        path.push(key.clone());
        match (value, written.get(key)) {
            (_, None) => return Some(path.clone()),
            (Value::Table(given), Some(Value::Table(written))) => {
                if let Some(found) = first_unread(given, written, path) {
                    return Some(found);
                }
            }
            _ => {}
        }
        path.pop();
    }
    None
}

/// The candidate that a typing mistake most likely meant.
fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// One slip in three letters (`wsr` for `wrs`) is 0.67; what is less alike is another word.
    const LEAST_LIKENESS: f64 = 0.6;
    let plain = |key: &str| key.replace('_', "-").to_lowercase();
    let typed = plain(typed);
    let unique: BTreeSet<&str> = candidates.into_iter().collect();
    unique
        .into_iter()
        .map(|key| (strsim::normalized_damerau_levenshtein(&typed, &plain(key)), key))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests;
