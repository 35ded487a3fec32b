//! From a network to one that differs in norms and biases alone.

use wrs_nn::{ParamId, Params, Role};

/// The tensors of a convolution and of the norm behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub weight: ParamId,
    pub bias: Option<ParamId>,
    pub norm: Option<Norm>,
}

/// The tensors of a norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    pub gamma: ParamId,
    pub beta: ParamId,
    pub mean: ParamId,
    pub var: ParamId,
}

/// The convolutions of a network in the order they are made in, each with the norm that is made behind it.
pub(super) fn layers(params: &Params) -> Vec<Layer> {
    let tensors: Vec<(ParamId, Role)> = params.iter().map(|(id, p)| (id, p.role)).collect();
    let runs = tensors.chunk_by(|_, (_, next)| *next != Role::ConvWeight);
    let layer = |run: &[(ParamId, Role)]| {
        let of = |wanted: Role| run.iter().find(|(_, role)| *role == wanted).map(|(id, _)| *id);
        let norm = || {
            let (gamma, beta) = (of(Role::NormScale)?, of(Role::NormShift)?);
            Some(Norm { gamma, beta, mean: of(Role::RunningMean)?, var: of(Role::RunningVar)? })
        };
        Some(Layer { weight: of(Role::ConvWeight)?, bias: of(Role::Bias), norm: norm() })
    };
    runs.filter_map(layer).collect()
}

/// Makes a layer compute in evaluation what another network's layer does; gives how many tensors were written.
///
/// Where `to` has a norm and `from` has none, the norm becomes the identity behind the bias.  A norm of `from` that `to` lacks
/// is not for this function.
pub(super) fn transfer(source: &Params, from: &Layer, params: &mut Params, to: &Layer, eps: f64) -> usize {
    let mut written = 0;
    let mut write = |id: ParamId, values: Vec<f32>| {
        params.values_mut(id).copy_from_slice(&values);
        written += 1;
    };
    let channels = source.get(from.weight).shape[0];
    let constant = |value: f32| vec![value; channels];
    let values = |id: ParamId| source.values(id).to_vec();
    let bias = from.bias.map_or_else(|| constant(0.0), values);
    write(to.weight, values(from.weight));
    if let Some(id) = to.bias {
        write(id, bias.clone());
    }
    match (to.norm, from.norm) {
        (Some(to_norm), Some(norm)) => {
            write(to_norm.gamma, values(norm.gamma));
            write(to_norm.beta, values(norm.beta));
            let mean = values(norm.mean);
            let is_dropped = to.bias.is_none();
            write(to_norm.mean, if is_dropped { mean.iter().zip(&bias).map(|(m, b)| m - b).collect() } else { mean });
            write(to_norm.var, values(norm.var));
        }
        (Some(norm), None) => {
            write(norm.gamma, constant((1.0 + eps).sqrt() as f32));
            write(norm.beta, if to.bias.is_some() { constant(0.0) } else { bias });
            write(norm.mean, constant(0.0));
            write(norm.var, constant(1.0));
        }
        (None, _) => {}
    }
    written
}
