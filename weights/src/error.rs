//! What a file of weights can be refused for.

use std::io;
use std::path::PathBuf;

use crate::darknet::{CfgError, DarknetError};
use crate::load::LoadReport;
use crate::tensors::Format;

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
    /// Bytes that are not what they begin as.
    #[error(
        "{file}: not a whole {format} file: {reason}\nhelp: an incomplete download or copy? compare its size with the source's"
    )]
    Format {
        /// The file.
        file: String,
        /// What it begins as.
        format: Format,
        /// What is wrong with it.
        reason: String,
    },
    /// A pickle that names something that is no plain class.
    #[error(
        "{file}: its pickle asks for `{global}` (byte {at}), which is none of the plain classes that weights are made of; \
         nothing of it was run\n\
         help: where the file comes from, if you trust it, save its weights alone: torch.save(model.state_dict(), OUT)"
    )]
    Refused {
        /// The file.
        file: String,
        /// The place in the pickle.
        at: u64,
        /// Module and name.
        global: String,
    },
    /// A file that is no file of weights.
    #[error("{file}: {reason}\nhelp: {help}")]
    NotWeights {
        /// The file.
        file: String,
        /// What it is.
        reason: String,
        /// The mend.
        help: &'static str,
    },
    /// A number that no network has.
    #[error(
        "{file}: tensor `{tensor}`, value {index}: expected {expected}, got {got}\nhelp: is it a file of a training that broke down?"
    )]
    Value {
        /// The file.
        file: String,
        /// The tensor, by its name there.
        tensor: String,
        /// Its place in the tensor, in the file's order.
        index: usize,
        /// What would do.
        expected: &'static str,
        /// What stands there; a number of 64 bits beyond the 32 of ours is infinite.
        got: f32,
    },
    /// A file that does not say what the network is, or says another than was asked for.
    #[error(
        "{file}: {reason}\n\
         help: expected a file written by `wrs train`, such as RUN/best.safetensors; files of other programs start a training \
         (--init FILE), and `wrs check FILE` says of which network"
    )]
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
        "{file}: tensor `{tensor}`: expected F64, F32, F16 or BF16, got {got}\nhelp: convert it to float32 where it was saved"
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
        report: Box<LoadReport>,
    },
    /// A file none of whose tensors has a place in the model.
    #[error("{file}: none of its tensors has a place in the model\n{report}help: is it a file of another model?")]
    NothingFits {
        /// The file.
        file: String,
        /// Every misfit.
        report: Box<LoadReport>,
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

fn listing(names: &[String]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { format!("only {}", names.join(", ")) }
}
