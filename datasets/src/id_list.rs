//! Lists of ids, one a line: `ImageSets/Segmentation/train.txt` of VOC, `train.txt` of SBD, and what people make of them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The ids of a list in the order of the file, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdList {
    /// The file.
    pub path: PathBuf,
    /// The ids.
    pub ids: Vec<ListedId>,
    /// What the list holds beside ids: repetitions, second columns.
    pub notes: Vec<String>,
}

/// An id of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedId {
    /// The name of a picture without folders and ending: `2007_000032`.
    pub id: String,
    /// The line it stands in first, from 1.
    pub line: usize,
}

/// Reads a list of ids.
///
/// A byte order mark, CRLF, blank lines, spaces around an id, comments from a `#` at the start or behind a space, folders
/// (`/JPEGImages/2007_000032.jpg`) and endings of pictures are no fault. Two columns are the picture and the mask of one id.
/// An id that is listed again is left out, with a note.
///
/// # Errors
/// A file that cannot be read or is no UTF-8 text, a list without ids, and two columns that belong to two ids.
pub fn read_id_list(path: &Path) -> Result<IdList, DataError> {
    let text = read_text(path)?;
    let mut list = IdList { path: path.to_path_buf(), ids: Vec::new(), notes: Vec::new() };
    let (mut first_lines, mut repeated, mut pairs) = (HashMap::new(), Vec::new(), 0);
    for (line, entry) in entries(&text) {
        let (id, is_pair) = id_of(entry).map_err(|(picture, mask)| of_two_ids(path, line, picture, mask))?;
        pairs += usize::from(is_pair);
        if first_lines.contains_key(&id) {
            repeated.push(id);
        } else {
            first_lines.insert(id.clone(), line);
            list.ids.push(ListedId { id, line });
        }
    }
    if list.ids.is_empty() {
        return Err(without_ids(path));
    }
    if pairs > 0 {
        list.notes.push(format!("{}: {pairs} lines have two columns, a picture and its mask", path.display()));
    }
    if let [first, ..] = repeated.as_slice() {
        let times = repeated.len();
        list.notes.push(format!(
            "{}: {times} ids listed again are left out, the first is {first} (line {})",
            path.display(),
            first_lines[first]
        ));
    }
    Ok(list)
}

/// The text of a list.
///
/// # Errors
/// A file that cannot be read or is no UTF-8 text.
pub(crate) fn read_text(path: &Path) -> Result<String, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error.to_string()))?;
    if text.contains('\0') {
        return Err(not_text(path, "a byte of value 0, as UTF-16 has"));
    }
    Ok(text)
}

/// The lines of a list that hold something, numbered from 1, without comments and the space around them.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| without_comment(line).trim());
    (1..).zip(lines).filter(|(_, entry)| !entry.is_empty())
}

/// The name of a picture without its ending; endings of anything else are part of the name.
pub fn stem_of(entry: &str) -> &str {
    entry.rsplit_once('.').filter(|(_, ending)| is_of_picture(ending)).map_or(entry, |(stem, _)| stem)
}

fn is_of_picture(ending: &str) -> bool {
    ["jpg", "jpeg", "png", "bmp"].contains(&ending.to_lowercase().as_str())
}

fn without_comment(line: &str) -> &str {
    let is_start = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(|(at, _)| is_start(*at)).map_or(line, |(at, _)| &line[..at])
}

/// The id of a line, and whether the line has two columns; the columns where they belong to two ids.
fn id_of(entry: &str) -> Result<(String, bool), (&str, &str)> {
    let id = |path: &str| stem_of(path.rsplit(['/', '\\']).next().unwrap_or(path)).to_owned();
    let has_ending = |path: &str| stem_of(path) != path;
    let Some((picture, mask)) = entry.rsplit_once(char::is_whitespace).map(|(first, last)| (first.trim_end(), last))
    else {
        return Ok((id(entry), false));
    };
    if id(picture) == id(mask) {
        Ok((id(picture), true))
    } else if has_ending(picture) && has_ending(mask) {
        Err((picture, mask))
    } else {
        // A name with a space in it.
        Ok((id(entry), false))
    }
}

fn not_text(path: &Path, problem: &str) -> DataError {
    DataError::Parse {
        path: path.to_path_buf(),
        place: "list".into(),
        problem: format!("expected UTF-8 text, got {problem}"),
        help: "save the list as UTF-8",
    }
}

fn without_ids(path: &Path) -> DataError {
    DataError::Record {
        path: path.to_path_buf(),
        record: "list of ids".into(),
        expected: "at least one id".into(),
        got: "none".into(),
        help: "write the names of the pictures, one a line, without their ending",
    }
}

fn of_two_ids(path: &Path, line: usize, picture: &str, mask: &str) -> DataError {
    DataError::Record {
        path: path.to_path_buf(),
        record: format!("line {line}"),
        expected: "the picture and the mask of one id".into(),
        got: format!("{picture} and {mask}"),
        help: "name the mask as its picture",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<IdList, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.txt");
        fs::write(&path, bytes).unwrap();
        read_id_list(&path)
    }

    fn listed(bytes: &[u8]) -> Vec<(String, usize)> {
        read(bytes).unwrap().ids.into_iter().map(|listed| (listed.id, listed.line)).collect()
    }

    #[test]
    fn one_id_a_line_however_the_lines_are_written() {
        let expected = [("2007_000032".to_owned(), 2), ("2007_000039".to_owned(), 4), ("b 1.v2".to_owned(), 5)];
        let lists: [&[u8]; 3] = [
            b"# train\n2007_000032\n\n2007_000039\nb 1.v2\n",
            b"\xef\xbb\xbf\r\n 2007_000032.jpg  \r\n\r\n2007_000039\t# twice\r\nb 1.v2",
            b"\n/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png\n\nimg\\2007_000039.JPG\nx/b 1.v2.png\n",
        ];
        for list in lists {
            assert_eq!(listed(list), expected, "{}", String::from_utf8_lossy(list));
        }
    }

    #[test]
    fn what_is_not_an_id_is_noted() {
        let list = read(b"a\nb.jpg\na.png\nb\nc.jpg c.png\n").unwrap();
        assert_eq!(list.ids.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(list.notes.len(), 2, "{:?}", list.notes);
        assert!(list.notes[0].ends_with("1 lines have two columns, a picture and its mask"), "{:?}", list.notes);
        assert!(
            list.notes[1].ends_with("2 ids listed again are left out, the first is a (line 1)"),
            "{:?}",
            list.notes
        );
    }

    #[test]
    fn a_hash_inside_a_name_is_part_of_it() {
        assert_eq!(listed(b"a#1\nb #2\n#3\n"), [("a#1".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn faults_name_the_line_and_the_mend() {
        let refusal = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        let text = refusal(b"a\nb.jpg c.png\n");
        assert!(text.contains("line 2: expected the picture and the mask of one id, got b.jpg and c.png"), "{text}");
        assert!(refusal(b"\n# none\n").contains("expected at least one id, got none"));
        assert!(refusal(b"a\0\n\0").contains("expected UTF-8 text, got a byte of value 0"));
        assert!(refusal(b"\xff\xfea\n").contains("save the list as UTF-8"));
    }

    proptest! {
        #[test]
        fn any_text_gives_ids_without_folders_each_once(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(list) = read(&bytes) {
                let mut ids: Vec<_> = list.ids.iter().map(|listed| listed.id.clone()).collect();
                prop_assert!(ids.iter().all(|id| !id.contains(['/', '\\', '\n'])));
                ids.sort();
                ids.dedup();
                prop_assert_eq!(ids.len(), list.ids.len());
            }
        }
    }
}
