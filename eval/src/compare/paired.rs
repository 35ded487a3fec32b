//! Means, standard deviations and Student's interval of paired differences.

use serde::{Deserialize, Serialize};
use statrs::function::beta::inv_beta_reg;

use crate::compare::Interval;

/// Student's interval of a mean difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TInterval {
    /// Its ends.
    #[serde(flatten)]
    pub interval: Interval,
    /// Degrees of freedom: pairs less one.
    pub degrees_of_freedom: usize,
}

/// The arithmetic mean; 0 of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The standard deviation with n - 1; `None` for fewer than two values.
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() >= 2).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// The interval `mean ± t sd / √n` of paired differences; `None` for fewer than two.
pub(crate) fn t_interval(differences: &[f64], confidence: f64) -> Option<TInterval> {
    let sd = standard_deviation(differences)?;
    let degrees_of_freedom = differences.len() - 1;
    let reach = two_sided_t(confidence, degrees_of_freedom as f64) * sd / (differences.len() as f64).sqrt();
    let centre = mean(differences);
    let interval = Interval { low: centre - reach, high: centre + reach };
    Some(TInterval { interval, degrees_of_freedom })
}

/// The t that a variable of Student's distribution exceeds in size with probability `1 - confidence`, from
/// `P(|T| > t) = I_x(ν/2, 1/2)` at `x = ν / (ν + t²)`, the regularised incomplete beta function.
fn two_sided_t(confidence: f64, degrees_of_freedom: f64) -> f64 {
    let x = inv_beta_reg(degrees_of_freedom / 2.0, 0.5, 1.0 - confidence);
    (degrees_of_freedom * (1.0 - x) / x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_tables() {
        // Two-sided confidence, degrees of freedom, t; solved with 40 digits by mpmath 1.3.0.
        let table = [
            (0.5, 1.0, 1.0),
            (0.95, 1.0, 12.706_204_736_175),
            (0.99, 1.0, 63.656_741_162_872),
            (0.999, 1.0, 636.619_248_768_79),
            (0.8, 2.0, 1.885_618_083_164_1),
            (0.95, 2.0, 4.302_652_729_749_5),
            (0.99, 2.0, 9.924_843_200_918_3),
            (0.95, 3.0, 3.182_446_305_283_7),
            (0.999, 3.0, 12.923_978_636_688),
            (0.95, 4.0, 2.776_445_105_197_8),
            (0.99, 4.0, 4.604_094_871_350_0),
            (0.95, 7.0, 2.364_624_251_592_8),
            (0.9, 9.0, 1.833_112_932_656_2),
            (0.95, 29.0, 2.045_229_642_132_7),
            (0.95, 99.0, 1.984_216_951_586_4),
        ];
        for (confidence, df, expected) in table {
            let got = two_sided_t(confidence, df);
            assert!((got - expected).abs() < 1e-9 * expected, "{confidence}, {df}: got {got}, expected {expected}");
        }
    }

    #[test]
    fn an_interval_worked_by_hand() {
        // Differences 1, 2, 3, 4, 5: mean 3, sd √2.5, standard error √0.5.
        let t = t_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        let reach = 2.776_445_105_197_8 * 0.5_f64.sqrt();
        assert_eq!(t.degrees_of_freedom, 4);
        assert!((t.interval.low - (3.0 - reach)).abs() < 1e-9, "{t:?}");
        assert!((t.interval.high - (3.0 + reach)).abs() < 1e-9, "{t:?}");
    }

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!((standard_deviation(&[0.3]), t_interval(&[0.3], 0.95)), (None, None));
        assert_eq!((mean(&[]), mean(&[0.25, 0.75]), standard_deviation(&[0.5, 0.5])), (0.0, 0.5, Some(0.0)));
    }
}
