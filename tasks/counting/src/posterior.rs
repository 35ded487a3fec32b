//! The posterior of the Bayesian loss: whose people are those of a cell?
//!
//! Ma, Wei, Hong, Gong, "Bayesian Loss for Crowd Count Estimation with Point Supervision" (ICCV 2019), section 3: every
//! point spreads a Gaussian, and a cell belongs to the points in proportion to what they give it.  What a point may expect
//! of a density map is the sum over the cells of its share times their density.
//!
//! A crop of 512 with 4000 points has 16 million shares, nearly all of them 0.  So the shares lie here cell by cell, as far
//! as they matter, and are found through a grid of buckets.  They depend on the annotation alone: the loader's workers make
//! them, nothing is differentiated through them.
//!
//! Legend: `N` points, `h w` cells, `m` a cell, `r²` squared distances from its centre in pixels, `D` density, `E` what a
//! point expects, `P` shares.

mod background;
mod buckets;
mod rows;
#[cfg(test)]
mod tests;

pub use background::{Background, BayesianConfig};

use wrs_datasets::PointXy;

use buckets::Buckets;
use rows::{Row, Rows};

/// Further than any point of a picture may lie from it, in pixels.
const FARTHEST: f64 = 1e9;

/// The points of one crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// In pixels of the crop; they may lie outside of it.
    pub points: Vec<PointXy>,
    /// The people each stands for: 1, or the part of a head that the crop shows.
    pub targets: Vec<f64>,
    /// The shorter side of the whole picture as the network sees it, not of the crop.
    pub shorter_side_px: f64,
}

/// The shares of points, and of a background, in the cells of one crop.
///
/// A share is left out if it is under 1e-8, or under 1e-6 over the number of points where these are more than a hundred: a
/// cell loses at most a millionth of itself, and the rest is scaled to sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    targets: Vec<f64>,
    cells: usize,
    rows: Rows,
    /// The background's share of every cell; empty without a background or without points.
    background: Vec<f32>,
}

impl Posterior {
    /// Finds the shares of every cell, whose centres lie at `stride * i + stride / 2` in both axes.
    ///
    /// A point that lies nowhere (a coordinate that is not finite) or lacks a target makes the loss NaN, which ends a training
    /// with the picture's name.
    ///
    /// # Shapes
    /// `grid`: `[h, w]`.
    pub fn new(config: &BayesianConfig, grid: [usize; 2], stride: usize, annotation: &Annotation) -> Self {
        let Annotation { points, targets, .. } = annotation;
        let lies_somewhere = |point: &PointXy| [point.x, point.y].iter().all(|v| v.abs() <= FARTHEST);
        let target = |n: usize| targets.get(n).copied().filter(|_| lies_somewhere(&points[n]));
        let targets = (0..points.len()).map(|n| target(n).unwrap_or(f64::NAN)).collect();
        let cells = grid[0] * grid[1];
        let mut posterior = Self { targets, cells, rows: Rows::default(), background: Vec::new() };
        if points.iter().any(lies_somewhere) {
            posterior.fill(config, grid, stride as f64, annotation);
        }
        posterior
    }

    fn fill(&mut self, config: &BayesianConfig, grid: [usize; 2], stride: f64, annotation: &Annotation) {
        let Annotation { points, shorter_side_px, .. } = annotation;
        let buckets = Buckets::new(points, grid.map(|cells| cells as f64 * stride), 2.0 * config.sigma_px);
        let mut row = Row::new(points.len(), config.sigma_px);
        let centre = |i: usize| (i as f64 + 0.5) * stride;
        // What is near a cell is near the next one, too: there the search for its nearest point begins.
        let mut near_row = None;
        for y in 0..grid[0] {
            let mut near = near_row;
            for x in 0..grid[1] {
                let at = PointXy { x: centre(x), y: centre(y) };
                let place = buckets.nearest(at, near);
                near = Some(place);
                if x == 0 {
                    near_row = near;
                }
                let nearest = buckets.squared_distance(place, at);
                let background = config.background.squared_distance(nearest, config.sigma_px, *shorter_side_px);
                self.background.extend(row.find(&buckets, at, nearest, background));
                self.rows.push(&row);
            }
        }
        self.rows.shrink();
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The people each point stands for, in the order of the annotation.
    pub fn targets(&self) -> &[f64] {
        &self.targets
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let floats = self.background.capacity() * size_of::<f32>() + self.targets.capacity() * size_of::<f64>();
        self.rows.heap_bytes() + floats
    }

    /// What each point, and the background, may expect of a density map; no background without points.
    ///
    /// # Shapes
    /// `density` `[h, w]`.
    pub fn expectations(&self, density: &[f32]) -> (Vec<f64>, Option<f64>) {
        let mut expected = vec![0.0; self.targets.len()];
        for (row, &density) in self.rows.iter().zip(density) {
            for (point, share) in row {
                expected[point] += f64::from(density) * f64::from(share);
            }
        }
        let shares = self.background.iter().zip(density);
        let background = shares.map(|(&share, &density)| f64::from(share) * f64::from(density)).sum();
        (expected, (!self.background.is_empty()).then_some(background))
    }

    /// `sum_n |t_n - E_n| + |E_background|`, or `|sum D|` of a crop without points, and the gradient of `weight` times it.
    ///
    /// The derivative of a modulus at 0 is 0.
    ///
    /// # Shapes
    /// `density` and `gradient` `[h, w]`.
    pub fn loss(&self, density: &[f32], gradient: &mut [f32], weight: f64) -> f64 {
        debug_assert!(density.len() == self.cells && gradient.len() == self.cells);
        if self.targets.is_empty() {
            let sum = density.iter().map(|&d| f64::from(d)).sum::<f64>();
            gradient.fill((weight * sign(sum)) as f32);
            return sum.abs();
        }
        let (expected, background) = self.expectations(density);
        let surplus: Vec<f64> = expected.iter().zip(&self.targets).map(|(e, t)| e - t).collect();
        let signs: Vec<f64> = surplus.iter().copied().map(sign).collect();
        gradient.fill(0.0);
        let background_sign = background.map_or(0.0, sign);
        for (cell, (gradient, row)) in gradient.iter_mut().zip(self.rows.iter()).enumerate() {
            let background = self.background.get(cell).map_or(0.0, |&share| background_sign * f64::from(share));
            let points: f64 = row.map(|(point, share)| signs[point] * f64::from(share)).sum();
            *gradient = (weight * (points + background)) as f32;
        }
        surplus.iter().map(|surplus| surplus.abs()).sum::<f64>() + background.map_or(0.0, f64::abs)
    }
}

/// 1, -1, or 0 at 0; NaN of NaN.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
