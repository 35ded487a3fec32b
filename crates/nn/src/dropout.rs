//! Dropout.

use wrs_ops::dropout::{self as ops, Dropped};

use crate::pass::{Pass, Slot, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// In training, drops each value with a probability and divides the others by the share that is kept; in any other pass, and with
/// probability 0, the value itself.
///
/// The draw is a function of the pass's seed and step ([`Pass::with_draws`]) and of `layer`, the layer's name.
///
/// # Shapes
/// `[N, H, W, C]` to the same.
///
/// # Errors
/// [`NnError::NoDraws`] in a training pass without draws, [`NnError::Shape`] for a probability outside [0, 1).
pub fn dropout(pass: &mut Pass<'_>, x: &Value, probability: f64, layer: &str) -> Result<Value, NnError> {
    if !pass.is_training() || probability == 0.0 {
        return Ok(x.clone());
    }
    let draws = pass.draws().ok_or_else(|| NnError::NoDraws { layer: layer.to_owned() })?;
    let purpose = format!("dropout {layer}");
    let dropped = Dropped { probability, seed: draws.seed, purpose, step: draws.step };
    let y = pass
        .compute(x.dims(), x.wanted, |y| ops::dropout(&dropped, x.data.host(), y))
        .map_err(NnError::shape(layer))?;
    pass.record(&y, || Box::new(DropoutNode { dropped, layer: layer.to_owned(), slot: x.slot() }));
    Ok(y)
}

struct DropoutNode {
    dropped: Dropped,
    layer: String,
    slot: Slot,
}

impl Node for DropoutNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        way.give(self.slot, |gx, store| ops::dropout_backward(&self.dropped, gy.host(), gx, store))
            .map_err(NnError::shape(&self.layer))
    }
}
