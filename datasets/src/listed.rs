//! What a layout lists, before it is read: each name once, each file in its place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::policy::MissingFiles;

/// Leaves out pictures whose id another one has: predictions are written under their ids.
pub(crate) fn refuse_repeated<T>(
    listed: &mut Vec<T>,
    id_and_image: impl Fn(&T) -> (&str, &Path),
    source: &Path,
    faults: &mut Faults,
) {
    let mut first: HashMap<String, PathBuf> = HashMap::new();
    listed.retain(|of| {
        let (id, image) = id_and_image(of);
        let Some(other) = first.get(id) else {
            first.insert(id.to_owned(), image.to_path_buf());
            return true;
        };
        faults.error(DataError::Record {
            path: source.to_path_buf(),
            record: id.to_owned(),
            expected: "one picture of this name".into(),
            got: format!("{} and {}", other.display(), image.display()),
            help: "rename one of the two",
        });
        false
    });
}

/// Leaves out pictures of which a file is missing, those that `missing_of` gives: as a fault, or with a note where that is
/// asked for. `annotations` is what messages call what belongs to a picture.
pub(crate) fn leave_out_missing<T>(
    listed: &mut Vec<T>,
    missing_of: impl Fn(&T) -> Vec<PathBuf>,
    (policy, annotations): (MissingFiles, &str),
    source: &Path,
    notes: &mut Vec<String>,
    faults: &mut Faults,
) {
    let (total, mut missing) = (listed.len(), Vec::new());
    listed.retain(|of| {
        let before = missing.len();
        missing.extend(missing_of(of));
        missing.len() == before
    });
    let Some(first) = missing.first() else { return };
    match policy {
        MissingFiles::Refuse => {
            faults.error(DataError::MissingFiles { list: source.to_path_buf(), total, missing });
        }
        MissingFiles::Skip => {
            for path in &missing {
                let problem = format!("missing, though named in {}: its picture is left out", source.display());
                faults.warn(|| warning(path, None, problem, "unpack it there"));
            }
            let (left_out, first) = (total - listed.len(), first.display());
            notes.push(format!(
                "{left_out} of {total} pictures are left out: they or their {annotations} are missing, first {first}"
            ));
        }
    }
}
