//! What a load found.

use std::fmt;

use crate::dtype::Dtype;

/// What a load found; empty lists when every tensor had its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Number of the model's tensors.
    pub tensors: usize,
    /// Number of them that were loaded.
    pub loaded: usize,
    /// Those of the loaded that have another name in the file: that name, and the model's.
    pub renamed: Vec<(String, String)>,
    /// How many were not of 32 bits, by what they are in the file.
    pub converted: Vec<(Dtype, usize)>,
    /// Tensors of the model that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the model lacks.
    pub unexpected: Vec<String>,
    /// Tensors of the file that the model lacks, and that nobody expects it to have: another task's head.
    pub passed_over: Vec<String>,
    /// Tensors whose shapes differ.
    pub mismatched: Vec<Mismatch>,
}

/// One tensor whose shapes differ, both in PyTorch's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its name.
    pub name: String,
    /// The model's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub got: Vec<usize>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {:?}, got {:?}", self.name, self.expected, self.got)
    }
}

/// Longer lists end with a count.
const LISTED: usize = 10;

/// Names behind each other, ten at most, and how many more there are.
pub fn listed(items: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    let more = items.len().saturating_sub(LISTED);
    let text = items.take(LISTED).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

impl LoadReport {
    /// Whether every tensor of the file and of the model had its place.
    pub fn is_exact(&self) -> bool {
        self.problems() == 0
    }

    /// Counts tensors of the file whose names begin so as passed over, not as left over.
    pub fn pass_over(&mut self, beginnings: &[&str]) {
        let is_other = |name: &mut String| beginnings.iter().any(|beginning| name.starts_with(beginning));
        self.passed_over.extend(self.unexpected.extract_if(.., is_other));
    }

    /// The table of a load: a line about the file, and one about each thing that happened to its tensors or to the model's, with
    /// its count.
    pub fn lines(&self, file: &str) -> Vec<String> {
        let mut lines = vec![format!("init    {file}: {} of {} tensors loaded", self.loaded, self.tensors)];
        let mut row = |what: &str, count: usize, text: String| {
            if count > 0 {
                lines.push(format!("        {what}: {count}{text}"));
            }
        };
        if let Some((theirs, ours)) = self.renamed.first() {
            row("renamed", self.renamed.len(), format!(", such as {theirs} to {ours}"));
        }
        for (dtype, count) in &self.converted {
            let how = if *dtype == Dtype::F64 { "rounded from F64" } else { "converted" };
            let from = if *dtype == Dtype::F64 { String::new() } else { format!(", from {dtype}") };
            row(how, *count, from);
        }
        let names = |names: &[String]| format!(": {}", listed(names.iter()));
        row("fresh, not in the file", self.missing.len(), names(&self.missing));
        let shapes = format!(": {}", listed(self.mismatched.iter()));
        row("fresh, of another shape", self.mismatched.len(), shapes);
        row("passed over, another task's", self.passed_over.len(), names(&self.passed_over));
        row("left over in the file", self.unexpected.len(), names(&self.unexpected));
        lines
    }

    pub(crate) fn problems(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.mismatched.len()
    }
}

/// One line a misfit, ten of each kind.
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for m in self.mismatched.iter().take(LISTED) {
            writeln!(f, "  {m}")?;
        }
        rest(f, self.mismatched.len(), "of another shape")?;
        for name in self.missing.iter().take(LISTED) {
            writeln!(f, "  {name}: not in the file")?;
        }
        rest(f, self.missing.len(), "not in the file")?;
        for name in self.unexpected.iter().take(LISTED) {
            writeln!(f, "  {name}: not in the model")?;
        }
        rest(f, self.unexpected.len(), "not in the model")
    }
}

fn rest(f: &mut fmt::Formatter<'_>, count: usize, what: &str) -> fmt::Result {
    if count > LISTED { writeln!(f, "  and {} more {what}", count - LISTED) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WeightsError;

    fn report() -> LoadReport {
        LoadReport {
            tensors: 16,
            loaded: 3,
            renamed: vec![("conv1.weight".into(), "backbone.conv1.weight".into())],
            converted: vec![(Dtype::F64, 1), (Dtype::F16, 2)],
            missing: (0..12).map(|i| format!("heads.{i}.weight")).collect(),
            unexpected: vec!["fc.bias".into(), "odd".into()],
            mismatched: vec![Mismatch {
                name: "stem.weight".into(),
                expected: vec![64, 3, 3, 3],
                got: vec![64, 1, 3, 3],
            }],
            ..LoadReport::default()
        }
    }

    #[test]
    fn a_misfit_names_file_tensor_and_both_shapes() {
        assert!(!report().is_exact());
        let file = "a.safetensors".to_owned();
        let text = WeightsError::DoesNotFit { file, report: Box::new(report()) }.to_string();
        assert!(text.starts_with("a.safetensors: 15 of its tensors and the model's do not fit\n"), "{text}");
        assert!(text.contains("  stem.weight: expected [64, 3, 3, 3], got [64, 1, 3, 3]\n"), "{text}");
        assert!(text.contains("  heads.9.weight: not in the file\n  and 2 more not in the file\n"), "{text}");
        assert!(text.contains("  fc.bias: not in the model\n  odd: not in the model\nhelp: "), "{text}");
    }

    #[test]
    fn the_table_counts_everything_and_names_ten_of_each() {
        let mut report = report();
        report.pass_over(&["fc."]);
        let lines = report.lines("a.pth");
        let fresh: Vec<String> = (0..10).map(|i| format!("heads.{i}.weight")).collect();
        let expected = [
            "init    a.pth: 3 of 16 tensors loaded".to_owned(),
            "        renamed: 1, such as conv1.weight to backbone.conv1.weight".to_owned(),
            "        rounded from F64: 1".to_owned(),
            "        converted: 2, from F16".to_owned(),
            format!("        fresh, not in the file: 12: {} and 2 more", fresh.join(", ")),
            "        fresh, of another shape: 1: stem.weight: expected [64, 3, 3, 3], got [64, 1, 3, 3]".to_owned(),
            "        passed over, another task's: 1: fc.bias".to_owned(),
            "        left over in the file: 1: odd".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}
