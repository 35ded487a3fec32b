//! Learning-rate schedules with warm-up: every value a pure function of the step, so resuming needs no state.
//!
//! A step is whatever the caller counts: optimizer steps, or micro-batches where the recipe's warm-up is written in those.

use std::f64::consts::PI;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::OptimError;

/// How long a run is, in the steps its schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of one epoch.
    pub steps_per_epoch: NonZeroU64,
}

impl RunLength {
    /// The epoch that a step belongs to, from 0.
    pub fn epoch(self, step: u64) -> u64 {
        step / self.steps_per_epoch
    }

    /// The share of the run that has passed, in [0, 1].
    fn progress(self, step: u64) -> f64 {
        if step >= self.steps { 1.0 } else { step as f64 / self.steps as f64 }
    }
}

/// How often a smooth curve moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// At the first step of each epoch.
    Epoch,
    /// At each step.
    Step,
}

/// The factor of the learning rate after warm-up, over `x`, the share of the run that has passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Curve {
    /// 1 throughout.
    Constant,
    /// `floor + (1 - floor) * (1 + cos(pi * x)) / 2` (PyTorch's `CosineAnnealingLR`, `floor = eta_min / lr`).
    Cosine {
        /// The factor at the end.
        floor: f64,
        /// How often it moves.
        every: Every,
    },
    /// `floor + (1 - floor) * (1 - x)^power` (TensorFlow's `polynomial_decay`; PyTorch's `PolynomialLR` at floor 0).
    Polynomial {
        /// The exponent.
        power: f64,
        /// The factor at the end.
        floor: f64,
        /// How often it moves.
        every: Every,
    },
    /// `gamma^k` from the k-th milestone on (PyTorch's `MultiStepLR`).
    MultiStep {
        /// The epochs, counted from 0, that begin with a new factor.
        milestones: Vec<u64>,
        /// The factor at each.
        gamma: f64,
    },
}

impl Curve {
    /// The factor at a step.
    pub fn at(&self, step: u64, length: RunLength) -> f64 {
        let progress = |every| match every {
            Every::Step => length.progress(step),
            Every::Epoch => length.progress(length.epoch(step) * length.steps_per_epoch.get()),
        };
        match self {
            Self::Constant => 1.0,
            Self::Cosine { floor, every } => floor + (1.0 - floor) * (1.0 + (PI * progress(*every)).cos()) / 2.0,
            Self::Polynomial { power, floor, every } => floor + (1.0 - floor) * (1.0 - progress(*every)).powf(*power),
            Self::MultiStep { milestones, gamma } => {
                let epoch = length.epoch(step);
                milestones.iter().filter(|&&milestone| milestone <= epoch).map(|_| gamma).product()
            }
        }
    }

    fn check(&self) -> Result<(), OptimError> {
        match self {
            Self::Constant => Ok(()),
            Self::Cosine { floor, .. } => in_range("cosine.floor", *floor, 0.0..=1.0, "a factor from 0 to 1"),
            Self::Polynomial { power, floor, .. } => {
                in_range("polynomial.power", *power, 0.0..=f64::MAX, "an exponent of at least 0")?;
                in_range("polynomial.floor", *floor, 0.0..=1.0, "a factor from 0 to 1")
            }
            Self::MultiStep { milestones, gamma } => {
                in_range("multi-step.gamma", *gamma, 0.0..=f64::MAX, "a factor of at least 0")?;
                if milestones.is_sorted_by(|a, b| a < b) {
                    return Ok(());
                }
                Err(OptimError::Setting {
                    setting: "multi-step.milestones",
                    expected: "ascending epochs",
                    got: format!("{milestones:?}"),
                })
            }
        }
    }
}

/// A linear way in: at its first step the starts below, at its last and after it the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WarmUp {
    /// Its length in epochs, rounded to steps; the longer of this and `steps` counts.
    pub epochs: f64,
    /// Its length in steps.
    pub steps: u64,
    /// First factor of the learning rate of weights and norm scales.
    pub weights_from: f64,
    /// First factor of the learning rate of biases.
    pub biases_from: f64,
    /// First momentum; without it the momentum does not move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum_from: Option<f64>,
    /// First factor of the weight decay.
    pub decay_from: f64,
}

impl WarmUp {
    /// Steps that it lasts.
    pub fn steps(&self, length: RunLength) -> u64 {
        let epochs = (self.epochs * length.steps_per_epoch.get() as f64).round() as u64;
        epochs.max(self.steps)
    }

    /// How far it has come: 0 at the first step, 1 at its end and from then on.
    pub fn warmth(&self, step: u64, length: RunLength) -> f64 {
        let steps = self.steps(length);
        if step >= steps { 1.0 } else { step as f64 / steps as f64 }
    }

    fn check(&self) -> Result<(), OptimError> {
        let factor = 0.0..=f64::MAX;
        in_range("warm-up.epochs", self.epochs, factor.clone(), "epochs, at least 0")?;
        in_range("warm-up.weights-from", self.weights_from, factor.clone(), "a factor of at least 0")?;
        in_range("warm-up.biases-from", self.biases_from, factor.clone(), "a factor of at least 0")?;
        in_range("warm-up.decay-from", self.decay_from, factor, "a factor of at least 0")?;
        in_range("warm-up.momentum-from", self.momentum_from.unwrap_or(0.0), 0.0..=1.0, "a momentum from 0 to 1")
    }
}

/// What a step's learning rates, momentum and weight decay are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of the learning rate of everything but biases.
    pub weights: f64,
    /// Of the learning rate of biases.
    pub biases: f64,
    /// Of the weight decay.
    pub decay: f64,
    /// How far the warm-up has come, from 0 to 1; losses that are faded in follow it.
    pub warmth: f64,
    momentum_from: Option<f64>,
}

impl Factors {
    /// The momentum on its way to `target`.
    pub fn momentum(&self, target: f64) -> f64 {
        self.momentum_from.map_or(target, |from| blend(from, target, self.warmth))
    }
}

/// A learning-rate curve and the way into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// The curve over the run.
    pub curve: Curve,
    /// The way in; without it the curve holds from the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
}

impl Schedule {
    /// The factors of a step, counted from 0.
    pub fn at(&self, step: u64, length: RunLength) -> Factors {
        let curve = self.curve.at(step, length);
        let Some(warm_up) = &self.warm_up else {
            return Factors { weights: curve, biases: curve, decay: 1.0, warmth: 1.0, momentum_from: None };
        };
        let warmth = warm_up.warmth(step, length);
        Factors {
            weights: blend(warm_up.weights_from, curve, warmth),
            biases: blend(warm_up.biases_from, curve, warmth),
            decay: blend(warm_up.decay_from, 1.0, warmth),
            warmth,
            momentum_from: warm_up.momentum_from,
        }
    }

    /// Judges a recipe's values before the first step.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn check(&self) -> Result<(), OptimError> {
        self.curve.check()?;
        self.warm_up.as_ref().map_or(Ok(()), WarmUp::check)
    }
}

/// From `start` to `end`, exact at both.
fn blend(start: f64, end: f64, share: f64) -> f64 {
    (1.0 - share) * start + share * end
}

/// Refuses a setting outside its range, and NaN.
pub(crate) fn in_range(
    setting: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), OptimError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OptimError::Setting { setting, expected, got: value.to_string() })
}

#[cfg(test)]
mod tests {
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
        0.9638427779428612,
        0.8608757210636101,
        0.7067746303734178,
        0.525,
        0.3432253696265824,
        0.18912427893638994,
        0.0861572220571388,
        0.05,
    ];
    const TORCH_POLYNOMIAL: [f64; 9] = [
        1.0,
        0.8867623542572073,
        0.7718895067235704,
        0.6550764934180986,
        0.5358867312681466,
        0.41364534465827624,
        0.2871745887492587,
        0.1538930516681145,
        0.0,
    ];
    const TORCH_MULTI_STEP: [f64; 9] = [
        1.0,
        1.0,
        1.0,
        0.1,
        0.1,
        0.010000000000000002,
        0.010000000000000002,
        0.010000000000000002,
        0.010000000000000002,
    ];

    #[test]
    fn the_curves_are_pytorchs() {
        let cosine = Curve::Cosine { floor: 0.05, every: Every::Step };
        let polynomial = Curve::Polynomial { power: 0.9, floor: 0.0, every: Every::Step };
        let multi_step = Curve::MultiStep { milestones: vec![3, 5], gamma: 0.1 };
        for step in 0..9 {
            close(cosine.at(step as u64, length(2, 4)), TORCH_COSINE[step]);
            close(polynomial.at(step as u64, length(2, 4)), TORCH_POLYNOMIAL[step]);
            close(multi_step.at(step as u64, length(8, 1)), TORCH_MULTI_STEP[step]);
        }
        assert_eq!(Curve::Constant.at(5, length(2, 4)), 1.0);
    }

    #[test]
    fn per_epoch_a_curve_stands_still_within_the_epoch() {
        let curve = Curve::Polynomial { power: 1.0, floor: 0.2, every: Every::Epoch };
        for (step, expected) in [(0, 1.0), (9, 1.0), (10, 0.8), (19, 0.8), (39, 0.4), (40, 0.2), (99, 0.2)] {
            close(curve.at(step, length(4, 10)), expected);
        }
    }

    #[test]
    fn recipes_are_strict_and_round_trip() {
        let text = toml::to_string(&detection()).unwrap();
        assert_eq!(toml::from_str::<Schedule>(&text).unwrap(), detection());
        let constant = Schedule { curve: Curve::Constant, warm_up: None };
        assert_eq!(toml::from_str::<Schedule>("curve = \"constant\"").unwrap(), constant);
        for wrong in [
            "curve = \"constant\"\nwarmup = 3",
            "curve = { cosine = { floor = 0.05 } }",
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
        schedule.curve = Curve::MultiStep { milestones: vec![60, 60], gamma: 0.1 };
        assert!(schedule.check().unwrap_err().to_string().contains("[60, 60]"));
        schedule = detection();
        schedule.warm_up.as_mut().unwrap().momentum_from = Some(1.5);
        assert!(schedule.check().unwrap_err().to_string().contains("momentum-from"));
    }

    proptest! {
        #[test]
        fn a_falling_curve_never_rises_and_stays_above_its_floor(
            floor in 0.0f64..=1.0, power in 0.1f64..4.0, epochs in 1u64..20, per_epoch in 1u64..20, step in 0u64..500,
        ) {
            let length = length(epochs, per_epoch);
            for every in [Every::Epoch, Every::Step] {
                for curve in [Curve::Cosine { floor, every }, Curve::Polynomial { power, floor, every }] {
                    let (now, next) = (curve.at(step, length), curve.at(step + 1, length));
                    prop_assert!(next <= now + 1e-12);
                    prop_assert!(next >= floor - 1e-12 && now <= 1.0 + 1e-12);
                }
            }
        }
    }
}
