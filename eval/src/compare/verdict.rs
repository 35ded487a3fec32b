//! What the intervals say, in words.

use serde::{Deserialize, Serialize};

use crate::compare::{Better, CompareMetric, Interval, Unit};

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
    /// The same for a person to read; differences in the metric's unit, of fractions points, hundredths.
    pub text: String,
}

impl Verdict {
    /// Judges by the lowest lower and the highest upper end of intervals of B - A, of which there is at least one.
    pub(crate) fn of_intervals(
        [a, b]: [&str; 2],
        intervals: &[Interval],
        min_effect: f64,
        metric: impl CompareMetric,
    ) -> Self {
        let unit = metric.unit();
        let low = intervals.iter().map(|interval| interval.low).fold(f64::INFINITY, f64::min);
        let high = intervals.iter().map(|interval| interval.high).fold(f64::NEG_INFINITY, f64::max);
        if low <= 0.0 && high >= 0.0 {
            let [low, high] = [low, high].map(|end| signed(end, unit, 2));
            let text = format!("no difference shown: the interval [{low}, {high}] holds 0");
            return Self { outcome: Outcome::NoDifferenceShown, text };
        }
        // Seen from the arm that leads, a difference is positive.
        let (is_b_higher, bound) = if low > 0.0 { (true, low) } else { (false, -high) };
        let (leader, outcome) = if is_b_higher == (metric.better() == Better::Higher) {
            (b, Outcome::BBetter)
        } else {
            (a, Outcome::ABetter)
        };
        let (shown, least) = told_apart(bound, min_effect, unit);
        let (is_shown, text) = match (bound > min_effect, metric.better()) {
            (true, Better::Higher) => (true, format!("{leader} better: lower bound {shown} > min-effect {least}")),
            (true, Better::Lower) => {
                let shown = shown.trim_start_matches('+');
                (true, format!("{leader} better (lower is better): lower by at least {shown} > min-effect {least}"))
            }
            (false, Better::Higher) => {
                (false, format!("{leader} higher, but not shown to exceed min-effect {least}: lower bound {shown}"))
            }
            (false, Better::Lower) => {
                let shown = shown.trim_start_matches('+');
                let text = "lower (which is better), but not shown to be so by more than min-effect";
                (false, format!("{leader} {text} {least}: lower by at least {shown}"))
            }
        };
        Self { outcome: if is_shown { outcome } else { Outcome::BelowMinEffect }, text }
    }

    /// The verdict on one pair of runs.
    pub(crate) fn of_one_seed() -> Self {
        let text = "one seed each: image resampling only, says nothing about seed luck; run --seeds 1..5";
        Self { outcome: Outcome::OneSeed, text: text.to_owned() }
    }
}

/// A difference with its sign.
fn signed(difference: f64, unit: Unit, digits: usize) -> String {
    format!("{:+.digits$}", unit.in_one() * difference)
}

/// A signed bound and an unsigned least effect with the fewest digits, from two on, that tell them apart.
fn told_apart(bound: f64, least: f64, unit: Unit) -> (String, String) {
    const MOST_DIGITS: usize = 8;
    let differ = |&digits: &usize| signed(bound, unit, digits) != signed(least, unit, digits);
    let digits = (2..MOST_DIGITS).find(differ).unwrap_or(MOST_DIGITS);
    (signed(bound, unit, digits), format!("{:.digits$}", unit.in_one() * least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{ApMetric, CountMetric};

    fn judge_by(metric: impl CompareMetric, intervals: &[(f64, f64)], min_effect: f64) -> (Outcome, String) {
        let intervals: Vec<Interval> = intervals.iter().map(|&(low, high)| Interval { low, high }).collect();
        let verdict = Verdict::of_intervals(["WD", "WRS"], &intervals, min_effect, metric);
        (verdict.outcome, verdict.text)
    }

    fn judge(intervals: &[(f64, f64)], min_effect: f64) -> (Outcome, String) {
        judge_by(ApMetric::Ap, intervals, min_effect)
    }

    #[test]
    fn of_errors_the_lower_one_is_better() {
        let judge = |intervals: &[(f64, f64)], min_effect| judge_by(CountMetric::Mae, intervals, min_effect);
        let (outcome, text) = judge(&[(-9.8, -6.6), (-12.9, -3.5)], 3.0);
        assert_eq!(outcome, Outcome::BBetter);
        assert_eq!(text, "WRS better (lower is better): lower by at least 3.50 > min-effect 3.00");
        let (outcome, text) = judge(&[(6.6, 9.8), (3.5, 12.9)], 0.0);
        assert_eq!(outcome, Outcome::ABetter);
        assert_eq!(text, "WD better (lower is better): lower by at least 3.50 > min-effect 0.00");
        let (outcome, text) = judge(&[(-9.8, 1.0)], 0.0);
        assert_eq!(outcome, Outcome::NoDifferenceShown);
        assert_eq!(text, "no difference shown: the interval [-9.80, +1.00] holds 0");
        let (outcome, text) = judge(&[(-9.8, -1.0)], 3.0);
        assert_eq!(outcome, Outcome::BelowMinEffect);
        let expected =
            "lower (which is better), but not shown to be so by more than min-effect 3.00: lower by at least 1.00";
        assert_eq!(text, format!("WRS {expected}"));
        assert_eq!(judge(&[(1.0, 9.8)], 3.0), (Outcome::BelowMinEffect, format!("WD {expected}")));
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
