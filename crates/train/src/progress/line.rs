//! The text of the progress line.

use std::time::Duration;

use super::Pace;

/// Where a training stands.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Epochs done.
    pub epoch: u64,
    /// Epochs in all, where the recipe counts them.
    pub epochs: Option<u64>,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps in all.
    pub steps: u64,
    /// Loss terms and whatever else is worth a glance.
    pub values: &'a [(&'a str, f64)],
    /// Learning rate of the step.
    pub lr: f64,
    /// Speed of the recent steps.
    pub pace: Pace,
    /// Largest resident set so far, in bytes.
    pub peak_memory: Option<u64>,
}

/// The progress line: `epoch 7/50  step 212/661  eta 2h40m  loss 0.4120  lr 8.860e-4  51.3 img/s  data 2%  1.9 GiB`.
///
/// A narrow terminal cuts its end, so what is looked at most comes first.
pub fn format_line(at: &Snapshot<'_>) -> String {
    let mut parts = vec![match at.epochs {
        Some(epochs) => format!("epoch {}/{epochs}", at.epoch),
        None => format!("epoch {}", at.epoch),
    }];
    parts.push(format!("step {}/{}", at.step, at.steps));
    let moving = at.pace.images_per_second > 0.0;
    if moving {
        let left = at.steps.saturating_sub(at.step) as f64;
        let eta = Duration::try_from_secs_f64(at.pace.step_time.as_secs_f64() * left).unwrap_or(Duration::MAX);
        parts.push(format!("eta {}", format_duration(eta)));
    }
    parts.extend(at.values.iter().map(|(name, value)| format!("{name} {}", format_value(*value))));
    parts.push(format!("lr {}", format_value(at.lr)));
    if moving {
        parts.push(format!("{:.1} img/s", at.pace.images_per_second));
        parts.push(format!("data {:.0}%", 100.0 * at.pace.data_share));
    }
    parts.extend(at.peak_memory.map(format_bytes));
    parts.join("  ")
}

/// Four digits; `-` for a term that had nothing to average.
pub fn format_value(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "-".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e4).contains(&size) {
        format!("{value:.3e}")
    } else {
        let decimals = (3.0 - size.log10().floor()).max(0.0) as usize;
        format!("{value:.decimals$}")
    }
}

/// `812 MiB`, `1.9 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    const MIB: f64 = (1u64 << 20) as f64;
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

/// `42s`, `3m12s`, `2h40m`, `3d04h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_all_of_it() {
        let snapshot = Snapshot {
            epoch: 7,
            epochs: Some(50),
            step: 212,
            steps: 661,
            values: &[("loss", 0.412), ("box", f64::NAN)],
            lr: 8.86e-4,
            pace: Pace { images_per_second: 51.34, data_share: 0.021, step_time: Duration::from_millis(1500) },
            peak_memory: Some(2_040_109_466),
        };
        assert_eq!(
            format_line(&snapshot),
            "epoch 7/50  step 212/661  eta 11m13s  loss 0.4120  box -  lr 8.860e-4  51.3 img/s  data 2%  1.9 GiB"
        );
        let start = Snapshot { epochs: None, pace: Pace::default(), values: &[], ..snapshot };
        assert_eq!(format_line(&start), "epoch 7  step 212/661  lr 8.860e-4  1.9 GiB");
    }

    #[test]
    fn values_have_four_digits() {
        let pairs = [
            (0.0, "0"),
            (0.001, "0.001000"),
            (0.41234, "0.4123"),
            (12.3456, "12.35"),
            (-1234.5, "-1234"),
            (12345.0, "1.234e4"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in pairs {
            assert_eq!(format_value(value), text);
        }
    }

    #[test]
    fn times_and_sizes_are_short() {
        let pairs = [(0, "0s"), (59, "59s"), (192, "3m12s"), (9600, "2h40m"), (273_600, "3d04h")];
        for (seconds, text) in pairs {
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(format_duration(Duration::MAX), "213503982334601d07h");
        assert_eq!((format_bytes(851_443_712), format_bytes(1 << 31)), ("812 MiB".into(), "2.0 GiB".into()));
    }
}
