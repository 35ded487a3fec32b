//! Parameter groups: which tensors share a learning rate and a weight decay.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrs_nn::{Gradients, ParamId, Parameter, Params, Role};

use crate::schedule::Factors;
use crate::{GroupStep, OptimError, RowMatrix, StepSettings};

/// Which tensors weight decay shrinks, each scope wider than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecayScope {
    /// Weights of convolutions and linear layers.
    Conv,
    /// Those and the norms' scales.
    ConvAndGamma,
    /// Every trainable tensor.
    All,
}

/// Which factor of a schedule's warm-up a group's learning rate follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warming {
    /// [`Factors::weights`].
    Weights,
    /// [`Factors::biases`].
    Biases,
}

/// Tensors that are updated alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What a report calls it.
    pub name: String,
    /// Its tensors.
    pub ids: Vec<ParamId>,
    /// Its share of the run's learning rate.
    pub lr_scale: f64,
    /// Its weight decay after warm-up.
    pub weight_decay: f64,
    /// How its learning rate warms up.
    pub warming: Warming,
}

/// How much a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSize<'g> {
    /// The group's name.
    pub name: &'g str,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of scalars.
    pub scalars: usize,
}

/// A partition of a network's trainable tensors, frozen ones left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    entries: Vec<Group>,
    /// Each group's windows in the trainable buffer, ascending, neighbours joined.
    windows: Vec<Vec<Range<usize>>>,
    /// Length of the trainable buffer.
    len: usize,
}

impl Groups {
    /// The given groups; every trainable tensor that is not frozen must be in exactly one.
    ///
    /// # Errors
    /// Such a tensor in none or several, a statistic or a frozen one in any, or a learning-rate share or decay that is negative.
    pub fn new(params: &Params, groups: Vec<Group>) -> Result<Self, OptimError> {
        let mut times = vec![0usize; params.iter().len()];
        for group in &groups {
            crate::schedule::in_range("lr-scale", group.lr_scale, 0.0..=f64::MAX, "a factor of at least 0")?;
            crate::schedule::in_range("weight-decay", group.weight_decay, 0.0..=f64::MAX, "a decay of at least 0")?;
            group.ids.iter().for_each(|id| times[id.index()] += 1);
        }
        for ((id, p), got) in params.iter().zip(times) {
            let tensor = || p.name.clone();
            match (p.role.is_trainable(), params.is_frozen(id), got) {
                (true, false, 1) | (true, true, 0) | (false, _, 0) => {}
                (true, false, _) => return Err(OptimError::Partition { tensor: tensor(), got }),
                (true, true, _) => return Err(OptimError::Frozen { tensor: tensor() }),
                (false, _, _) => return Err(OptimError::Statistic { tensor: tensor() }),
            }
        }
        let windows = groups.iter().map(|group| windows(params, &group.ids)).collect();
        Ok(Self { entries: groups, windows, len: params.trainable().len() })
    }

    /// The usual groups: weights, norm scales, biases (of norms, too), and apart from them the tensors that WRS rescales,
    /// which take no decay.
    ///
    /// Where decay is wanted on rescaled rows, `rescaled` is empty.  Frozen tensors and groups without a tensor are left out.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn by_role(
        params: &Params,
        scope: DecayScope,
        weight_decay: f64,
        rescaled: &[ParamId],
    ) -> Result<Self, OptimError> {
        let within = |least| if scope >= least { weight_decay } else { 0.0 };
        let group = |name: &str, weight_decay, warming, wanted: &dyn Fn(ParamId, &Parameter) -> bool| Group {
            name: name.to_owned(),
            ids: params.iter().filter(|&(id, p)| !params.is_frozen(id) && wanted(id, p)).map(|(id, _)| id).collect(),
            lr_scale: 1.0,
            weight_decay,
            warming,
        };
        let of = |roles: &'static [Role]| {
            move |id: ParamId, p: &Parameter| roles.contains(&p.role) && !rescaled.contains(&id)
        };
        let mut groups = vec![
            group("rescaled weights", 0.0, Warming::Weights, &|id, _| rescaled.contains(&id)),
            group("weights", within(DecayScope::Conv), Warming::Weights, &of(&[Role::ConvWeight, Role::LinearWeight])),
            group("norm scales", within(DecayScope::ConvAndGamma), Warming::Weights, &of(&[Role::NormScale])),
            group("biases", within(DecayScope::All), Warming::Biases, &of(&[Role::Bias, Role::NormShift])),
        ];
        groups.retain(|group| !group.ids.is_empty());
        Self::new(params, groups)
    }

    /// The groups, in the order of [`StepSettings::groups`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.entries.iter()
    }

    /// How much each group holds.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = GroupSize<'_>> {
        self.entries.iter().zip(&self.windows).map(|(group, windows)| GroupSize {
            name: &group.name,
            tensors: group.ids.len(),
            scalars: windows.iter().map(ExactSizeIterator::len).sum(),
        })
    }

    /// What a step needs to know, from the run's learning rate and momentum and the schedule's factors.
    pub fn settings(&self, lr: f64, momentum: f64, factors: &Factors, epoch: u64) -> StepSettings {
        let group_step = |group: &Group| GroupStep {
            lr: lr
                * group.lr_scale
                * match group.warming {
                    Warming::Weights => factors.weights,
                    Warming::Biases => factors.biases,
                },
            weight_decay: group.weight_decay * factors.decay,
        };
        let groups = self.entries.iter().map(group_step).collect();
        StepSettings { groups, momentum: factors.momentum(momentum), epoch }
    }

    /// Number of trainable scalars.
    pub(crate) fn scalars(&self) -> usize {
        self.len
    }

    /// Refuses parameters of another network, and a tensor that was frozen since.
    pub(crate) fn check(&self, params: &Params) -> Result<(), OptimError> {
        self.check_len("parameters", params.trainable().len())?;
        let frozen = self.entries.iter().flat_map(|group| &group.ids).find(|&&id| params.is_frozen(id));
        frozen.map_or(Ok(()), |&id| Err(OptimError::Frozen { tensor: params.get(id).name.clone() }))
    }

    fn check_len(&self, what: &'static str, got: usize) -> Result<(), OptimError> {
        if got == self.len { Ok(()) } else { Err(OptimError::OtherNetwork { what, expected: self.len, got }) }
    }

    /// Parameters, gradients and the pieces of every group with their settings, once all of them fit together.  A matrix whose
    /// rows are rescaled is a piece of its own.
    pub(crate) fn begin<'s>(
        &'s self,
        params: &'s mut Params,
        gradients: &'s mut Gradients,
        settings: &'s StepSettings,
        matrices: &[RowMatrix],
    ) -> Result<Begun<'s>, OptimError> {
        let (expected, got) = (self.entries.len(), settings.groups.len());
        if expected != got {
            return Err(OptimError::GroupSteps { expected, got });
        }
        self.check(params)?;
        let mut cuts: Vec<_> =
            matrices.iter().enumerate().map(|(i, matrix)| (params.get(matrix.weight).range.clone(), i)).collect();
        cuts.sort_by_key(|(range, _)| range.start);
        let (params, gradients) = (params.trainable_mut(), gradients.finish());
        self.check_len("gradients", gradients.len())?;
        let windows = self.windows.iter().zip(&settings.groups);
        let pieces = windows.flat_map(|(windows, step)| windows.iter().flat_map(|window| pieces(window, *step, &cuts)));
        Ok(Begun { params: params.host_mut(), gradients: gradients.host(), pieces: pieces.collect() })
    }
}

/// A window cut at the matrices in it, `cuts`, which ascend.
fn pieces(window: &Range<usize>, group: GroupStep, cuts: &[(Range<usize>, usize)]) -> Vec<Piece> {
    let (mut pieces, mut start) = (Vec::new(), window.start);
    let mut piece = |window: Range<usize>, matrix| {
        if !window.is_empty() {
            pieces.push(Piece { window, group, matrix });
        }
    };
    for (range, i) in cuts.iter().filter(|(range, _)| window.contains(&range.start)) {
        piece(start..range.start, None);
        piece(range.clone(), Some(*i));
        start = range.end;
    }
    piece(start..window.end, None);
    pieces
}

/// Neighbours that are updated alike.
pub(crate) struct Piece {
    pub window: Range<usize>,
    /// The settings of its group.
    pub group: GroupStep,
    /// Which matrix it is, where its rows are rescaled.
    pub matrix: Option<usize>,
}

/// What an optimizer walks over in a step.
pub(crate) struct Begun<'s> {
    /// All trainable values.
    pub params: &'s mut [f32],
    /// Their gradient.
    pub gradients: &'s [f32],
    /// Every value of the groups once.
    pub pieces: Vec<Piece>,
}

/// The windows of tensors of one buffer, ascending, neighbours joined.
pub(crate) fn windows(params: &Params, ids: &[ParamId]) -> Vec<Range<usize>> {
    let mut ranges: Vec<_> = ids.iter().map(|&id| params.get(id).range.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
