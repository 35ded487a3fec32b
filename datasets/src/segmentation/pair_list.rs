//! Lists of pictures with their masks: `train.txt` of lines `/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png`.
//!
//! The paths were written on another machine, so of each the longest end is taken that leads somewhere under the folder of
//! the lists. Without lists the folders `SPLIT/` and `SPLITannot/` tell the same.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::folders::pairs_of_folders;
use super::layout::{Listed, Pair, Reader};
use crate::error::DataError;
use crate::fault::Faults;
use crate::id_list::{entries, read_text, stem_of};
use crate::split::Split;

/// What SegNet appends to the name of a split for the folder of its masks.
const MASKS: &str = "annot";

/// Reads [`super::SegmentationLayout::PairList`].
pub(super) struct PairListReader;

impl Reader for PairListReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["SPLIT.txt of lines `picture mask`", "SPLIT and SPLITannot", "*/SPLITannot"]
    }

    fn list(&self, root: &Path, split: &Split, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root).unwrap_or_else(|| root.to_path_buf());
        let (list, images) = (home.join(format!("{split}.txt")), home.join(split.to_string()));
        let listed = |source, pairs, notes| Listed {
            name: format!("{split} of {}", home.display()),
            home: home.clone(),
            source,
            pairs,
            class_names: None,
            notes,
        };
        if list.is_file() {
            let (pairs, notes) = read_pairs(&home, &list)?;
            return Ok(listed(list, pairs, notes));
        }
        if images.is_dir() {
            let pairs = pairs_of_folders(&images, &home.join(format!("{split}{MASKS}")), faults)?;
            return Ok(listed(images, pairs, Vec::new()));
        }
        Err(DataError::Layout {
            wanted: format!("split {split}"),
            root: home,
            looked: vec![list, images],
            help: "write this list: a picture and its mask a line, or name another split".into(),
        })
    }
}

/// The root, or the one folder in it, that holds lists of pairs or folders with masks beside them.
fn home_of(root: &Path) -> Option<PathBuf> {
    if is_home(root) {
        return Some(root.to_path_buf());
    }
    let inner = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let homes: Vec<_> = inner.filter(|folder| folder.is_dir() && is_home(folder)).collect();
    match homes.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn is_home(folder: &Path) -> bool {
    let mut inner = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_list = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "txt")
            && path.is_file()
            && read_text(path).is_ok_and(|text| entries(&text).next().is_some_and(|(_, line)| columns(line).is_some()))
    };
    let has_masks = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.ends_with(MASKS) && path.is_dir() && folder.join(format!("{name}{MASKS}")).is_dir()
    };
    inner.any(|path| is_list(&path) || has_masks(&path))
}

/// The pairs of a list, in its order; a line that stands there again is left out, with a note.
fn read_pairs(home: &Path, list: &Path) -> Result<(Vec<Pair>, Vec<String>), DataError> {
    let text = read_text(list)?;
    let (mut seen, mut pairs, mut repeated) = (HashSet::new(), Vec::new(), 0);
    for (line, entry) in entries(&text) {
        let (image, mask) = columns(entry).ok_or_else(|| DataError::Record {
            path: list.to_path_buf(),
            record: format!("line {line}"),
            expected: "a picture and its mask, with their endings".into(),
            got: entry.to_owned(),
            help: "write both paths, with a space between",
        })?;
        if !seen.insert(entry) {
            repeated += 1;
            continue;
        }
        let name = image.rsplit(['/', '\\']).next().unwrap_or(image);
        pairs.push(Pair { id: stem_of(name).to_owned(), image: resolve(home, image), mask: resolve(home, mask) });
    }
    let notes = match repeated {
        0 => Vec::new(),
        _ => vec![format!("{}: {repeated} lines stand there again and are left out", list.display())],
    };
    Ok((pairs, notes))
}

/// The two paths of a line: the space between them follows an ending, which tells it from one in a name.
fn columns(entry: &str) -> Option<(&str, &str)> {
    let has_ending = |word: &str| stem_of(word) != word;
    if !entry.rsplit(char::is_whitespace).next().is_some_and(has_ending) {
        return None;
    }
    let mut word = 0;
    for (at, space) in entry.match_indices(char::is_whitespace) {
        if has_ending(&entry[word..at]) {
            return Some((&entry[..at], entry[at..].trim_start()));
        }
        word = at + space.len();
    }
    None
}

/// The longest end of a path that leads to a file under `home`; where none does, to a folder that is there.
fn resolve(home: &Path, path: &str) -> PathBuf {
    let parts: Vec<_> =
        path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
    let ends: Vec<PathBuf> = (0..parts.len()).map(|from| home.join(parts[from..].join("/"))).collect();
    let file = ends.iter().find(|path| path.is_file());
    let near = || ends.iter().find(|path| path.parent().is_some_and(Path::is_dir));
    file.or_else(near).cloned().unwrap_or_else(|| home.to_path_buf())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::folder;

    #[test]
    fn the_space_between_two_paths_follows_an_ending() {
        assert_eq!(columns("a.png b.png"), Some(("a.png", "b.png")));
        assert_eq!(columns("x/a b.jpg \t y/a b.png"), Some(("x/a b.jpg", "y/a b.png")));
        for line in ["a.png", "a b", "a.png b", "a b.png", "", "2007_000032"] {
            assert_eq!(columns(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused_and_leads_nowhere_else(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            text in "([a-c./\\\\ ]{0,12}(\\.png|\\.JPG)? {0,2}){0,4}\n?",
        ) {
            let root = folder(&[("random.txt", &bytes), ("text.txt", text.as_bytes())]);
            for list in ["random.txt", "text.txt"] {
                if let Ok((pairs, _)) = read_pairs(root.path(), &root.path().join(list)) {
                    for Pair { image, mask, .. } in pairs {
                        prop_assert!(image.starts_with(root.path()) && mask.starts_with(root.path()));
                        prop_assert!(!image.components().chain(mask.components()).any(|part| part.as_os_str() == ".."));
                    }
                }
            }
        }
    }
}
