//! Which tensor of a network stands where in a `.weights` file.

use wrs_nn::{ParamId, Parameter, Params};

/// A convolution of a network, as Darknet's files order its numbers: bias or beta, gamma, mean, variance, weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DarknetConv {
    /// Its number in the `.cfg`, from 0.
    pub layer: usize,
    /// `[O, kh, kw, I / groups]` in memory, `[O, I / groups, kh, kw]` in the file.
    pub weight: ParamId,
    /// The bias, or beta of the norm.
    pub bias_or_beta: ParamId,
    /// The norm, if there is one.
    pub norm: Option<DarknetNorm>,
    /// Anchors it predicts for, if a `[yolo]` reads it: it has `anchors * (5 + K)` filters.
    pub head_anchors: Option<usize>,
}

/// The rest of a convolution's norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DarknetNorm {
    /// Scale.
    pub gamma: ParamId,
    /// Running mean.
    pub mean: ParamId,
    /// Running variance.
    pub var: ParamId,
}

impl DarknetConv {
    /// The convolution called `name`: with a norm where the network has `{name}.conv.weight` and `{name}.bn`, without where
    /// it has `{name}.weight` and `{name}.bias`.
    pub fn find(params: &Params, layer: usize, name: &str) -> Option<Self> {
        let tensor = |part: &str| params.find(&format!("{name}.{part}"));
        let (head_anchors, norm) = (None, None);
        if let (Some(weight), Some(bias_or_beta)) = (tensor("weight"), tensor("bias")) {
            return Some(Self { layer, weight, bias_or_beta, norm, head_anchors });
        }
        let norm = DarknetNorm {
            gamma: tensor("bn.weight")?,
            mean: tensor("bn.running_mean")?,
            var: tensor("bn.running_var")?,
        };
        let (weight, bias_or_beta) = (tensor("conv.weight")?, tensor("bn.bias")?);
        Some(Self { layer, weight, bias_or_beta, norm: Some(norm), head_anchors })
    }

    /// The same, read by a `[yolo]` with so many anchors.
    #[must_use]
    pub fn predicting_for(self, anchors: usize) -> Self {
        Self { head_anchors: Some(anchors), ..self }
    }

    /// Its tensors in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = ParamId> {
        let norm = self.norm.map(|DarknetNorm { gamma, mean, var }| [gamma, mean, var]);
        std::iter::once(self.bias_or_beta).chain(norm.into_iter().flatten()).chain([self.weight])
    }

    /// Its numbers in the file.
    pub fn file_floats(&self, params: &Params) -> u64 {
        self.tensors().map(|id| len(params.get(id))).sum()
    }
}

pub(super) fn len(parameter: &Parameter) -> u64 {
    parameter.range.len() as u64
}

/// Numbers in a file of these convolutions.
pub fn file_floats(params: &Params, convs: &[DarknetConv]) -> u64 {
    convs.iter().map(|conv| conv.file_floats(params)).sum()
}

/// The convolutions of the layers `0..layers` of the `.cfg`: what a file called `X.conv.{layers}` holds.
pub fn first_layers(convs: &[DarknetConv], layers: usize) -> &[DarknetConv] {
    &convs[..convs.partition_point(|conv| conv.layer < layers)]
}
