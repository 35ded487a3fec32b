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
