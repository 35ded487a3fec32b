//! What an optimizer can refuse.

use wrs_ops::ShapeError;

/// A setting, a step or a saved state that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    /// A trainable tensor in no group, or in several.
    #[error("parameter groups: tensor {tensor}: expected in exactly one group, got in {got}")]
    Partition {
        /// Its name.
        tensor: String,
        /// How many groups hold it.
        got: usize,
    },
    /// A running statistic in a group: it follows the data, not the gradient.
    #[error("parameter groups: tensor {tensor}: expected a trainable tensor, got a running statistic")]
    Statistic {
        /// Its name.
        tensor: String,
    },
    /// A frozen tensor in a group: the optimizer would move it.
    #[error(
        "parameter groups: tensor {tensor}: expected one that is not frozen\nhelp: freeze before the groups are made"
    )]
    Frozen {
        /// Its name.
        tensor: String,
    },
    /// Not one setting for each group.
    #[error("optimizer step: expected settings for {expected} parameter groups, got {got}")]
    GroupSteps {
        /// Number of groups.
        expected: usize,
        /// Number of settings.
        got: usize,
    },
    /// Parameters, gradients or averages of another network.
    #[error("{what}: expected {expected} values, got {got}: another network's")]
    OtherNetwork {
        /// Whose values they are.
        what: &'static str,
        /// Values of the network this was made for.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A setting outside its range.
    #[error("{setting}: expected {expected}, got {got}")]
    Setting {
        /// The recipe's key.
        setting: &'static str,
        /// What would do.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// WRS found no tensor to rescale.
    #[error(
        "wrs: expected at least one tensor to rescale, got none\n\
         help: `select = \"filters\"` takes the convolutions that feed a batch norm; this network has none that is not frozen"
    )]
    NothingToRescale,
    /// A gradient that is not finite.
    #[error(
        "the gradient of tensor {tensor} is not finite: got {got}\n\
         help: training has diverged; try a smaller learning rate or a longer warm-up"
    )]
    Gradient {
        /// Name of the first such tensor, in creation order.
        tensor: String,
        /// Its first such value.
        got: f32,
    },
    /// A weight that is not finite: a row without a norm.
    #[error(
        "wrs: tensor {tensor}: row {row}: expected a finite norm, got {norm}\n\
         help: training has diverged; try a smaller learning rate or a longer warm-up"
    )]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Which row.
        row: usize,
        /// Its norm.
        norm: f64,
    },
    /// A saved state that lacks a part.
    #[error("optimizer state: expected {name}, got none\nhelp: the checkpoint is of another optimizer")]
    StateMissing {
        /// Name of the part.
        name: &'static str,
    },
    /// A saved part of another size.
    #[error(
        "optimizer state: {name}: expected {expected} values, got {got}\nhelp: the checkpoint is of another network"
    )]
    StateLength {
        /// Name of the part.
        name: &'static str,
        /// Values of this network.
        expected: usize,
        /// Values saved.
        got: usize,
    },
    /// Saved parts that nobody asked for.
    #[error("optimizer state: expected nothing more, got {names}\nhelp: the checkpoint is of another optimizer")]
    StateLeft {
        /// Their names.
        names: String,
    },
    /// A kernel's refusal.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

impl OptimError {
    /// Whether the numbers are no longer finite, so that the training cannot go on; any other refusal is of what was asked for.
    pub fn is_divergence(&self) -> bool {
        matches!(self, Self::Gradient { .. } | Self::NotFinite { .. })
    }
}
