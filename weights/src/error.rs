//! What a file of weights can be refused for.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use wrs_nn::Params;

use crate::darknet::{CfgError, DarknetError};

/// A file that cannot be read, or does not fit.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Bytes that are not safetensors.
    #[error(
        "{file}: not a whole safetensors file: {reason}\nhelp: an incomplete download or copy? compare its size with the source's"
    )]
    Format {
        /// The file.
        file: String,
        /// What is wrong with its header.
        reason: String,
    },
    /// A file of PyTorch that cannot be read.
    #[error("{file}: {reason}\nhelp: {help}")]
    Torch {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
        /// The mend.
        help: &'static str,
    },
    /// A value that no network computes with.
    #[error(
        "{file}: tensor `{tensor}`: expected finite numbers, got {got} at {index}\nhelp: the training that wrote it has diverged, or the file is broken"
    )]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor, as the file calls it.
        tensor: String,
        /// The place in the tensor, in the file's order.
        index: usize,
        /// The value.
        got: f32,
    },
    /// A file that does not say what the network is, or says another than was asked for.
    #[error("{file}: {reason}\nhelp: expected a file written by `wrs train`, such as RUN/best.safetensors")]
    NotOurs {
        /// The file.
        file: String,
        /// What is missing.
        reason: String,
    },
    /// A description that JSON cannot hold.
    #[error("the description of a {task} network cannot be written: {reason}")]
    Description {
        /// The task.
        task: String,
        /// Why.
        reason: String,
    },
    /// A `.cfg` file.
    #[error(transparent)]
    Cfg(#[from] CfgError),
    /// A `.weights` file.
    #[error(transparent)]
    Darknet(#[from] DarknetError),
    /// Numbers of another kind.
    #[error(
        "{file}: tensor `{tensor}`: expected float32, float16, bfloat16 or float64, got {got}\nhelp: convert it to float32 where it was saved"
    )]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The kind of number in the file.
        got: String,
    },
    /// Tensors that do not fit the model.
    #[error(
        "{file}: {} of its tensors and the model's do not fit\n{report}\
         help: is it a file of the same model and the same number of classes?",
        report.problems()
    )]
    DoesNotFit {
        /// The file.
        file: String,
        /// Every misfit.
        report: LoadReport,
    },
    /// A file none of whose tensors has a place in the model.
    #[error(
        "{file}: none of its tensors has a place in the model\n{report}\
         help: is it a file of another model or `model.width`?  init = \"none\" starts from scratch"
    )]
    NothingFits {
        /// The file.
        file: String,
        /// Every misfit.
        report: LoadReport,
    },
    /// A flat buffer that is not there.
    #[error("{file}: expected a buffer `{buffer}`, got {}", listing(found))]
    MissingBuffer {
        /// The file.
        file: String,
        /// The buffer asked for.
        buffer: String,
        /// What the file holds.
        found: Vec<String>,
    },
    /// A flat buffer of another length.
    #[error("{file}: buffer `{buffer}`: expected {expected} values, got {got}")]
    BufferLength {
        /// The file.
        file: String,
        /// The buffer.
        buffer: String,
        /// The length asked for.
        expected: usize,
        /// The length in the file.
        got: usize,
    },
}

/// What a load found; empty lists when every tensor had its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Number of tensors that were loaded.
    pub loaded: usize,
    /// Those of them that the file calls something else: its name and the model's.
    pub renamed: Vec<(String, String)>,
    /// Tensors of the model that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the model lacks.
    pub unexpected: Vec<String>,
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

impl LoadReport {
    /// Whether every tensor of the file and of the model had its place.
    pub fn is_exact(&self) -> bool {
        self.problems() == 0
    }

    /// A line about the file, and one about each tensor that it did not fill, or that found no place.
    pub fn lines(&self, file: &Path, params: &Params) -> Vec<String> {
        let (file, tensors) = (file.display(), params.iter().len());
        let mut lines = vec![format!("init    {file}: {} of {tensors} tensors loaded", self.loaded)];
        if let Some((theirs, ours)) = self.renamed.first() {
            let count = self.renamed.len();
            lines.push(format!("        {count} of them under other names, such as {theirs} for {ours}"));
        }
        lines.extend(self.missing.iter().map(|name| format!("        fresh, not in the file: {name}")));
        lines.extend(self.mismatched.iter().map(|m| format!("        fresh, of another shape: {m}")));
        lines.extend(self.unexpected.iter().map(|name| format!("        left over in the file: {name}")));
        lines
    }

    fn problems(&self) -> usize {
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

fn listing(names: &[String]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { format!("only {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misfit_names_file_tensor_and_both_shapes() {
        let report = LoadReport {
            loaded: 3,
            renamed: Vec::new(),
            missing: (0..12).map(|i| format!("heads.{i}.weight")).collect(),
            unexpected: vec!["fc.bias".into()],
            mismatched: vec![Mismatch {
                name: "stem.weight".into(),
                expected: vec![64, 3, 3, 3],
                got: vec![64, 1, 3, 3],
            }],
        };
        assert!(!report.is_exact());
        let text = WeightsError::DoesNotFit { file: "a.safetensors".into(), report }.to_string();
        assert!(text.starts_with("a.safetensors: 14 of its tensors and the model's do not fit\n"), "{text}");
        assert!(text.contains("  stem.weight: expected [64, 3, 3, 3], got [64, 1, 3, 3]\n"), "{text}");
        assert!(text.contains("  heads.9.weight: not in the file\n  and 2 more not in the file\n"), "{text}");
        assert!(text.contains("  fc.bias: not in the model\nhelp: "), "{text}");
    }
}
