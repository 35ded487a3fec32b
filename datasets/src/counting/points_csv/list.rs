//! Lists of lines `picture points.txt`, from the folder of the list, as P2PNet has them.

use std::path::{Component, Path, PathBuf};

use super::table::first_line;
use crate::counting::layout::Entry;
use crate::error::DataError;
use crate::fault::Faults;
use crate::id_list::{entries, read_text, stem_of};

/// Whether a file begins as such a list does.
pub(super) fn is_one(path: &Path) -> bool {
    let is_list = path.extension().is_some_and(|ending| ending == "list" || ending == "txt");
    is_list && path.is_file() && first_line(path).is_some_and(|line| columns(line.trim()).is_some())
}

/// The pictures of a list, in its order.
///
/// # Errors
/// A list that cannot be read, is no UTF-8 text, or has a line of something else.
pub(super) fn read(list: &Path, home: &Path, faults: &mut Faults) -> Result<Vec<Entry>, DataError> {
    let text = read_text(list)?;
    let entry = |(line, text)| {
        let files = columns(text).and_then(|(image, points)| Some((under(home, image)?, under(home, points)?)));
        let (image, points) = faults.take(files.ok_or_else(|| DataError::Record {
            path: list.to_path_buf(),
            record: format!("line {line}"),
            expected: "a picture and its file of points, from the folder of the list".into(),
            got: format!("\"{text}\""),
            help: "write: images/a.jpg points/a.txt",
        }))?;
        let id = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Some(Entry::with_file(id, image, points))
    };
    Ok(entries(&text).filter_map(entry).collect())
}

/// The two paths of a line: the space between them follows the ending of a picture.
fn columns(line: &str) -> Option<(&str, &str)> {
    let spaces = line.match_indices(char::is_whitespace).map(|(at, _)| line.split_at(at));
    let is_picture = |name: &str| stem_of(name) != name;
    let mut found = spaces.filter(|(image, _)| is_picture(image)).map(|(image, points)| (image, points.trim()));
    found.find(|(_, points)| Path::new(points).extension().is_some() && !is_picture(points))
}

/// A path under a folder; none where it leads elsewhere.
pub(super) fn under(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.replace('\\', "/");
    let parts = Path::new(&path).components().filter(|part| *part != Component::CurDir);
    let parts: Option<PathBuf> = parts.map(|part| matches!(part, Component::Normal(_)).then_some(part)).collect();
    parts.filter(|parts| parts.file_name().is_some()).map(|parts| folder.join(parts))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::folder;

    #[test]
    fn the_space_between_two_paths_follows_the_ending_of_a_picture() {
        assert_eq!(columns("a.jpg a.txt"), Some(("a.jpg", "a.txt")));
        assert_eq!(columns("x/a b.PNG \t y/a b.txt"), Some(("x/a b.PNG", "y/a b.txt")));
        for line in ["a.jpg", "0001 1 2", "a.jpg b.png", "a b.txt", "", "a.jpg b"] {
            assert_eq!(columns(line), None, "{line}");
        }
        assert_eq!(under(Path::new("h"), "./a/b.jpg"), Some("h/a/b.jpg".into()));
        for path in ["/a.jpg", "../a.jpg", "a/../../b.jpg", ".", ""] {
            assert_eq!(under(Path::new("h"), path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused_and_leads_nowhere_else(
            bytes in prop::collection::vec(any::<u8>(), 0..100), text in "([a-c./\\\\ ]{0,9}(\\.png|\\.txt)? {0,2}){0,4}\n?",
        ) {
            let root = folder(&[("random.txt", &bytes), ("text.txt", text.as_bytes())]);
            for list in ["random.txt", "text.txt"] {
                let mut faults = Faults::all(root.path());
                let _ = is_one(&root.path().join(list));
                if let Ok(entries) = read(&root.path().join(list), root.path(), &mut faults) {
                    for entry in entries {
                        let mut paths = [entry.image.as_path(), entry.annotation.path()].into_iter();
                        let climbs = |path: &Path| path.components().any(|part| part == Component::ParentDir);
                        prop_assert!(paths.all(|path| path.starts_with(root.path()) && !climbs(path)));
                    }
                }
            }
        }
    }
}
