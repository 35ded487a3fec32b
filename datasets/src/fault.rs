//! Faults as `check` lists them, and the collector that readers push them into.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::DataError;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a look; training and evaluation go on.
    Warning,
    /// Training and evaluation refuse it.
    Error,
}

/// One thing wrong with a data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// The file it sits in.
    pub path: PathBuf,
    /// Where in the file: `line 3`, `annotations[7] (id 12)`, `object 2 (cat)`.
    pub record: Option<String>,
    /// Expected and got.
    pub problem: String,
    /// The mend.
    pub help: String,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.severity, self.path.display())?;
        if let Some(record) = &self.record {
            write!(f, "{record}: ")?;
        }
        write!(f, "{}\nhelp: {}", self.problem, self.help)
    }
}

/// The files that faults sit in, of the given severity and worse: sorted, each once.
pub fn offending_files(faults: &[Fault], least: Severity) -> Vec<PathBuf> {
    let mut files: Vec<_> = faults.iter().filter(|f| f.severity >= least).map(|f| f.path.clone()).collect();
    files.sort();
    files.dedup();
    files
}

/// A warning.
pub(crate) fn warning(path: &Path, record: Option<String>, problem: String, help: &str) -> Fault {
    Fault { severity: Severity::Warning, path: path.to_path_buf(), record, problem, help: help.to_owned() }
}

/// What readers push faults into: opening keeps the first error, checking keeps everything.
#[derive(Debug)]
pub(crate) enum Faults {
    /// The first error; warnings are not even made.
    First(Option<Box<DataError>>),
    /// Errors and warnings in the order they were found. The path stands in for faults that sit in no file.
    All(Vec<Fault>, PathBuf),
}

impl Faults {
    pub fn first() -> Self {
        Self::First(None)
    }

    pub fn all(root: &Path) -> Self {
        Self::All(Vec::new(), root.to_path_buf())
    }

    pub fn error(&mut self, error: DataError) {
        match self {
            Self::First(Some(_)) => {}
            Self::First(first) => *first = Some(Box::new(error)),
            Self::All(faults, root) => faults.extend(error.into_faults(root)),
        }
    }

    pub fn warn(&mut self, make: impl FnOnce() -> Fault) {
        if let Self::All(faults, _) = self {
            faults.push(make());
        }
    }

    /// The value, or an error pushed.
    pub fn take<T>(&mut self, result: Result<T, DataError>) -> Option<T> {
        result.map_err(|error| self.error(error)).ok()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        match self {
            Self::First(first) => usize::from(first.is_some()),
            Self::All(faults, _) => faults.iter().filter(|fault| fault.severity == Severity::Error).count(),
        }
    }

    /// Whether warnings are wanted.
    pub fn keeps_all(&self) -> bool {
        matches!(self, Self::All(..))
    }

    /// The first error, for those that stop at it.
    pub fn refuse(self) -> Result<(), DataError> {
        match self {
            Self::First(Some(error)) => Err(*error),
            Self::First(None) | Self::All(..) => Ok(()),
        }
    }

    /// Everything found, each once: what several splits share is found with each of them.
    pub fn into_list(self) -> Vec<Fault> {
        let Self::All(faults, _) = self else { return Vec::new() };
        let mut seen = HashSet::new();
        let is_first: Vec<bool> = faults.iter().map(|fault| seen.insert(fault)).collect();
        faults.iter().zip(is_first).filter(|(_, is_first)| *is_first).map(|(fault, _)| fault.clone()).collect()
    }
}

impl DataError {
    /// The error as faults, one for each file it names; `root` stands in where it names none.
    pub(crate) fn into_faults(self, root: &Path) -> Vec<Fault> {
        let error = |path: PathBuf, record: Option<String>, problem: String, help: &str| Fault {
            severity: Severity::Error,
            path,
            record,
            problem,
            help: help.to_owned(),
        };
        let expected = |expected: &str, got: &str| format!("expected {expected}, got {got}");
        match self {
            Self::MissingImages { annotations, missing, .. } => {
                let problem = format!("missing, though named in {}", annotations.display());
                missing.into_iter().map(|path| error(path, None, problem.clone(), MISSING_HELP)).collect()
            }
            Self::Record { path, record, expected: wanted, got, help } => {
                vec![error(path, Some(record), expected(&wanted, &got), help)]
            }
            Self::Parse { path, place, problem, help } => vec![error(path, Some(place), problem, help)],
            Self::Json { path, message, line, column, help, .. } => {
                vec![error(path, Some(format!("line {line}, column {column}")), message, help)]
            }
            Self::Image { path, problem, help } => vec![error(path, None, problem, help)],
            Self::ImageSize { path, expected: wanted, got } => {
                let problem = format!("the annotations say {wanted} pixels, the picture has {got}");
                vec![error(path, None, problem, "the annotations belong to another copy of this picture")]
            }
            Self::Mask { path, source } => {
                let text = source.to_string();
                let (problem, help) = text.split_once("\nhelp: ").unwrap_or((&text, "check that you may read it"));
                vec![error(path, None, problem.to_owned(), help)]
            }
            Self::MaskSize { mask, image, mask_size, image_size, help } => {
                let problem = format!("{mask_size} pixels, its picture {} has {image_size}", image.display());
                vec![error(mask, None, problem, help)]
            }
            Self::MissingFiles { list, missing, .. } => {
                let problem = format!("missing, though named in {}", list.display());
                let help = "unpack it there; to go on without these pictures: missing = \"skip\"";
                missing.into_iter().map(|path| error(path, None, problem.clone(), help)).collect()
            }
            Self::Io { action, path, source } => {
                vec![error(path, None, format!("cannot {action} it: {source}"), "check that you may use it")]
            }
            other => {
                let text = other.to_string();
                let (problem, help) = text.split_once("\nhelp: ").unwrap_or((&text, ""));
                vec![error(root.to_path_buf(), None, problem.to_owned(), help)]
            }
        }
    }
}

/// What to do about a missing picture.
const MISSING_HELP: &str = "unpack the picture there, or allow missing ones: they then count as missed objects";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offending_files_are_sorted_and_unique() {
        let fault = |severity, path: &str| Fault {
            severity,
            path: path.into(),
            record: None,
            problem: "p".into(),
            help: "h".into(),
        };
        let (e, w) = (Severity::Error, Severity::Warning);
        let faults = [fault(e, "b"), fault(w, "c"), fault(e, "a"), fault(e, "b")];
        assert_eq!(offending_files(&faults, e), ["a", "b"].map(PathBuf::from));
        assert_eq!(offending_files(&faults, w), ["a", "b", "c"].map(PathBuf::from));
    }
}
