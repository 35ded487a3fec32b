//! What the checks of all tasks share: every record looked at on worker threads, and pictures that stand in two places.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use crate::error::DataError;
use crate::fault::{Fault, Faults, warning};
use crate::image::ImageNote;
use crate::loader::Loader;

/// How much of each picture is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// The header: is it a picture, and of the size that its annotations say?
    Headers,
    /// Everything: the picture is decoded, and its bytes are compared with those of all others.
    All,
}

/// So many pictures are decoded without being asked for: more would take minutes.
const DECODED_UNASKED: usize = 2000;

impl Pictures {
    /// What was asked for, or as much as takes seconds for so many pictures; and a line about what was left out unasked.
    fn or_by_count(asked: Option<Self>, count: usize) -> (Self, Option<String>) {
        match asked {
            Some(asked) => (asked, None),
            None if count <= DECODED_UNASKED => (Self::All, None),
            None => {
                let left_out = format!("looked at the headers of {count} pictures; to decode them too: --images all");
                (Self::Headers, Some(left_out))
            }
        }
    }
}

/// Looks at a data set: at the headers of its pictures first, whose number decides how they are looked at where nobody said;
/// gives what was found, and a line about what was left out unasked.
pub fn headers_first<F>(
    asked: Option<Pictures>,
    look: impl Fn(Pictures) -> F,
    pictures_of: impl FnOnce(&F) -> usize,
) -> (F, Option<String>) {
    let found = look(Pictures::Headers);
    match Pictures::or_by_count(asked, pictures_of(&found)) {
        (Pictures::Headers, left_out) => (found, left_out),
        (Pictures::All, left_out) => (look(Pictures::All), left_out),
    }
}

/// Records that may wait beside those being looked at, a worker.
const AHEAD: usize = 4;

/// Looks at every record on `workers` threads (with 0 on the calling one) and hands on what was found in the order of the
/// records. `picture` gives the file that a failure of the look itself is put down to.
pub(crate) fn survey<T, F>(
    tasks: &[T],
    workers: usize,
    faults: &mut Faults,
    picture: impl Fn(&T) -> &Path,
    look: impl Fn(&T) -> F + Send + Sync + 'static,
    mut found: impl FnMut(usize, F, &mut Faults),
) where
    T: Clone + Send + 'static,
    F: Send + 'static,
{
    let make = Arc::new(move |task: &T| Ok::<_, Infallible>(look(task)));
    let findings = match Loader::start(workers, workers * AHEAD, tasks.to_vec(), make) {
        Ok(findings) => findings,
        Err(error) => {
            let (expected, got) = ("threads".to_owned(), error.to_string());
            return faults.error(DataError::Option { option: "workers", expected, got });
        }
    };
    for ((at, task), finding) in tasks.iter().enumerate().zip(findings) {
        match finding {
            Ok(finding) => found(at, finding, faults),
            Err(error) => faults.error(DataError::Image {
                path: picture(task).to_path_buf(),
                problem: error.to_string(),
                help: "replace the picture, and please report this: it is a fault of the program",
            }),
        }
    }
}

/// What there is to say of a picture, if it needs a look; `kept_as_stored` says, with its mend, what a turn that is not made
/// means here.
pub(crate) fn remark(path: &Path, note: ImageNote, kept_as_stored: (&str, &str)) -> Option<Fault> {
    let (problem, help) = match note {
        ImageNote::Grey | ImageNote::Cmyk => return None,
        ImageNote::KeptAsStored => kept_as_stored,
        ImageNote::SixteenBits => ("16 bits a channel are scaled to 8", "nothing to do, unless the range is narrower"),
        ImageNote::Transparency => {
            ("transparent pixels are laid over grey", "nothing to do, unless they hide something")
        }
        ImageNote::AlphaDropped => {
            ("of transparent pixels the colour below is seen", "nothing to do, unless it was never meant to be seen")
        }
    };
    Some(warning(path, None, problem.to_owned(), help))
}

/// A picture of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// The set's name.
    pub set: &'a str,
    /// The picture.
    pub path: &'a Path,
    /// The digest of its bytes, where they were read.
    pub digest: Option<blake3::Hash>,
}

/// A picture that was met before, in this set or in another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeated<'a> {
    /// The file itself.
    File {
        /// The picture.
        path: &'a Path,
        /// The set it was met in.
        set: &'a str,
        /// The set it was met in before.
        before: &'a str,
    },
    /// Another file of the same bytes.
    Bytes {
        /// The picture.
        path: &'a Path,
        /// The file met before.
        first: &'a Path,
        /// Its set.
        before: &'a str,
    },
}

/// The pictures that were met before, in order.
pub(crate) fn repeated<'a>(members: impl Iterator<Item = Member<'a>>) -> Vec<Repeated<'a>> {
    let mut set_of_path: HashMap<&Path, &str> = HashMap::new();
    let mut first_of_digest: HashMap<blake3::Hash, (&str, &Path)> = HashMap::new();
    let mut found = Vec::new();
    for Member { set, path, digest } in members {
        if let Some(before) = set_of_path.insert(path, set) {
            found.push(Repeated::File { path, set, before });
            continue;
        }
        let Some(digest) = digest else { continue };
        if let Some((before, first)) = first_of_digest.get(&digest) {
            found.push(Repeated::Bytes { path, first, before });
        } else {
            first_of_digest.insert(digest, (set, path));
        }
    }
    found
}
