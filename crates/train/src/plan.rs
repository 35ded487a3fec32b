//! Which micro-batches make which optimizer step: a pure function of the step, so that resuming needs no state.
//!
//! Gradients of `A = round(nominal / batch)` micro-batches are added before a step.  In the code the paper ran the number grows
//! from 1 to `A` during warm-up with the micro-batch index `m`, and a step ends where `m` is a multiple of the number that holds
//! there: the very first micro-batch steps alone.  In Darknet and mmdetection it is `A` from the first step on.

use std::num::NonZeroU64;
use std::ops::Range;

use wrs_optim::RunLength as ScheduleLength;

use crate::recipe::{RunLength, TrainingSettings};

/// How many micro-batches make a step before the warm-up is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// From one on, more and more.
    Growing {
        /// Micro-batches of the warm-up.
        warm_up: u64,
    },
    /// As many as ever after.
    Constant,
}

/// Where in a run a micro-batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The optimizer step that its gradients go into, from 0.
    pub step: u64,
    /// Counted from the start of the run.
    pub micro_batch: u64,
}

/// The micro-batches of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Micro-batches of an epoch.
    per_epoch: NonZeroU64,
    /// For each step that ends within the warm-up, the micro-batch behind its last.
    warm_ends: Vec<u64>,
    /// The micro-batch behind the first step that ends after the warm-up.
    first_end: u64,
    /// Micro-batches of a step after the warm-up.
    accumulate: u64,
}

impl Plan {
    /// # Arguments
    /// `images` of an epoch, pictures per micro-batch, pictures per optimizer step.  An epoch has a micro-batch at least.
    pub fn new(images: u64, batch: NonZeroU64, nominal: NonZeroU64, accumulation: Accumulation) -> Self {
        let per_epoch = NonZeroU64::new(images.div_ceil(batch.get())).unwrap_or(NonZeroU64::MIN);
        let accumulate = ((nominal.get() as f64 / batch.get() as f64).round() as u64).max(1);
        let Accumulation::Growing { warm_up } = accumulation else {
            return Self { per_epoch, warm_ends: Vec::new(), first_end: accumulate, accumulate };
        };
        let at = |m: u64| {
            let share = m as f64 / warm_up as f64;
            ((1.0 + (accumulate - 1) as f64 * share).round() as u64).max(1)
        };
        let warm_ends: Vec<u64> = (0..warm_up).filter(|&m| m % at(m) == 0).map(|m| m + 1).collect();
        Self { per_epoch, warm_ends, first_end: warm_up.next_multiple_of(accumulate) + 1, accumulate }
    }

    /// Micro-batches of an epoch.
    pub fn per_epoch(&self) -> NonZeroU64 {
        self.per_epoch
    }

    /// The micro-batches whose gradients make an optimizer step, counted from the start of the run.
    pub fn micro_batches(&self, step: u64) -> Range<u64> {
        let start = if step == 0 { 0 } else { self.end(step - 1) };
        start..self.end(step)
    }

    /// The epoch and the place in it of a micro-batch.
    pub fn place(&self, micro_batch: u64) -> (u64, u64) {
        (micro_batch / self.per_epoch, micro_batch % self.per_epoch)
    }

    /// The micro-batches of the steps from `from` to `to`, that one not included, in the run's order.
    pub fn places(&self, from: u64, to: u64) -> impl Iterator<Item = Place> + use<> {
        let plan = self.clone();
        (from..to).flat_map(move |step| plan.micro_batches(step).map(move |micro_batch| Place { step, micro_batch }))
    }

    /// Whole optimizer steps in so many epochs.
    pub fn steps_of(&self, epochs: u64) -> u64 {
        let micro_batches = epochs * self.per_epoch.get();
        let warm = self.warm_ends.partition_point(|&end| end <= micro_batches) as u64;
        let after = (micro_batches + self.accumulate).saturating_sub(self.first_end) / self.accumulate;
        warm + after
    }

    fn end(&self, step: u64) -> u64 {
        let warm = self.warm_ends.len() as u64;
        match self.warm_ends.get(step as usize) {
            Some(&end) => end,
            None => self.first_end + (step - warm) * self.accumulate,
        }
    }
}

/// What a task says about the course of a run, beside its recipe's training settings.
#[derive(Clone, Copy, Debug)]
pub struct CourseSettings {
    /// Samples of an epoch.
    pub images: u64,
    /// Samples per optimizer step.
    pub nominal_batch: NonZeroU64,
    /// Whether the micro-batches of a step grow in number during the warm-up.
    pub growing_accumulation: bool,
}

/// How a run's steps lie over its training set.
#[derive(Clone, Debug)]
pub struct Course {
    /// Which micro-batches make which step.
    pub plan: Plan,
    /// Optimizer steps of the run.
    pub total: u64,
    /// The run as its schedule counts it: in micro-batches, as the code the paper ran does; without accumulation they are
    /// the steps.
    pub length: ScheduleLength,
}

impl Course {
    /// The course that these settings make.
    pub fn of(training: &TrainingSettings, settings: CourseSettings) -> Self {
        let CourseSettings { images, nominal_batch, growing_accumulation } = settings;
        let TrainingSettings { batch, schedule, length, .. } = training;
        let plan_of = |accumulation| Plan::new(images, *batch, nominal_batch, accumulation);
        let per_epoch = plan_of(Accumulation::Constant).per_epoch();
        let endless = ScheduleLength { steps: u64::MAX, steps_per_epoch: per_epoch };
        let warm_up = schedule.warm_up.map_or(0, |warm_up| warm_up.steps(endless));
        let growing = Accumulation::Growing { warm_up };
        let plan = plan_of(if growing_accumulation { growing } else { Accumulation::Constant });
        let total = match length {
            RunLength::Steps(steps) => steps.get(),
            RunLength::Epochs(epochs) => plan.steps_of(epochs.get()),
        };
        let steps = plan.micro_batches(total.max(1) - 1).end;
        Self { plan, total, length: ScheduleLength { steps, steps_per_epoch: per_epoch } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wrs_optim::Schedule;

    use super::*;
    use crate::tiny_recipe;

    fn plan(images: u64, batch: u64, nominal: u64, warm_up: u64) -> Plan {
        let n = |v| NonZeroU64::new(v).unwrap();
        Plan::new(images, n(batch), n(nominal), Accumulation::Growing { warm_up })
    }

    #[test]
    fn the_papers_run_has_its_number_of_steps() {
        let paper = plan(117_263, 8, 64, 3 * 14_658);
        assert_eq!(paper.per_epoch().get(), 14_658);
        assert_eq!(paper.micro_batches(0), 0..1);
        // After the warm-up eight micro-batches a step: 14,658 / 8 = 1,832.25 steps an epoch.
        let late = paper.steps_of(100) - paper.steps_of(96);
        assert_eq!(late, 4 * 14_658 / 8);
        assert_eq!(paper.micro_batches(100_000).count(), 8);
    }

    #[test]
    fn without_accumulation_a_step_is_a_micro_batch() {
        let plain = plan(10, 4, 4, 5);
        assert_eq!(plain.steps_of(2), 6);
        assert_eq!(plain.micro_batches(7), 7..8);
        assert_eq!(plain.place(7), (2, 1));
    }

    #[test]
    fn constant_accumulation_has_whole_steps_from_the_first_on() {
        let n = |v| NonZeroU64::new(v).unwrap();
        let plan = Plan::new(100, n(4), n(16), Accumulation::Constant);
        assert_eq!((plan.micro_batches(0), plan.micro_batches(1)), (0..4, 4..8));
        // 25 micro-batches an epoch: 6 whole steps in one, 12 in two.
        assert_eq!((plan.steps_of(1), plan.steps_of(2)), (6, 12));
        assert_eq!(Plan::new(0, n(4), n(16), Accumulation::Constant).per_epoch().get(), 1, "no epoch is of nothing");
    }

    #[test]
    fn a_course_counts_steps_for_the_run_and_micro_batches_for_the_schedule() {
        let n = |v| NonZeroU64::new(v).unwrap();
        let schedule = Schedule { curve: wrs_optim::schedule::Curve::Constant, warm_up: None };
        let of = |length, growing_accumulation| {
            let training =
                TrainingSettings { batch: n(4), schedule: schedule.clone(), length, ..tiny_recipe::training() };
            Course::of(&training, CourseSettings { images: 100, nominal_batch: n(16), growing_accumulation })
        };
        // 25 micro-batches an epoch, four a step.
        let course = of(RunLength::Epochs(n(2)), false);
        assert_eq!((course.total, course.length.steps, course.length.steps_per_epoch.get()), (12, 48, 25));
        let course = of(RunLength::Steps(n(5)), false);
        assert_eq!((course.total, course.length.steps), (5, 20));
        // The very first micro-batch steps alone where the number grows, even if the warm-up is nothing.
        let course = of(RunLength::Steps(n(5)), true);
        assert_eq!((course.total, course.length.steps), (5, 17));
    }

    proptest! {
        #[test]
        fn steps_cut_the_run_without_gap_or_overlap(
            images in 1u64..200, batch in 1u64..9, times in 1u64..9, warm_up in 0u64..60, epochs in 1u64..6,
        ) {
            let p = plan(images, batch, batch * times, warm_up);
            let mut next = 0;
            for step in 0..p.steps_of(epochs) {
                let range = p.micro_batches(step);
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                // While the number grows its multiples may be missed for a while; afterwards every step is whole.
                if range.start > warm_up + times {
                    prop_assert_eq!(range.clone().count() as u64, times);
                }
                next = range.end;
            }
            let from = p.steps_of(epochs) / 3;
            let places: Vec<Place> = p.places(from, p.steps_of(epochs)).collect();
            prop_assert_eq!(places.len() as u64, next.saturating_sub(p.micro_batches(from).start));
            for (place, micro_batch) in places.iter().zip(p.micro_batches(from).start..) {
                prop_assert_eq!(place.micro_batch, micro_batch);
                prop_assert!(p.micro_batches(place.step).contains(&micro_batch));
            }
            let total = epochs * p.per_epoch().get();
            prop_assert!(next <= total && total < p.micro_batches(p.steps_of(epochs)).end);
        }
    }
}
