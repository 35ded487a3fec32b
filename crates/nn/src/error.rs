//! What a network can refuse.

use wrs_ops::ShapeError;

/// A forward or backward pass that cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// Sizes that do not fit together.
    #[error("layer {layer}: {source}")]
    Shape {
        /// The layer that refuses.
        layer: String,
        /// What does not fit.
        source: ShapeError,
    },
    /// A picture that ends before the last pooling does.
    #[error(
        "layer {layer}: expected pictures of at least {least}x{least} pixels, got {h}x{w}\nhelp: enlarge the picture, or leave it out"
    )]
    TooSmall {
        /// The part of the network that refuses.
        layer: String,
        /// Pixels that height and width need.
        least: usize,
        /// Height of the picture.
        h: usize,
        /// Width of the picture.
        w: usize,
    },
    /// Batch statistics of a single value: its variance is zero, so nothing can be learned through it.
    #[error(
        "layer {layer}: batch norm over a single value per channel (batch {n}, map {h}x{w})\n\
         help: train with a larger batch or larger pictures"
    )]
    SingleValueNorm {
        /// The layer that refuses.
        layer: String,
        /// Batch size.
        n: usize,
        /// Height of the map.
        h: usize,
        /// Width of the map.
        w: usize,
    },
    /// Dropout in training, without the numbers its draw is a function of.
    #[error(
        "layer {layer}: dropout: expected a pass with draws, got one without\nhelp: give it seed and step, by `Pass::with_draws`"
    )]
    NoDraws {
        /// The layer that refuses.
        layer: String,
    },
    /// A way back is asked of a pass that recorded none.
    #[error("backward: expected a training pass, got one that records nothing")]
    NotTraining,
    /// Statistics are asked of a pass that collects none.
    #[error("calibration: expected a calibrating pass, got another")]
    NotCalibrating,
    /// A norm that no batch reached.
    #[error(
        "calibration: tensor {tensor}: expected the statistics of at least one batch, got none\n\
         help: add a batch; freeze the norms that the forward pass leaves out"
    )]
    NotCalibrated {
        /// The running statistic that stays as it was.
        tensor: String,
    },
    /// A gradient for something that is not an output of this tape.
    #[error("backward: value {0} is not on this tape")]
    NotOnTape(usize),
    /// candle's own refusal.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl NnError {
    /// Names the layer of a kernel's refusal.
    pub(crate) fn shape(layer: &str) -> impl FnOnce(ShapeError) -> Self + '_ {
        move |source| Self::Shape { layer: layer.to_owned(), source }
    }
}
