//! Label files: rows `class cx cy w h`.

use std::path::Path;

use crate::detection::Faults;
use crate::error::DataError;

/// A usable row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// Where it stands, from 1.
    pub line: usize,
    /// Contiguous class index.
    pub class: u32,
    /// Centre and sides as fractions of the picture's.
    pub cxcywh: [f64; 4],
}

/// A number above this in half the rows of a file or more means pixels instead of fractions.
const FRACTION_LIMIT: f64 = 1.5;

/// Columns of a row.
const COLUMNS: usize = 5;

/// Parses a label file; `classes` is their number. A byte order mark, CRLF and blank lines are no fault. Rows that cannot be
/// used are pushed and left out.
pub(super) fn parse(file: &Path, bytes: &[u8], classes: usize, faults: &mut Faults) -> Vec<Row> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let written = lines.map(|(i, line)| (i + 1, line.trim())).filter(|(_, line)| !line.is_empty());
    let rows: Vec<Row> = written.filter_map(|(line, text)| faults.take(parse_row(file, line, text, classes))).collect();
    faults.take(refuse_pixels(file, &rows)).map(|()| rows).unwrap_or_default()
}

fn parse_row(file: &Path, line: usize, text: &str, classes: usize) -> Result<Row, DataError> {
    let fault = |expected: &str, got: String, help| DataError::Record {
        path: file.to_path_buf(),
        record: format!("line {line}"),
        expected: expected.into(),
        got,
        help,
    };
    let columns: Vec<&str> = text.split_whitespace().collect();
    let mut numbers = Vec::with_capacity(columns.len());
    for column in &columns {
        match column.parse::<f64>() {
            Ok(number) if number.is_finite() => numbers.push(number),
            Ok(_) => return Err(fault("finite numbers", (*column).to_owned(), "correct or remove the row")),
            Err(_) => {
                let got = format!("\"{}\"", column.escape_debug());
                return Err(fault("five numbers: class cx cy w h", got, "separate the numbers by blanks"));
            }
        }
    }
    let &[class, cx, cy, w, h] = numbers.as_slice() else {
        let (what, help) = extra_columns(numbers.len());
        return Err(fault("five columns: class cx cy w h", format!("{} columns{what}", numbers.len()), help));
    };
    if class.fract() != 0.0 || !(0.0..classes as f64).contains(&class) {
        let expected = format!("a class from 0 to {}", classes.saturating_sub(1));
        let help = "correct the class, or add its name to names in the yaml; classes count from 0";
        return Err(fault(&expected, columns[0].to_owned(), help));
    }
    Ok(Row { line, class: class as u32, cxcywh: [cx, cy, w, h] })
}

/// What rows of another length are likely to be, and what makes boxes of them.
fn extra_columns(columns: usize) -> (&'static str, &'static str) {
    match columns {
        n if n < COLUMNS => ("", "complete or remove the row"),
        n if n == COLUMNS + 1 => (", as predictions with a score have", "remove the sixth column"),
        n if n % 2 == 1 => (
            ", as outlines have: class x1 y1 x2 y2 …",
            "write each outline's box: with the smallest and largest x and y, (x0+x1)/2 (y0+y1)/2 x1-x0 y1-y0",
        ),
        _ => (", as key points have", "keep the first five columns"),
    }
}

fn refuse_pixels(file: &Path, rows: &[Row]) -> Result<(), DataError> {
    let largest = |row: &Row| row.cxcywh.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    let large: Vec<&Row> = rows.iter().filter(|row| largest(row) > FRACTION_LIMIT).collect();
    match large.first() {
        Some(row) if large.len() * 2 >= rows.len() => Err(DataError::Record {
            path: file.to_path_buf(),
            record: format!("line {}", row.line),
            expected: "fractions of the picture's sides".into(),
            got: format!("{}, and such numbers in {} of {} rows: pixels?", largest(row), large.len(), rows.len()),
            help: "divide x and width by the picture's width, y and height by its height",
        }),
        _ => Ok(()),
    }
}

/// Where a label's box lies in a picture, `[x, y, width, height]` in pixels.
///
/// An edge that lies within the rounding of the numbers of a whole pixel is that pixel, so that boxes made of whole pixels
/// and written in full come back as they were.
pub(super) fn bbox_in_image([cx, cy, w, h]: [f64; 4], width: usize, height: usize) -> [f64; 4] {
    let edges = |centre: f64, side: f64, pixels: usize| {
        let pixels = pixels as f64;
        [snap((centre - side / 2.0) * pixels, pixels), snap((centre + side / 2.0) * pixels, pixels)]
    };
    let ([x0, x1], [y0, y1]) = (edges(cx, w, width), edges(cy, h, height));
    [x0, y0, x1 - x0, y1 - y0]
}

/// Roundings on the way from an edge to its label and back, in units of the last place of the picture's side: half a unit
/// each for centre, side, their difference and two products.
const ROUNDINGS: f64 = 4.0;

fn snap(edge: f64, pixels: f64) -> f64 {
    let whole = edge.round();
    if (edge - whole).abs() <= ROUNDINGS * f64::EPSILON * pixels { whole } else { edge }
}
