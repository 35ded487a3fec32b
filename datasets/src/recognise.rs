//! Telling one layout from another.

use std::fmt::Display;
use std::path::Path;

use crate::error::DataError;

/// A layout and whether it lies under the root in question.
pub(crate) struct Candidate<L> {
    /// The layout.
    pub layout: L,
    /// Whether it is there.
    pub lies_there: bool,
    /// What was looked for, as paths with `*` under the root.
    pub looks_for: &'static [&'static str],
}

/// The one layout that is there; `wanted` names the data in the message.
///
/// # Errors
/// [`DataError::Layout`] with everything looked for; [`DataError::Layouts`] where there are several.
pub(crate) fn only_layout<L: Copy + Display>(
    wanted: &str,
    root: &Path,
    candidates: &[Candidate<L>],
) -> Result<L, DataError> {
    let found: Vec<L> = candidates.iter().filter(|other| other.lies_there).map(|other| other.layout).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(DataError::Layout {
            wanted: wanted.to_owned(),
            root: root.to_path_buf(),
            looked: candidates.iter().flat_map(|other| other.looks_for).map(|place| root.join(place)).collect(),
            help: if root.exists() {
                "name the folder that holds one of these".into()
            } else {
                "the folder itself does not exist; check --data".into()
            },
        }),
        several => Err(DataError::Layouts {
            root: root.to_path_buf(),
            found: several.iter().map(ToString::to_string).collect(),
        }),
    }
}
