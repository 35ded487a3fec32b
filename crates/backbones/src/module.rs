//! A backbone as a candle module, for programs that hold candle tensors.

use candle_core::{Device, Result, Tensor, bail};
use candle_nn::ModuleT;
use wrs_nn::{Params, evaluate_tensor};

use crate::Backbone;

/// A backbone and its numbers, as they are for evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a, B> {
    /// The layers.
    pub backbone: &'a B,
    /// Their numbers.
    pub params: &'a Params,
}

impl<B: Backbone> ModuleT for Features<'_, B> {
    /// The last stage's map, in candle's order of axes on both sides.
    ///
    /// # Shapes
    /// `xs` `[N, 3, H, W]`, f32, normalised, to `[N, channels, h, w]` of the last of [`Backbone::stages`].
    ///
    /// # Errors
    /// With `train`: gradients do not flow through candle here; train a head on what this gives, or all of it by `wrs_nn`.  Sizes
    /// that the backbone refuses.
    fn forward_t(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        if train {
            bail!(
                "expected train = false: gradients do not flow through candle; train a head on the features, or all by wrs_nn"
            );
        }
        let xs = xs.permute((0, 2, 3, 1))?.contiguous()?; // [N, H, W, 3]
        let stages = evaluate_tensor(self.params, &xs, |pass, x| self.backbone.forward(pass, x))?;
        let Some(last) = stages.into_iter().next_back() else { bail!("expected a backbone with stages") };
        let dims = last.dims();
        let map = Tensor::from_slice(last.buffer().host(), (dims.n, dims.h, dims.w, dims.c), &Device::Cpu)?;
        map.permute((0, 3, 1, 2))?.contiguous() // [N, C, h, w]
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use wrs_nn::ParamsBuilder;

    use super::*;
    use crate::{Vgg, VggConfig, VggDepth};

    #[test]
    fn features_are_the_last_stage_in_candles_order() {
        let mut builder = ParamsBuilder::new();
        let config = VggConfig { width: 1.0 / 16.0, ..VggConfig::new(VggDepth::V11) };
        let backbone = Vgg::new(&mut builder.root(), &config);
        let params = builder.build(0);
        let features = Features { backbone: &backbone, params: &params };
        let xs = Tensor::rand(-1f32, 1f32, (2, 3, 64, 32), &Device::Cpu).unwrap();
        let map = features.forward_t(&xs, false).unwrap();
        let stage = *backbone.stages().last().unwrap();
        assert_eq!(map.dims(), [2, stage.channels, 64 / stage.stride, 32 / stage.stride]);
        assert_eq!(map.dtype(), DType::F32);
        // A picture alone has the features that it has in a batch, but for rounding: the fast algorithms are chosen by the
        // batch, too.  And a pixel's channels stay together.
        let alone = features.forward_t(&xs.narrow(0, 1, 1).unwrap(), false).unwrap();
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (alone, batched) = (values(&alone), values(&map.narrow(0, 1, 1).unwrap()));
        assert_eq!(alone.len(), batched.len());
        assert!(alone.iter().zip(&batched).all(|(a, b)| (a - b).abs() <= 1e-5), "{alone:?} {batched:?}");
        let pixels = xs.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
        let ours = evaluate_tensor(&params, &pixels, |pass, x| backbone.forward(pass, x)).unwrap().pop().unwrap();
        let (dims, theirs) = (ours.dims(), values(&map));
        let at = ((dims.h + 1) * dims.w) * dims.c + 3; // picture 1, row 1, column 0, channel 3
        let there = theirs[((dims.c + 3) * dims.h + 1) * dims.w];
        assert_eq!(ours.buffer().host()[at].to_bits(), there.to_bits());
        assert!(features.forward_t(&xs, true).is_err());
    }
}
