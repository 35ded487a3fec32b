use proptest::prelude::*;

use super::*;

fn length(epochs: u64, steps_per_epoch: u64) -> RunLength {
    RunLength { steps: epochs * steps_per_epoch, steps_per_epoch: NonZeroU64::new(steps_per_epoch).unwrap() }
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1.0), "expected {expected}, got {got}");
}

/// The paper's detection recipe.
fn detection() -> Schedule {
    Schedule {
        curve: Curve::Cosine { floor: 0.05, every: Every::Epoch },
        warm_up: Some(WarmUp {
            epochs: 3.0,
            steps: 500,
            weights_from: 0.0,
            biases_from: 10.0,
            momentum_from: Some(0.9),
            decay_from: 0.0,
            power: None,
        }),
    }
}

#[test]
fn the_papers_warm_up_at_its_start_middle_end_and_at_the_last_step() {
    let (schedule, length) = (detection(), length(100, 1000));
    let start = schedule.at(0, length);
    assert_eq!((start.weights, start.biases, start.decay, start.warmth), (0.0, 10.0, 0.0, 0.0));
    close(start.momentum(0.937), 0.9);

    // Step 1500 is in epoch 1.
    let cosine = |epoch: f64| 0.05 + 0.95 * (1.0 + (PI * epoch / 100.0).cos()) / 2.0;
    let middle = schedule.at(1500, length);
    close(middle.weights, 0.5 * cosine(1.0));
    close(middle.biases, 5.0 + 0.5 * cosine(1.0));
    close(middle.decay, 0.5);
    close(middle.momentum(0.937), 0.9185);

    let end = schedule.at(3000, length);
    close(end.weights, cosine(3.0));
    close(end.biases, cosine(3.0));
    assert_eq!((end.decay, end.warmth, end.momentum(0.937)), (1.0, 1.0, 0.937));

    close(schedule.at(99_999, length).weights, cosine(99.0));
    close(schedule.at(100_000, length).weights, 0.05);
    close(schedule.at(u64::MAX, length).weights, 0.05);
}

#[test]
fn a_short_epoch_still_warms_up_for_the_least_number_of_steps() {
    let warm_up = detection().warm_up.unwrap();
    assert_eq!(warm_up.steps(length(100, 1000)), 3000);
    assert_eq!(warm_up.steps(length(100, 10)), 500);
    assert_eq!(warm_up.warmth(250, length(100, 10)), 0.5);
}

// torch 2.15.0, lr 1, 8 steps, CosineAnnealingLR(T_max=8, eta_min=0.05):
//   python -c "import torch; p=torch.nn.Parameter(torch.ones(1)); o=torch.optim.SGD([p],lr=1.); \
//   s=torch.optim.lr_scheduler.CosineAnnealingLR(o,8,0.05); \
//   [(print(repr(s.get_last_lr()[0])),o.step(),s.step()) for _ in range(9)]"
// and PolynomialLR(o,8,0.9), MultiStepLR(o,[3,5],0.1) in its place.
const TORCH_COSINE: [f64; 9] = [
    1.0,
    0.963_842_777_942_861_2,
    0.860_875_721_063_610_1,
    0.706_774_630_373_417_8,
    0.525,
    0.343_225_369_626_582_4,
    0.189_124_278_936_389_94,
    0.086_157_222_057_138_8,
    0.05,
];
const TORCH_POLYNOMIAL: [f64; 9] = [
    1.0,
    0.886_762_354_257_207_3,
    0.771_889_506_723_570_4,
    0.655_076_493_418_098_6,
    0.535_886_731_268_146_6,
    0.413_645_344_658_276_24,
    0.287_174_588_749_258_7,
    0.153_893_051_668_114_5,
    0.0,
];
const TORCH_MULTI_STEP: [f64; 9] = [
    1.0,
    1.0,
    1.0,
    0.1,
    0.1,
    0.010_000_000_000_000_002,
    0.010_000_000_000_000_002,
    0.010_000_000_000_000_002,
    0.010_000_000_000_000_002,
];

#[test]
fn the_curves_are_pytorchs() {
    let cosine = Curve::Cosine { floor: 0.05, every: Every::Step };
    let polynomial = Curve::Polynomial { power: 0.9, floor: 0.0, every: Every::Step, horizon: None };
    let multi_step = Curve::MultiStep { milestones: vec![3, 5], gamma: 0.1, unit: Every::Epoch };
    for step in 0..9 {
        close(cosine.at(step as u64, length(2, 4)), TORCH_COSINE[step]);
        close(polynomial.at(step as u64, length(2, 4)), TORCH_POLYNOMIAL[step]);
        close(multi_step.at(step as u64, length(8, 1)), TORCH_MULTI_STEP[step]);
    }
    assert_eq!(Curve::Constant.at(5, length(2, 4)), 1.0);
}

/// yolov3.cfg: `burn_in=1000`, `steps=400000,450000`, `scales=.1,.1`; Darknet multiplies by `(step / burn_in)^4`.
#[test]
fn darknets_burn_in_and_steps() {
    let warm_up = WarmUp {
        epochs: 0.0,
        steps: 1000,
        weights_from: 0.0,
        biases_from: 0.0,
        momentum_from: None,
        decay_from: 1.0,
        power: Some(4.0),
    };
    let curve = Curve::MultiStep { milestones: vec![400_000, 450_000], gamma: 0.1, unit: Every::Step };
    let schedule = Schedule { curve, warm_up: Some(warm_up) };
    let length = length(273, 1832);
    for (step, expected) in [
        (0, 0.0),
        (1, 1e-12),
        (500, 0.0625),
        (999, 0.999f64.powi(4)),
        (1000, 1.0),
        (399_999, 1.0),
        (400_000, 0.1),
        (449_999, 0.1),
        (450_000, 0.01),
        (500_199, 0.01),
    ] {
        let factors = schedule.at(step, length);
        assert!((factors.weights - expected).abs() <= 1e-12 * expected, "{step}: {factors:?}");
        assert_eq!(factors.weights, factors.biases);
        assert_eq!((factors.decay, factors.momentum(0.9)), (1.0, 0.9));
    }
}

#[test]
fn per_epoch_a_curve_stands_still_within_the_epoch() {
    let curve = Curve::Polynomial { power: 1.0, floor: 0.2, every: Every::Epoch, horizon: None };
    for (step, expected) in [(0, 1.0), (9, 1.0), (10, 0.8), (19, 0.8), (39, 0.4), (40, 0.2), (99, 0.2)] {
        close(curve.at(step, length(4, 10)), expected);
    }
}

/// The learning rates of the paper's segmentation recipe: 1e-4 to 1e-6 over 52 epochs of 1,059 steps, by TensorFlow's
/// `polynomial_decay` at power 0.9; and as they are where its 30,000 steps were left as they were.
#[test]
fn the_papers_polynomial_with_the_runs_horizon_and_its_own() {
    let polynomial = |horizon| Curve::Polynomial { power: 0.9, floor: 0.01, every: Every::Step, horizon };
    let assert_rates = |curve: &Curve, expected: &[(u64, f64)]| {
        for &(step, rate) in expected {
            let got = 1e-4 * curve.at(step, length(52, 1059));
            assert!((got / rate - 1.0).abs() < 1e-6, "step {step}: expected {rate}, got {got}");
        }
    };
    let whole = [
        (0, 1e-4),
        (1, 9.999_838e-5),
        (1_059, 9.828_488e-5),
        (27_534, 5.405_279e-5),
        (55_067, 1.005_356e-6),
        (55_068, 1e-6),
        (60_000, 1e-6),
    ];
    assert_rates(&polynomial(None), &whole);
    assert_rates(&polynomial(NonZeroU64::new(55_068)), &whole);
    let shorter = [(0, 1e-4), (15_000, 5.405_279e-5), (29_999, 1.009_252e-6), (30_000, 1e-6), (55_067, 1e-6)];
    assert_rates(&polynomial(NonZeroU64::new(30_000)), &shorter);
    let text = "curve = { polynomial = { power = 0.9, floor = 0.01, every = \"step\", horizon = 30000 } }";
    let schedule: Schedule = toml::from_str(text).unwrap();
    assert_eq!(schedule.curve, polynomial(NonZeroU64::new(30_000)));
    assert_eq!(toml::from_str::<Schedule>(&toml::to_string(&schedule).unwrap()).unwrap(), schedule);
    let text = "curve = { polynomial = { power = 0.9, floor = 0.01, every = \"step\" } }";
    assert_eq!(toml::from_str::<Schedule>(text).unwrap().curve, polynomial(None));
    assert!(toml::from_str::<Schedule>(&text.replace("\"step\"", "\"step\", horizon = 0")).is_err());
}

#[test]
fn recipes_are_strict_and_round_trip() {
    let text = toml::to_string(&detection()).unwrap();
    assert_eq!(toml::from_str::<Schedule>(&text).unwrap(), detection());
    let curve = Curve::MultiStep { milestones: vec![218, 246], gamma: 0.1, unit: Every::Epoch };
    let warm_up = detection().warm_up.map(|warm_up| WarmUp { power: Some(4.0), ..warm_up });
    let stepped = Schedule { curve, warm_up };
    let text = toml::to_string(&stepped).unwrap();
    assert!(text.contains("unit = \"epoch\"") && text.contains("power = 4"), "{text}");
    assert_eq!(toml::from_str::<Schedule>(&text).unwrap(), stepped);
    let constant = Schedule { curve: Curve::Constant, warm_up: None };
    assert_eq!(toml::from_str::<Schedule>("curve = \"constant\"").unwrap(), constant);
    for wrong in [
        "curve = \"constant\"\nwarmup = 3",
        "curve = { cosine = { floor = 0.05 } }",
        "curve = { multi-step = { milestones = [3], gamma = 0.1 } }",
        "curve = { cosine = { floor = 0.05, every = \"step\", ceiling = 1 } }",
    ] {
        assert!(toml::from_str::<Schedule>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn settings_outside_their_range_are_named() {
    let mut schedule = detection();
    schedule.check().unwrap();
    schedule.curve = Curve::Cosine { floor: f64::NAN, every: Every::Step };
    assert!(schedule.check().unwrap_err().to_string().starts_with("cosine.floor: expected"));
    schedule.curve = Curve::MultiStep { milestones: vec![60, 60], gamma: 0.1, unit: Every::Step };
    assert!(schedule.check().unwrap_err().to_string().contains("[60, 60]"));
    schedule = detection();
    schedule.warm_up.as_mut().unwrap().momentum_from = Some(1.5);
    assert!(schedule.check().unwrap_err().to_string().contains("momentum-from"));
    schedule = detection();
    schedule.warm_up.as_mut().unwrap().power = Some(-1.0);
    assert!(schedule.check().unwrap_err().to_string().contains("warm-up.power"));
}

proptest! {
    #[test]
    fn a_falling_curve_never_rises_and_stays_above_its_floor(
        floor in 0.0f64..=1.0, power in 0.1f64..4.0, epochs in 1u64..20, per_epoch in 1u64..20, step in 0u64..500,
        horizon in (1u64..600).prop_map(|steps| NonZeroU64::new(steps).unwrap()),
    ) {
        let length = length(epochs, per_epoch);
        for every in [Every::Epoch, Every::Step] {
            let polynomial = |horizon| Curve::Polynomial { power, floor, every, horizon };
            for curve in [Curve::Cosine { floor, every }, polynomial(None), polynomial(Some(horizon))] {
                let (now, next) = (curve.at(step, length), curve.at(step + 1, length));
                prop_assert!(next <= now + 1e-12);
                prop_assert!(next >= floor - 1e-12 && now <= 1.0 + 1e-12);
            }
        }
    }
}
