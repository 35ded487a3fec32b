//! Masks of black and white, which teach nothing as they are.

use std::path::Path;

use super::LabelRule;
use crate::error::DataError;
use crate::label_map::VOID;

/// Masks of black and white among those added: 255 means void, so a foreground of 255 would teach nothing.
#[derive(Default)]
pub(super) struct BlackAndWhite {
    masks: usize,
    /// Those of nothing but 0 and 255.
    bare: usize,
    /// Those of them with any 255.
    white: usize,
}

impl BlackAndWhite {
    /// Adds a mask by the histogram of its file's labels.
    pub fn add(&mut self, histogram: &[u64; 256]) {
        let is_black_and_white = histogram[1..usize::from(VOID)].iter().all(|&pixels| pixels == 0);
        self.masks += 1;
        self.bare += usize::from(is_black_and_white);
        self.white += usize::from(is_black_and_white && histogram[usize::from(VOID)] > 0);
    }

    /// Refuses a set of which more than nine masks in ten are black and white, unless the options say what 255 means.
    ///
    /// # Errors
    /// [`DataError::Record`].
    pub fn refuse(&self, set: &str, rule: &LabelRule, example: &Path) -> Result<(), DataError> {
        let is_most = self.bare * 10 > self.masks * 9;
        if !is_most || self.white == 0 || rule.says_what_void_means() {
            return Ok(());
        }
        Err(DataError::Record {
            path: example.to_path_buf(),
            record: format!("the masks of {set}"),
            expected: "class indices".into(),
            got: format!(
                "nothing but 0 and 255 in {} of {}; 255 means void, so nothing would be learned from it",
                self.bare, self.masks
            ),
            help: "if 255 is the foreground: mask-map = [[255, 1]]; if it is void: mask-map = [[255, 255]]",
        })
    }
}
