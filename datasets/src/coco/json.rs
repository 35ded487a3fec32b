//! The instances json as it stands in the file. Only the fields detection needs are kept; masks are skipped unread.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::detection::Faults;
use crate::error::DataError;

#[derive(Deserialize)]
pub(super) struct Instances {
    pub images: Vec<Image>,
    pub annotations: Vec<Annotation>,
    pub categories: Vec<Category>,
}

#[derive(Deserialize)]
pub(super) struct Image {
    pub id: Whole,
    pub file_name: String,
    pub width: Whole,
    pub height: Whole,
}

#[derive(Deserialize)]
pub(super) struct Annotation {
    pub id: Option<Whole>,
    pub image_id: Whole,
    pub category_id: Whole,
    pub bbox: [f64; 4],
    pub area: Option<f64>,
    pub iscrowd: Option<Flag>,
    pub difficult: Option<Flag>,
}

#[derive(Deserialize)]
pub(super) struct Category {
    pub id: Whole,
    pub name: String,
}

/// A whole number, however the exporter spelled it: `7`, `7.0` or `"7"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

/// Whole numbers up to here are exact in an f64.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number from 0")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
        Ok(Whole(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Whole, E> {
        u64::try_from(value).map(Whole).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Whole, E> {
        if value.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&value) {
            Ok(Whole(value as u64))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Whole, E> {
        value.trim().parse().map(Whole).map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}

/// A flag written as `0`, `1`, `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("0, 1, true or false")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Flag, E> {
        match value {
            0 => Ok(Flag(false)),
            1 => Ok(Flag(true)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }
}

/// Reads one instances json. Where a record has a field of another type, opening stops at it with line, column and byte;
/// checking pushes each such record and goes on with the others.
///
/// # Errors
/// [`DataError::Io`], or [`DataError::Json`].
pub(super) fn read(path: &Path, faults: &mut Faults) -> Result<Instances, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    let strict = parse(path, &bytes);
    if strict.is_err()
        && faults.keeps_all()
        && let Some(instances) = parse_loosely(path, &bytes, faults)
    {
        return Ok(instances);
    }
    strict
}

/// The records of a json that is one, whatever their fields; `None` where it is not even lists of records.
fn parse_loosely(path: &Path, bytes: &[u8], faults: &mut Faults) -> Option<Instances> {
    #[derive(Deserialize)]
    struct Loose {
        images: Vec<Fields>,
        annotations: Vec<Fields>,
        categories: Vec<Fields>,
    }
    let loose: Loose = serde_json::from_slice(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)).ok()?;
    Some(Instances {
        images: usable(path, "images", &loose.images, faults),
        annotations: usable(path, "annotations", &loose.annotations, faults),
        categories: usable(path, "categories", &loose.categories, faults),
    })
}

fn usable<'a, T: Deserialize<'a>>(path: &Path, list: &str, values: &'a [Fields], faults: &mut Faults) -> Vec<T> {
    let mut records = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        match T::deserialize(&value.0) {
            Ok(record) => records.push(record),
            Err(error) => faults.error(DataError::Parse {
                path: path.to_path_buf(),
                place: format!("{list}[{i}]"),
                problem: error.to_string(),
                help: RECORDS,
            }),
        }
    }
    records
}

/// A record with those of its fields that are used, of whatever type; masks are skipped unread.
struct Fields(Value);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

const USED: [&str; 11] =
    ["id", "file_name", "width", "height", "image_id", "category_id", "bbox", "area", "iscrowd", "difficult", "name"];

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if USED.contains(&key.as_str()) {
                fields.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Fields(Value::Object(fields)))
    }
}

/// What the json should hold.
const RECORDS: &str = "expected COCO instances: images, annotations with bbox and category_id, categories";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Instances, DataError> {
    let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    serde_json::from_slice(json).map_err(|error| {
        let byte = byte_offset(json, error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        DataError::Json {
            path: path.to_path_buf(),
            message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
            line: error.line(),
            column: error.column(),
            byte: byte + bytes.len() - json.len(),
            length: bytes.len(),
            help: match error.classify() {
                serde_json::error::Category::Eof => "the file ends early: unpack or download it again",
                serde_json::error::Category::Data => RECORDS,
                _ => "the json is damaged there: repair the line, or unpack or download the file again",
            },
        }
    })
}

/// The offset of a line and column, both from 1 (column 0: just before the line).
fn byte_offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(line - 2).map_or(bytes.len(), |(i, _)| i + 1),
    };
    (start + column).saturating_sub(1).min(bytes.len())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers are read, not computed")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"info": {"year": 2026}, "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 3.0}],
        "annotations": [{"id": "9", "image_id": 1, "category_id": 2, "bbox": [0, 1, 2.5, 1], "area": 2, "iscrowd": true,
          "segmentation": {"counts": [1, 2], "size": [3, 4]}}],
        "categories": [{"id": 2, "name": "cat", "supercategory": "animal"}]}"#;

    fn json_error(text: &str) -> (String, usize, usize, usize) {
        match parse(Path::new("x.json"), text.as_bytes()) {
            Err(DataError::Json { message, line, column, byte, .. }) => (message, line, column, byte),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted: {text}"),
        }
    }

    #[test]
    fn numbers_are_read_however_they_are_spelled() {
        for text in [GOOD.to_owned(), format!("\u{feff}{GOOD}")] {
            let read = parse(Path::new("x.json"), text.as_bytes()).unwrap();
            assert_eq!(read.images[0].height, Whole(3));
            assert_eq!(read.annotations[0].id, Some(Whole(9)));
            assert_eq!(read.annotations[0].iscrowd, Some(Flag(true)));
            assert_eq!(read.annotations[0].bbox, [0.0, 1.0, 2.5, 1.0]);
        }
    }

    #[test]
    fn a_fault_is_placed_by_line_column_and_byte() {
        let text = "{\n  \"images\": [],\n  \"annotations\": NaN\n}";
        let (_, line, column, byte) = json_error(text);
        assert_eq!(line, 3);
        assert_eq!(&text[byte..=byte], "N", "column {column}");
        let (message, ..) = json_error(&GOOD.replace("[0, 1, 2.5, 1]", "[0, 1, 2.5]"));
        assert!(message.contains("array of length 4"), "{message}");
        let (message, ..) = json_error(&GOOD.replace("\"bbox\"", "\"box\""));
        assert!(message.contains("missing field `bbox`"), "{message}");
        for bad in ["-1", "1.5", "\"one\"", "null"] {
            let (message, line, ..) = json_error(&GOOD.replace("\"image_id\": 1", &format!("\"image_id\": {bad}")));
            assert!(message.contains("a whole number from 0"), "{message}");
            assert_eq!(line, 2);
        }
    }

    #[test]
    fn a_cut_file_says_so() {
        let cut = &GOOD.as_bytes()[..GOOD.len() - 20];
        let Err(DataError::Json { byte, length, help, .. }) = parse(Path::new("x.json"), cut) else { panic!() };
        assert_eq!(length, cut.len());
        assert!(byte + 1 >= length);
        assert!(help.contains("ends early"));
    }

    #[test]
    fn checking_names_every_record_and_keeps_the_others() {
        let text = GOOD.replace("\"bbox\"", "\"box\"").replace("{\"id\": 2", "{\"id\": 1, \"name\": 7}, {\"id\": 2");
        let mut faults = Faults::all(Path::new("."));
        let read = parse_loosely(Path::new("x.json"), text.as_bytes(), &mut faults).unwrap();
        assert_eq!((read.images.len(), read.annotations.len(), read.categories.len()), (1, 0, 1));
        let found: Vec<_> = faults.into_list().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("error: x.json: annotations[0]: missing field `bbox`\nhelp: "), "{found:?}");
        assert!(found[1].contains("categories[0]: invalid type: integer `7`, expected a string"), "{found:?}");
    }

    proptest! {
        #[test]
        fn damaged_json_never_panics(position in 0usize..GOOD.len(), byte: u8, cut in 0usize..GOOD.len()) {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[position] = byte;
            let _ = parse(Path::new("x.json"), &bytes);
            let _ = parse(Path::new("x.json"), &bytes[..cut]);
            let _ = parse_loosely(Path::new("x.json"), &bytes, &mut Faults::all(Path::new(".")));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(Path::new("x.json"), &bytes);
        }
    }
}
