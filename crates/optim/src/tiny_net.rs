//! A network of a few numbers for the tests of this crate.

use wrs_nn::{Filter, Gradients, Init, ParamId, Params, ParamsBuilder, Role, Scope};

use crate::{Factors, Optimizer, Schedule, StepReport, schedule::Curve};

const NORMAL: Init = Init::Normal { std: 1.0 };

/// Two filters, `a` (3 rows of 2, with a bias) and `b` (4 rows of 27), a head (2 rows of 4) and a linear layer (2 rows of 5).
pub(crate) fn tiny_net(seed: u64) -> Params {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    conv_bn(&mut root.sub("a"), &[3, 1, 1, 2], true);
    conv_bn(&mut root.sub("b"), &[4, 3, 3, 3], false);
    root.sub("head").add("weight", Role::ConvWeight, &[2, 1, 1, 4], NORMAL);
    root.sub("head").add("bias", Role::Bias, &[2], NORMAL);
    root.sub("linear").add("weight", Role::LinearWeight, &[2, 5], NORMAL);
    root.sub("linear").add("bias", Role::Bias, &[2], NORMAL);
    builder.build(seed)
}

/// A convolution, with or without a bias, that feeds a batch norm.
pub(crate) fn conv_bn(scope: &mut Scope<'_>, shape: &[usize], has_bias: bool) {
    let rows = [shape[0]];
    let weight = scope.add("conv.weight", Role::ConvWeight, shape, NORMAL);
    let bias = has_bias.then(|| scope.add("conv.bias", Role::Bias, &rows, NORMAL));
    scope.add("bn.weight", Role::NormScale, &rows, NORMAL);
    scope.add("bn.bias", Role::NormShift, &rows, NORMAL);
    let mean = scope.add("bn.running_mean", Role::RunningMean, &rows, NORMAL);
    let var = scope.add("bn.running_var", Role::RunningVar, &rows, Init::Constant(2.0));
    scope.add_filter(Filter { weight, bias, mean, var });
}

/// The tensor of a name.
pub(crate) fn id(params: &Params, name: &str) -> ParamId {
    params.find(name).unwrap_or_else(|| panic!("no tensor {name}"))
}

/// A gradient that depends on the step and the place.
pub(crate) fn gradient(params: &Params, step: u64) -> Gradients {
    let mut gradients = Gradients::new(params);
    for (i, g) in gradients.finish().host_mut().iter_mut().enumerate() {
        *g = ((step * 31 + i as u64 * 17) % 23) as f32 / 11.0 - 1.0;
    }
    gradients
}

/// The factors of a schedule that does nothing.
pub(crate) fn plain_factors() -> Factors {
    let length = crate::RunLength { steps: 1, steps_per_epoch: std::num::NonZeroU64::MIN };
    Schedule { curve: Curve::Constant, warm_up: None }.at(0, length)
}

/// A step of learning rate 0.1 along [`gradient`], in that epoch.
pub(crate) fn step(optimizer: &mut dyn Optimizer, params: &mut Params, epoch: u64) -> StepReport {
    let settings = optimizer.groups().settings(0.1, 0.9, &plain_factors(), epoch);
    let mut gradients = gradient(params, optimizer.steps());
    optimizer.step(params, &mut gradients, &settings).unwrap()
}

/// The bytes of all trainable values and statistics.
pub(crate) fn bits(params: &Params) -> Vec<u32> {
    params.trainable().host().iter().chain(params.statistics().host()).map(|v| v.to_bits()).collect()
}
