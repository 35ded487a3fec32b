//! Softmax cross-entropy over the pixels that have a class, of the main head and of the auxiliary one.
//!
//! The mean is over all such pixels of the batch (`torch.nn.functional.cross_entropy` with `ignore_index=255`); a batch
//! without any has loss 0 and gradient 0, as TensorFlow's DeepLab has it, where PyTorch gives NaN.  The auxiliary head's
//! loss is added with a share (torchvision's references: 0.5; mmsegmentation: 0.4).
//!
//! Legend: `B` images, `H W` pixels, `K` classes.

use wrs_nn::{Buffer, Value};
use wrs_ops::softmax_cross_entropy::{BatchLoss, CrossEntropy, softmax_cross_entropy};

use crate::error::SegmentationError;
use crate::model::Outputs;
use crate::net::AuxiliaryConfig;

/// A loss and the gradients that start the way back.
#[derive(Debug)]
pub struct Loss {
    /// What is minimised.
    pub total: f64,
    /// The main head's part of it.
    pub main: f64,
    /// The auxiliary head's, before its share is taken; none without such a head.
    pub auxiliary: Option<f64>,
    /// Pixels that have a class.
    pub pixels: u64,
    /// Images of the batch whose loss is not finite.
    pub not_finite: Vec<usize>,
    /// Each output with the gradient of the total, main head first.
    pub seeds: Vec<(Value, Buffer)>,
}

/// The loss of a batch and its gradient.
///
/// # Shapes
/// `outputs` `[B, H, W, K]` each, `labels` `[B, H, W]`: a class, or 255 where there is none.
///
/// # Errors
/// [`SegmentationError::Loss`] for labels that do not fit the outputs.
pub fn loss(outputs: Outputs, labels: &[u8], auxiliary: Option<AuxiliaryConfig>) -> Result<Loss, SegmentationError> {
    let (main, gradient) = of_head(&outputs.logits, labels, 1.0)?;
    let mut loss = Loss {
        total: main.mean(),
        main: main.mean(),
        auxiliary: None,
        pixels: main.pixels(),
        not_finite: main.not_finite(),
        seeds: vec![(outputs.logits, gradient)],
    };
    if let (Some(logits), Some(AuxiliaryConfig { loss_weight, .. })) = (outputs.auxiliary, auxiliary) {
        let (auxiliary, gradient) = of_head(&logits, labels, loss_weight as f32)?;
        loss.total += loss_weight * auxiliary.mean();
        loss.auxiliary = Some(auxiliary.mean());
        loss.not_finite.extend(auxiliary.not_finite());
        loss.not_finite.sort_unstable();
        loss.not_finite.dedup();
        loss.seeds.push((logits, gradient));
    }
    Ok(loss)
}

/// One head's loss, and the gradient of its share.
fn of_head(logits: &Value, labels: &[u8], share: f32) -> Result<(BatchLoss, Buffer), SegmentationError> {
    let dims = logits.dims();
    let arguments = CrossEntropy { logits: logits.buffer().host(), labels, images: dims.n, classes: dims.c };
    let mut gradient = Buffer::scratch(dims.len());
    let loss = softmax_cross_entropy(&arguments, share, gradient.host_mut())?;
    Ok((loss, gradient))
}
