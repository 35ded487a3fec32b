//! Where a recipe is wrong, and the mend.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::typed::{Fault, TypedError};
use super::{Override, nearest};

/// A recipe that is refused.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Something at a place in the text or in a `--set`.
    #[error("{message}\n  --> {place}{}", help.as_ref().map(|h| format!("\nhelp: {h}")).unwrap_or_default())]
    At {
        /// Expected and got.
        message: String,
        /// `file:line:column`, or the `--set` that brought the value.
        place: String,
        /// The mend, where there is one to propose.
        help: Option<String>,
    },
    /// A `--set` that cannot be applied.
    #[error("--set {key}: {reason}\nhelp: --set table.key=value")]
    Override {
        /// Its key.
        key: String,
        /// Expected and got.
        reason: String,
    },
    /// A recipe that TOML cannot hold.
    #[error("the recipe cannot be written as TOML: {0}")]
    Resolved(String),
}

/// The text of a recipe with the places of its keys, and what was set over it.
pub(super) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    keys: Spanned<DeTable<'a>>,
    overrides: Vec<Override>,
}

impl<'a> Source<'a> {
    pub(super) fn parse(name: &'a str, text: &'a str) -> Result<Self, RecipeError> {
        let keys = DeTable::parse(text).map_err(|e| syntax(name, text, &e))?;
        Ok(Self { name, text, keys, overrides: Vec::new() })
    }

    pub(super) fn table(&self) -> Result<Table, RecipeError> {
        self.text.parse().map_err(|e| syntax(self.name, self.text, &e))
    }

    pub(super) fn add_overrides(&mut self, overrides: &[Override]) {
        self.overrides = overrides.to_vec();
    }

    /// An error about the value at a path.
    pub(super) fn error(&self, path: &[&str], message: String) -> RecipeError {
        RecipeError::At { message, place: self.place(path), help: None }
    }

    /// An error of typing, with the nearest valid name.
    pub(super) fn typed_error(&self, table: &Table, error: TypedError) -> RecipeError {
        let TypedError { path, fault } = error;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match fault {
            Fault::UnknownKey { key, valid } => self.unknown(&path, &key, valid.iter().map(String::as_str)),
            Fault::MissingKey { key } => {
                let there = at(table, &path).and_then(Value::as_table).unwrap_or(table);
                let similar = nearest(&key, there.keys().map(String::as_str)).filter(|found| *found != key);
                let help = match similar {
                    Some(found) => format!("is it `{found}` ({})?", self.place(&joined(&path, found))),
                    None => "a recipe is complete: every key must be given".to_owned(),
                };
                let message = format!("missing key `{}`", joined(&path, &key).join("."));
                RecipeError::At { message, place: self.place(&path), help: Some(help) }
            }
            Fault::UnknownVariant { variant, valid } => {
                let help = match nearest(&variant, valid.iter().copied()) {
                    Some(found) => format!("did you mean \"{found}\"?"),
                    None => format!("one of {}", valid.join(", ")),
                };
                let message = format!("`{}`: unknown value \"{variant}\"", path.join("."));
                RecipeError::At { message, place: self.place(&path), help: Some(help) }
            }
            Fault::Other(text) if path.is_empty() => self.error(&path, text),
            Fault::Other(text) => self.error(&path, format!("`{}`: {text}", path.join("."))),
        }
    }

    /// An error about a key that nothing reads; `written` is the recipe without it.
    pub(super) fn unread(&self, written: &Table, path: &[String]) -> RecipeError {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some((key, above)) = path.split_last() else { return self.error(&path, "unknown key".to_owned()) };
        let valid = if above.is_empty() { Some(written) } else { at(written, above).and_then(Value::as_table) };
        self.unknown(above, key, valid.into_iter().flat_map(Table::keys).map(String::as_str))
    }

    fn unknown<'k>(&self, above: &[&str], key: &str, valid: impl Iterator<Item = &'k str>) -> RecipeError {
        let path = joined(above, key);
        let mut valid: Vec<&str> = valid.collect();
        valid.sort_unstable();
        let help = match nearest(key, valid.iter().copied()) {
            Some(found) => format!("did you mean `{}`?", joined(above, found).join(".")),
            None => format!("valid keys here: {}", valid.join(", ")),
        };
        RecipeError::At {
            message: format!("unknown key `{}`", path.join(".")),
            place: self.place(&path),
            help: Some(help),
        }
    }

    /// Where a value came from: the last `--set` of it or of something in or above it, else its line and column; of a key
    /// that is not there, the table that lacks it.
    fn place(&self, path: &[&str]) -> String {
        let touches = |o: &&Override| o.path().zip(path).all(|(a, b)| a == *b);
        if !path.is_empty()
            && let Some(found) = self.overrides.iter().rev().find(touches)
        {
            return format!("--set {}={}", found.key, found.value);
        }
        let mut place = 0..0;
        let mut table = Some(self.keys.get_ref());
        for part in path {
            let Some((key, value)) = table.and_then(|table| table.get_key_value(*part)) else { break };
            place = key.span();
            table = value.get_ref().as_table();
            if let DeValue::Array(_) = value.get_ref() {
                place = value.span();
            }
        }
        position(self.name, self.text, place)
    }
}

fn joined<'k>(above: &[&'k str], key: &'k str) -> Vec<&'k str> {
    above.iter().copied().chain([key]).collect()
}

/// The value at a path of table keys and array indices.
fn at<'v>(table: &'v Table, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, part| match value {
        Value::Table(table) => table.get(*part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

fn syntax(name: &str, text: &str, error: &toml::de::Error) -> RecipeError {
    let place = position(name, text, error.span().unwrap_or(0..0));
    RecipeError::At { message: format!("not TOML: {}", error.message().trim().to_lowercase()), place, help: None }
}

/// `file:line:column`, both counted from one, the column in characters.
fn position(name: &str, text: &str, span: Range<usize>) -> String {
    let before = text.get(..span.start.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{name}:{line}:{column}")
}
