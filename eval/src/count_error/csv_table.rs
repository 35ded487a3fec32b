//! A CSV file as a header and rows, which knows its lines.
//!
//! The crate `csv` reads quotes, embedded commas and every kind of line end as spreadsheets write them, and brings one crate
//! of its own that the house does not have yet (`csv-core`).

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::error::CountError;

/// A header, and rows that are as long as it.
pub(super) struct CsvTable<'t> {
    text: &'t [u8],
    header: StringRecord,
    rows: Vec<StringRecord>,
}

const SEPARATE: &str =
    "columns are separated by commas, a number has a point, and a name with a comma stands in quotes";

impl<'t> CsvTable<'t> {
    /// Reads a table. A byte order mark, blank lines and spaces around the names of columns are no fault.
    ///
    /// # Errors
    /// No header; text that is not UTF-8; rows of another length than the header.
    pub fn parse(text: &'t [u8]) -> Result<Self, CountError> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let mut records = ReaderBuilder::new().has_headers(false).from_reader(text).into_records();
        let mut next = || records.next().transpose().map_err(|error| refused(text, &error));
        let mut header = next()?.ok_or_else(|| CountError::Csv {
            line: 1,
            column: None,
            problem: "expected a header that names the columns, got an empty file".to_owned(),
            help: "the first line is `image,count` or `image,x,y`",
        })?;
        header.trim();
        let mut rows = Vec::new();
        while let Some(row) = next()? {
            rows.push(row);
        }
        Ok(Self { text, header, rows })
    }

    /// The column that has one of these names, if there is one.
    ///
    /// # Errors
    /// Several of them.
    pub fn find(&self, names: &[&str]) -> Result<Option<usize>, CountError> {
        let found: Vec<usize> = (0..self.header.len()).filter(|&at| names.contains(&&self.header[at])).collect();
        if found.len() > 1 {
            let which: Vec<&str> = found.iter().map(|&at| &self.header[at]).collect();
            let problem = format!("expected one column among {}, got {}", names.join(", "), which.join(", "));
            return Err(self.header_fault(problem, "take one of them out, so that it is clear which one counts"));
        }
        Ok(found.first().copied())
    }

    /// The column that has one of these names.
    ///
    /// # Errors
    /// Several of them, or none.
    pub fn column(&self, names: &[&str]) -> Result<usize, CountError> {
        self.find(names)?.ok_or_else(|| {
            let got: Vec<&str> = self.header.iter().collect();
            let problem = format!("expected a column named {}, got {}", names.join(" or "), got.join(" | "));
            self.header_fault(problem, SEPARATE)
        })
    }

    fn header_fault(&self, problem: String, help: &'static str) -> CountError {
        CountError::Csv { line: line_of(self.text, &self.header), column: None, problem, help }
    }

    /// The rows in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|record| Row { table: self, record })
    }
}

/// A row of a table.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    table: &'a CsvTable<'a>,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// The text of a cell.
    pub fn text(self, column: usize) -> &'a str {
        self.record.get(column).unwrap_or_default()
    }

    /// The name of an image.
    ///
    /// # Errors
    /// An empty one.
    pub fn name(self, column: usize) -> Result<&'a str, CountError> {
        match self.text(column) {
            "" => Err(self.fault(
                column,
                "expected the name of an image, got nothing".to_owned(),
                "name it as in the other file",
            )),
            name => Ok(name),
        }
    }

    /// A finite number, which may have spaces around it.
    ///
    /// # Errors
    /// Anything else.
    pub fn number(self, column: usize) -> Result<f64, CountError> {
        let text = self.text(column);
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            self.fault(column, format!("expected a finite number, got `{text}`"), "a number is written 412 or 412.3")
        })
    }

    /// The line it begins in, from 1.
    pub fn line(self) -> usize {
        line_of(self.table.text, self.record)
    }

    /// A cell that does not say what it should.
    pub fn fault(self, column: usize, problem: String, help: &'static str) -> CountError {
        let line = self.line();
        let column = Some(format!("{} ({})", column + 1, self.table.header.get(column).unwrap_or_default()));
        CountError::Csv { line, column, problem, help }
    }
}

fn refused(text: &[u8], error: &csv::Error) -> CountError {
    let start = error.position().map_or(0, |position| position.byte() as usize);
    let (column, problem, help) = match error.kind() {
        ErrorKind::Utf8 { err, .. } => {
            let column = Some((err.field() + 1).to_string());
            (column, "expected UTF-8 text, got other bytes".to_owned(), "save the file as UTF-8")
        }
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            (None, format!("expected {expected_len} columns as in the first line, got {len}"), SEPARATE)
        }
        _ => (None, format!("expected a row of a table, got an error: {error}"), SEPARATE),
    };
    CountError::Csv { line: line_at(text, start), column, problem, help }
}

fn line_of(text: &[u8], record: &StringRecord) -> usize {
    line_at(text, record.position().map_or(0, |position| position.byte() as usize))
}

/// The line, from 1, of a row that begins at a byte or, since the crate counts line ends to the row behind them, behind
/// the line ends there.
fn line_at(text: &[u8], byte: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let start = byte + text.iter().skip(byte).take_while(|byte| is_end(byte)).count();
    let before = &text[..start.min(text.len())];
    let pairs = before.windows(2).filter(|pair| pair == b"\r\n").count();
    1 + before.iter().filter(|byte| is_end(byte)).count() - pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<usize> {
        let table = CsvTable::parse(text).unwrap();
        table.rows().map(Row::line).collect()
    }

    #[test]
    fn rows_know_their_lines_however_they_end() {
        assert_eq!(lines(b"image,count\na,1\nb,2\n"), [2, 3]);
        assert_eq!(lines(b"image,count\r\na,1\r\n\r\n\r\nb,2"), [2, 5]);
        assert_eq!(lines(b"image,count\ra,1\r\rb,2\r"), [2, 4]);
        assert_eq!(lines(b"\xef\xbb\xbf\n\nimage,count\n\na,1\n\"b\nb\",2\nc,3\n"), [5, 6, 8]);
        assert_eq!(lines(b"image,count\n"), [0; 0]);
    }

    #[test]
    fn columns_are_found_by_name() {
        let table = CsvTable::parse(b"\xef\xbb\xbfimage , x,count\n\"a, \"\"b\"\".jpg\",1, 2 \n").unwrap();
        assert_eq!((table.column(&["image"]).unwrap(), table.column(&["predicted", "count"]).unwrap()), (0, 2));
        assert_eq!(table.find(&["y"]).unwrap(), None);
        let row = table.rows().next().unwrap();
        assert_eq!((row.name(0).unwrap(), row.number(2).unwrap()), ("a, \"b\".jpg", 2.0));
        let text = table.column(&["y", "z"]).err().unwrap().to_string();
        assert!(text.starts_with("line 1: expected a column named y or z, got image | x | count\nhelp: "), "{text}");
        let text = table.find(&["x", "count"]).unwrap_err().to_string();
        assert!(text.starts_with("line 1: expected one column among x, count, got x, count\nhelp: "), "{text}");
    }

    #[test]
    fn faults_name_line_and_column() {
        let refused = |text: &[u8]| CsvTable::parse(text).err().unwrap().to_string();
        assert!(
            refused(b"").starts_with("line 1: expected a header that names the columns, got an empty file\nhelp: ")
        );
        let text = refused(b"image,count\r\na,1\r\n\r\nb,2,5\r\n");
        assert!(text.starts_with("line 4: expected 2 columns as in the first line, got 3\nhelp: "), "{text}");
        // A quote that nothing closes takes the rest of the file.
        let text = refused(b"image,count\na,1\n\"b,2\nc,3\n");
        assert!(text.starts_with("line 3: expected 2 columns as in the first line, got 1"), "{text}");
        let text = refused(b"image,count\na,1\nb,\xff\n");
        assert!(text.starts_with("line 3, column 2: expected UTF-8 text, got other bytes\nhelp: "), "{text}");
        for cell in ["", "x", "nan", "inf", "-inf", "1e999", "1 2", "0x1"] {
            let file = format!("image,count\n\na,{cell}\n");
            let table = CsvTable::parse(file.as_bytes()).unwrap();
            let text = table.rows().next().unwrap().number(1).unwrap_err().to_string();
            let expected = format!("line 3, column 2 (count): expected a finite number, got `{cell}`\nhelp: ");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
