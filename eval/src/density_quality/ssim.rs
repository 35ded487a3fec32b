//! The structural similarity index (Wang, Bovik, Sheikh, Simoncelli 2004).

use crate::density_grid::{DensityGrid, GridError};

/// Cells along either side of the Gaussian window.
const WINDOW: usize = 11;
/// The window's standard deviation in cells.
const SIGMA: f64 = 1.5;
/// The constants of luminance and contrast, of a peak of 1.
const K: [f64; 2] = [0.01, 0.03];

/// Means that a window takes.
const MEANS: usize = 5;

/// The structural similarity with the Gaussian window of 11 cells and sigma 1.5, moments of the population, the truth's
/// largest density as the peak, averaged over the windows that lie inside; `None` of maps that hold no window, and of a truth
/// without a positive density.
///
/// # Errors
/// [`GridError::Sizes`].
pub fn ssim(truth: &DensityGrid<'_>, predicted: &DensityGrid<'_>) -> Result<Option<f64>, GridError> {
    truth.require_size_of(predicted)?;
    let (height, width, peak) = (truth.height(), truth.width(), truth.peak());
    if height.min(width) < WINDOW || peak <= 0.0 {
        return Ok(None);
    }
    let window = window();
    let constants = K.map(|k| (k * peak).powi(2));
    let mut rows: Vec<Vec<[f64; MEANS]>> = Vec::with_capacity(WINDOW);
    let (mut sum, mut windows) = (0.0, 0_usize);
    for (truth, predicted) in truth.cells().chunks_exact(width).zip(predicted.cells().chunks_exact(width)) {
        if rows.len() == WINDOW {
            rows.remove(0);
        }
        rows.push(filtered_row(truth, predicted, &window));
        if rows.len() == WINDOW {
            for column in 0..rows[0].len() {
                let column = rows.iter().map(|row| row[column]);
                sum += similarity(&weighted(column, &window), constants);
                windows += 1;
            }
        }
    }
    Ok(Some(sum / windows as f64))
}

/// Weights of a Gaussian that add up to one.
fn window() -> [f64; WINDOW] {
    let weight = |at: usize| (-(at as f64 - (WINDOW / 2) as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let all: f64 = (0..WINDOW).map(weight).sum();
    std::array::from_fn(|at| weight(at) / all)
}

/// Along a row, the weighted means of truth `x` and prediction `y`: of x, y, x², y² and xy.
fn filtered_row(truth: &[f32], predicted: &[f32], window: &[f64; WINDOW]) -> Vec<[f64; MEANS]> {
    let moments = |(&x, &y): (&f32, &f32)| {
        let (x, y) = (f64::from(x), f64::from(y));
        [x, y, x * x, y * y, x * y]
    };
    let row: Vec<[f64; MEANS]> = truth.iter().zip(predicted).map(moments).collect();
    row.windows(WINDOW).map(|cells| weighted(cells.iter().copied(), window)).collect()
}

fn weighted(values: impl Iterator<Item = [f64; MEANS]>, window: &[f64; WINDOW]) -> [f64; MEANS] {
    let mut sums = [0.0; MEANS];
    for (values, weight) in values.zip(window) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
    }
    sums
}

fn similarity([x, y, xx, yy, xy]: &[f64; MEANS], [c1, c2]: [f64; 2]) -> f64 {
    let (variances, covariance) = (xx - x * x + yy - y * y, xy - x * y);
    (2.0 * x * y + c1) * (2.0 * covariance + c2) / ((x * x + y * y + c1) * (variances + c2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(height: usize, width: usize, truth: &[f32], predicted: &[f32]) -> Option<f64> {
        let grid = |cells| DensityGrid::new(height, width, cells).unwrap();
        ssim(&grid(truth), &grid(predicted)).unwrap()
    }

    #[test]
    fn the_window_is_the_gaussian_of_the_paper() {
        let window = window();
        // exp(-k^2 / 4.5) by their sum 3.7592: the centre 0.26601, the ends 0.00103.
        assert!((window[5] - 0.266_011_7).abs() < 1e-6 && (window[0] - 0.001_028_4).abs() < 1e-6, "{window:?}");
        assert!((window.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_map_is_like_itself() {
        let cells: Vec<f32> = (0..13 * 12).map(|at| (at * 7 % 10) as f32).collect();
        let same = of(13, 12, &cells, &cells).unwrap();
        assert!((same - 1.0).abs() < 1e-12, "{same}");
    }

    #[test]
    fn flat_maps_differ_in_luminance_alone() {
        // Variances are 0, so that (2 * 2 * 1 + c1) / (4 + 1 + c1) is left, c1 = (0.01 * 2)^2.
        let got = of(11, 11, &[2.0; 121], &[1.0; 121]).unwrap();
        assert!((got - 4.0004 / 5.0004).abs() < 1e-9, "{got}");
    }

    #[test]
    fn one_window_worked_by_hand() {
        // One cell of 1 in the centre, which weighs w = window[5]^2, against nothing: means w and 0, variance w - w^2.
        let mut truth = [0.0; 121];
        truth[60] = 1.0;
        let w = window()[5].powi(2);
        let (c1, c2) = (1e-4, 9e-4);
        let expected = c1 * c2 / ((w * w + c1) * (w - w * w + c2));
        let got = of(11, 11, &truth, &[0.0; 121]).unwrap();
        assert!((got - expected).abs() < 1e-12, "{got} and {expected}");
        // The scale of both maps changes nothing.
        let scaled = of(11, 11, &truth.map(|cell| cell * 0.125), &[0.0; 121]).unwrap();
        assert!((scaled - expected).abs() < 1e-12, "{scaled}");
    }

    #[test]
    fn maps_without_a_window_and_empty_truths_have_none() {
        assert_eq!(of(10, 30, &[1.0; 300], &[1.0; 300]), None);
        assert_eq!(of(11, 11, &[0.0; 121], &[1.0; 121]), None);
        let (a, b) = ([0.0; 121], [0.0; 132]);
        assert!(ssim(&DensityGrid::new(11, 11, &a).unwrap(), &DensityGrid::new(12, 11, &b).unwrap()).is_err());
    }
}
