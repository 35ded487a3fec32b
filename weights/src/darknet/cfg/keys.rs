//! Keys of a section, taken one by one into types and ranges.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::lines::{Entry, RawSection, shortened};
use super::{CfgError, CfgNote, CfgNoteKind};

/// The keys of one section.
pub(super) struct Keys<'f> {
    file: &'f str,
    section: RawSection,
    taken: Vec<String>,
}

impl<'f> Keys<'f> {
    pub fn new(file: &'f str, section: RawSection) -> Self {
        Self { file, section, taken: Vec::new() }
    }

    pub fn line(&self) -> usize {
        self.section.line
    }

    pub fn name(&self) -> &str {
        &self.section.name
    }

    /// Every key with its line, the first of its name first.
    pub fn lines(&self) -> Vec<(String, usize)> {
        self.section.entries.iter().map(|entry| (entry.key.clone(), entry.line)).collect()
    }

    /// The text of a key, if it is given.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.taken.push(key.to_owned());
        self.first(key).map(|entry| entry.value.clone())
    }

    fn first(&self, key: &str) -> Option<&Entry> {
        self.section.entries.iter().find(|entry| entry.key == key)
    }

    /// A number of things; the default when it is not given.
    pub fn count(&mut self, key: &str, range: RangeInclusive<usize>, default: usize) -> Result<usize, CfgError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let found = self.parsed(key, &expected, |n| range.contains(n))?;
        Ok(found.unwrap_or(default))
    }

    /// A number of things that must be given.
    pub fn required(&mut self, key: &str, range: RangeInclusive<usize>) -> Result<usize, CfgError> {
        let start = *range.start();
        if self.first(key).is_none() {
            let expected = format!("a whole number from {start} to {}", range.end());
            return Err(self.refuse(key, expected, "nothing", &format!("add `{key}=` to this section")));
        }
        self.count(key, range, start)
    }

    /// A real number; the default when it is not given.
    pub fn number(&mut self, key: &str, range: RangeInclusive<f64>, default: f64) -> Result<f64, CfgError> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        Ok(self.parsed(key, &expected, |n| range.contains(n))?.unwrap_or(default))
    }

    /// 0 or 1; 0 when it is not given.
    pub fn flag(&mut self, key: &str) -> Result<bool, CfgError> {
        let one = self.parsed(key, "0 or 1", |n: &u8| *n <= 1)?;
        Ok(one == Some(1))
    }

    /// Numbers behind commas; none when the key is not given.
    pub fn list<T: FromStr>(
        &mut self,
        key: &str,
        each: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<Vec<T>>, CfgError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let part = |part: &str| part.parse().ok().filter(&fits);
        let parts: Option<Vec<T>> = text.trim_end_matches(',').split(',').map(part).collect();
        let refused = || self.refuse(key, format!("{each}, with commas between"), &text, "correct the list");
        parts.map(Some).ok_or_else(refused)
    }

    fn parsed<T: FromStr>(
        &mut self,
        key: &str,
        expected: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, CfgError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let value = text.parse().ok().filter(fits);
        let refused = || self.refuse(key, expected.to_owned(), &text, "correct the value, or leave the key out");
        value.map(Some).ok_or_else(refused)
    }

    /// Refuses a key that would make another network of it, unless its value says it does not.
    pub fn only_neutral(&mut self, key: &str, neutral: &[&str]) -> Result<(), CfgError> {
        match self.text(key) {
            Some(text) if !neutral.contains(&text.as_str()) => {
                let expected = format!("{} (nothing else is supported)", neutral.join(" or "));
                Err(self.refuse(key, expected, &text, "this network cannot be built without it"))
            }
            _ => Ok(()),
        }
    }

    /// An error at a key.
    pub fn refuse(&self, key: &str, expected: impl Display, got: &str, help: &str) -> CfgError {
        CfgError {
            file: self.file.to_owned(),
            line: self.first(key).map_or(self.section.line, |entry| entry.line),
            what: format!("[{}] `{key}`", self.section.name),
            expected: expected.to_string(),
            got: format!("`{}`", shortened(got)),
            help: help.to_owned(),
        }
    }

    /// An error at the section itself.
    pub fn refuse_section(&self, expected: &str, help: &str) -> CfgError {
        CfgError {
            file: self.file.to_owned(),
            line: self.section.line,
            what: "section".to_owned(),
            expected: expected.to_owned(),
            got: format!("`[{}]`", shortened(&self.section.name)),
            help: help.to_owned(),
        }
    }

    /// What was given and not read.
    pub fn finish(self, training_only: &[&str]) -> Vec<CfgNote> {
        let mut notes = Vec::new();
        for (i, entry) in self.section.entries.iter().enumerate() {
            let first = self.section.entries[..i].iter().find(|earlier| earlier.key == entry.key);
            let kind = match first {
                Some(first) => CfgNoteKind::Duplicate { first: first.line },
                None if self.taken.contains(&entry.key) => continue,
                None if training_only.contains(&entry.key.as_str()) => CfgNoteKind::TrainingOnly,
                None => CfgNoteKind::Unknown,
            };
            let (section, key) = (self.section.name.clone(), shortened(&entry.key));
            notes.push(CfgNote { line: entry.line, section, key, kind });
        }
        notes
    }
}
