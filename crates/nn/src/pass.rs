//! One run of a network, forward.

use std::sync::Arc;

use wrs_ops::conv::Algorithms;
use wrs_ops::norm_act::BatchStats;

use crate::kept::Remake;
use crate::tape::{Node, Tape};
use crate::{Buffer, NnError, ParamId, Params};

/// The axes of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Batch.
    pub n: usize,
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Dims {
    /// Number of values.
    pub fn len(self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Whether there is no value.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of pixels over the batch: the rows of the matrix `[N*H*W, C]`.
    pub fn pixels(self) -> usize {
        self.n * self.h * self.w
    }

    /// As a shape.
    pub fn to_shape(self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }
}

/// An activation on its way through the network.
#[derive(Clone, Debug)]
pub struct Value {
    pub(crate) data: Arc<Buffer>,
    pub(crate) id: usize,
    /// Whether a gradient of it is of use to anybody.
    pub(crate) wanted: bool,
    /// How the numbers come back when nobody holds them any more, where they can.
    pub(crate) remake: Option<Arc<Remake>>,
    dims: Dims,
}

impl Value {
    /// Its axes.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Its numbers, `[N, H, W, C]`; empty in a [`Pass::plan`].
    pub fn buffer(&self) -> &Buffer {
        &self.data
    }

    /// Where a gradient for it goes.
    pub(crate) fn slot(&self) -> Slot {
        Slot { id: self.id, len: self.dims.len(), wanted: self.wanted }
    }

    /// Takes the numbers out, copying them only if somebody else still reads them.
    pub fn into_buffer(self) -> Buffer {
        Arc::try_unwrap(self.data).unwrap_or_else(|shared| (*shared).clone())
    }
}

/// The place of a value's gradient on a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub id: usize,
    pub len: usize,
    pub wanted: bool,
}

/// Whether backward is asked for the gradient of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// It is computed and kept.
    Wanted,
    /// The first layer skips it.
    Skipped,
}

enum Kind {
    Train(Tape),
    Calibrate(Calibrating),
    Observe(Calibrating),
    Eval,
    Plan,
}

/// What the random draws of a training pass are a function of, besides the layer's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    pub seed: u64,
    pub step: u64,
}

/// One run of a network, forward: which numbers it reads, and what it leaves behind.
pub struct Pass<'p> {
    params: &'p Params,
    algorithms: Algorithms,
    kind: Kind,
    draws: Option<Draws>,
    values: usize,
    flops: u64,
}

impl<'p> Pass<'p> {
    fn new(params: &'p Params, algorithms: Algorithms, kind: Kind) -> Self {
        Self { params, algorithms, kind, draws: None, values: 0, flops: 0 }
    }

    /// Batch statistics, and a tape.
    pub fn train(params: &'p Params, algorithms: Algorithms) -> Self {
        Self::new(params, algorithms, Kind::Train(Tape::new(algorithms)))
    }

    /// Running statistics folded into the convolutions, nothing recorded.
    pub fn eval(params: &'p Params, algorithms: Algorithms) -> Self {
        Self::new(params, algorithms, Kind::Eval)
    }

    /// Batch statistics, collected for a [`crate::Calibration`], and nothing else kept: dropout is off and every activation goes
    /// with its last reader.
    pub fn calibrate(params: &'p Params, algorithms: Algorithms) -> Self {
        Self::new(params, algorithms, Kind::Calibrate(Calibrating::default()))
    }

    /// Running statistics, as in evaluation, while those of the batch are collected for a [`crate::Calibration`]: what norms
    /// would see that leave the network's function as it is.
    pub fn observe(params: &'p Params, algorithms: Algorithms) -> Self {
        Self::new(params, algorithms, Kind::Observe(Calibrating::default()))
    }

    /// No arithmetic: values have shapes and no numbers, and [`Self::flops`] counts.
    pub fn plan(params: &'p Params) -> Self {
        Self::new(params, Algorithms::Fast, Kind::Plan)
    }

    /// The same with what dropout draws from: the run's seed, and a number no other training pass of the run has.
    #[must_use]
    pub fn with_draws(self, seed: u64, step: u64) -> Self {
        Self { draws: Some(Draws { seed, step }), ..self }
    }

    /// Brings an input in, `[N, H, W, C]`.
    pub fn input(&mut self, dims: Dims, data: Buffer, gradient: InputGradient) -> Value {
        debug_assert!(matches!(self.kind, Kind::Plan) || data.len() == dims.len());
        self.value(dims, data, gradient == InputGradient::Wanted)
    }

    /// Floating-point operations of the convolutions so far, two per multiply-add.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// What backward needs.
    ///
    /// # Errors
    /// [`NnError::NotTraining`] unless this is a training pass.
    pub fn into_tape(self) -> Result<Tape, NnError> {
        match self.kind {
            Kind::Train(tape) => Ok(tape),
            Kind::Calibrate(_) | Kind::Observe(_) | Kind::Eval | Kind::Plan => Err(NnError::NotTraining),
        }
    }

    /// What the norms of a calibrating or observing pass saw.
    pub(crate) fn into_calibrating(self) -> Result<Calibrating, NnError> {
        match self.kind {
            Kind::Calibrate(calibrating) | Kind::Observe(calibrating) => Ok(calibrating),
            Kind::Train(_) | Kind::Eval | Kind::Plan => Err(NnError::NotCalibrating),
        }
    }

    pub(crate) fn params(&self) -> &'p Params {
        self.params
    }

    pub(crate) fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) fn is_training(&self) -> bool {
        matches!(self.kind, Kind::Train(_))
    }

    /// Whether norms take the statistics of the batch.
    pub(crate) fn has_batch_statistics(&self) -> bool {
        matches!(self.kind, Kind::Train(_) | Kind::Calibrate(_))
    }

    /// Whether norms measure batches without using what they find.
    pub(crate) fn is_observing(&self) -> bool {
        matches!(self.kind, Kind::Observe(_))
    }

    pub(crate) fn draws(&self) -> Option<Draws> {
        self.draws
    }

    /// Whether backward has a gradient to compute for any of these tensors.
    pub(crate) fn trains(&self, ids: &[ParamId]) -> bool {
        self.is_training() && ids.iter().any(|&id| !self.params.is_frozen(id))
    }

    pub(crate) fn is_plan(&self) -> bool {
        matches!(self.kind, Kind::Plan)
    }

    pub(crate) fn count_flops(&mut self, flops: u64) {
        self.flops += flops;
    }

    /// A new value.
    pub(crate) fn value(&mut self, dims: Dims, data: Buffer, wanted: bool) -> Value {
        self.values += 1;
        Value { data: Arc::new(data), id: self.values - 1, wanted: wanted && self.is_training(), remake: None, dims }
    }

    /// A new value whose numbers `compute` writes; in a plan it has none.
    pub(crate) fn compute<E>(
        &mut self,
        dims: Dims,
        wanted: bool,
        compute: impl FnOnce(&mut [f32]) -> Result<(), E>,
    ) -> Result<Value, E> {
        if self.is_plan() {
            return Ok(self.value(dims, Buffer::default(), false));
        }
        let mut data = Buffer::scratch(dims.len());
        compute(data.host_mut())?;
        Ok(self.value(dims, data, wanted))
    }

    /// Leaves on the tape what the backward of `output` needs.  Does nothing unless training, or where all below is frozen.
    pub(crate) fn record(&mut self, output: &Value, node: impl FnOnce() -> Box<dyn Node>) {
        if let (Kind::Train(tape), true) = (&mut self.kind, output.wanted) {
            tape.push(output.slot(), node());
        }
    }

    /// Leaves the batch statistics of a norm, for its running ones.
    pub(crate) fn record_statistics(&mut self, update: StatisticsUpdate) {
        match &mut self.kind {
            Kind::Train(tape) => tape.statistics.push(update),
            Kind::Calibrate(calibrating) | Kind::Observe(calibrating) => calibrating.measured.push(update),
            Kind::Eval | Kind::Plan => {}
        }
    }

    /// Leaves word that a norm saw a single value and kept to its running statistics.
    pub(crate) fn record_unmeasured(&mut self, mean: ParamId, var: ParamId) {
        if let Kind::Calibrate(calibrating) | Kind::Observe(calibrating) = &mut self.kind {
            calibrating.unmeasured.extend([mean, var]);
        }
    }
}

/// What the norms of one calibrating pass saw.
#[derive(Default)]
pub(crate) struct Calibrating {
    pub measured: Vec<StatisticsUpdate>,
    /// Running statistics that a batch reached, but not with enough values to measure.
    pub unmeasured: Vec<ParamId>,
}

/// What one norm saw in one pass.
pub(crate) struct StatisticsUpdate {
    pub mean: ParamId,
    pub var: ParamId,
    pub stats: BatchStats,
    pub count: usize,
    pub momentum: f32,
}
