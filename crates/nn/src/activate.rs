//! Smooth activations as layers of their own.

use wrs_ops::smooth::{Smooth, smooth, smooth_backward};

use crate::kept::Kept;
use crate::pass::{Pass, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// Applies a smooth activation; training keeps its input.
///
/// # Shapes
/// `[N, H, W, C]` to the same.
///
/// # Errors
/// None of its own: the value fits itself.
pub fn activate(pass: &mut Pass<'_>, x: &Value, activation: Smooth) -> Result<Value, NnError> {
    let y = pass
        .compute(x.dims(), x.wanted, |y| smooth(activation, x.data.host(), y))
        .map_err(NnError::shape("activation"))?;
    pass.record(&y, || Box::new(SmoothNode { activation, x: Kept::new(x) }));
    Ok(y)
}

struct SmoothNode {
    activation: Smooth,
    x: Kept,
}

impl Node for SmoothNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        let Self { activation, x } = *self;
        way.give(x.slot(), |gx, store| smooth_backward(activation, x.numbers()?.host(), gy.host(), gx, store))
            .map_err(NnError::shape("activation"))
    }
}
