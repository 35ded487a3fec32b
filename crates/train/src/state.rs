//! Where a training stands: what resumes it exactly, beside the weights and the optimizer's buffers.
//!
//! No generator state: every draw is a function of (seed, purpose, epoch, sample).  Schedules follow from the step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of the format of `state.json`.
const SCHEMA: u32 = 1;

/// A state that cannot be written or resumed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not the JSON of a state.
    #[error("{file}: not a training state: {reason}")]
    Format {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by another version.
    #[error(
        "{file}: expected schema {SCHEMA}, got {got}\nhelp: resume with the version of wrs that wrote it (run.json)"
    )]
    Schema {
        /// The file.
        file: String,
        /// Its schema.
        got: u32,
    },
    /// A value that JSON cannot hold.
    #[error("training state: `{key}`: expected a finite number, got {got}")]
    NotFinite {
        /// Which value.
        key: String,
        /// The value.
        got: f64,
    },
    /// A checkpoint of another recipe.
    #[error(
        "{file}: the checkpoint was written under another recipe: expected digest {expected}, got {got}\n\
         help: restore the run's recipe.toml, or start a new run from best.safetensors"
    )]
    OtherRecipe {
        /// The file.
        file: String,
        /// Digest of the recipe at hand.
        expected: String,
        /// Digest of the recipe that the checkpoint was written under.
        got: String,
    },
}

/// Which of two values of a metric is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// AP, mIoU.
    Highest,
    /// MAE, loss.
    Lowest,
}

/// The best evaluation so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Name of the metric, as in metrics.jsonl.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The step after which it was measured.
    pub step: u64,
}

/// Where a training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrainState {
    schema: u32,
    /// Optimizer steps done.
    pub step: u64,
    /// Epoch of the next sample.
    pub epoch: u64,
    /// Samples of that epoch already used.
    pub position: u64,
    /// The best evaluation so far, if there was one.
    pub best: Option<Best>,
    /// Digest of the recipe ([`crate::recipe::Loaded::digest`]).
    pub recipe_digest: String,
    /// What else the task counts: calls of WRS, rows under the threshold, …
    pub counters: BTreeMap<String, u64>,
    /// What else the task carries over: averaged losses, …
    pub values: BTreeMap<String, f64>,
}

impl TrainState {
    /// The start of a training under the recipe of that digest.
    pub fn new(recipe_digest: &str) -> Self {
        Self {
            schema: SCHEMA,
            step: 0,
            epoch: 0,
            position: 0,
            best: None,
            recipe_digest: recipe_digest.to_owned(),
            counters: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }

    /// Takes an evaluation after the present step; returns whether it is the best so far.  Of equals the first stays; a
    /// value that is not finite is never the best.
    pub fn improve(&mut self, metric: &str, value: f64, goal: Goal) -> bool {
        let better = |best: &Best| match goal {
            Goal::Highest => value > best.value,
            Goal::Lowest => value < best.value,
        };
        let improved = value.is_finite() && self.best.as_ref().is_none_or(better);
        if improved {
            self.best = Some(Best { metric: metric.to_owned(), value, step: self.step });
        }
        improved
    }

    /// The JSON of `state.json`; every float comes back bit for bit.
    ///
    /// # Errors
    /// [`StateError::NotFinite`].
    pub fn to_json(&self) -> Result<Vec<u8>, StateError> {
        let values = self.values.iter().map(|(key, value)| (key.as_str(), *value));
        let mut values = values.chain(self.best.iter().map(|best| (best.metric.as_str(), best.value)));
        if let Some((key, got)) = values.find(|(_, value)| !value.is_finite()) {
            return Err(StateError::NotFinite { key: key.to_owned(), got });
        }
        let format = |e: serde_json::Error| StateError::Format { file: "state.json".to_owned(), reason: e.to_string() };
        let mut json = serde_json::to_vec_pretty(self).map_err(format)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads what [`Self::to_json`] wrote; `file` is its name in messages.
    ///
    /// # Errors
    /// [`StateError::Format`], [`StateError::Schema`].
    pub fn from_json(json: &[u8], file: &str) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let format = |e: serde_json::Error| StateError::Format { file: file.to_owned(), reason: e.to_string() };
        let Versioned { schema } = serde_json::from_slice(json).map_err(format)?;
        if schema != SCHEMA {
            return Err(StateError::Schema { file: file.to_owned(), got: schema });
        }
        serde_json::from_slice(json).map_err(format)
    }

    /// Refuses to go on under another recipe.
    ///
    /// # Errors
    /// [`StateError::OtherRecipe`].
    pub fn check_recipe(&self, digest: &str, file: &str) -> Result<(), StateError> {
        if self.recipe_digest == digest {
            return Ok(());
        }
        Err(StateError::OtherRecipe {
            file: file.to_owned(),
            expected: digest.to_owned(),
            got: self.recipe_digest.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_is_the_first_of_equals_and_never_nan() {
        let mut state = TrainState::new("d");
        assert!(!state.improve("ap50", f64::NAN, Goal::Highest));
        for (step, value, improved) in [(1, 0.2, true), (2, 0.2, false), (3, f64::NAN, false), (4, 0.3, true)] {
            state.step = step;
            assert_eq!(state.improve("ap50", value, Goal::Highest), improved);
        }
        assert_eq!(state.best, Some(Best { metric: "ap50".into(), value: 0.3, step: 4 }));
        let mut state = TrainState::new("d");
        assert!(state.improve("mae", 9.0, Goal::Lowest) && !state.improve("mae", 9.5, Goal::Lowest));
    }

    #[test]
    fn what_cannot_be_resumed_is_refused() {
        let state = TrainState::new("one");
        let text = state.check_recipe("two", "state.json").unwrap_err().to_string();
        assert!(text.contains("expected digest two, got one\nhelp: "), "{text}");
        state.check_recipe("one", "state.json").unwrap();
        let newer = String::from_utf8(state.to_json().unwrap()).unwrap().replace("\"schema\": 1", "\"schema\": 9");
        let text = TrainState::from_json(newer.as_bytes(), "state.json").unwrap_err().to_string();
        assert!(text.starts_with("state.json: expected schema 1, got 9"), "{text}");
        let mut state = state;
        state.values.insert("loss".into(), f64::INFINITY);
        assert!(matches!(state.to_json(), Err(StateError::NotFinite { .. })));
    }

    proptest! {
        #[test]
        fn floats_come_back_bit_for_bit(bits in any::<u64>(), step in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut state = TrainState::new("d");
            state.step = step;
            state.values.insert("loss".into(), value);
            let read = TrainState::from_json(&state.to_json().unwrap(), "state.json").unwrap();
            prop_assert_eq!(read.values["loss"].to_bits(), bits);
            prop_assert_eq!(read, state);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(TrainState::from_json(&bytes, "x").is_err());
        }
    }
}
