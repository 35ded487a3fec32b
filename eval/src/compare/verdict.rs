//! What the intervals say, in words.

use serde::{Deserialize, Serialize};

use crate::compare::Interval;

/// Which way a comparison went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A is better by more than the least effect.
    ABetter,
    /// B is better by more than the least effect.
    BBetter,
    /// An interval holds 0.
    NoDifferenceShown,
    /// The difference is on one side of 0, but not shown to exceed the least effect.
    BelowMinEffect,
    /// Nothing is known about other seeds.
    OneSeed,
}

/// The outcome and the sentence that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which way it went.
    pub outcome: Outcome,
    /// The same for a person to read; differences in points, hundredths of the metric.
    pub text: String,
}

impl Verdict {
    /// Judges by the lowest lower and the highest upper end of intervals of B - A, of which there is at least one.
    pub(crate) fn of_intervals([a, b]: [&str; 2], intervals: &[Interval], min_effect: f64) -> Self {
        let low = intervals.iter().map(|interval| interval.low).fold(f64::INFINITY, f64::min);
        let high = intervals.iter().map(|interval| interval.high).fold(f64::NEG_INFINITY, f64::max);
        // Seen from the arm that leads, a difference is positive.
        let (leader, outcome, bound) =
            if low > 0.0 { (b, Outcome::BBetter, low) } else { (a, Outcome::ABetter, -high) };
        if low <= 0.0 && high >= 0.0 {
            let text = format!("no difference shown: the interval [{}, {}] holds 0", points(low, 2), points(high, 2));
            return Self { outcome: Outcome::NoDifferenceShown, text };
        }
        let (shown, least) = told_apart(bound, min_effect);
        if bound > min_effect {
            return Self { outcome, text: format!("{leader} better: lower bound {shown} > min-effect {least}") };
        }
        let text = format!("{leader} higher, but not shown to exceed min-effect {least}: lower bound {shown}");
        Self { outcome: Outcome::BelowMinEffect, text }
    }

    /// The verdict on one pair of runs.
    pub(crate) fn of_one_seed() -> Self {
        let text = "one seed each: image resampling only, says nothing about seed luck; run --seeds 1..5";
        Self { outcome: Outcome::OneSeed, text: text.to_owned() }
    }
}

/// A fraction as signed points.
fn points(fraction: f64, digits: usize) -> String {
    format!("{:+.digits$}", 100.0 * fraction)
}

/// A signed bound and an unsigned least effect with the fewest digits, from two on, that tell them apart.
fn told_apart(bound: f64, least: f64) -> (String, String) {
    const MOST_DIGITS: usize = 8;
    let digits = (2..MOST_DIGITS).find(|&digits| points(bound, digits) != points(least, digits)).unwrap_or(MOST_DIGITS);
    (points(bound, digits), format!("{:.digits$}", 100.0 * least))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(intervals: &[(f64, f64)], min_effect: f64) -> (Outcome, String) {
        let intervals: Vec<Interval> = intervals.iter().map(|&(low, high)| Interval { low, high }).collect();
        let verdict = Verdict::of_intervals(["WD", "WRS"], &intervals, min_effect);
        (verdict.outcome, verdict.text)
    }

    #[test]
    fn the_more_careful_bound_counts() {
        let (outcome, text) = judge(&[(0.0066, 0.0098), (0.0035, 0.0129)], 0.003);
        assert_eq!((outcome, text.as_str()), (Outcome::BBetter, "WRS better: lower bound +0.35 > min-effect 0.30"));
        let (outcome, text) = judge(&[(-0.0098, -0.0066), (-0.0129, -0.0035)], 0.003);
        assert_eq!((outcome, text.as_str()), (Outcome::ABetter, "WD better: lower bound +0.35 > min-effect 0.30"));
    }

    #[test]
    fn an_interval_that_holds_zero_shows_nothing() {
        let (outcome, text) = judge(&[(0.002, 0.01), (-0.001, 0.0125)], 0.0);
        assert_eq!(outcome, Outcome::NoDifferenceShown);
        assert_eq!(text, "no difference shown: the interval [-0.10, +1.25] holds 0");
        assert_eq!(judge(&[(0.0, 0.0)], 0.0).0, Outcome::NoDifferenceShown);
        // Intervals that exclude 0 on opposite sides span it.
        assert_eq!(judge(&[(0.001, 0.002), (-0.002, -0.001)], 0.0).0, Outcome::NoDifferenceShown);
    }

    #[test]
    fn a_difference_within_the_least_effect_is_not_better() {
        let (outcome, text) = judge(&[(0.001, 0.0098)], 0.003);
        assert_eq!(outcome, Outcome::BelowMinEffect);
        assert_eq!(text, "WRS higher, but not shown to exceed min-effect 0.30: lower bound +0.10");
        assert_eq!(judge(&[(-0.0098, -0.001)], 0.003).1, text.replace("WRS", "WD"));
        assert_eq!(judge(&[(0.003, 0.0098)], 0.003).0, Outcome::BelowMinEffect, "the bound must be exceeded");
    }

    #[test]
    fn close_numbers_get_the_digits_that_tell_them_apart() {
        assert_eq!(judge(&[(0.003_000_4, 0.01)], 0.003).1, "WRS better: lower bound +0.30004 > min-effect 0.30000");
        assert_eq!(judge(&[(1e-20, 0.01)], 0.0).0, Outcome::BBetter);
    }
}
