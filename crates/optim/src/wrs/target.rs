//! One tensor that is rescaled, and what must be scaled along.

use wrs_nn::{Filter, ParamId, Params, Role};
use wrs_ops::{check_len, rows};

use super::report::Tally;
use super::{MIN_NORM, Select};
use crate::{OptimError, Rescaled, RowMatrix};

/// A matrix of rows, one for each output unit.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub weight: ParamId,
    pub rows: usize,
    pub row_len: usize,
    /// Scaled by a row's factor: running means, and biases of the convolution.
    means: Vec<ParamId>,
    /// Scaled by its square: running variances.
    vars: Vec<ParamId>,
}

/// Every selected tensor once; a weight shared by several filters has the statistics of them all.
///
/// Frozen weights are left out.  So is a filter whose norm is frozen: it feeds an affine map, which does not undo a scale, so
/// its weight is like any that no norm follows.
pub(crate) fn targets(params: &Params, select: Select) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let mut place = vec![None; params.iter().len()];
    let is_frozen = |f: &Filter| {
        [Some(f.weight), f.bias, Some(f.mean), Some(f.var)].into_iter().flatten().any(|id| params.is_frozen(id))
    };
    let held: Vec<ParamId> = params.filters().iter().filter(|f| is_frozen(f)).map(|f| f.weight).collect();
    for filter in params.filters().iter().filter(|f| !held.contains(&f.weight)) {
        let at = *place[filter.weight.index()].get_or_insert_with(|| {
            targets.push(Target::new(params, filter.weight));
            targets.len() - 1
        });
        targets[at].scale_along(filter);
    }
    if select == Select::AllWeights {
        let weights = params.iter().filter(|(_, p)| matches!(p.role, Role::ConvWeight | Role::LinearWeight));
        let bare = weights.filter(|&(id, _)| place[id.index()].is_none() && !params.is_frozen(id));
        targets.extend(bare.map(|(id, _)| Target::new(params, id)));
    }
    targets
}

impl Target {
    fn new(params: &Params, weight: ParamId) -> Self {
        let shape = &params.get(weight).shape;
        let rows = shape.first().copied().unwrap_or_default();
        Self { weight, rows, row_len: shape.iter().skip(1).product(), means: Vec::new(), vars: Vec::new() }
    }

    fn scale_along(&mut self, filter: &Filter) {
        for id in filter.bias.into_iter().chain([filter.mean]) {
            insert(&mut self.means, id);
        }
        insert(&mut self.vars, filter.var);
    }

    /// Leaves everything but the weight as it is.
    pub fn forget_norms(&mut self) {
        self.means.clear();
        self.vars.clear();
    }

    /// Its rows.
    pub fn matrix(&self) -> RowMatrix {
        RowMatrix { weight: self.weight, row_len: self.row_len }
    }

    /// Divides every row by its norm; `reference`, the weight as of the last rescale, becomes the weight as of this one.
    pub fn rescale(&self, params: &mut Params, reference: Option<&mut [f32]>) -> Result<Tally, OptimError> {
        let weight = params.values_mut(self.weight);
        let angles = match &reference {
            Some(reference) => rows::row_angles(reference, weight, self.row_len)?,
            None => Vec::new(),
        };
        let rescaled = rows::rescale_rows(weight, self.matrix().unit())?;
        if let Some(reference) = reference {
            reference.copy_from_slice(weight);
        }
        let mut tally = self.follow(params, &rescaled)?;
        let directed = angles.iter().zip(&rescaled.norms).filter(|&(_, &norm)| norm >= MIN_NORM);
        directed.for_each(|(&angle, _)| tally.angle(angle));
        Ok(tally)
    }

    /// Scales along what depends on rows that have been rescaled.
    pub fn follow(&self, params: &mut Params, rescaled: &Rescaled) -> Result<Tally, OptimError> {
        if let Some((row, &norm)) = rescaled.norms.iter().enumerate().find(|(_, norm)| !norm.is_finite()) {
            return Err(OptimError::NotFinite { tensor: params.get(self.weight).name.clone(), row, norm });
        }
        for &id in &self.means {
            multiply(params.values_mut(id), &rescaled.factors, |factor| factor)?;
        }
        for &id in &self.vars {
            multiply(params.values_mut(id), &rescaled.factors, |factor| factor * factor)?;
        }
        let mut tally = Tally::default();
        rescaled.norms.iter().for_each(|&norm| tally.row(norm));
        tally.skip(rescaled.skipped);
        Ok(tally)
    }
}

/// Filters that share a weight may share a bias or a norm, too: it is scaled once.
fn insert(ids: &mut Vec<ParamId>, id: ParamId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

fn multiply(values: &mut [f32], factors: &[f64], of: impl Fn(f64) -> f64) -> Result<(), OptimError> {
    check_len("wrs", "statistics behind the rows", values.len(), factors.len())?;
    for (value, &factor) in values.iter_mut().zip(factors) {
        *value = (f64::from(*value) * of(factor)) as f32;
    }
    Ok(())
}
