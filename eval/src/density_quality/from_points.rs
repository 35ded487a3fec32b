//! A density map drawn from points, to compare predicted ones with.

use statrs::function::erf::erf;

/// How wide the Gaussian of a point is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KernelWidth {
    /// This sigma in pixels of the input.
    Fixed(f64),
    /// 0.3 of the mean distance to the three nearest other points, or as many as there are; a point alone has a quarter of the
    /// picture's mean side (Zhang et al. 2016, and CSRNet's preparation).
    Adaptive,
}

/// The sigma of [`KernelWidth::Adaptive`] by the mean distance to the nearest points.
const BETA: f64 = 0.3;
/// Nearest points that the mean is over.
const NEIGHBOURS: usize = 3;
/// Sigmas beyond which a Gaussian is cut off; it is divided by what is left.
const REACH: f64 = 4.0;
/// The narrowest Gaussian in cells: points that lie on each other have no distance.
const NARROWEST: f64 = 1e-3;

/// What no density map can be drawn of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PointFault {
    /// A point that is no place.
    #[error("point {index}: expected finite coordinates, got ({x}, {y})")]
    NotFinite {
        /// Its position, from 0.
        index: usize,
        /// Pixels from the left.
        x: f64,
        /// Pixels from the top.
        y: f64,
    },
    /// A width that is none.
    #[error("expected a sigma of more than 0 pixels, got {0}")]
    Sigma(f64),
}

/// The density map of points: a Gaussian each, integrated over the cells, cut off at the map's borders and then divided by
/// what is left of it, so that the sum is the number of points up to the rounding of `f32`.
///
/// Points add up where they meet.  One beyond the map is moved to its border, as a network that leaves out the last pixels of
/// a picture must count it there.  A map without cells holds nobody.
///
/// # Shapes
/// `points`: `(x, y)` in pixels of the input, of which a cell has `stride x stride`, at least 1.  Out: `[height, width]`.
///
/// # Errors
/// [`PointFault`].
pub fn density_of_points(
    points: &[(f64, f64)],
    (height, width): (usize, usize),
    stride: usize,
    kernel: KernelWidth,
) -> Result<Vec<f32>, PointFault> {
    if let Some((index, &(x, y))) = points.iter().enumerate().find(|(_, (x, y))| !(x.is_finite() && y.is_finite())) {
        return Err(PointFault::NotFinite { index, x, y });
    }
    let stride = stride as f64;
    let sigmas = match kernel {
        KernelWidth::Fixed(sigma) if sigma > 0.0 && sigma.is_finite() => vec![sigma; points.len()],
        KernelWidth::Fixed(sigma) => return Err(PointFault::Sigma(sigma)),
        KernelWidth::Adaptive => adaptive(points, f64::midpoint(height as f64, width as f64) * stride),
    };
    let mut sums = vec![0.0_f64; height * width];
    for (&(x, y), sigma) in points.iter().zip(sigmas) {
        let sigma = (sigma / stride).max(NARROWEST);
        let (columns, rows) = (Shares::new(x / stride, sigma, width), Shares::new(y / stride, sigma, height));
        for (row, share) in (rows.first..).zip(&rows.shares) {
            let cells = &mut sums[row * width + columns.first..];
            cells.iter_mut().zip(&columns.shares).for_each(|(sum, of_row)| *sum += share * of_row);
        }
    }
    Ok(sums.into_iter().map(|sum| sum as f32).collect())
}

/// What the cells along a side hold of a Gaussian, from the first that holds something; together 1.
struct Shares {
    first: usize,
    shares: Vec<f64>,
}

impl Shares {
    /// In units of cells.
    fn new(centre: f64, sigma: f64, cells: usize) -> Self {
        let centre = centre.clamp(0.0, cells as f64);
        let first = (centre - REACH * sigma).floor().max(0.0) as usize;
        let end = ((centre + REACH * sigma).ceil() as usize).min(cells);
        // A point on the far border belongs to the last cell.
        let first = first.min(end.saturating_sub(1));
        let below = |edge: usize| erf((edge as f64 - centre) / (sigma * std::f64::consts::SQRT_2));
        let held: Vec<f64> = (first..end).map(|cell| below(cell + 1) - below(cell)).collect();
        let all: f64 = held.iter().sum();
        Self { first, shares: held.into_iter().map(|share| share / all).collect() }
    }
}

/// The sigma of each point in pixels.
fn adaptive(points: &[(f64, f64)], mean_side: f64) -> Vec<f64> {
    let of = |(index, &(x, y)): (usize, &(f64, f64))| {
        let mut nearest = [f64::INFINITY; NEIGHBOURS];
        for (other, &(u, v)) in points.iter().enumerate() {
            let distance = (x - u).hypot(y - v);
            if other != index && distance < nearest[NEIGHBOURS - 1] {
                nearest[NEIGHBOURS - 1] = distance;
                nearest.sort_by(f64::total_cmp);
            }
        }
        let there = &nearest[..NEIGHBOURS.min(points.len() - 1)];
        if there.is_empty() { mean_side / 4.0 } else { BETA * there.iter().sum::<f64>() / there.len() as f64 }
    };
    points.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(points: &[(f64, f64)], sides: (usize, usize), sigma: f64) -> Vec<f32> {
        density_of_points(points, sides, 8, KernelWidth::Fixed(sigma)).unwrap()
    }

    #[track_caller]
    fn assert_near(got: &[f32], expected: &[f32]) {
        let near = got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6);
        assert!(near && got.len() == expected.len(), "{got:?} and {expected:?}");
    }

    #[test]
    fn a_point_is_shared_out_by_the_normal_distribution() {
        // Centre of the middle cell, sigma a cell: P(|z| < 0.5) = 0.382925, P(0.5 < z < 1.5) = 0.241730; of the sum 0.866386.
        let (middle, side) = (0.441_980, 0.279_010);
        assert_near(&drawn(&[(12.0, 4.0)], (1, 3), 8.0), &[side, middle, side]);
        assert_near(&drawn(&[(4.0, 12.0)], (3, 1), 8.0), &[side, middle, side]);
        // On the border of the map the half outside is given back.
        let (near, far) = (0.682_689 / 0.954_500, 0.271_811 / 0.954_500);
        assert_near(&drawn(&[(0.0, 4.0)], (1, 2), 8.0), &[near, far]);
        assert_near(&drawn(&[(16.0, 4.0)], (1, 2), 8.0), &[far, near]);
        assert_near(&drawn(&[(19.0, 4.0)], (1, 2), 8.0), &[far, near]);
    }

    #[test]
    fn points_on_each_other_add_up() {
        let map = density_of_points(&[(9.0, 9.0); 4], (3, 3), 8, KernelWidth::Adaptive).unwrap();
        assert_near(&map, &[0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
        assert_near(&drawn(&[(16.0, 3.0), (-9.0, 3.0)], (1, 2), 1e-9), &[1.0, 1.0]);
        assert_eq!(drawn(&[], (2, 2), 8.0), [0.0; 4]);
        assert_eq!(drawn(&[(1.0, 1.0)], (0, 4), 8.0), [0.0; 0]);
    }

    #[test]
    fn widths_follow_the_three_nearest_points() {
        let five = [(0.0, 0.0), (3.0, 4.0), (6.0, 8.0), (0.0, 10.0), (100.0, 0.0)];
        let means = [8.333_333, 5.569_401, 7.108_185, 7.677_586, 97.140_750];
        for (sigma, mean) in adaptive(&five, 512.0).into_iter().zip(means) {
            assert!((sigma - 0.3 * mean).abs() < 1e-5, "{sigma} of {mean}");
        }
        assert_eq!(adaptive(&five[..1], 512.0), [128.0]);
        assert_eq!(adaptive(&five[..2], 512.0), [1.5, 1.5]);
        assert!((adaptive(&five[..3], 512.0)[0] - 0.3 * 7.5).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_place_or_width_is_refused() {
        let refused =
            |points: &[(f64, f64)], kernel| density_of_points(points, (2, 2), 8, kernel).unwrap_err().to_string();
        let text = refused(&[(1.0, 1.0), (f64::NAN, 2.0)], KernelWidth::Adaptive);
        assert_eq!(text, "point 1: expected finite coordinates, got (NaN, 2)");
        for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(
                refused(&[], KernelWidth::Fixed(sigma)).starts_with("expected a sigma of more than 0 pixels, got ")
            );
        }
    }

    proptest! {
        #[test]
        fn the_sum_is_the_number_of_points(
            points in prop::collection::vec((-20.0_f64..200.0, -20.0_f64..200.0), 0..40),
            sides in (1_usize..22, 1_usize..22),
            kernel in prop_oneof![
                Just(KernelWidth::Adaptive), (-4.0_f64..3.0).prop_map(|e| KernelWidth::Fixed(10.0_f64.powf(e))),
            ],
        ) {
            let map = density_of_points(&points, sides, 8, kernel).unwrap();
            let sum: f64 = map.iter().map(|&cell| f64::from(cell)).sum();
            prop_assert!((sum - points.len() as f64).abs() <= 1e-6 * points.len() as f64, "{} of {}", sum, points.len());
        }
    }
}
