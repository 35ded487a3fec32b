//! A network's numbers: two flat buffers in creation order, every tensor a named window.

use std::ops::Range;

use rayon::prelude::*;
use wrs_ops::rng::Rng;

use crate::Buffer;

/// What a tensor is for; weight decay, learning-rate groups and WRS select by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `[O, kh, kw, I]` of a convolution.
    ConvWeight,
    /// `[O, I]` of a linear layer.
    LinearWeight,
    /// `[O]` of a convolution or linear layer.
    Bias,
    /// gamma of a norm.
    NormScale,
    /// beta of a norm.
    NormShift,
    /// Running mean of a norm.
    RunningMean,
    /// Running variance of a norm (unbiased, as PyTorch keeps it).
    RunningVar,
}

impl Role {
    /// Whether an optimizer moves it; running statistics follow the data instead.
    pub fn is_trainable(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVar)
    }
}

/// Names a tensor of one [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(usize);

impl ParamId {
    /// Its place in creation order, over trainable tensors and statistics together.
    pub fn index(self) -> usize {
        self.0
    }
}

/// One named tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Canonical name, dots between the parts.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Axes in memory order; a conv weight is `[O, kh, kw, I]`.
    pub shape: Vec<usize>,
    /// Its window in the buffer of its kind: trainable values or statistics.
    pub range: Range<usize>,
}

/// A convolution whose output goes into a batch norm and nowhere else: what WRS rescales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The conv weight; its rows are rescaled.
    pub weight: ParamId,
    /// The conv bias, if it has one.
    pub bias: Option<ParamId>,
    /// Running mean of the norm.
    pub mean: ParamId,
    /// Running variance of the norm.
    pub var: ParamId,
}

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every value the same.
    Constant(f32),
    /// Uniform in [-bound, bound).
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
    /// Normal around zero.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

/// The numbers of a network.
#[derive(Clone, Debug)]
pub struct Params {
    entries: Vec<Parameter>,
    /// Which tensors nothing may change.
    frozen: Vec<bool>,
    filters: Vec<Filter>,
    trainable: Buffer,
    statistics: Buffer,
}

impl Params {
    /// Every tensor, in creation order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ParamId, &Parameter)> {
        self.entries.iter().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// The description of one tensor.
    pub fn get(&self, id: ParamId) -> &Parameter {
        &self.entries[id.0]
    }

    /// The tensor of that name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|p| p.name == name).map(ParamId)
    }

    /// The convolutions that feed a batch norm, in creation order.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Freezes every tensor of that name, and every tensor below it in the tree of names (`backbone` and `backbone.stem` take
    /// `backbone.stem.bn.weight`, `back` does not); gives their number, statistics included.
    ///
    /// Training leaves a frozen tensor as it is: no gradient, no step, no decay, no rescale.  A norm with frozen statistics
    /// uses them in training as in evaluation.  To be called before gradients, parameter groups or optimizers are made.
    pub fn freeze(&mut self, prefix: &str) -> usize {
        let is_below =
            |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let mut count = 0;
        for (_, frozen) in self.entries.iter().zip(&mut self.frozen).filter(|(p, _)| is_below(&p.name)) {
            *frozen = true;
            count += 1;
        }
        count
    }

    /// Whether [`Self::freeze`] took the tensor.
    pub fn is_frozen(&self, id: ParamId) -> bool {
        self.frozen[id.0]
    }

    /// All trainable values.
    pub fn trainable(&self) -> &Buffer {
        &self.trainable
    }

    /// All trainable values, to be written.
    pub fn trainable_mut(&mut self) -> &mut Buffer {
        &mut self.trainable
    }

    /// All running statistics.
    pub fn statistics(&self) -> &Buffer {
        &self.statistics
    }

    /// All running statistics, to be written.
    pub fn statistics_mut(&mut self) -> &mut Buffer {
        &mut self.statistics
    }

    /// The values of one tensor.
    pub fn values(&self, id: ParamId) -> &[f32] {
        let p = &self.entries[id.0];
        let buffer = if p.role.is_trainable() { &self.trainable } else { &self.statistics };
        &buffer.host()[p.range.clone()]
    }

    /// The values of one tensor, to be written.
    pub fn values_mut(&mut self, id: ParamId) -> &mut [f32] {
        let p = &self.entries[id.0];
        let buffer = if p.role.is_trainable() { &mut self.trainable } else { &mut self.statistics };
        &mut buffer.host_mut()[p.range.clone()]
    }
}

/// Collects the tensors of a network while its layers are made.
#[derive(Debug, Default)]
pub struct ParamsBuilder {
    entries: Vec<Parameter>,
    inits: Vec<Init>,
    filters: Vec<Filter>,
    trainable: usize,
    statistics: usize,
}

impl ParamsBuilder {
    /// An empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// The scope whose names begin with nothing.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { builder: self, prefix: String::new() }
    }

    /// The tensors so far, in creation order, without values.
    pub fn parameters(&self) -> &[Parameter] {
        &self.entries
    }

    /// Draws every tensor's first values: a function of the seed and the tensor's name alone.
    pub fn build(self, seed: u64) -> Params {
        let (mut trainable, mut statistics) = (Buffer::zeros(self.trainable), Buffer::zeros(self.statistics));
        let (mut learned, mut measured) = (trainable.host_mut(), statistics.host_mut());
        let tensors: Vec<_> = self
            .entries
            .iter()
            .zip(&self.inits)
            .map(|(p, init)| {
                // Tensors of a buffer lie one behind the other, in the order of their entries.
                let rest = if p.role.is_trainable() { &mut learned } else { &mut measured };
                let (values, others) = std::mem::take(rest).split_at_mut(p.range.len());
                *rest = others;
                (values, *init, &p.name)
            })
            .collect();
        tensors.into_par_iter().for_each(|(values, init, name)| {
            fill(values, init, &mut Rng::new(seed, &format!("init {name}"), 0, 0));
        });
        let frozen = vec![false; self.entries.len()];
        Params { entries: self.entries, frozen, filters: self.filters, trainable, statistics }
    }
}

fn fill(values: &mut [f32], init: Init, rng: &mut Rng) {
    match init {
        Init::Constant(value) => values.fill(value),
        Init::Uniform { bound } => values.iter_mut().for_each(|v| *v = rng.range(-bound, bound) as f32),
        Init::Normal { std } => values.iter_mut().for_each(|v| *v = (std * rng.normal()) as f32),
    }
}

/// A place in the tree of names where layers put their tensors.
#[derive(Debug)]
pub struct Scope<'b> {
    builder: &'b mut ParamsBuilder,
    prefix: String,
}

impl Scope<'_> {
    /// The scope below, one part of the name further.
    pub fn sub(&mut self, part: impl std::fmt::Display) -> Scope<'_> {
        let prefix = self.path(part);
        Scope { builder: self.builder, prefix }
    }

    /// The full name of something in this scope.
    pub fn path(&self, part: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { part.to_string() } else { format!("{}.{part}", self.prefix) }
    }

    /// The full name of the scope itself.
    pub fn name(&self) -> &str {
        &self.prefix
    }

    /// Adds a tensor.
    pub fn add(&mut self, part: &str, role: Role, shape: &[usize], init: Init) -> ParamId {
        let name = self.path(part);
        let builder = &mut *self.builder;
        let end = if role.is_trainable() { &mut builder.trainable } else { &mut builder.statistics };
        let range = *end..*end + shape.iter().product::<usize>();
        *end = range.end;
        builder.entries.push(Parameter { name, role, shape: shape.to_vec(), range });
        builder.inits.push(init);
        ParamId(builder.entries.len() - 1)
    }

    /// Records that a convolution feeds a batch norm.
    pub fn add_filter(&mut self, filter: Filter) {
        self.builder.filters.push(filter);
    }
}
