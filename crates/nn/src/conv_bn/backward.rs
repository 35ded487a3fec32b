//! The way back through the block.

use std::sync::Arc;

use wrs_ops::conv::{ConvShape, conv2d_backward_bias, conv2d_backward_input, conv2d_backward_weight};
use wrs_ops::norm_act::{
    Affine, BatchStats, ChannelsLast, NormBackward, Statistics, activation_backward, norm_act_backward,
    norm_act_backward_in_place,
};
use wrs_ops::{Activation, ShapeError};

use super::ConvBn;
use crate::kept::Kept;
use crate::pass::{Slot, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// What the way back needs of a shortcut.
pub(super) struct RecordedShortcut {
    pub slot: Slot,
    /// The output, whose sign is that of the sum, where the shortcut was added before the activation.
    pub summed: Option<Value>,
}

/// What the block leaves on the tape.
pub(super) struct ConvBnNode {
    pub layer: ConvBn,
    pub shape: ConvShape,
    pub rows: ChannelsLast,
    pub x: Kept,
    /// The convolution's output, without its bias.
    pub z: Arc<Buffer>,
    pub stats: BatchStats,
    pub statistics: Statistics,
    pub affine: Arc<Affine>,
    pub shortcut: Option<RecordedShortcut>,
}

impl Node for ConvBnNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        let gz = self.norm_backward(gy, way).map_err(NnError::shape(&self.layer.name))?;
        let Self { layer, shape, x, z, statistics, .. } = *self;
        drop(z);
        let (gz, algorithms, params, slot) = (gz.host(), way.algorithms, way.params, x.slot());
        let named = || NnError::shape(&layer.name);
        // A batch's mean moves with the bias: what the norm gives does not, so nothing is added to its gradient.
        if let (Some(bias), Statistics::Frozen) = (layer.bias, statistics)
            && let Some((gb, store)) = way.parameter(bias)
        {
            conv2d_backward_bias(&shape, gz, gb, store).map_err(named())?;
        }
        if let Some((gw, store)) = way.parameter(layer.weight) {
            let x = x.numbers().map_err(named())?;
            conv2d_backward_weight(&shape, x.host(), gz, gw, store, algorithms).map_err(named())?;
        }
        drop(x);
        way.give(slot, |gx, store| {
            conv2d_backward_input(&shape, gz, params.values(layer.weight), gx, store, algorithms)
        })
        .map_err(named())
    }
}

impl ConvBnNode {
    /// Back through shortcut, activation and norm, to the gradient of `z`.
    fn norm_backward(&self, mut gy: Buffer, way: &mut Backward<'_>) -> Result<Buffer, ShapeError> {
        let activation = self.layer.config.activation;
        match &self.shortcut {
            // The sum has one gradient, for the shortcut and for the norm.
            Some(RecordedShortcut { slot, summed: Some(y) }) => {
                activation_backward(activation, y.data.host(), gy.host_mut())?;
                self.beside_shortcut(gy, *slot, Activation::Identity, way)
            }
            Some(RecordedShortcut { slot, summed: None }) => self.beside_shortcut(gy, *slot, activation, way),
            None => self.in_place(gy, activation, way),
        }
    }

    /// The shortcut has `gy` for its gradient: it is moved there if it is the first, and its storage serves the gradient of
    /// `z` otherwise.
    fn beside_shortcut(
        &self,
        gy: Buffer,
        slot: Slot,
        activation: Activation,
        way: &mut Backward<'_>,
    ) -> Result<Buffer, ShapeError> {
        if !slot.wanted || way.has_gradient(slot) {
            way.add(slot, &gy)?;
            return self.in_place(gy, activation, way);
        }
        let mut gz = Buffer::scratch(gy.len());
        let parameters = way.norm_parameters(self.layer.gamma, self.layer.beta);
        norm_act_backward(&self.arguments(activation), gy.host(), gz.host_mut(), parameters)?;
        way.hand_over(slot, gy);
        Ok(gz)
    }

    fn in_place(&self, mut gy: Buffer, activation: Activation, way: &mut Backward<'_>) -> Result<Buffer, ShapeError> {
        let parameters = way.norm_parameters(self.layer.gamma, self.layer.beta);
        norm_act_backward_in_place(&self.arguments(activation), gy.host_mut(), parameters)?;
        Ok(gy)
    }

    fn arguments(&self, activation: Activation) -> NormBackward<'_> {
        NormBackward {
            shape: self.rows,
            z: self.z.host(),
            affine: &self.affine,
            stats: &self.stats,
            statistics: self.statistics,
            activation,
        }
    }
}
