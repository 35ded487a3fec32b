//! How long a training runs, which a recipe says under one of two keys.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long a training runs: `steps = N` or `epochs = N` in the recipe, exactly one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunLength {
    /// Optimizer steps.
    Steps(NonZeroU64),
    /// Passes over the training set.
    Epochs(NonZeroU64),
}

impl RunLength {
    /// The recipe's keys.
    pub(super) const KEYS: [&'static str; 2] = ["steps", "epochs"];

    /// The key that setting `key` removes.
    pub(super) fn alternative_to(key: &str) -> Option<&'static str> {
        match Self::KEYS {
            [steps, epochs] if key == steps => Some(epochs),
            [steps, epochs] if key == epochs => Some(steps),
            _ => None,
        }
    }

    /// The epochs, where it is counted in them.
    pub fn epochs(self) -> Option<u64> {
        match self {
            Self::Steps(_) => None,
            Self::Epochs(epochs) => Some(epochs.get()),
        }
    }

    /// The number of optimizer steps, an epoch being that many.
    pub fn steps(self, steps_per_epoch: NonZeroU64) -> u64 {
        match self {
            Self::Steps(steps) => steps.get(),
            Self::Epochs(epochs) => epochs.get().saturating_mul(steps_per_epoch.get()),
        }
    }
}

impl Serialize for RunLength {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [steps, epochs] = Self::KEYS;
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Steps(count) => map.serialize_entry(steps, count)?,
            Self::Epochs(count) => map.serialize_entry(epochs, count)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RunLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("RunLength", &Self::KEYS, RunLengthVisitor)
    }
}

struct RunLengthVisitor;

impl<'de> Visitor<'de> for RunLengthVisitor {
    type Value = RunLength;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of `steps` and `epochs`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RunLength, A::Error> {
        let [steps, epochs] = RunLength::KEYS;
        let mut length = None;
        while let Some(key) = map.next_key::<String>()? {
            let count: NonZeroU64 = map
                .next_value()
                .map_err(|e| A::Error::custom(format!("`{key}`: expected a whole number above 0: {e}")))?;
            let this = if key == steps { RunLength::Steps(count) } else { RunLength::Epochs(count) };
            if length.replace(this).is_some() {
                return Err(A::Error::custom(format!("expected one of `{steps}` and `{epochs}`, got both")));
            }
        }
        length.ok_or_else(|| A::Error::custom(format!("expected one of `{steps}` and `{epochs}`, got neither")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_as_many_steps_as_the_data_gives() {
        let number = |n| NonZeroU64::new(n).unwrap();
        assert_eq!(RunLength::Steps(number(500)).steps(number(661)), 500);
        assert_eq!(RunLength::Epochs(number(50)).steps(number(661)), 33_050);
        assert_eq!([RunLength::Steps(number(5)), RunLength::Epochs(number(5))].map(RunLength::epochs), [None, Some(5)]);
    }

    #[test]
    fn setting_one_removes_the_other() {
        assert_eq!(RunLength::alternative_to("steps"), Some("epochs"));
        assert_eq!(RunLength::alternative_to("epochs"), Some("steps"));
        assert_eq!(RunLength::alternative_to("seed"), None);
    }
}
