//! What an optimizer must remember between runs so that a resumed run ends with the same bytes.

use std::collections::BTreeMap;

use wrs_nn::Buffer;

use crate::OptimError;

/// A view of everything an optimizer remembers, to be written into a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct OptimizerState<'a> {
    /// Flat buffers by name.
    pub buffers: Vec<(&'static str, &'a Buffer)>,
    /// Counters by name.
    pub counters: Vec<(&'static str, u64)>,
}

impl OptimizerState<'_> {
    /// A copy that owns its numbers.
    pub fn to_saved(&self) -> SavedState {
        let buffers = self.buffers.iter().map(|&(name, buffer)| (name.to_owned(), buffer.clone()));
        SavedState::new(buffers, self.counters.iter().map(|&(name, count)| (name.to_owned(), count)))
    }
}

/// What a checkpoint gives back: each part is taken by the one that saved it, and nothing may be left.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    buffers: BTreeMap<String, Buffer>,
    counters: BTreeMap<String, u64>,
}

impl SavedState {
    /// The parts as read from a checkpoint.
    pub fn new(
        buffers: impl IntoIterator<Item = (String, Buffer)>,
        counters: impl IntoIterator<Item = (String, u64)>,
    ) -> Self {
        Self { buffers: buffers.into_iter().collect(), counters: counters.into_iter().collect() }
    }

    /// Moves a buffer out, into its place.
    ///
    /// # Errors
    /// When it was not saved, or has another length than its place.
    pub fn take_buffer(&mut self, name: &'static str, place: &mut Buffer) -> Result<(), OptimError> {
        let saved = self.buffers.remove(name).ok_or(OptimError::StateMissing { name })?;
        if saved.len() != place.len() {
            return Err(OptimError::StateLength { name, expected: place.len(), got: saved.len() });
        }
        *place = saved;
        Ok(())
    }

    /// Takes a counter out.
    ///
    /// # Errors
    /// When it was not saved.
    pub fn take_counter(&mut self, name: &'static str) -> Result<u64, OptimError> {
        self.counters.remove(name).ok_or(OptimError::StateMissing { name })
    }

    /// Ends the loading.
    ///
    /// # Errors
    /// When a part is left that nobody took: the checkpoint is of another optimizer.
    pub fn finish(self) -> Result<(), OptimError> {
        let names: Vec<_> = self.buffers.into_keys().chain(self.counters.into_keys()).collect();
        if names.is_empty() { Ok(()) } else { Err(OptimError::StateLeft { names: names.join(", ") }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_taken_once_and_nothing_is_left() {
        let momentum = Buffer::from(vec![1.0, 2.0]);
        let state = OptimizerState { buffers: vec![("momentum", &momentum)], counters: vec![("steps", 7)] };
        let mut saved = state.to_saved();
        let mut place = Buffer::zeros(2);
        saved.take_buffer("momentum", &mut place).unwrap();
        assert_eq!(place.host(), [1.0, 2.0]);
        let again = saved.take_buffer("momentum", &mut place).unwrap_err();
        assert!(matches!(again, OptimError::StateMissing { name: "momentum" }));
        let left = saved.clone().finish().unwrap_err();
        assert!(left.to_string().contains("steps"), "{left}");
        assert_eq!(saved.take_counter("steps").unwrap(), 7);
        saved.finish().unwrap();
    }

    #[test]
    fn a_buffer_of_another_network_is_refused() {
        let mut saved = SavedState::new([("momentum".to_owned(), Buffer::zeros(3))], []);
        let refusal = saved.take_buffer("momentum", &mut Buffer::zeros(2)).unwrap_err();
        assert!(matches!(refusal, OptimError::StateLength { expected: 2, got: 3, .. }));
    }
}
