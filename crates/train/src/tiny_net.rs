//! A network of a few numbers for the tests of this crate.

use wrs_nn::{Conv, ConvBn, ConvBnConfig, ConvConfig, NnError, NormConfig, Params, ParamsBuilder, Pass, Value};
use wrs_ops::Activation;

/// A 1x1 convolution with its norm, two channels to two, and a head of one channel with a bias.
pub(crate) struct TinyNet {
    stem: ConvBn,
    head: Conv,
}

impl TinyNet {
    pub fn new(seed: u64) -> (Self, Params) {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        let config =
            ConvBnConfig { conv: ConvConfig::same(2, 2, 1), norm: NormConfig::default(), activation: Activation::Relu };
        let stem = ConvBn::new(&mut root.sub("stem"), config);
        let head = Conv::new(&mut root.sub("head"), ConvConfig::same(2, 1, 1));
        (Self { stem, head }, builder.build(seed))
    }

    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError> {
        let features = self.stem.forward(pass, x)?;
        Ok(vec![self.head.forward(pass, &features)?])
    }
}
