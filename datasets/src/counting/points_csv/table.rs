//! CSV files of points: a first line `image,x,y`, then a point a line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::counting::PointXy;
use crate::error::DataError;

/// What the columns are called.
const COLUMNS: [&str; 3] = ["image", "x", "y"];
/// So many bytes hold the first line.
const FIRST_BYTES: u64 = 1024;

/// A line.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// From 1.
    pub line: usize,
    /// As written.
    pub image: String,
    /// Where.
    pub point: PointXy,
}

/// Whether a file begins as such a table does.
pub(super) fn is_one(path: &Path) -> bool {
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    is_csv && first_line(path).is_some_and(|line| is_header(&line))
}

/// The first line of a file, without a byte order mark; none where it cannot be read or is very long.
pub(super) fn first_line(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FIRST_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty())?.to_owned())
}

fn is_header(line: &str) -> bool {
    fields(line).is_some_and(|fields| fields.iter().map(|field| field.trim().to_lowercase()).eq(COLUMNS))
}

/// The rows of a table; `path` is for messages.
///
/// # Errors
/// Another first line; a line that is no picture with two numbers.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Row>, DataError> {
    let refuse = |line: usize, expected: &str, got: &str, help| DataError::Record {
        path: path.to_path_buf(),
        record: format!("line {line}"),
        expected: expected.to_owned(),
        got: format!("\"{got}\""),
        help,
    };
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty());
    match lines.next() {
        Some((_, line)) if is_header(line) => {}
        other => {
            let (line, got) = other.unwrap_or((1, ""));
            return Err(refuse(line, "the columns image,x,y", got, "write image,x,y into the first line"));
        }
    }
    let row = |(line, text)| {
        let wrong = || refuse(line, "a picture, x and y", text, "pictures without points have no line here");
        row_of(line, text).ok_or_else(wrong)
    };
    lines.map(row).collect()
}

fn row_of(line: usize, text: &str) -> Option<Row> {
    let fields = fields(text)?;
    let [image, x, y] = fields.as_slice() else { return None };
    let point = PointXy { x: x.trim().parse().ok()?, y: y.trim().parse().ok()? };
    let image = image.trim().to_owned();
    (!image.is_empty()).then_some(Row { line, image, point })
}

/// The fields of a line, quotes taken off; none where a quote is not closed or has something behind it.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut rest) = (Vec::new(), line.trim_end_matches('\r'));
    loop {
        let Some(quoted) = rest.trim_start().strip_prefix('"') else {
            let (field, behind) = rest.split_once(',').map_or((rest, None), |(field, behind)| (field, Some(behind)));
            fields.push(field.to_owned());
            match behind {
                Some(behind) => rest = behind,
                None => return Some(fields),
            }
            continue;
        };
        let (field, behind) = closed(quoted)?;
        fields.push(field);
        match behind.trim_start() {
            "" => return Some(fields),
            behind => rest = behind.strip_prefix(',')?,
        }
    }
}

/// A quoted field, two quotes taken for one, and what follows it.
fn closed(quoted: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (before, behind) = rest.split_once('"')?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str) -> Result<Vec<(String, f64, f64)>, String> {
        let rows = parse(text, Path::new("points.csv")).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| (row.image, row.point.x, row.point.y)).collect())
    }

    #[test]
    fn names_may_hold_commas_and_quotes() {
        let text = "\u{feff}Image, X ,y\r\n\r\na.jpg,1.5, 2\r\n\"b, \"\"c\"\".png\" ,3,4e1\r\n";
        let expected = [("a.jpg".to_owned(), 1.5, 2.0), ("b, \"c\".png".to_owned(), 3.0, 40.0)];
        assert_eq!(rows(text).unwrap(), expected);
        assert_eq!(rows("image,x,y\n").unwrap(), []);
    }

    #[test]
    fn other_tables_and_lines_are_refused() {
        for text in ["", "file,x,y\n", "image;x;y\n", "image,x,y,z\n", "a.jpg,1,2\n"] {
            let error = rows(text).unwrap_err();
            assert!(error.starts_with("points.csv: line 1: expected the columns image,x,y, got "), "{error}");
        }
        for line in ["a.jpg,1", "a.jpg,1,2,3", "a.jpg,,", ",1,2", "\"a.jpg,1,2", "\"a\"b,1,2", "a.jpg,1,b"] {
            let error = rows(&format!("image,x,y\n{line}\n")).unwrap_err();
            assert!(error.contains("line 2: expected a picture, x and y, got") && error.contains(line), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(image,x,y\n)?([a-c\",0-9. ]{0,9}\n?){0,4}", any in "\\PC{0,40}") {
            let _ = (rows(&text), rows(&any), rows(&format!("image,x,y\n{any}")));
        }

        #[test]
        fn any_name_comes_back(name in "[a-c\", ]{0,6}[a-c]", x in any::<f64>()) {
            prop_assume!(!x.is_nan());
            let text = format!("image,x,y\n\"{}\",{x:?},2\n", name.replace('"', "\"\""));
            prop_assert_eq!(rows(&text).unwrap(), [(name.trim().to_owned(), x, 2.0)]);
        }
    }
}
