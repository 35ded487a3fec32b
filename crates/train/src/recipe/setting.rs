//! Values that are of the right type and still out of range.

use super::RecipeError;

/// A recipe's value outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("recipe: `{key}`: expected {expected}, got {got}")]
pub struct SettingError {
    /// The recipe's key.
    pub key: &'static str,
    /// What would be in range.
    pub expected: String,
    /// What was given.
    pub got: String,
}

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeOrSetting {
    /// The text is no recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A value is outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
}
