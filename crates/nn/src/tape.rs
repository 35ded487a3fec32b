//! The way back: what each layer left behind, run in reverse.

use wrs_ops::conv::Algorithms;
use wrs_ops::norm_act::{self, NormGradients};
use wrs_ops::{ShapeError, Store};

use crate::pass::{Slot, StatisticsUpdate};
use crate::{Buffer, Gradients, NnError, ParamId, Params, Value};

/// What a layer leaves on the tape.
pub(crate) trait Node: Send {
    /// Consumes the gradient of the layer's output: adds to those of its parameters and gives each input its own.
    fn backward(self: Box<Self>, output_gradient: Buffer, way: &mut Backward<'_>) -> Result<(), NnError>;
}

/// One training pass, recorded.
pub struct Tape {
    nodes: Vec<(Slot, Box<dyn Node>)>,
    algorithms: Algorithms,
    pub(crate) statistics: Vec<StatisticsUpdate>,
}

impl Tape {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self { nodes: Vec::new(), algorithms, statistics: Vec::new() }
    }

    pub(crate) fn push(&mut self, output: Slot, node: Box<dyn Node>) {
        self.nodes.push((output, node));
    }

    /// Folds what the norms of this pass saw into their running statistics (PyTorch's rule: unbiased variance).
    ///
    /// Apart from the pass itself, so that a loss that is not finite can be refused before anything has changed.
    pub fn update_statistics(&mut self, params: &mut Params) -> Result<(), NnError> {
        for update in self.statistics.drain(..) {
            let StatisticsUpdate { mean, var, stats, count, momentum } = update;
            let name = params.get(mean).name.clone();
            let mut running_var = params.values(var).to_vec();
            let running_mean = params.values_mut(mean);
            norm_act::update_running(&stats, count, momentum, running_mean, &mut running_var)
                .map_err(NnError::shape(&name))?;
            params.values_mut(var).copy_from_slice(&running_var);
        }
        Ok(())
    }

    /// Runs the layers in reverse from the gradients of the outputs, freeing each activation as it goes by.
    ///
    /// Parameter gradients are added to `gradients` (or overwrite it after a [`Gradients::reset`]).  The gradient of
    /// `input` is returned if the input wanted one.
    ///
    /// # Errors
    /// [`NnError`] when an output gradient is not of its output's size.
    pub fn backward(
        self,
        params: &Params,
        outputs: Vec<(Value, Buffer)>,
        gradients: &mut Gradients,
        input: Option<&Value>,
    ) -> Result<Option<Buffer>, NnError> {
        let last = self.nodes.iter().map(|(slot, _)| slot.id).max().unwrap_or(0);
        let mut way = Backward { params, gradients, algorithms: self.algorithms, slots: Vec::new() };
        way.slots.resize_with(last + 1, || None);
        for (value, gradient) in outputs {
            let slot = value.slot();
            if !slot.wanted {
                // All that the value depends on is frozen.
                continue;
            }
            if slot.id > last {
                return Err(NnError::NotOnTape(slot.id));
            }
            wrs_ops::check_len("backward", "gradient of an output", gradient.len(), slot.len)
                .map_err(NnError::shape("output"))?;
            if way.has_gradient(slot) {
                way.add(slot, &gradient).map_err(NnError::shape("output"))?;
            } else {
                way.hand_over(slot, gradient);
            }
        }
        for (slot, node) in self.nodes.into_iter().rev() {
            // A value nobody reads has no gradient, and its layer nothing to do.
            if let Some(gradient) = way.slots[slot.id].take() {
                node.backward(gradient, &mut way)?;
            }
        }
        Ok(input.and_then(|value| way.slots.get_mut(value.id).and_then(Option::take)))
    }
}

/// The gradients on the way back.
pub(crate) struct Backward<'a> {
    pub params: &'a Params,
    pub gradients: &'a mut Gradients,
    pub algorithms: Algorithms,
    slots: Vec<Option<Buffer>>,
}

impl Backward<'_> {
    /// Lets `compute` write or add the gradient of an input, unless nobody wants it.
    pub fn give(
        &mut self,
        to: Slot,
        compute: impl FnOnce(&mut [f32], Store) -> Result<(), ShapeError>,
    ) -> Result<(), ShapeError> {
        if !to.wanted {
            return Ok(());
        }
        let (mut buffer, store) = match self.slots[to.id].take() {
            Some(buffer) => (buffer, Store::Accumulate),
            None => (Buffer::scratch(to.len), Store::Overwrite),
        };
        compute(buffer.host_mut(), store)?;
        self.slots[to.id] = Some(buffer);
        Ok(())
    }

    /// The window of a parameter's gradient and how it is stored; none for a frozen one.
    pub fn parameter(&mut self, id: ParamId) -> Option<(&mut [f32], Store)> {
        if self.params.is_frozen(id) { None } else { Some(self.gradients.window(id)) }
    }

    /// The windows of a norm's gradients; none where both are frozen.
    pub fn norm_parameters(&mut self, gamma: ParamId, beta: ParamId) -> Option<NormGradients<'_>> {
        let wanted = [gamma, beta].map(|id| !self.params.is_frozen(id));
        wanted.contains(&true).then(|| self.gradients.norm_windows([gamma, beta], wanted))
    }

    /// Whether a gradient already waits for this value.
    pub fn has_gradient(&self, of: Slot) -> bool {
        self.slots[of.id].is_some()
    }

    /// Gives a whole gradient away to a value that has none yet.
    pub fn hand_over(&mut self, to: Slot, gradient: Buffer) {
        self.slots[to.id] = Some(gradient);
    }

    /// Adds a whole gradient to that of a value, unless nobody wants it.
    pub fn add(&mut self, to: Slot, gradient: &Buffer) -> Result<(), ShapeError> {
        self.give(to, |sum, store| wrs_ops::update::add(sum, gradient.host(), store))
    }
}
