//! Parameter groups: which tensors share a learning rate and a weight decay.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrs_nn::{Gradients, ParamId, Parameter, Params, Role};

use crate::schedule::Factors;
use crate::{GroupStep, OptimError, StepSettings};

/// Which tensors weight decay shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A partition of a network's trainable tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    groups: Vec<Group>,
    /// Each group's windows in the trainable buffer, ascending, neighbours joined.
    windows: Vec<Vec<Range<usize>>>,
    /// Length of the trainable buffer.
    len: usize,
}

impl Groups {
    /// The given groups; every trainable tensor must be in exactly one.
    ///
    /// # Errors
    /// A trainable tensor in none or several, a statistic in one, or a learning-rate share or decay that is negative.
    pub fn new(params: &Params, groups: Vec<Group>) -> Result<Self, OptimError> {
        let mut times = vec![0usize; params.iter().len()];
        for group in &groups {
            crate::schedule::in_range("lr-scale", group.lr_scale, 0.0..=f64::MAX, "a factor of at least 0")?;
            crate::schedule::in_range("weight-decay", group.weight_decay, 0.0..=f64::MAX, "a decay of at least 0")?;
            group.ids.iter().for_each(|id| times[id.index()] += 1);
        }
        for ((_, p), got) in params.iter().zip(times) {
            match (p.role.is_trainable(), got) {
                (true, 1) | (false, 0) => {}
                (true, _) => return Err(OptimError::Partition { tensor: p.name.clone(), got }),
                (false, _) => return Err(OptimError::Statistic { tensor: p.name.clone() }),
            }
        }
        let windows = groups.iter().map(|group| windows(params, &group.ids)).collect();
        Ok(Self { groups, windows, len: params.trainable().len() })
    }

    /// The usual groups: weights, norm scales, biases (of norms, too), and apart from them the tensors that WRS rescales,
    /// which take no decay.
    ///
    /// Where decay is wanted on rescaled rows, `rescaled` is empty.  Groups without a tensor are left out.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn by_role(
        params: &Params,
        scope: DecayScope,
        weight_decay: f64,
        rescaled: &[ParamId],
    ) -> Result<Self, OptimError> {
        let within = |least| if scope_rank(scope) >= scope_rank(least) { weight_decay } else { 0.0 };
        let group = |name: &str, weight_decay, warming, wanted: &dyn Fn(ParamId, &Parameter) -> bool| Group {
            name: name.to_owned(),
            ids: params.iter().filter(|(id, p)| wanted(*id, p)).map(|(id, _)| id).collect(),
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
        self.groups.iter()
    }

    /// How much each group holds.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = GroupSize<'_>> {
        self.groups.iter().zip(&self.windows).map(|(group, windows)| GroupSize {
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
        let groups = self.groups.iter().map(group_step).collect();
        StepSettings { groups, momentum: factors.momentum(momentum), epoch }
    }

    /// Number of trainable scalars.
    pub(crate) fn scalars(&self) -> usize {
        self.len
    }

    /// Refuses parameters of another network.
    pub(crate) fn check(&self, params: &Params) -> Result<(), OptimError> {
        self.check_len("parameters", params.trainable().len())
    }

    fn check_len(&self, what: &'static str, got: usize) -> Result<(), OptimError> {
        if got == self.len { Ok(()) } else { Err(OptimError::OtherNetwork { what, expected: self.len, got }) }
    }

    /// Parameters, gradients and the windows of every group with their settings, once all of them fit together.
    pub(crate) fn begin<'s>(
        &'s self,
        params: &'s mut Params,
        gradients: &'s mut Gradients,
        settings: &'s StepSettings,
    ) -> Result<Begun<'s>, OptimError> {
        let (expected, got) = (self.groups.len(), settings.groups.len());
        if expected != got {
            return Err(OptimError::GroupSteps { expected, got });
        }
        self.check(params)?;
        let (params, gradients) = (params.trainable_mut(), gradients.finish());
        self.check_len("gradients", gradients.len())?;
        let windows = self.windows.iter().zip(&settings.groups);
        let windows = windows.flat_map(|(windows, step)| windows.iter().map(move |window| (window.clone(), *step)));
        Ok(Begun { params: params.host_mut(), gradients: gradients.host(), windows: windows.collect() })
    }
}

/// What an optimizer walks over in a step.
pub(crate) struct Begun<'s> {
    /// All trainable values.
    pub params: &'s mut [f32],
    /// Their gradient.
    pub gradients: &'s [f32],
    /// Every window once, with the settings of its group.
    pub windows: Vec<(Range<usize>, GroupStep)>,
}

fn scope_rank(scope: DecayScope) -> u8 {
    match scope {
        DecayScope::Conv => 0,
        DecayScope::ConvAndGamma => 1,
        DecayScope::All => 2,
    }
}

fn windows(params: &Params, ids: &[ParamId]) -> Vec<Range<usize>> {
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
mod tests {
    use proptest::prelude::*;
    use wrs_nn::{Init, ParamsBuilder};

    use super::*;
    use crate::tiny_net::{id, plain_factors, tiny_net};
    use crate::{Select, schedule};

    fn sizes(groups: &Groups) -> Vec<(&str, usize, usize)> {
        groups.sizes().map(|size| (size.name, size.tensors, size.scalars)).collect()
    }

    #[test]
    fn roles_make_the_groups() {
        let params = tiny_net(0);
        let plain = Groups::by_role(&params, DecayScope::Conv, 5e-4, &[]).unwrap();
        assert_eq!(sizes(&plain), [("weights", 4, 132), ("norm scales", 2, 7), ("biases", 5, 14)]);
        let rescaled = Select::Filters.tensors(&params);
        let wrs = Groups::by_role(&params, DecayScope::All, 5e-4, &rescaled).unwrap();
        let expected = [("rescaled weights", 2, 114), ("weights", 2, 18), ("norm scales", 2, 7), ("biases", 5, 14)];
        assert_eq!(sizes(&wrs), expected);
    }

    #[test]
    fn the_scope_says_where_decay_goes() {
        let params = tiny_net(0);
        let decays = |scope| {
            let groups = Groups::by_role(&params, scope, 5e-4, &Select::Filters.tensors(&params)).unwrap();
            groups.iter().map(|group| group.weight_decay).collect::<Vec<_>>()
        };
        assert_eq!(decays(DecayScope::Conv), [0.0, 5e-4, 0.0, 0.0]);
        assert_eq!(decays(DecayScope::ConvAndGamma), [0.0, 5e-4, 5e-4, 0.0]);
        assert_eq!(decays(DecayScope::All), [0.0, 5e-4, 5e-4, 5e-4]);
    }

    #[test]
    fn settings_follow_the_warm_up_of_their_group() {
        let params = tiny_net(0);
        let groups = Groups::by_role(&params, DecayScope::Conv, 0.5, &[]).unwrap();
        let warm_up = schedule::WarmUp {
            epochs: 0.0,
            steps: 4,
            weights_from: 0.0,
            biases_from: 10.0,
            momentum_from: Some(0.8),
            decay_from: 0.0,
        };
        let schedule = crate::Schedule { curve: schedule::Curve::Constant, warm_up: Some(warm_up) };
        let length = crate::RunLength { steps: 10, steps_per_epoch: std::num::NonZeroU64::MIN };
        let settings = groups.settings(0.1, 0.9, &schedule.at(2, length), 2);
        let lrs: Vec<_> = settings.groups.iter().map(|group| group.lr).collect();
        assert!(lrs.iter().zip([0.05, 0.05, 0.55]).all(|(got, expected)| (got - expected).abs() < 1e-15), "{lrs:?}");
        assert_eq!(settings.groups.iter().map(|group| group.weight_decay).collect::<Vec<_>>(), [0.25, 0.0, 0.0]);
        assert!((settings.momentum - 0.85).abs() < 1e-15);
    }

    #[test]
    fn a_statistic_has_no_group_and_settings_must_be_one_a_group() {
        let mut params = tiny_net(0);
        let mut groups: Vec<_> = Groups::by_role(&params, DecayScope::Conv, 0.0, &[]).unwrap().groups;
        let made = Groups::new(&params, groups.clone()).unwrap();
        let mut settings = made.settings(0.1, 0.9, &plain_factors(), 0);
        settings.groups.pop();
        let mut gradients = Gradients::new(&params);
        let refusal = made.begin(&mut params, &mut gradients, &settings).err().unwrap();
        assert!(matches!(refusal, OptimError::GroupSteps { expected: 3, got: 2 }));

        groups[0].ids.push(id(&params, "a.bn.running_mean"));
        let refusal = Groups::new(&params, groups).unwrap_err();
        assert!(refusal.to_string().contains("a.bn.running_mean"), "{refusal}");
    }

    const ROLES: [Role; 7] = [
        Role::ConvWeight,
        Role::LinearWeight,
        Role::Bias,
        Role::NormScale,
        Role::NormShift,
        Role::RunningMean,
        Role::RunningVar,
    ];

    proptest! {
        #[test]
        fn every_trainable_scalar_is_in_exactly_one_group(
            tensors in prop::collection::vec((0usize..7, 1usize..9, any::<bool>()), 1..40),
            scope in prop::sample::select(vec![DecayScope::Conv, DecayScope::ConvAndGamma, DecayScope::All]),
            pick in any::<prop::sample::Index>(),
        ) {
            let mut builder = ParamsBuilder::new();
            let mut rescaled = Vec::new();
            for (i, &(role, len, is_rescaled)) in tensors.iter().enumerate() {
                let id = builder.root().add(&i.to_string(), ROLES[role], &[len, 1], Init::Constant(0.0));
                if is_rescaled && role < 2 {
                    rescaled.push(id);
                }
            }
            let params = builder.build(0);
            let groups = Groups::by_role(&params, scope, 0.1, &rescaled).unwrap();
            let mut times = vec![0; params.trainable().len()];
            groups.windows.iter().flatten().for_each(|window| times[window.clone()].iter_mut().for_each(|t| *t += 1));
            prop_assert!(times.iter().all(|&t| t == 1));
            prop_assert_eq!(groups.sizes().map(|size| size.scalars).sum::<usize>(), times.len());
            for group in groups.iter() {
                let is_kept = group.ids.iter().any(|id| rescaled.contains(id));
                prop_assert!(!is_kept || group.weight_decay == 0.0);
            }

            let mut broken: Vec<Group> = groups.iter().cloned().collect();
            if !broken.is_empty() {
                let at = pick.index(broken.len());
                let id = broken[at].ids.remove(0);
                prop_assert!(matches!(Groups::new(&params, broken.clone()), Err(OptimError::Partition { got: 0, .. })));
                broken[at].ids.extend([id, id]);
                prop_assert!(matches!(Groups::new(&params, broken), Err(OptimError::Partition { got: 2, .. })));
            }
        }
    }
}
