//! VGG's only block, in a list of numbered layers.

use wrs_nn::{Conv, ConvBn, ConvBnConfig, ConvBnNames, ConvConfig, NnError, Pass, Scope, Value};
use wrs_ops::Activation;

use super::VggNorm;

/// A convolution, a batch norm where the network has them, and ReLU: two or three entries of PyTorch's `Sequential`.
#[derive(Clone, Debug)]
pub enum VggBlock {
    /// With a norm.
    Normed(ConvBn),
    /// Without.
    Plain(Conv),
}

impl VggBlock {
    /// How many entries it takes in the list.
    pub fn entries(norm: Option<VggNorm>) -> usize {
        if norm.is_some() { 3 } else { 2 }
    }

    /// Adds the tensors to a scope: the convolution's below `index`, the norm's below the next one.
    pub fn new(scope: &mut Scope<'_>, index: usize, conv: ConvConfig, norm: Option<VggNorm>) -> Self {
        let activation = Activation::Relu;
        let Some(VggNorm { norm, conv_bias }) = norm else {
            return Self::Plain(Conv::new(&mut scope.sub(index), conv).with_activation(activation));
        };
        let config = ConvBnConfig { conv, norm, activation };
        let [conv, norm] = [index, index + 1].map(|i| i.to_string());
        let names = ConvBnNames { conv: &conv, norm: &norm };
        let build = if conv_bias { ConvBn::biased } else { ConvBn::named };
        Self::Normed(build(scope, config, names))
    }

    /// # Shapes
    /// `x` `[N, H, W, I]` to `[N, h, w, O]`.
    ///
    /// # Errors
    /// As [`ConvBn::forward`] and [`Conv::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        match self {
            Self::Normed(block) => block.forward(pass, x),
            Self::Plain(conv) => conv.forward(pass, x),
        }
    }
}
