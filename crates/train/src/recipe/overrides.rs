//! `--set key=value`: edits of the TOML table before it is typed.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{RecipeError, RunLength};

/// One value set from outside the recipe's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The key, dots between the parts.
    pub key: String,
    /// The value in the text, as TOML; none where the key was not there.
    pub was: Option<String>,
    /// The value set, as TOML.
    pub value: String,
}

impl Override {
    pub(super) fn path(&self) -> impl Iterator<Item = &str> {
        self.key.split('.')
    }
}

/// Applies overrides in order; the last one of a key wins.
pub(super) fn apply(table: &mut Table, overrides: &[(String, String)]) -> Result<Vec<Override>, RecipeError> {
    overrides
        .iter()
        .map(|(key, text)| {
            let key = key.split('.').map(str::trim).collect::<Vec<_>>().join(".");
            let value = read_value(text.trim());
            let value_text = value.to_string();
            if let Some(alternative) = RunLength::alternative_to(&key) {
                table.remove(alternative);
            }
            let was = set(table, &key, value)?;
            Ok(Override { key, was: was.map(|v| v.to_string()), value: value_text })
        })
        .collect()
}

/// TOML where it is TOML (`0.01`, `true`, `[1, 2]`, `{ kind = "sgd" }`), a string elsewhere (`cosine`).
fn read_value(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<Option<Value>, RecipeError> {
    let refused = |reason: String| RecipeError::Override { key: key.to_owned(), reason };
    let mut at = table;
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    if last.is_empty() || parts.iter().any(|part| part.is_empty()) {
        return Err(refused("expected names with single dots between them".to_owned()));
    }
    for part in parts {
        let inner = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        let kind = inner.type_str();
        let Value::Table(inner) = inner else {
            return Err(refused(format!("expected `{part}` to be a table, got a value ({kind})")));
        };
        at = inner;
    }
    Ok(at.insert(last.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_else_strings() {
        assert_eq!(read_value("1e-4"), Value::Float(1e-4));
        assert_eq!(read_value("200"), Value::Integer(200));
        assert_eq!(read_value("[416, 608]"), Value::Array(vec![Value::Integer(416), Value::Integer(608)]));
        assert_eq!(read_value("cosine"), Value::String("cosine".into()));
        assert_eq!(read_value("\"1\""), Value::String("1".into()));
        assert_eq!(read_value(""), Value::String(String::new()));
        assert!(read_value("{ kind = 'sgd' }").is_table());
    }

    #[test]
    fn keys_must_be_names_in_tables() {
        let mut table: Table = "seed = 1\n[optim]\nlr = 0.1\n".parse().unwrap();
        for key in ["", ".", "optim.", ".lr", "optim..lr"] {
            assert!(matches!(set(&mut table, key, Value::Integer(1)), Err(RecipeError::Override { .. })), "{key}");
        }
        let text = set(&mut table, "seed.x", Value::Integer(1)).unwrap_err().to_string();
        assert!(text.contains("--set seed.x") && text.contains("got a value (integer)"), "{text}");
        assert_eq!(set(&mut table, "optim.lr", Value::Float(0.2)).unwrap(), Some(Value::Float(0.1)));
    }
}
