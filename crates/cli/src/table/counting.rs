//! MAE and its relatives.

use std::fmt::Write;

use wrs_eval::{CountErrors, CountMetrics};

/// Buckets or values of a table; the rest is counted.
const ROWS_SHOWN: usize = 40;

/// The numbers over all images, by true count, and by what the data set says of its images; `how` they were looked at.
pub fn table(metrics: &CountMetrics, how: &str) -> String {
    let m = metrics;
    let mut text = String::new();
    let interval = m
        .mae_interval
        .map_or_else(String::new, |of| format!("   other images of this kind: {:.2} to {:.2} (95 %)", of.low, of.high));
    let skipped = match m.images - m.nae_images {
        0 => "error by true count".to_owned(),
        empty => format!("error by true count; {empty} of {} images have nobody and are left out", m.images),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "MAE    {:>9.2}{interval}", m.mae);
    let _ = writeln!(text, "RMSE   {:>9.2}   the literature's \"MSE\": the root of the mean squared error", m.rmse);
    let _ = writeln!(text, "NAE    {:>9}   {skipped}", shown(m.nae, 4));
    let _ = writeln!(text, "bias   {:>+9.2}   counted less true, on average", m.bias);
    let _ = writeln!(text, "R²     {:>9}   share of the counts' variance explained", shown(m.r2, 4));
    if let Some(game) = m.game {
        let levels: Vec<String> = (0..).zip(game).map(|(level, error)| format!("GAME({level}) {error:.2}")).collect();
        let _ = writeln!(text, "\n{}   errors of 1, 4, 16 and 64 regions, added up", levels.join("  "));
    }
    let _ = writeln!(text, "\n{} images {how}; the truth is their number of points", m.images);
    part(&mut text, "people", m.buckets.iter().map(|bucket| (bucket.label.as_str(), &bucket.errors)));
    for (attribute, groups) in &m.groups {
        part(&mut text, attribute, groups.iter().map(|group| (named(&group.value), &group.errors)));
    }
    text
}

/// Errors by the rows of one split, and the mean of the rows' MAE, which NWPU-Crowd ranks by.
fn part<'m>(text: &mut String, what: &str, rows: impl ExactSizeIterator<Item = (&'m str, &'m CountErrors)>) {
    let all = rows.len();
    if all == 0 {
        return;
    }
    let _ = writeln!(text, "\n{what:<20} {:>7} {:>9} {:>9} {:>8}", "images", "MAE", "RMSE", "NAE");
    let (mut sum, mut counted) = (0.0, 0_u32);
    for (index, (label, errors)) in rows.enumerate() {
        if let Some(mae) = errors.mae {
            (sum, counted) = (sum + mae, counted + 1);
        }
        if index < ROWS_SHOWN {
            let [mae, rmse, nae] = [shown(errors.mae, 2), shown(errors.rmse, 2), shown(errors.nae, 4)];
            let _ = writeln!(text, "{label:<20} {:>7} {mae:>9} {rmse:>9} {nae:>8}", errors.images);
        }
    }
    if all > ROWS_SHOWN {
        let _ = writeln!(text, "… and {} rows more (--json has them all)", all - ROWS_SHOWN);
    }
    if counted > 1 {
        let _ = writeln!(text, "{:<28} {:>9.2}", format!("mean of {counted} rows"), sum / f64::from(counted));
    }
}

fn named(value: &str) -> &str {
    if value.is_empty() { "(not said)" } else { value }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("n/a".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wrs_eval::{Buckets, ImageCount};

    use super::*;

    fn counted(image: &str, predicted: f64, truth: f64, weather: Option<&str>) -> ImageCount {
        let groups = weather.map(|weather| ("weather".to_owned(), weather.to_owned())).into_iter().collect();
        let error = (predicted - truth).abs();
        ImageCount { image: image.to_owned(), predicted, truth, game: Some([error, 1.5 * error, 2.0 * error]), groups }
    }

    #[test]
    fn a_person_sees_every_number_and_what_it_is() {
        let images = [
            counted("a", 110.0, 100.0, Some("rain")),
            counted("b", 180.0, 200.0, Some("none")),
            counted("c", 3.0, 0.0, None),
            counted("d", 50.0, 50.0, Some("rain")),
        ];
        let mut metrics = CountMetrics::of(&images, &Buckets::Nwpu).unwrap();
        metrics.mae_interval = metrics.mae_interval.map(|of| wrs_eval::compare::Interval { low: 1.5, ..of });
        metrics.mae_interval = metrics.mae_interval.map(|of| wrs_eval::compare::Interval { high: 15.75, ..of });
        let expected = r#"MAE         8.25   other images of this kind: 1.50 to 15.75 (95 %)
RMSE       11.28   the literature's "MSE": the root of the mean squared error
NAE       0.0667   error by true count; 1 of 4 images have nobody and are left out
bias       -1.75   counted less true, on average
R²        0.9767   share of the counts' variance explained

GAME(0) 8.25  GAME(1) 8.25  GAME(2) 12.38  GAME(3) 16.50   errors of 1, 4, 16 and 64 regions, added up

4 images whole; the truth is their number of points

people                images       MAE      RMSE      NAE
0                          1      3.00      3.00      n/a
(0, 100]                   2      5.00      7.07   0.0500
(100, 500]                 1     20.00     20.00   0.1000
(500, 5000]                0       n/a       n/a      n/a
> 5000                     0       n/a       n/a      n/a
mean of 3 rows                    9.33

weather               images       MAE      RMSE      NAE
(not said)                 1      3.00      3.00      n/a
none                       1     20.00     20.00   0.1000
rain                       2      5.00      7.07   0.0500
mean of 3 rows                    9.33
"#;
        let got = table(&metrics, "whole");
        assert_eq!(got, expected, "\n{got}");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let one = ImageCount { game: None, groups: BTreeMap::new(), ..counted("a", 110.0, 100.0, None) };
        let text = table(&CountMetrics::of(&[one], &Buckets::None).unwrap(), "from files");
        assert!(!text.contains("GAME") && !text.contains("95 %") && !text.contains("people"), "{text}");
        assert!(
            text.contains("NAE       0.1000   error by true count\n") && text.contains("R²           n/a"),
            "{text}"
        );
    }
}
