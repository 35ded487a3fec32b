//! The scalars of COCO files as they occur in the wild: ids as integers, whole floats or digits in quotes, flags as
//! booleans or numbers, and Python's `NaN` and `Infinity`, which JSON does not have.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// An identifier: `7`, `7.0` or `"7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub u64);

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor).map(Self)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an id, a whole number from 0")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        // Beyond 2^53 a float no longer names one integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && (0.0..=EXACT).contains(&value) {
            Ok(value as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
        value.parse().map_err(|_| E::invalid_value(Unexpected::Str(value), &self))
    }
}

/// A flag: `true`, `1` or `1.0`, and the same for false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flag(pub bool);

impl<'de> serde::Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor).map(Self)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a flag, 0 or 1")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        match value {
            0.0 => Ok(false),
            1.0 => Ok(true),
            _ => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }
}

/// The text with every bare `NaN`, `Infinity` and `-Infinity` outside strings replaced by `null`, so that the record
/// it stands in can be named; `None` if there is none.
pub(crate) fn non_finite_as_null(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    let mut found = false;
    while let Some(&byte) = rest.first() {
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = match (word, byte) {
            (Some(word), _) => word.len(),
            (None, b'\\') => rest.len().min(2),
            (None, b'"') => {
                in_string = !in_string;
                1
            }
            (None, _) => 1,
        };
        found |= word.is_some();
        out.extend_from_slice(if word.is_some() { b"null" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_numbers_in_any_spelling() {
        for text in ["7", "7.0", "\"7\""] {
            assert_eq!(serde_json::from_str::<Id>(text).unwrap(), Id(7), "{text}");
        }
        for text in ["-1", "7.5", "\"x\"", "null", "1e300", "[7]"] {
            assert!(serde_json::from_str::<Id>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_are_booleans_or_zero_or_one() {
        for (text, flag) in [("0", false), ("1", true), ("1.0", true), ("false", false), ("true", true)] {
            assert_eq!(serde_json::from_str::<Flag>(text).unwrap(), Flag(flag), "{text}");
        }
        for text in ["2", "0.5", "\"1\"", "-1"] {
            assert!(serde_json::from_str::<Flag>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_bare_words_become_null() {
        let text = br#"{"NaN": "a \" Infinity", "b": [NaN, -Infinity, Infinity]}"#;
        let mended = br#"{"NaN": "a \" Infinity", "b": [null, null, null]}"#;
        assert_eq!(non_finite_as_null(text).unwrap(), mended);
        assert_eq!(non_finite_as_null(mended), None);
        assert_eq!(non_finite_as_null(b"\"\\"), None);
    }
}
