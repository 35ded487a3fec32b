//! Networks as functions of candle tensors.

use candle_core::Tensor;
use wrs_ops::conv::Algorithms;

use crate::{Dims, InputGradient, NnError, Params, Pass, Value};

/// What a network gives for a candle tensor in evaluation: the arithmetic of every `candle_nn::ModuleT` face.
///
/// # Shapes
/// `xs` `[N, H, W, C]`, f32.
///
/// # Errors
/// candle's for another rank or type; what `forward` refuses, wrapped.
pub fn evaluate_tensor<T>(
    params: &Params,
    xs: &Tensor,
    forward: impl FnOnce(&mut Pass<'_>, &Value) -> Result<T, NnError>,
) -> candle_core::Result<T> {
    let (n, h, w, c) = xs.dims4()?;
    let mut pass = Pass::eval(params, Algorithms::Fast);
    let pixels = xs.flatten_all()?.to_vec1::<f32>()?;
    let x = pass.input(Dims { n, h, w, c }, pixels.into(), InputGradient::Skipped);
    forward(&mut pass, &x).map_err(candle_core::Error::wrap)
}
