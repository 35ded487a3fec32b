//! The gradient of a loss.

use std::ops::Range;

use wrs_ops::Store;
use wrs_ops::norm_act::NormGradients;

use crate::{Buffer, ParamId, Params};

/// The gradient of a loss, a mirror of [`Params::trainable`].
#[derive(Clone, Debug)]
pub struct Gradients {
    buffer: Buffer,
    /// The windows, by parameter; none for statistics.
    ranges: Vec<Option<Range<usize>>>,
    /// Which windows hold a gradient of this step.
    written: Vec<bool>,
}

impl Gradients {
    /// No gradient yet, for a network's every trainable tensor.
    pub fn new(params: &Params) -> Self {
        let ranges: Vec<_> = params.iter().map(|(_, p)| p.role.is_trainable().then(|| p.range.clone())).collect();
        Self { buffer: Buffer::zeros(params.trainable().len()), written: vec![false; ranges.len()], ranges }
    }

    /// Forgets everything: the next contribution to a window overwrites it, so nothing needs to be zeroed.
    pub fn reset(&mut self) {
        self.written.fill(false);
    }

    /// The window of one tensor and whether a contribution overwrites it or is added.
    pub(crate) fn window(&mut self, id: ParamId) -> (&mut [f32], Store) {
        let Some(range) = self.ranges[id.index()].clone() else { return (&mut [], Store::Overwrite) };
        let store = if self.written[id.index()] { Store::Accumulate } else { Store::Overwrite };
        self.written[id.index()] = true;
        (&mut self.buffer.host_mut()[range], store)
    }

    /// The windows of a norm's scale and shift, which always get their contributions together, the scale created first;
    /// none for a tensor that is not `wanted`.
    pub(crate) fn norm_windows(&mut self, ids: [ParamId; 2], wanted: [bool; 2]) -> NormGradients<'_> {
        let mut store = Store::Overwrite;
        let mut range = |i: usize| {
            let at = ids[i].index();
            let range = self.ranges[at].clone().filter(|_| wanted[i])?;
            if std::mem::replace(&mut self.written[at], true) {
                store = Store::Accumulate;
            }
            Some(range)
        };
        let (scale, shift) = (range(0), range(1));
        let middle = shift.as_ref().map_or(self.buffer.len(), |range| range.start);
        let (low, high) = self.buffer.host_mut().split_at_mut(middle);
        NormGradients { gamma: scale.map(|r| &mut low[r]), beta: shift.map(|r| &mut high[..r.len()]), store }
    }

    /// The whole gradient; tensors that nothing contributed to are zero.
    pub fn finish(&mut self) -> &mut Buffer {
        for (range, written) in self.ranges.iter().zip(&mut self.written) {
            if let (Some(range), false) = (range, *written) {
                self.buffer.host_mut()[range.clone()].fill(0.0);
            }
            *written = true;
        }
        &mut self.buffer
    }
}
