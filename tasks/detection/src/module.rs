//! The network as a candle module, for programs that hold candle tensors.

use candle_core::{Result, Tensor, bail};
use candle_nn::ModuleT;
use wrs_nn::evaluate_tensor;

use crate::model::BOX_VALUES;
use crate::saved::SavedNet;

impl ModuleT for SavedNet {
    /// The logits of every predictor, level by level (stride 32 first), then by row, column and anchor.
    ///
    /// # Shapes
    /// `xs` `[B, H, W, C]`, f32 in 0..1, to `[B, sum of h * w * A, 5 + K]`.
    ///
    /// # Errors
    /// With `train`: gradients do not flow through candle here, `wrs_detection::train` trains.  Sizes that the network
    /// refuses.
    fn forward_t(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        if train {
            bail!("expected train = false: gradients do not flow through candle; train with wrs_detection::train");
        }
        let outputs = evaluate_tensor(&self.params, xs, |pass, x| self.net.forward(pass, x))?;
        let (n, width) = (xs.dim(0)?, BOX_VALUES + self.net.classes());
        let mut levels = Vec::with_capacity(outputs.len());
        for output in outputs {
            let predictors = output.dims().len() / (n * width);
            levels.push(output.into_buffer().into_tensor(&[n, predictors, width])?);
        }
        Tensor::cat(&levels, 1)
    }
}
