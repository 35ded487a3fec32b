//! How fast a training goes, over its recent steps.

use std::time::Duration;

/// Weight of the past after one more step: the last twenty or so count.
const DECAY: f64 = 0.95;

/// Speed of the recent steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Training images per second.
    pub images_per_second: f64,
    /// Share of the time spent waiting for data, 0 to 1.
    pub data_share: f64,
    /// Time of one step, waiting included.
    pub step_time: Duration,
}

/// Averages the recent steps, each counting a little less than the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    steps: f64,
    images: f64,
    seconds: f64,
    waited: f64,
}

impl Meter {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one optimizer step: the images it used, the time it took and how much of that was spent waiting for data.
    pub fn record(&mut self, images: usize, took: Duration, waited: Duration) {
        self.steps = DECAY * self.steps + 1.0;
        self.images = DECAY * self.images + images as f64;
        self.seconds = DECAY * self.seconds + took.as_secs_f64();
        self.waited = DECAY * self.waited + waited.as_secs_f64();
    }

    /// The pace so far; zeros before the first step.
    pub fn pace(&self) -> Pace {
        if self.seconds <= 0.0 {
            return Pace::default();
        }
        Pace {
            images_per_second: self.images / self.seconds,
            data_share: (self.waited / self.seconds).min(1.0),
            step_time: Duration::from_secs_f64(self.seconds / self.steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_give_their_own_pace() {
        let mut meter = Meter::new();
        assert_eq!(meter.pace(), Pace::default());
        for _ in 0..50 {
            meter.record(8, Duration::from_millis(500), Duration::from_millis(100));
        }
        let pace = meter.pace();
        assert!((pace.images_per_second - 16.0).abs() < 1e-9);
        assert!((pace.data_share - 0.2).abs() < 1e-9);
        assert!((pace.step_time.as_secs_f64() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn recent_steps_count_more() {
        let mut meter = Meter::new();
        (0..100).for_each(|_| meter.record(1, Duration::from_secs(1), Duration::ZERO));
        (0..100).for_each(|_| meter.record(1, Duration::from_secs(3), Duration::ZERO));
        assert!((meter.pace().step_time.as_secs_f64() - 3.0).abs() < 0.02);
    }
}
