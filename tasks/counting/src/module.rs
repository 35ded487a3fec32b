//! The network as a candle module, for programs that hold candle tensors.

use candle_core::{Device, Result, Tensor, bail};
use candle_nn::ModuleT;
use wrs_nn::{Params, evaluate_tensor};

use crate::model::CsrNet;

/// A network and its numbers, as they are for evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Inference<'a> {
    /// The layers.
    pub net: &'a CsrNet,
    /// Their numbers.
    pub params: &'a Params,
}

impl ModuleT for Inference<'_> {
    /// The people in every cell of 8x8 pixels, behind the head's activation; with one channel, PyTorch's order of axes is ours.
    ///
    /// # Shapes
    /// `xs` `[B, H, W, 3]`, f32, normalised, to `[B, 1, floor(H / 8), floor(W / 8)]`.
    ///
    /// # Errors
    /// With `train`: gradients do not flow through candle here, `wrs_counting` trains.  Sizes that the network refuses.
    fn forward_t(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        if train {
            bail!("expected train = false: gradients do not flow through candle; train with wrs_counting");
        }
        let raw = evaluate_tensor(self.params, xs, |pass, x| self.net.forward(pass, x))?;
        let dims = raw.dims();
        Tensor::from_vec(self.net.density(&raw), (dims.n, dims.c, dims.h, dims.w), &Device::Cpu)
    }
}
