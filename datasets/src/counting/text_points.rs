//! Points in text: numbers in lines.

use std::path::Path;

use super::PointXy;
use crate::error::DataError;
use crate::id_list::read_text;

/// Reads a file of a point a line, `columns` names what a line holds: x and y, then perhaps more. An empty file has none.
///
/// # Errors
/// A file that cannot be read or is no UTF-8 text; a line of other numbers.
pub(super) fn read_lines(path: &Path, columns: &[&str]) -> Result<Vec<PointXy>, DataError> {
    let text = read_text(path)?;
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    lines.filter(|(_, line)| !line.trim().is_empty()).map(|(at, line)| point_of(line, at, path, columns)).collect()
}

fn point_of(line: &str, at: usize, path: &Path, columns: &[&str]) -> Result<PointXy, DataError> {
    let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let numbers: Option<Vec<f64>> = words.map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[x, y, ..]) if numbers.as_ref().is_some_and(|numbers| numbers.len() == columns.len()) => {
            Ok(PointXy { x, y })
        }
        _ => Err(DataError::Record {
            path: path.to_path_buf(),
            record: format!("line {at}"),
            expected: format!("the numbers {}", columns.join(" ")),
            got: format!("\"{line}\""),
            help: "write a point a line",
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::folder;

    fn read(bytes: &[u8], columns: &[&str]) -> Result<Vec<(f64, f64)>, String> {
        let root = folder(&[("a.txt", bytes)]);
        let points = read_lines(&root.path().join("a.txt"), columns).map_err(|error| error.to_string())?;
        Ok(points.iter().map(|point| (point.x, point.y)).collect())
    }

    #[test]
    fn lines_hold_as_many_numbers_as_they_should() {
        assert_eq!(read(b"\xef\xbb\xbf1.5 2\r\n\r\n 3,4e1 \n", &["x", "y"]).unwrap(), [(1.5, 2.0), (3.0, 40.0)]);
        assert_eq!(read(b"10 20 3 4 1 0\n", &["x", "y", "w", "h", "o", "b"]).unwrap(), [(10.0, 20.0)]);
        assert_eq!(read(b"", &["x", "y"]).unwrap(), []);
        for line in ["1", "1 2 3", "1 b", "x y"] {
            let error = read(format!("0 0\n{line}\n").as_bytes(), &["x", "y"]).unwrap_err();
            assert!(error.contains(&format!("line 2: expected the numbers x y, got \"{line}\"\nhelp:")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "([0-9.,e -]{0,9}\n?){0,4}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = read(bytes, &["x", "y"]);
            }
        }
    }
}
