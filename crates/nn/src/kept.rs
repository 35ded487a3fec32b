//! What a layer keeps of its input for the way back.

use std::borrow::Cow;
use std::sync::Arc;

use wrs_ops::norm_act::{Affine, ChannelsLast, norm_act};
use wrs_ops::{Activation, ShapeError};

use crate::pass::Slot;
use crate::{Buffer, Value};

/// How the output of a norm and its activation comes back: from the norm's input, which its own way back keeps in any case.
#[derive(Debug)]
pub(crate) struct Remake {
    pub rows: ChannelsLast,
    /// The norm's input.
    pub z: Arc<Buffer>,
    pub affine: Arc<Affine>,
    pub activation: Activation,
}

/// An input on the tape: its numbers, or how they come back.
///
/// One pass over memory on the way back costs little beside the convolution that reads the numbers, and between the two ways
/// nobody holds them.
#[derive(Debug)]
pub(crate) struct Kept {
    slot: Slot,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Numbers(Arc<Buffer>),
    Remade(Arc<Remake>),
}

impl Kept {
    pub fn new(value: &Value) -> Self {
        let source = match &value.remake {
            Some(remake) => Source::Remade(Arc::clone(remake)),
            None => Source::Numbers(Arc::clone(&value.data)),
        };
        Self { slot: value.slot(), source }
    }

    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The numbers, the same bytes as on the way there.
    pub fn numbers(&self) -> Result<Cow<'_, Buffer>, ShapeError> {
        match &self.source {
            Source::Numbers(numbers) => Ok(Cow::Borrowed(numbers)),
            Source::Remade(remake) => {
                let Remake { rows, z, affine, activation } = &**remake;
                let mut y = Buffer::scratch(z.len());
                norm_act(*rows, z.host(), affine, *activation, None, y.host_mut())?;
                Ok(Cow::Owned(y))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wrs_ops::conv::Algorithms;
    use wrs_ops::rng::Rng;

    use super::*;
    use crate::{ConvBn, ConvBnConfig, ConvConfig, Dims, InputGradient, NormConfig, ParamsBuilder, Pass};

    fn layer(scope: &mut crate::Scope<'_>, c_in: usize) -> ConvBn {
        let conv = ConvConfig::same(c_in, 5, 3);
        ConvBn::new(scope, ConvBnConfig { conv, norm: NormConfig::default(), activation: Activation::LeakyRelu(0.1) })
    }

    #[test]
    fn numbers_come_back_bit_for_bit_and_nobody_holds_them_meanwhile() {
        let mut builder = ParamsBuilder::new();
        let (first, second) = (layer(&mut builder.root().sub("a"), 3), layer(&mut builder.root().sub("b"), 5));
        let params = builder.build(0);
        let dims = Dims { n: 2, h: 6, w: 7, c: 3 };
        let mut rng = Rng::new(0, "kept", 0, 0);
        let pixels: Vec<f32> = (0..dims.len()).map(|_| rng.normal() as f32).collect();

        let mut pass = Pass::train(&params, Algorithms::Fast);
        let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
        let plain = first.forward(&mut pass, &x).unwrap();
        let summed = second.forward_residual(&mut pass, &plain, &plain).unwrap();
        for (value, is_kept) in [(&x, true), (&plain, false), (&summed, true)] {
            let holders = Arc::strong_count(&value.data);
            let kept = Kept::new(value);
            assert_eq!(Arc::strong_count(&value.data) - holders, usize::from(is_kept));
            let bits = |buffer: &Buffer| buffer.host().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&kept.numbers().unwrap()), bits(&value.data));
            assert_eq!(kept.slot().id, value.slot().id);
        }
        // On the tape are the convolutions' outputs: only `plain` itself holds its numbers.
        assert_eq!(Arc::strong_count(&plain.data), 1);
    }
}
