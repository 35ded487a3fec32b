//! The rule that judges: how far from f64 PyTorch may a number be, measured by how far PyTorch's own f32 runs are.

use std::fmt;

/// PyTorch's own f32 error, times this, is the bound of a number.
const FACTOR: f64 = 4.0;

/// One key in a hundred may reach this factor.
const OUTLIER_FACTOR: f64 = 10.0;

/// Share of the keys that may be outliers.
const OUTLIER_SHARE: f64 = 0.01;

/// No bound is tighter than this: f32 has 24 bits.
const LEAST_BOUND: f64 = 1e-5;

/// Outputs and statistics, when transformed convolutions (Winograd) are allowed.
const FAST_OUTPUT_BOUND: f64 = 3e-4;

/// Gradients, when transformed convolutions are allowed: this many times the strict bound.
const FAST_GRADIENT_FACTOR: f64 = 10.0;

/// What a number is, for the looser rule of transformed convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// An output, a loss or a running statistic.
    Output,
    /// A gradient.
    Gradient,
}

/// How strictly to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Direct kernels.
    Exact,
    /// Transformed convolutions are allowed.
    Fast,
}

impl Strictness {
    /// The bound of a number whose own PyTorch f32 error is `f32_error`.
    pub fn bound(self, quantity: Quantity, f32_error: f64) -> f64 {
        let strict = (FACTOR * f32_error).max(LEAST_BOUND);
        match (self, quantity) {
            (Self::Exact, _) => strict,
            (Self::Fast, Quantity::Output) => strict.max(FAST_OUTPUT_BOUND),
            (Self::Fast, Quantity::Gradient) => FAST_GRADIENT_FACTOR * strict,
        }
    }
}

/// One number of a golden beside ours.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its key in the golden.
    pub key: String,
    /// Its group in the report.
    pub group: String,
    /// The relative error, as the golden's script defines it.
    pub error: f64,
    /// What the rule allows.
    pub bound: f64,
}

impl Finding {
    /// Error over bound; a number that is not finite is infinitely far.
    pub fn ratio(&self) -> f64 {
        if self.error.is_finite() { self.error / self.bound } else { f64::INFINITY }
    }
}

/// All numbers of a golden.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the golden's order.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the rule holds: every number within its bound, but for one in a hundred up to 10/4 of it.
    pub fn passes(&self) -> bool {
        let over = self.findings.iter().filter(|f| f.ratio() > 1.0).count();
        let far = self.findings.iter().any(|f| f.ratio() > OUTLIER_FACTOR / FACTOR);
        !self.findings.is_empty() && !far && over as f64 <= OUTLIER_SHARE * self.findings.len() as f64
    }

    /// The numbers over their bound, the farthest first.
    pub fn broken(&self) -> Vec<&Finding> {
        let mut over: Vec<_> = self.findings.iter().filter(|f| f.ratio() > 1.0).collect();
        over.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
        over
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<&str> = self.findings.iter().map(|x| x.group.as_str()).collect();
        groups.dedup();
        groups.sort_unstable();
        groups.dedup();
        writeln!(f, "{:<14} {:>6} {:>14} {:>14}  at", "group", "keys", "largest error", "of its bound")?;
        for group in groups {
            let own: Vec<_> = self.findings.iter().filter(|x| x.group == group).collect();
            let largest = own.iter().map(|x| x.error).fold(0.0, f64::max);
            let Some(worst) = own.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio())) else { continue };
            writeln!(f, "{group:<14} {:>6} {largest:>14.2e} {:>14.2}  {}", own.len(), worst.ratio(), worst.key)?;
        }
        let over = self.broken();
        writeln!(f, "{} keys, {} over the bound", self.findings.len(), over.len())?;
        for x in over.iter().take(10) {
            writeln!(f, "  {}: error {:.2e}, bound {:.2e}", x.key, x.error, x.bound)?;
        }
        write!(f, "{}", if self.passes() { "the rule holds" } else { "the rule is BROKEN" })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // bounds are the constants themselves
mod tests {
    use super::*;

    fn report(ratios: &[f64]) -> Report {
        let finding = |r: &f64| Finding { key: String::new(), group: String::new(), error: *r, bound: 1.0 };
        Report { findings: ratios.iter().map(finding).collect() }
    }

    #[test]
    fn one_in_a_hundred_may_be_an_outlier_and_none_far_away() {
        let mut ratios = vec![0.5; 100];
        assert!(report(&ratios).passes());
        ratios[3] = 2.4;
        assert!(report(&ratios).passes());
        ratios[4] = 1.1;
        assert!(!report(&ratios).passes());
        ratios[4] = 0.5;
        ratios[3] = 2.6;
        assert!(!report(&ratios).passes());
        ratios[3] = f64::NAN;
        assert!(!report(&ratios).passes());
        assert!(!report(&[]).passes());
    }

    #[test]
    fn bounds_are_those_of_the_rule() {
        assert_eq!(Strictness::Exact.bound(Quantity::Output, 1e-7), 1e-5);
        assert_eq!(Strictness::Exact.bound(Quantity::Gradient, 1e-3), 4e-3);
        assert_eq!(Strictness::Fast.bound(Quantity::Output, 1e-7), 3e-4);
        assert_eq!(Strictness::Fast.bound(Quantity::Gradient, 1e-3), 4e-2);
    }
}
