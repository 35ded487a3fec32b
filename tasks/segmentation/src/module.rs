//! The network as a candle module, for programs that hold candle tensors.

use candle_core::{Result, Tensor, bail};
use candle_nn::ModuleT;
use wrs_nn::{Params, evaluate_tensor};

use crate::model::DeepLabV3;

/// A network and its numbers, as they are for evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Inference<'a> {
    /// The layers.
    pub net: &'a DeepLabV3,
    /// Their numbers.
    pub params: &'a Params,
}

impl ModuleT for Inference<'_> {
    /// The logits at the size of the pictures.
    ///
    /// # Shapes
    /// `xs` `[B, H, W, 3]`, f32, normalised, to `[B, H, W, K]`.
    ///
    /// # Errors
    /// With `train`: gradients do not flow through candle here, `wrs_segmentation` trains.  Sizes that the network refuses.
    fn forward_t(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        if train {
            bail!("expected train = false: gradients do not flow through candle; train with wrs_segmentation");
        }
        let logits = evaluate_tensor(self.params, xs, |pass, x| self.net.logits(pass, x))?;
        let shape = logits.dims().to_shape();
        logits.into_buffer().into_tensor(&shape)
    }
}
