//! Where a VOC folder lies, and its lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::detection::{Faults, Split};
use crate::error::DataError;
use crate::id_list::stem_of;

/// What makes a folder one of VOC data, for one of its tasks.
pub(crate) struct HomeOf {
    /// Whether a folder is one.
    pub is_home: fn(&Path) -> bool,
    /// The folders it must hold.
    pub holds: &'static [&'static str],
    /// The folder of its lists under `ImageSets`.
    pub lists: &'static str,
    /// What is expected of it, in a sentence.
    pub help: &'static str,
}

/// Pictures with boxes.
pub(super) const DETECTION: HomeOf = HomeOf {
    is_home: |folder| folder.join("JPEGImages").is_dir() && annotations(folder).next().is_some(),
    holds: &["Annotations", "JPEGImages"],
    lists: "Main",
    help: "expected Annotations/*.xml, JPEGImages/ and ImageSets/Main/ in one folder",
};

impl HomeOf {
    /// The root itself, or the folders in it and in its `VOCdevkit` that hold VOC data; sorted.
    pub fn all(&self, root: &Path) -> Vec<PathBuf> {
        if (self.is_home)(root) {
            return vec![root.to_path_buf()];
        }
        let folders = |root: &Path| fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let inner = folders(root).chain(folders(&root.join("VOCdevkit")));
        let mut found: Vec<_> = inner.filter(|folder| (self.is_home)(folder)).collect();
        found.sort();
        found
    }

    /// The one VOC folder under a root.
    ///
    /// # Errors
    /// [`DataError::Layout`] where there is none, and where there are several.
    pub fn only(&self, root: &Path) -> Result<PathBuf, DataError> {
        let homes = self.all(root);
        let fault =
            |looked, help| DataError::Layout { wanted: "single VOC folder".into(), root: root.into(), looked, help };
        match homes.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(fault(self.holds.iter().map(|folder| root.join(folder)).collect(), self.help.into())),
            [first, ..] => {
                let (count, first) = (homes.len(), first.display());
                let help = format!("there are {count}; name one of them as the root, for example {first}");
                Err(fault(homes, help))
            }
        }
    }

    /// Where the list of a split belongs.
    pub fn list_path(&self, home: &Path, split: &str) -> PathBuf {
        home.join("ImageSets").join(self.lists).join(format!("{split}.txt"))
    }

    /// The list of a split.
    ///
    /// # Errors
    /// [`DataError::Layout`] where there is none.
    pub fn list(&self, home: &Path, split: &Split) -> Result<PathBuf, DataError> {
        let list = self.list_path(home, &split.to_string());
        if list.is_file() {
            return Ok(list);
        }
        let folder = home.join("ImageSets").join(self.lists);
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let names = entries.filter_map(|name| Some(name.to_string_lossy().strip_suffix(".txt")?.to_owned()));
        let mut present: Vec<_> = names.collect();
        present.sort();
        Err(DataError::Layout {
            wanted: format!("VOC split {split}"),
            root: home.to_path_buf(),
            looked: vec![list],
            help: match present.as_slice() {
                [] => "write this list: the names of the split's pictures, one a line, without their ending".into(),
                some => format!("splits present: {}", some.join(", ")),
            },
        })
    }
}

/// The xml files of a VOC folder, in no order.
pub(super) fn annotations(home: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(home.join("Annotations")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "xml"))
}

/// The stems of a list, sorted, with the line of each. A byte order mark, CRLF, blank lines and endings such as `.jpg` are no
/// fault; a second column, as the lists of single classes have, is left aside with a note. A repeated stem is pushed.
///
/// # Errors
/// [`DataError::Io`].
pub(super) fn read_list(
    list: &Path,
    notes: &mut Vec<String>,
    faults: &mut Faults,
) -> Result<BTreeMap<String, usize>, DataError> {
    let bytes = fs::read(list).map_err(DataError::io("read", list))?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut stems, mut has_column) = (BTreeMap::new(), false);
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        // The second column of the lists of single classes: 1, 0 (difficult ones only) or -1.
        let (entry, column) = match line.rsplit_once(char::is_whitespace) {
            Some((entry, "1" | "0" | "-1")) => (entry.trim_end(), true),
            _ => (line, false),
        };
        if entry.is_empty() {
            continue;
        }
        has_column |= column;
        if let Some(first) = stems.insert(stem_of(entry).to_owned(), i + 1) {
            faults.error(DataError::Record {
                path: list.to_path_buf(),
                record: format!("line {}", i + 1),
                expected: "a picture of its own".into(),
                got: format!("{entry}, listed in line {first}"),
                help: "list each picture once",
            });
        }
    }
    if has_column {
        notes.push(format!("{}: the second column is not used; all listed pictures are taken", list.display()));
    }
    Ok(stems)
}
