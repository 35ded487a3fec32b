//! What a check tells: what there is, and what is wrong with it.

use std::fmt::Display;
use std::path::Path;

use serde::Serialize;

use crate::fault::{Fault, Severity};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What there is, a line each.
    pub facts: Vec<String>,
    /// What is wrong with it, errors and warnings.
    pub faults: Vec<Fault>,
}

impl Findings {
    /// Whether training or evaluation would refuse what was checked.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Adds an error whose last line is its mend, if it says `help:`; else the mend is `change the recipe`.
    pub fn error(&mut self, path: &Path, error: &impl Display) {
        let text = error.to_string();
        let (problem, help) = text.split_once("\nhelp: ").unwrap_or((&text, "change the recipe"));
        self.push(Severity::Error, path, problem, help);
    }

    /// Adds a warning from an error, taken apart as [`Self::error`] does.
    pub fn warning(&mut self, path: &Path, error: &impl Display) {
        let text = error.to_string();
        let (problem, help) = text.split_once("\nhelp: ").unwrap_or((&text, "change the recipe"));
        self.push(Severity::Warning, path, problem, help);
    }

    /// Adds a fault.
    pub fn push(&mut self, severity: Severity, path: &Path, problem: &str, help: &str) {
        let (problem, help) = (problem.to_owned(), help.to_owned());
        self.faults.push(Fault { severity, path: path.to_owned(), record: None, problem, help });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_split_into_problem_and_mend() {
        let mut findings = Findings::default();
        findings.warning(Path::new("a"), &"few\nhelp: take more");
        assert!(!findings.has_errors());
        findings.error(Path::new("b"), &"expected x, got y\nhelp: say x");
        findings.error(Path::new("c"), &"bad");
        assert!(findings.has_errors());
        let told: Vec<_> = findings.faults.iter().map(|f| (f.problem.as_str(), f.help.as_str())).collect();
        assert_eq!(told, [("few", "take more"), ("expected x, got y", "say x"), ("bad", "change the recipe")]);
    }
}
