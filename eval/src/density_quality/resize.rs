//! Density maps of another size with the same people in them.

use crate::density_grid::DensityGrid;

/// A density map of `height x width` cells whose sum is that of the old one.
///
/// Every cell shares its people out among the new ones by bilinear weights (a triangle as wide as a cell of the coarser map on
/// either side) that add up to one.  Growing by whole factors, this is bilinear interpolation times the old area by the new
/// one; resizing without the areas, as libraries of pictures do, multiplies the count by theirs.  A map without cells
/// has nothing to share: the new one is empty.
///
/// # Shapes
/// Out: `[height, width]`.
pub fn resize_density(density: &DensityGrid<'_>, (height, width): (usize, usize)) -> Vec<f32> {
    let (old_height, old_width) = (density.height(), density.width());
    let (rows, columns) = (shares(old_height, height), shares(old_width, width));
    let mut out = Vec::with_capacity(height * width);
    let mut line = vec![0.0_f64; old_width];
    for taken in &rows {
        line.fill(0.0);
        for &(row, share) in taken {
            let cells = &density.cells()[row * old_width..(row + 1) * old_width];
            line.iter_mut().zip(cells).for_each(|(sum, &cell)| *sum += share * f64::from(cell));
        }
        out.extend(columns.iter().map(|taken| taken.iter().map(|&(at, share)| share * line[at]).sum::<f64>() as f32));
    }
    out
}

/// For each new cell along a side, the old ones it takes from, and what share of their people.
fn shares(old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
    let ratio = old as f64 / new as f64;
    let reach = ratio.max(1.0);
    let weights = |cell: usize| -> Vec<(usize, f64)> {
        // In units of old cells, whose centres are at halves.
        let centre = (cell as f64 + 0.5) * ratio;
        let first = (centre - reach - 0.5).ceil().max(0.0) as usize;
        let last = ((centre + reach - 0.5).floor() as usize).min(old.saturating_sub(1));
        let weight = |at: usize| (1.0 - (at as f64 + 0.5 - centre).abs() / reach).max(0.0);
        let all: f64 = (first..=last).map(weight).sum();
        // Beyond the outer centres the nearest cell stands for those that are not there.
        (first..=last).filter(|_| old > 0).map(|at| (at, weight(at) / all)).collect()
    };
    let mut shares: Vec<_> = (0..new).map(weights).collect();
    let mut given = vec![0.0; old];
    shares.iter().flatten().for_each(|&(at, weight): &(usize, f64)| given[at] += weight);
    shares.iter_mut().flatten().for_each(|(at, weight)| *weight /= given[*at]);
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resized(height: usize, width: usize, cells: &[f32], to: (usize, usize)) -> Vec<f32> {
        resize_density(&DensityGrid::new(height, width, cells).unwrap(), to)
    }

    #[test]
    fn growing_is_bilinear_by_the_area() {
        // Bilinear 1, 1.5, 2.5, 3, each half the area.
        assert_eq!(resized(1, 2, &[1.0, 3.0], (1, 4)), [0.5, 0.75, 1.25, 1.5]);
        assert_eq!(resized(2, 1, &[1.0, 3.0], (4, 1)), [0.5, 0.75, 1.25, 1.5]);
        assert_eq!(resized(1, 1, &[64.0], (8, 8)), [1.0; 64]);
        assert_eq!(resized(2, 2, &[1.0, 2.0, 3.0, 4.0], (2, 2)), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn shrinking_loses_nobody() {
        assert_eq!(resized(1, 4, &[1.0, 2.0, 3.0, 4.0], (1, 1)), [10.0]);
        // Triangles of reach 2 around 1 and 3: each end cell gives all to its own, the inner ones 3/4 and 1/4.
        assert_eq!(resized(1, 4, &[4.0, 0.0, 0.0, 0.0], (1, 2)), [4.0, 0.0]);
        let halves = resized(1, 4, &[0.0, 4.0, 0.0, 0.0], (1, 2));
        assert!((halves[0] - 3.0).abs() < 1e-6 && (halves[1] - 1.0).abs() < 1e-6, "{halves:?}");
        assert_eq!(resized(0, 0, &[], (2, 3)), [0.0; 6]);
        assert_eq!(resized(0, 3, &[], (1, 2)), [0.0; 2]);
        assert_eq!(resized(1, 1, &[1.0], (0, 5)), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn the_sum_stays(
            (height, width, cells) in (1_usize..14, 1_usize..14).prop_flat_map(|(height, width)| {
                (Just(height), Just(width), prop::collection::vec(0.0_f32..3.0, height * width))
            }),
            to in (1_usize..40, 1_usize..40),
        ) {
            let old: f64 = cells.iter().map(|&cell| f64::from(cell)).sum();
            let new: f64 = resized(height, width, &cells, to).iter().map(|&cell| f64::from(cell)).sum();
            prop_assert!((new - old).abs() <= 1e-6 * old + 1e-30, "{} and {}", old, new);
        }
    }
}
