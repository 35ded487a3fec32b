//! Values that are of the right type and still out of range.

use std::fmt::Display;

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

impl SettingError {
    /// A value that its own type refuses, for the reason that it gives.
    pub fn unusable(key: &'static str, reason: &impl Display) -> Self {
        Self { key, expected: "a usable value".to_owned(), got: reason.to_string() }
    }
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

/// Refuses a value that is not in its range.
///
/// # Errors
/// [`SettingError`].
pub fn judge(key: &'static str, in_range: bool, expected: &str, got: &impl Display) -> Result<(), SettingError> {
    if in_range { Ok(()) } else { Err(SettingError { key, expected: expected.to_owned(), got: got.to_string() }) }
}

/// Refuses what is no number above 0.
///
/// # Errors
/// [`SettingError`].
pub fn judge_above_zero(key: &'static str, value: f64) -> Result<(), SettingError> {
    judge(key, value.is_finite() && value > 0.0, "a number above 0", &value)
}

/// Judges what every network's configuration says: the factor of its channels, and epsilon and momentum of its norms.
///
/// # Errors
/// The first one outside its range.
pub fn judge_network(width: f64, norm_eps: f64, norm_momentum: f64) -> Result<(), SettingError> {
    judge("model.width", width > 0.0 && width <= 4.0, "a factor above 0, at most 4", &width)?;
    judge_above_zero("model.norm-eps", norm_eps)?;
    judge("model.norm-momentum", (0.0..=1.0).contains(&norm_momentum), "a weight from 0 to 1", &norm_momentum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_networks_ranges() {
        for (width, eps, momentum) in [(4.0, 1e-5, 0.0), (0.01, f64::MIN_POSITIVE, 1.0)] {
            judge_network(width, eps, momentum).unwrap();
        }
        for (width, eps, momentum, told) in [
            (0.0, 1e-5, 0.1, "recipe: `model.width`: expected a factor above 0, at most 4, got 0"),
            (4.5, 1e-5, 0.1, "`model.width`"),
            (f64::NAN, 1e-5, 0.1, "`model.width`"),
            (1.0, 0.0, 0.1, "recipe: `model.norm-eps`: expected a number above 0, got 0"),
            (1.0, f64::INFINITY, 0.1, "`model.norm-eps`"),
            (1.0, 1e-5, 1.5, "recipe: `model.norm-momentum`: expected a weight from 0 to 1, got 1.5"),
            (1.0, 1e-5, f64::NAN, "`model.norm-momentum`"),
        ] {
            let refusal = judge_network(width, eps, momentum).unwrap_err().to_string();
            assert!(refusal.contains(told), "{refusal}");
        }
    }
}
