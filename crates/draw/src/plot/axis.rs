//! One axis: its range, where values fall on it, and its ticks.

use crate::plot::Scale;

/// Larger values are taken for infinite: their differences may overflow.
const LARGEST: f64 = 1e300;
/// Smaller values are taken for 0: powers of ten lose digits there.
const SMALLEST: f64 = 1e-290;
/// Values closer together than this part of their size are drawn as one.
const FLAT: f64 = 1e-6;
/// Powers of ten closer together than this are drawn as one.
const FLAT_DECADES: f64 = 1e-6;
/// About so many ticks.
const TICKS: f64 = 5.0;

/// A range of values and how it maps to 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    scale: Scale,
    /// Ends, after the logarithm where there is one.
    low: f64,
    high: f64,
}

/// A tick at a share of the axis' length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub share: f64,
    pub label: String,
}

/// The number `mantissa * 10^exponent`, exact where a float is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    mantissa: i64,
    exponent: i32,
}

impl Scale {
    /// Whether a value has a place on an axis of this scale.
    pub(super) fn holds(self, value: f64) -> bool {
        value.abs() <= LARGEST && (self == Self::Linear || value >= SMALLEST)
    }

    fn forward(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log10 => value.log10(),
        }
    }
}

impl Axis {
    /// The axis from the least to the greatest of the values it holds, and `padding` of that length beyond either end;
    /// `None` if it holds none.
    pub fn new(values: impl Iterator<Item = f64>, scale: Scale, padding: f64) -> Option<Self> {
        let places = values.filter(|&value| scale.holds(value)).map(|value| scale.forward(value));
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        let size = low.abs().max(high.abs());
        let least = match scale {
            Scale::Linear => (FLAT * size).max(SMALLEST),
            Scale::Log10 => FLAT_DECADES,
        };
        let beyond = match scale {
            _ if high - low > least => padding * (high - low),
            Scale::Linear if size > SMALLEST => 0.05 * size,
            Scale::Linear => 1.0,
            Scale::Log10 => 0.15,
        };
        Some(Self { scale, low: low - beyond, high: high + beyond })
    }

    /// Where a value that the scale holds falls: 0 at the lower end, 1 at the upper.
    pub fn share(&self, value: f64) -> f64 {
        self.share_of(self.scale.forward(value))
    }

    fn share_of(&self, place: f64) -> f64 {
        (place - self.low) / (self.high - self.low)
    }

    /// Ticks at round numbers, ascending.
    pub fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.at(&round_numbers(self.low, self.high), Notation::of_axis),
            Scale::Log10 => self.log_ticks(),
        }
    }

    fn log_ticks(&self) -> Vec<Tick> {
        // The padding may reach beyond the numbers that there are.
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let (first, last) = (first.max(f64::MIN_10_EXP), last.min(f64::MAX_10_EXP));
        let decades = last - first + 1;
        if decades >= 2 {
            let stride = (f64::from(decades) / (TICKS + 1.0)).ceil() as i32;
            let powers = (first..=last).filter(|power| power.rem_euclid(stride) == 0);
            let powers: Vec<Decimal> = powers.map(|exponent| Decimal { mantissa: 1, exponent }).collect();
            return self.at(&powers, Notation::of_each);
        }
        for mantissas in [&[1, 2, 5][..], &[1, 2, 3, 4, 5, 6, 7, 8, 9]] {
            let within = |exponent: i32| {
                let decimals = mantissas.iter().map(move |&mantissa| Decimal { mantissa, exponent });
                decimals.filter(|decimal| (0.0..=1.0).contains(&self.share(decimal.value())))
            };
            let found: Vec<Decimal> = (first - 1..=last + 1).flat_map(within).collect();
            if found.len() >= 2 {
                return self.at(&found, Notation::of_each);
            }
        }
        self.at(&round_numbers(10_f64.powf(self.low), 10_f64.powf(self.high).min(f64::MAX)), Notation::of_axis)
    }

    fn at(&self, decimals: &[Decimal], notation: fn(&[Decimal], Decimal) -> Notation) -> Vec<Tick> {
        let tick = |&decimal: &Decimal| {
            let label = decimal.label(notation(decimals, decimal));
            Tick { share: self.share(decimal.value()), label }
        };
        decimals.iter().map(tick).collect()
    }
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Plain,
    Scientific,
}

impl Notation {
    /// One notation for all ticks, by the largest.
    fn of_axis(decimals: &[Decimal], _: Decimal) -> Self {
        let magnitude = decimals.iter().filter_map(|decimal| decimal.magnitude()).max();
        if magnitude.is_none_or(|m| (-3..6).contains(&m)) { Self::Plain } else { Self::Scientific }
    }

    /// A notation for each tick, as powers of ten go far apart.
    fn of_each(_: &[Decimal], decimal: Decimal) -> Self {
        if decimal.magnitude().is_none_or(|m| (-2..4).contains(&m)) { Self::Plain } else { Self::Scientific }
    }
}

impl Decimal {
    fn value(self) -> f64 {
        // A division by a power of ten rounds once, a product with its inverse twice.
        let power = 10_f64.powi(self.exponent.abs());
        if self.exponent < 0 && power.is_finite() {
            self.mantissa as f64 / power
        } else {
            self.mantissa as f64 * 10_f64.powi(self.exponent)
        }
    }

    /// The exponent of its first digit; `None` for 0.
    fn magnitude(self) -> Option<i32> {
        Some(self.exponent + self.mantissa.unsigned_abs().checked_ilog10()? as i32)
    }

    fn label(self, notation: Notation) -> String {
        match (self.magnitude(), notation) {
            (None, _) => "0".to_owned(),
            (Some(_), Notation::Plain) => format!("{:.*}", self.exponent.min(0).unsigned_abs() as usize, self.value()),
            (Some(magnitude), Notation::Scientific) => {
                let digits = self.mantissa.unsigned_abs().to_string();
                let (first, rest) = digits.split_at(1);
                let rest = rest.trim_end_matches('0');
                let sign = if self.mantissa < 0 { "-" } else { "" };
                let point = if rest.is_empty() { "" } else { "." };
                format!("{sign}{first}{point}{rest}e{magnitude}")
            }
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten within a range that is wider than [`FLAT`] of its size.
fn round_numbers(low: f64, high: f64) -> Vec<Decimal> {
    let wanted = (high - low) / TICKS;
    let exponent = wanted.log10().floor() as i32;
    let unit = 10_f64.powi(exponent);
    let (base, exponent) = match wanted / unit {
        part if part <= 1.0 => (1, exponent),
        part if part <= 2.0 => (2, exponent),
        part if part <= 5.0 => (5, exponent),
        _ => (1, exponent + 1),
    };
    let step = Decimal { mantissa: base, exponent }.value();
    // Half a millionth of a step is rounding: an end that is a round number keeps its tick.
    let first = (low / step - 5e-7).ceil() as i64;
    let last = (high / step + 5e-7).floor() as i64;
    (first..=last).map(|multiple| Decimal { mantissa: multiple * base, exponent }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(values: &[f64], scale: Scale, padding: f64) -> Vec<String> {
        let axis = Axis::new(values.iter().copied(), scale, padding).unwrap();
        axis.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let linear = |values: &[f64]| labels(values, Scale::Linear, 0.0).join(" ");
        assert_eq!(linear(&[0.0, 2200.0]), "0 500 1000 1500 2000");
        assert_eq!(linear(&[0.0, 1.0]), "0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(linear(&[-0.3, 0.7]), "-0.2 0 0.2 0.4 0.6");
        assert_eq!(linear(&[0.000_1, 0.000_62]), "2e-4 4e-4 6e-4");
        assert_eq!(linear(&[0.0, 2.5e6]), "0 5e5 1e6 1.5e6 2e6 2.5e6");
        assert_eq!(linear(&[-2e7, 0.0]), "-2e7 -1.5e7 -1e7 -5e6 0");
        assert_eq!(linear(&[61.17, 61.23]), "61.18 61.20 61.22");
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_where_there_are_two() {
        let log = |values: &[f64]| labels(values, Scale::Log10, 0.0).join(" ");
        assert_eq!(log(&[0.001, 1000.0]), "0.01 1 100");
        assert_eq!(log(&[3e-8, 2e-5]), "1e-7 1e-6 1e-5");
        assert_eq!(log(&[1e-12, 1.0]), "1e-12 1e-9 1e-6 1e-3 1");
        assert_eq!(log(&[0.9, 6.0]), "1 2 5");
        assert_eq!(log(&[2.5, 4.5]), "3 4");
        assert_eq!(log(&[61.17, 61.29]), "61.20 61.25");
        assert_eq!(log(&[0.0, -3.0, f64::NAN, 10.0, 1000.0]), "10 100 1000");
    }

    #[test]
    fn values_fall_where_they_should() {
        let linear = Axis::new([2.0, 4.0].into_iter(), Scale::Linear, 0.5).unwrap();
        assert_eq!([1.0, 2.0, 5.0].map(|v| linear.share(v).to_bits()), [0.0, 0.25, 1.0].map(f64::to_bits));
        let log = Axis::new([1.0, 10_000.0].into_iter(), Scale::Log10, 0.0).unwrap();
        assert!((log.share(10.0) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn one_value_lies_in_the_middle() {
        for (value, scale) in [(3.0, Scale::Linear), (0.0, Scale::Linear), (-1e9, Scale::Linear), (4e-7, Scale::Log10)]
        {
            let axis = Axis::new([value, value].into_iter(), scale, 0.05).unwrap();
            assert!((axis.share(value) - 0.5).abs() < 1e-9, "{value}");
            assert!(axis.ticks().len() >= 2, "{value}: {:?}", axis.ticks());
        }
        assert_eq!(Axis::new([f64::NAN, f64::INFINITY].into_iter(), Scale::Linear, 0.0), None);
        assert_eq!(Axis::new([0.0, -1.0].into_iter(), Scale::Log10, 0.0), None);
    }

    #[test]
    fn ticks_end_where_numbers_do() {
        let axis = Axis::new([2.3, 4.3e285].into_iter(), Scale::Log10, 0.163).unwrap();
        assert!(axis.ticks().iter().all(|tick| (0.0..=1.0).contains(&tick.share)), "{:?}", axis.ticks());
        for values in [[LARGEST, LARGEST], [SMALLEST, SMALLEST], [SMALLEST, LARGEST]] {
            let axis = Axis::new(values.into_iter(), Scale::Log10, 0.19).unwrap();
            assert!(axis.ticks().iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&tick.share)), "{:?}", axis.ticks());
        }
    }

    proptest! {
        #[test]
        fn ticks_are_few_and_inside(
            values in prop::collection::vec(prop_oneof![any::<f64>(), -10.0..10.0_f64, Just(0.0)], 1..6),
            logarithmic in any::<bool>(), padding in 0.0..0.2_f64,
        ) {
            let scale = if logarithmic { Scale::Log10 } else { Scale::Linear };
            if let Some(axis) = Axis::new(values.iter().copied(), scale, padding) {
                let ticks = axis.ticks();
                prop_assert!((2..=12).contains(&ticks.len()), "{:?}: {:?}", values, ticks);
                prop_assert!(ticks.iter().all(|t| (-1e-6..=1.0 + 1e-6).contains(&t.share)), "{:?}: {:?}", values, ticks);
                prop_assert!(ticks.windows(2).all(|pair| pair[0].share < pair[1].share && pair[0].label != pair[1].label), "{:?}: {:?}", values, ticks);
                for value in values.into_iter().filter(|&v| scale.holds(v)) {
                    prop_assert!((-1e-9..=1.0 + 1e-9).contains(&axis.share(value)));
                }
            }
        }
    }
}
