//! Convolution, batch norm, activation and shortcut: one block, one entry on the tape.

mod backward;

use std::sync::Arc;

use wrs_ops::conv::{ConvShape, Epilogue, conv2d};
use wrs_ops::norm_act::{Affine, BatchStats, ChannelsLast, ResidualAt, Statistics, batch_stats, norm_act};
use wrs_ops::{Activation, ShapeError};

use crate::conv::{ConvConfig, out_dims};
use crate::kept::{Kept, Remake};
use crate::pass::{Dims, Pass, StatisticsUpdate, Value};
use crate::{Buffer, Filter, Init, NnError, ParamId, Params, Role, Scope};

use backward::{ConvBnNode, RecordedShortcut};

/// What can be chosen of a batch norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Added to the variance.
    pub eps: f32,
    /// Weight of the newest batch in the running statistics.
    pub momentum: f32,
}

impl Default for NormConfig {
    /// PyTorch's.
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

/// What can be chosen of the block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvBnConfig {
    /// The convolution.
    pub conv: ConvConfig,
    /// The norm.
    pub norm: NormConfig,
    /// The activation behind the norm.
    pub activation: Activation,
}

/// What a norm does with the statistics of a batch where they are those of a single value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SingleValue {
    /// Nothing: it is an error, since nothing can be learned through a variance of zero.
    #[default]
    Refused,
    /// It normalises by the running statistics and leaves them as they are.
    RunningStatistics,
}

/// Where the two parts of the block lie in its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvBnNames<'a> {
    /// Of the convolution.
    pub conv: &'a str,
    /// Of the norm.
    pub norm: &'a str,
}

/// `act(norm(conv(x)))`, with an optional shortcut added before or behind the activation.
///
/// Training keeps the convolution's output, and its input where that cannot be computed again (see [`Kept`]); everything else
/// is computed again on the way back.  Evaluation, and
/// training where the block and all below it are frozen, fold the norm into the convolution's last touch of each value.
///
/// A bias of the convolution ([`Self::biased`]) never meets an activation: the norm subtracts it with the mean it is part of,
/// so values are the convolution's without it, and means are less the bias.  Under the statistics of a batch it has no
/// gradient at all; running means, as they stand in files, are those with it.
#[derive(Clone, Debug)]
pub struct ConvBn {
    config: ConvBnConfig,
    single_value: SingleValue,
    weight: ParamId,
    bias: Option<ParamId>,
    gamma: ParamId,
    beta: ParamId,
    mean: ParamId,
    var: ParamId,
    name: String,
}

impl ConvBn {
    /// Adds `conv.weight` and `bn.{weight, bias, running_mean, running_var}` to a scope; the norm's first values are
    /// PyTorch's.
    pub fn new(scope: &mut Scope<'_>, config: ConvBnConfig) -> Self {
        let name = scope.name().to_owned();
        Self { name, ..Self::named(scope, config, ConvBnNames { conv: "conv", norm: "bn" }) }
    }

    /// [`Self::new`] with other names for the two parts, as in networks that keep several such pairs in one scope.
    pub fn named(scope: &mut Scope<'_>, config: ConvBnConfig, names: ConvBnNames<'_>) -> Self {
        Self::build(scope, config, names, false)
    }

    /// [`Self::named`] with a `bias` beside the convolution's `weight`, which the norm takes out again: for networks that are
    /// published with both, such as torchvision's VGGs.
    pub fn biased(scope: &mut Scope<'_>, config: ConvBnConfig, names: ConvBnNames<'_>) -> Self {
        Self::build(scope, config, names, true)
    }

    fn build(scope: &mut Scope<'_>, config: ConvBnConfig, names: ConvBnNames<'_>, has_bias: bool) -> Self {
        let (conv, channels) = (config.conv, [config.conv.c_out]);
        let mut own = scope.sub(names.conv);
        let weight = own.add("weight", Role::ConvWeight, &conv.weight_shape(), conv.weight_init());
        let bias = has_bias.then(|| own.add("bias", Role::Bias, &channels, conv.bias_init()));
        let mut norm = scope.sub(names.norm);
        let gamma = norm.add("weight", Role::NormScale, &channels, Init::Constant(1.0));
        let beta = norm.add("bias", Role::NormShift, &channels, Init::Constant(0.0));
        let mean = norm.add("running_mean", Role::RunningMean, &channels, Init::Constant(0.0));
        let var = norm.add("running_var", Role::RunningVar, &channels, Init::Constant(1.0));
        scope.add_filter(Filter { weight, bias, mean, var });
        let single_value = SingleValue::default();
        Self { config, single_value, weight, bias, gamma, beta, mean, var, name: scope.path(names.conv) }
    }

    /// The same with another answer to batches of a single value per channel: a pooled map of one picture.
    #[must_use]
    pub fn with_single_value(self, single_value: SingleValue) -> Self {
        Self { single_value, ..self }
    }

    /// # Shapes
    /// `x` `[N, H, W, I]` to `[N, h, w, O]`.
    ///
    /// # Errors
    /// [`NnError::Shape`] when `x` does not fit; [`NnError::SingleValueNorm`] when training sees one value per channel and
    /// [`Self::with_single_value`] does not say what to do then.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        self.run(pass, x, None)
    }

    /// [`Self::forward`], with `shortcut` `[N, h, w, O]` added behind the activation.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_residual(&self, pass: &mut Pass<'_>, x: &Value, shortcut: &Value) -> Result<Value, NnError> {
        self.forward_residual_at(pass, x, shortcut, ResidualAt::AfterActivation)
    }

    /// [`Self::forward`], with `shortcut` `[N, h, w, O]` added where `at` says.
    ///
    /// # Errors
    /// As [`Self::forward`]; backward also where the residual is before an activation whose slope is negative.
    pub fn forward_residual_at(
        &self,
        pass: &mut Pass<'_>,
        x: &Value,
        shortcut: &Value,
        at: ResidualAt,
    ) -> Result<Value, NnError> {
        self.run(pass, x, Some(Shortcut { value: shortcut, at }))
    }

    fn run(&self, pass: &mut Pass<'_>, x: &Value, shortcut: Option<Shortcut<'_>>) -> Result<Value, NnError> {
        let shape = self.config.conv.shape_over(&self.name, x.dims())?;
        pass.count_flops(shape.flops());
        let wanted = x.wanted || shortcut.is_some_and(|s| s.value.wanted) || self.learns(pass);
        match self.statistics(pass, out_dims(&shape)) {
            Statistics::Frozen if !wanted && !pass.is_observing() => self.fold(pass, &shape, x, shortcut),
            statistics => self.normalise(pass, &shape, x, shortcut, (statistics, wanted)),
        }
    }

    /// Whether backward has a gradient to compute for a tensor of its own.
    fn learns(&self, pass: &Pass<'_>) -> bool {
        pass.trains(&[self.weight, self.gamma, self.beta]) || self.bias.is_some_and(|bias| pass.trains(&[bias]))
    }

    /// Those that the norm uses.
    fn statistics(&self, pass: &mut Pass<'_>, dims: Dims) -> Statistics {
        if pass.has_batch_statistics() && self.is_measured(pass, dims) { Statistics::Batch } else { Statistics::Frozen }
    }

    /// Whether a batch has statistics for the norm.  Frozen ones stay in use in training: they are the only ones it will ever
    /// have.
    fn is_measured(&self, pass: &mut Pass<'_>, dims: Dims) -> bool {
        if [self.mean, self.var].iter().any(|&id| pass.params().is_frozen(id)) {
            return false;
        }
        let unmeasured = dims.pixels() == 1 && self.single_value == SingleValue::RunningStatistics;
        if unmeasured {
            pass.record_unmeasured(self.mean, self.var);
        }
        !unmeasured
    }

    /// With the norm folded into the convolution's last touch of each value; nothing is kept.
    fn fold(
        &self,
        pass: &mut Pass<'_>,
        shape: &ConvShape,
        x: &Value,
        shortcut: Option<Shortcut<'_>>,
    ) -> Result<Value, NnError> {
        let (params, algorithms) = (pass.params(), pass.algorithms());
        let compute = |y: &mut [f32]| -> Result<(), ShapeError> {
            let stats = self.running_statistics(params)?;
            let affine = Affine::new(params.values(self.gamma), params.values(self.beta), &stats)?;
            let epilogue = Epilogue {
                scale: Some(&affine.scale),
                shift: Some(&affine.shift),
                activation: self.config.activation,
                residual: shortcut.map(Shortcut::residual),
            };
            conv2d(shape, x.data.host(), params.values(self.weight), &epilogue, y, algorithms)
        };
        pass.compute(out_dims(shape), false, compute).map_err(NnError::shape(&self.name))
    }

    /// Convolution and norm apart, so that backward can have the values between them.
    fn normalise(
        &self,
        pass: &mut Pass<'_>,
        shape: &ConvShape,
        x: &Value,
        shortcut: Option<Shortcut<'_>>,
        (statistics, wanted): (Statistics, bool),
    ) -> Result<Value, NnError> {
        let (params, algorithms, dims) = (pass.params(), pass.algorithms(), out_dims(shape));
        let named = || NnError::shape(&self.name);
        let rows = ChannelsLast { rows: dims.pixels(), channels: dims.c };
        let mut z = Buffer::scratch(dims.len());
        let plain = Epilogue::default();
        conv2d(shape, x.data.host(), params.values(self.weight), &plain, z.host_mut(), algorithms).map_err(named())?;
        let stats = match statistics {
            Statistics::Batch => self.batch_statistics(pass, dims, z.host())?,
            Statistics::Frozen => {
                if pass.is_observing() && self.is_measured(pass, dims) {
                    self.batch_statistics(pass, dims, z.host())?;
                }
                self.running_statistics(params).map_err(named())?
            }
        };
        let affine = Affine::new(params.values(self.gamma), params.values(self.beta), &stats).map_err(named())?;
        let residual = shortcut.map(Shortcut::residual);
        let activation = self.config.activation;
        let mut y = pass
            .compute(dims, wanted, |y| norm_act(rows, z.host(), &affine, activation, residual, y))
            .map_err(named())?;
        let (z, affine) = (Arc::new(z), Arc::new(affine));
        if y.wanted && shortcut.is_none() {
            y.remake = Some(Arc::new(Remake { rows, z: Arc::clone(&z), affine: Arc::clone(&affine), activation }));
        }
        pass.record(&y, || {
            let (layer, shape, x) = (self.clone(), *shape, Kept::new(x));
            let shortcut = shortcut.map(|s| s.recorded(&y));
            Box::new(ConvBnNode { layer, shape, rows, x, z, stats, statistics, affine, shortcut })
        });
        Ok(y)
    }

    /// Those of `z`, the convolution's output without its bias, recorded with it for the running ones.
    fn batch_statistics(&self, pass: &mut Pass<'_>, dims: Dims, z: &[f32]) -> Result<BatchStats, NnError> {
        let Dims { n, h, w, c } = dims;
        if dims.pixels() == 1 {
            return Err(NnError::SingleValueNorm { layer: self.name.clone(), n, h, w });
        }
        let rows = ChannelsLast { rows: dims.pixels(), channels: c };
        let stats = batch_stats(rows, z, self.config.norm.eps).map_err(NnError::shape(&self.name))?;
        pass.record_statistics(StatisticsUpdate {
            mean: self.mean,
            var: self.var,
            stats: BatchStats { mean: self.mean_with_bias(pass.params(), &stats.mean), ..stats.clone() },
            count: rows.rows,
            momentum: self.config.norm.momentum,
        });
        Ok(stats)
    }

    fn mean_with_bias(&self, params: &Params, mean: &[f32]) -> Vec<f32> {
        match self.bias {
            Some(bias) => mean.iter().zip(params.values(bias)).map(|(mean, bias)| mean + bias).collect(),
            None => mean.to_vec(),
        }
    }

    /// The running ones of `z`, the convolution's output without its bias.
    fn running_statistics(&self, params: &Params) -> Result<BatchStats, ShapeError> {
        let (mean, var, eps) = (params.values(self.mean), params.values(self.var), self.config.norm.eps);
        let Some(bias) = self.bias else { return BatchStats::from_moments(mean, var, eps) };
        let mean: Vec<f32> = mean.iter().zip(params.values(bias)).map(|(mean, bias)| mean - bias).collect();
        BatchStats::from_moments(&mean, var, eps)
    }
}

/// What is added to the block's own value, and where.
#[derive(Clone, Copy)]
struct Shortcut<'a> {
    value: &'a Value,
    at: ResidualAt,
}

impl<'a> Shortcut<'a> {
    fn residual(self) -> (&'a [f32], ResidualAt) {
        (self.value.data.host(), self.at)
    }

    /// What the way back needs, `y` being the block's output.
    fn recorded(self, y: &Value) -> RecordedShortcut {
        let summed = (self.at == ResidualAt::BeforeActivation).then(|| y.clone());
        RecordedShortcut { slot: self.value.slot(), summed }
    }
}
