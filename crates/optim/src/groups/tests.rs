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
        power: None,
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
    let mut groups: Vec<_> = Groups::by_role(&params, DecayScope::Conv, 0.0, &[]).unwrap().entries;
    let made = Groups::new(&params, groups.clone()).unwrap();
    let mut settings = made.settings(0.1, 0.9, &plain_factors(), 0);
    settings.groups.pop();
    let mut gradients = Gradients::new(&params);
    let refusal = made.begin(&mut params, &mut gradients, &settings, &[]).err().unwrap();
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
            let missing = Groups::new(&params, broken.clone());
            prop_assert!(matches!(missing, Err(OptimError::Partition { got: 0, .. })), "{missing:?}");
            broken[at].ids.extend([id, id]);
            let twice = Groups::new(&params, broken);
            prop_assert!(matches!(twice, Err(OptimError::Partition { got: 2, .. })), "{twice:?}");
        }
    }
}
