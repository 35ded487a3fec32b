//! The definition, written down: every share of every point, in f64.

use super::{Annotation, Background, BayesianConfig};

/// All the shares, a row for each point and one for the background behind them.
pub(super) struct Dense {
    pub(super) shares: Vec<Vec<f64>>,
    targets: Vec<f64>,
    has_background: bool,
}

impl Dense {
    pub(super) fn new(config: &BayesianConfig, grid: [usize; 2], stride: usize, annotation: &Annotation) -> Self {
        let Annotation { points, targets, shorter_side_px } = annotation;
        let has_background = config.background != Background::None && !points.is_empty();
        let rows = points.len() + usize::from(has_background);
        let mut shares = vec![vec![0.0; grid[0] * grid[1]]; rows];
        for cell in 0..grid[0] * grid[1] {
            let [y, x] = [cell / grid[1], cell % grid[1]].map(|i| (stride * i) as f64 + stride as f64 / 2.0);
            let mut squared: Vec<f64> = points.iter().map(|p| (p.x - x).powi(2) + (p.y - y).powi(2)).collect();
            let nearest = squared.iter().copied().fold(f64::INFINITY, f64::min);
            let (r, side) = (nearest.sqrt(), shorter_side_px);
            match config.background {
                _ if points.is_empty() => {}
                Background::None => {}
                Background::Legacy { ratio } => squared.push((ratio * side - r).powi(2)),
                Background::Current { ratio } => squared.push((ratio * side).powi(2) / (nearest + 1e-5)),
                Background::NoisyCc { ratio, alpha } => {
                    let spread = (config.sigma_px.powi(2) + alpha.powi(2)).sqrt();
                    squared.push((ratio * side * (-r / spread).exp()).powi(2));
                }
            }
            let least = squared.iter().copied().fold(f64::INFINITY, f64::min);
            let terms: Vec<f64> =
                squared.iter().map(|s| ((least - s) / (2.0 * config.sigma_px.powi(2))).exp()).collect();
            let sum: f64 = terms.iter().sum();
            shares.iter_mut().zip(terms).for_each(|(row, term)| row[cell] = term / sum);
        }
        Self { shares, targets: targets.clone(), has_background }
    }

    /// Of every point, and of the background behind them.
    pub(super) fn expectations(&self, density: &[f32]) -> Vec<f64> {
        let expected = |row: &Vec<f64>| row.iter().zip(density).map(|(p, d)| p * f64::from(*d)).sum();
        self.shares.iter().map(expected).collect()
    }

    /// The loss and its gradient.
    pub(super) fn loss(&self, density: &[f32], weight: f64) -> (f64, Vec<f64>) {
        let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
        if self.targets.is_empty() {
            let sum: f64 = density.iter().map(|d| f64::from(*d)).sum();
            return (sum.abs(), vec![weight * sign(sum); density.len()]);
        }
        let mut targets = self.targets.clone();
        targets.extend(self.has_background.then_some(0.0));
        let expected = self.expectations(density);
        let surplus: Vec<f64> = expected.iter().zip(&targets).map(|(e, t)| e - t).collect();
        let pull = |cell: usize| self.shares.iter().zip(&surplus).map(|(row, s)| sign(*s) * row[cell]).sum::<f64>();
        (surplus.iter().map(|s| s.abs()).sum(), (0..density.len()).map(|cell| weight * pull(cell)).collect())
    }
}
