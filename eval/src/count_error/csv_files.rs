//! Counts as CSV: what is predicted, what is there, and both beside each other.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use super::csv_table::{CsvTable, Row};
use super::error::{CountError, MOST};
use super::records::{ImageCount, by_name};

/// Writes what was counted in each image, in the order given: `image,predicted,truth,error,game1,game2,game3`, the error
/// being signed, and GAME empty where it is not known.  Every number reads back as the same bits.
///
/// # Errors
/// Faulty counts, before a byte is written; the writer's.
pub fn write_counts(out: impl Write, images: &[ImageCount]) -> Result<(), CountError> {
    by_name(images)?;
    let mut out = csv::Writer::from_writer(out);
    let mut write = || -> csv::Result<()> {
        out.write_record(["image", "predicted", "truth", "error", "game1", "game2", "game3"])?;
        for of in images {
            let numbers = [of.predicted, of.truth, of.error()].map(Some).into_iter();
            let game = of.game.map_or([None; 3], |game| game.map(Some));
            let cells = numbers.chain(game).map(|number| number.map_or_else(String::new, |number| number.to_string()));
            out.write_record([of.image.clone()].into_iter().chain(cells))?;
        }
        Ok(out.flush()?)
    };
    write().map_err(|error| CountError::Write(error.into()))
}

/// Writes what was counted in images whose truth nobody tells: `image,predicted`, which [`read_predicted_counts`] reads.
///
/// # Errors
/// The writer's.
pub fn write_predicted_counts(out: impl Write, counts: &[(String, f64)]) -> Result<(), CountError> {
    let mut out = csv::Writer::from_writer(out);
    let mut write = || -> csv::Result<()> {
        out.write_record(["image", "predicted"])?;
        for (image, count) in counts {
            out.write_record([image.as_str(), &count.to_string()])?;
        }
        Ok(out.flush()?)
    };
    write().map_err(|error| CountError::Write(error.into()))
}

/// Reads a CSV file of predicted counts.
///
/// # Errors
/// A file that cannot be read, and what [`parse_predicted_counts`] refuses, with the path.
pub fn read_predicted_counts(path: &Path) -> Result<Vec<(String, f64)>, CountError> {
    in_file(path, parse_predicted_counts)
}

/// Reads a CSV file of true counts or points.
///
/// # Errors
/// A file that cannot be read, and what [`parse_true_counts`] refuses, with the path.
pub fn read_true_counts(path: &Path) -> Result<Vec<(String, f64)>, CountError> {
    in_file(path, parse_true_counts)
}

/// Parses the bytes of a CSV file with the columns `image` and `predicted` or `count`, in any order, among others.
///
/// # Errors
/// A header without these columns; a row of another length, without a name or a finite number, or of an image that was there
/// before.  Each names line and column.
pub fn parse_predicted_counts(text: &[u8]) -> Result<Vec<(String, f64)>, CountError> {
    let table = CsvTable::parse(text)?;
    let (image, count) = (table.column(&["image"])?, table.column(&["predicted", "count"])?);
    counts(&table, image, count, -MOST)
}

/// Parses the bytes of a CSV file of points, `image`, `x` and `y`, or of true counts, `image` and `truth` or `count`; the
/// columns in any order, among others.
///
/// A row of points is one object; a row whose `x` and `y` are both empty lists an image, which may have none.  Points count
/// wherever they are, since the file does not say how large the image is.
///
/// # Errors
/// A header without these columns; a row of another length, without a name or finite numbers; a count below 0 or of an image
/// that was there before.  Each names line and column.
pub fn parse_true_counts(text: &[u8]) -> Result<Vec<(String, f64)>, CountError> {
    let table = CsvTable::parse(text)?;
    let image = table.column(&["image"])?;
    match (table.find(&["x"])?, table.find(&["y"])?) {
        (Some(x), Some(y)) => points(&table, image, [x, y]),
        // Which points or counts are wanted is told by the one that is there.
        (Some(_), None) => table.column(&["y"]).map(|_| Vec::new()),
        (None, Some(_)) => table.column(&["x"]).map(|_| Vec::new()),
        (None, None) => counts(&table, image, table.column(&["truth", "count"])?, 0.0),
    }
}

fn in_file<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, CountError>) -> Result<T, CountError> {
    let text = fs::read(path).map_err(|source| CountError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| CountError::InFile { path: path.to_owned(), source: Box::new(source) })
}

/// A count a row, at least `least`.
fn counts(table: &CsvTable<'_>, image: usize, count: usize, least: f64) -> Result<Vec<(String, f64)>, CountError> {
    let mut seen: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    let mut counts = Vec::new();
    for row in table.rows() {
        let (name, number) = (row.name(image)?, row.number(count)?);
        if !(least..=MOST).contains(&number) {
            let problem = format!("expected a count from {least} to {MOST:e}, got {number}");
            return Err(row.fault(count, problem, "it is how many objects are in the image"));
        }
        if let Some(first) = seen.insert(name, row) {
            let problem = format!("expected each image once, got `{name}` again, first in line {}", first.line());
            return Err(row.fault(image, problem, "take one of the rows out"));
        }
        counts.push((name.to_owned(), number));
    }
    Ok(counts)
}

/// A point a row, images in the order of their first.
fn points(table: &CsvTable<'_>, image: usize, [x, y]: [usize; 2]) -> Result<Vec<(String, f64)>, CountError> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut counts: Vec<(String, f64)> = Vec::new();
    for row in table.rows() {
        let name = row.name(image)?;
        let place = *places.entry(name).or_insert(counts.len());
        if place == counts.len() {
            counts.push((name.to_owned(), 0.0));
        }
        let is_empty = |column| row.text(column).trim().is_empty();
        if is_empty(x) && is_empty(y) {
            continue;
        }
        row.number(x)?;
        row.number(y)?;
        counts[place].1 += 1.0;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(counts: &[(&str, f64)]) -> Vec<(String, f64)> {
        counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    fn plain(image: &str, predicted: f64, truth: f64) -> ImageCount {
        ImageCount { image: image.to_owned(), predicted, truth, game: None, groups: BTreeMap::new() }
    }

    fn written(images: &[ImageCount]) -> String {
        let mut bytes = Vec::new();
        write_counts(&mut bytes, images).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_file_of_both_serves_as_either() {
        let images = [
            ImageCount { game: Some([14.5, 20.0, 31.25]), ..plain("img_2.jpg", 412.25, 398.0) },
            plain("a, \"b\"\n.jpg", -0.5, 0.0),
        ];
        let text = written(&images);
        assert_eq!(
            text,
            "image,predicted,truth,error,game1,game2,game3\nimg_2.jpg,412.25,398,14.25,14.5,20,31.25\n\
             \"a, \"\"b\"\"\n.jpg\",-0.5,0,-0.5,,,\n"
        );
        let names = ["img_2.jpg", "a, \"b\"\n.jpg"];
        let predicted = parse_predicted_counts(text.as_bytes()).unwrap();
        assert_eq!(predicted, owned(&[(names[0], 412.25), (names[1], -0.5)]));
        assert_eq!(parse_true_counts(text.as_bytes()).unwrap(), owned(&[(names[0], 398.0), (names[1], 0.0)]));
        let mut out = Vec::new();
        let error = write_counts(&mut out, &[plain("a", f64::NAN, 1.0)]).unwrap_err().to_string();
        assert!(error.starts_with("image a: ") && out.is_empty(), "{error}");
    }

    #[test]
    fn columns_go_by_their_names() {
        let expected = owned(&[("a", 3.0), ("b", 1250.0)]);
        for text in [
            "image,count\na,3\nb,1250\n",
            "predicted,why,image\n3.0,x,a\n1.25e3,,b",
            "image,count\r\na, 3\r\nb,1250 \r\n",
        ] {
            assert_eq!(parse_predicted_counts(text.as_bytes()).unwrap(), expected, "{text}");
        }
        assert_eq!(parse_true_counts(b"truth,image\n3,a\n1250,b\n").unwrap(), expected);
        assert_eq!(parse_true_counts(b"image,count\n").unwrap(), []);
    }

    #[test]
    fn a_point_is_a_row_and_an_image_without_points_has_one_too() {
        let text = b"image,x,y,who\nb,1,2,\na,5.5,-6,\nempty,,,\nb,1,2,again\n";
        assert_eq!(parse_true_counts(text).unwrap(), owned(&[("b", 2.0), ("a", 1.0), ("empty", 0.0)]));
        // Counts beside the points are not looked at: the points are the truth.
        assert_eq!(parse_true_counts(b"image,x,y,count\na,1,2,9\na,,,9\n").unwrap(), owned(&[("a", 1.0)]));
    }

    #[test]
    fn faults_name_file_line_and_column() {
        let refused = |text: &str| parse_true_counts(text.as_bytes()).unwrap_err().to_string();
        for (text, expected) in [
            ("image,count\na,1\nb,-1\n", "line 3, column 2 (count): expected a count from 0 to 1e15, got -1\nhelp: "),
            ("image,count\na,1\nb,1e16\n", "line 3, column 2 (count): expected a count from 0 to 1e15, got 1"),
            (
                "image,count\na,1\n\na,2\n",
                "line 4, column 1 (image): expected each image once, got `a` again, first in line 2",
            ),
            ("image,count\n,2\n", "line 2, column 1 (image): expected the name of an image, got nothing"),
            ("image,x,y\na,1,\n", "line 2, column 3 (y): expected a finite number, got ``"),
            ("image,x,y\na,inf,1\n", "line 2, column 2 (x): expected a finite number, got `inf`"),
            ("image,x\na,1\n", "line 1: expected a column named y, got image | x"),
            ("image,predicted\na,1\n", "line 1: expected a column named truth or count, got image | predicted"),
            ("image,count,truth\na,1,1\n", "line 1: expected one column among truth, count, got count, truth"),
            (
                "image;count\na;1\n",
                "line 1: expected a column named image, got image;count\nhelp: columns are separated by commas",
            ),
            ("a.jpg,12\n", "line 1: expected a column named image, got a.jpg | 12"),
        ] {
            let got = refused(text);
            assert!(got.starts_with(expected), "{got}");
        }
        assert_eq!(parse_predicted_counts(b"image,count\na,-1\n").unwrap(), owned(&[("a", -1.0)]), "a network may");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        let missing = read_true_counts(&path).unwrap_err().to_string();
        assert!(missing.contains("points.csv: cannot read: "), "{missing}");
        fs::write(&path, "image,count\na,x\n").unwrap();
        let text = read_predicted_counts(&path).unwrap_err().to_string();
        assert!(text.contains("points.csv: line 2, column 2 (count): expected a finite number, got `x`"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_to_the_bit(
            named in prop::collection::btree_map("(?s).{1,9}", (-1e9_f64..1e9, 0_u32..100_000), 0..6),
        ) {
            let image = |(name, &(predicted, truth)): (&String, &(f64, u32))| plain(name, predicted, f64::from(truth));
            let images: Vec<ImageCount> = named.iter().map(image).collect();
            let text = written(&images);
            let expected = |of: fn(&ImageCount) -> f64| images.iter().map(|i| (i.image.clone(), of(i))).collect::<Vec<_>>();
            prop_assert_eq!(parse_predicted_counts(text.as_bytes()).unwrap(), expected(|image| image.predicted));
            prop_assert_eq!(parse_true_counts(text.as_bytes()).unwrap(), expected(|image| image.truth));
        }

        #[test]
        fn foreign_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            text in "(image|count|x|y|,|\n|\r|\"|1|é| ){0,30}",
            at in any::<prop::sample::Index>(),
            new in any::<u8>(),
        ) {
            let mut mutated = b"image,x,y\r\n\"a, b\",1.5,2\r\nc,,\r\n".to_vec();
            let place = at.index(mutated.len());
            mutated[place] = new;
            for text in [bytes.as_slice(), text.as_bytes(), &mutated] {
                for counts in [parse_predicted_counts(text), parse_true_counts(text)].into_iter().flatten() {
                    prop_assert!(counts.iter().all(|(name, count)| !name.is_empty() && count.is_finite()));
                }
            }
        }
    }
}
