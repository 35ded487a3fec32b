//! Shortcuts: values of one shape added.

use wrs_ops::norm_act::{activate, activation_backward};
use wrs_ops::{Activation, Store, update};

use crate::pass::{Pass, Slot, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// `act(x_1 + x_2 + …)`, added in the order given: Darknet's `shortcut`.
///
/// A [`crate::ConvBn`] with a residual does the same without a pass over memory of its own.
///
/// # Shapes
/// `[N, H, W, C]` each, to the same.
///
/// # Errors
/// [`NnError::Shape`] when the inputs differ or there is none; backward also where the activation's slope is negative.
pub fn add(pass: &mut Pass<'_>, inputs: &[&Value], activation: Activation) -> Result<Value, NnError> {
    let refuse = |what, expected, got| NnError::Shape {
        layer: "add".to_owned(),
        source: wrs_ops::ShapeError { op: "add", what, expected, got },
    };
    let Some((first, others)) = inputs.split_first() else {
        return Err(refuse("inputs", "at least 1".to_owned(), "0".to_owned()));
    };
    let dims = first.dims();
    if let Some(other) = others.iter().find(|v| v.dims() != dims) {
        let show = |value: &Value| format!("{:?}", value.dims().to_shape());
        return Err(refuse("shape of an input", show(first), show(other)));
    }
    let wanted = inputs.iter().any(|v| v.wanted);
    let y = pass
        .compute(dims, wanted, |y| {
            y.copy_from_slice(first.data.host());
            others.iter().try_for_each(|other| update::add(y, other.data.host(), Store::Accumulate))?;
            if activation != Activation::Identity {
                activate(activation, y);
            }
            Ok(())
        })
        .map_err(NnError::shape("add"))?;
    pass.record(&y, || {
        let activated = (activation != Activation::Identity).then(|| (activation, y.clone()));
        Box::new(AddNode { activated, slots: inputs.iter().map(|v| v.slot()).collect() })
    });
    Ok(y)
}

struct AddNode {
    /// The output, whose sign tells the slope of an activation.
    activated: Option<(Activation, Value)>,
    slots: Vec<Slot>,
}

impl Node for AddNode {
    fn backward(self: Box<Self>, mut gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        let Self { activated, slots } = *self;
        if let Some((activation, y)) = activated {
            activation_backward(activation, y.data.host(), gy.host_mut()).map_err(NnError::shape("add"))?;
        }
        let Some((&last, others)) = slots.split_last() else { return Ok(()) };
        for &slot in others {
            way.add(slot, &gy).map_err(NnError::shape("add"))?;
        }
        if last.wanted && !way.has_gradient(last) {
            way.hand_over(last, gy);
            return Ok(());
        }
        way.add(last, &gy).map_err(NnError::shape("add"))
    }
}
