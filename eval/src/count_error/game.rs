//! GAME, the grid average mean absolute error of one image (Guerrero-Gómez-Olmedo et al. 2015): a count that is right for
//! the wrong reasons is wrong in the parts of the picture.

use crate::density_grid::DensityGrid;

/// Regions along either side at the finest level, `2^3`.
const FINEST: usize = 8;

/// The errors of one image by region, summed, at the levels 0 to 3: level L has `2^L x 2^L` regions.
///
/// Region `k` begins at cell `floor(k * h / 2^L)`, so the regions of a level are unions of those of the next.  A point belongs
/// to the cell that it lies in, one beyond the map to the nearest cell, so none is lost: where a network leaves out the last
/// pixels of a picture, the points there are counted at its border.
///
/// GAME(0) is the error of the count.  The numbers never fall from one level to the next.
///
/// # Shapes
/// `points`: `(x, y)` in pixels of the network's input, of which a cell has `stride x stride`, at least 1.
pub fn game(density: &DensityGrid<'_>, points: impl IntoIterator<Item = (f64, f64)>, stride: usize) -> [f64; 4] {
    let (height, width) = (density.height(), density.width());
    let (rows, columns) = (regions(height), regions(width));
    let mut expected = [[0.0; FINEST]; FINEST];
    let mut annotated = [[0_u32; FINEST]; FINEST];
    for (cells, &row) in density.cells().chunks(width.max(1)).zip(&rows) {
        for (&cell, &column) in cells.iter().zip(&columns) {
            expected[row][column] += f64::from(cell);
        }
    }
    let cell_of = |at: f64, cells: usize| ((at / stride as f64).floor().max(0.0) as usize).min(cells.saturating_sub(1));
    let mut total = 0_u32;
    for (x, y) in points {
        total += 1;
        // A map without a cell has no region that a point could lie in; any will do.
        let row = rows.get(cell_of(y, height)).copied().unwrap_or(0);
        let column = columns.get(cell_of(x, width)).copied().unwrap_or(0);
        annotated[row][column] += 1;
    }
    let mut levels = [(density.count() - f64::from(total)).abs(); 4];
    for level in 1..=3 {
        let side = FINEST >> level;
        let starts = || (0..FINEST).step_by(side);
        let errors = starts().flat_map(|top| starts().map(move |left| (top, left))).map(|(top, left)| {
            let inside = || (top..top + side).flat_map(|row| (left..left + side).map(move |column| (row, column)));
            let people: f64 = inside().map(|(row, column)| expected[row][column]).sum();
            let points: u32 = inside().map(|(row, column)| annotated[row][column]).sum();
            (people - f64::from(points)).abs()
        });
        // Only rounding could make the sum fall below that of the level before.
        levels[level] = errors.sum::<f64>().max(levels[level - 1]);
    }
    levels
}

/// The finest region that each cell of a side belongs to.
fn regions(cells: usize) -> Vec<usize> {
    let region = |cell: usize| (0..FINEST).rev().find(|&k| k * cells / FINEST <= cell).unwrap_or(0);
    (0..cells).map(region).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "sums of few binary fractions are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn regions_begin_at_the_floor_of_their_share() {
        assert_eq!(regions(8), [0, 1, 2, 3, 4, 5, 6, 7]);
        // floor(10 k / 8) = 0 1 2 3 5 6 7 8.
        assert_eq!(regions(10), [0, 1, 2, 3, 3, 4, 5, 6, 7, 7]);
        // floor(3 k / 8) = 0 0 0 1 1 1 2 2: of regions that begin together, all but the last are empty.
        assert_eq!(regions(3), [2, 5, 7]);
        assert_eq!(regions(0), [0; 0]);
    }

    #[test]
    fn worked_by_hand() {
        // Two cells a side.  People 1, 2, 0, 4; points 2, 1, 0, 3: one too few, one too many, right, one too many.
        let cells = [1.0, 2.0, 0.0, 4.0];
        let density = DensityGrid::new(2, 2, &cells).unwrap();
        let points = [(0.0, 0.0), (7.9, 7.9), (8.0, 0.0), (8.0, 8.0), (16.0, 16.0), (19.0, 8.0)];
        // Level 1 is the cells: |1-2| + |2-1| + 0 + |4-3| = 3.
        assert_eq!(game(&density, points, 8), [1.0, 3.0, 3.0, 3.0]);
        // Points on the right and lower edges and beyond belong to the last cell, before the first to the first.
        assert_eq!(game(&density, [(-3.0, -1.0), (1e300, 1e300)], 8), [5.0, 5.0, 5.0, 5.0]);
        assert_eq!(game(&density, [], 8), [7.0; 4]);
    }

    #[test]
    fn levels_see_what_the_count_does_not() {
        // Five rows: floor(k * 5 / 2) = 0, 2, so level 1 splits them two and three.
        let mut cells = [0.0; 5 * 4];
        cells[4 * 2] = 3.0;
        let density = DensityGrid::new(5, 4, &cells).unwrap();
        let above = [(0.0, 15.0); 3];
        assert_eq!(game(&density, above, 8), [0.0, 6.0, 6.0, 6.0], "row 1 is in the upper half, row 2 in the lower");
        let below = [(0.0, 39.0); 3];
        // floor(k * 5 / 4) = 0 1 2 3: rows 2 and 4 part at level 2.
        assert_eq!(game(&density, below, 8), [0.0, 0.0, 6.0, 6.0]);
        assert_eq!(game(&density, [(0.0, 23.9); 3], 8), [0.0; 4]);
    }

    #[test]
    fn a_map_without_cells_misses_every_point() {
        for (height, width) in [(0, 0), (0, 3), (3, 0)] {
            let density = DensityGrid::new(height, width, &[]).unwrap();
            assert_eq!(game(&density, [(1.0, 1.0), (2.0, 9.0)], 8), [2.0; 4]);
        }
    }

    /// The definition at one level, cell by cell.
    fn by_definition(density: &DensityGrid<'_>, points: &[(f64, f64)], stride: usize, level: u32) -> f64 {
        let (height, width, parts) = (density.height(), density.width(), 2_usize.pow(level));
        let mut sum = 0.0;
        for row in 0..parts {
            for column in 0..parts {
                let rows = row * height / parts..(row + 1) * height / parts;
                let columns = column * width / parts..(column + 1) * width / parts;
                let mut error = 0.0;
                for (at, &cell) in density.cells().iter().enumerate() {
                    let inside = rows.contains(&(at / width)) && columns.contains(&(at % width));
                    error += if inside { f64::from(cell) } else { 0.0 };
                }
                for &(x, y) in points {
                    let cell = |at: f64, cells: usize| ((at / stride as f64).floor() as usize).min(cells - 1);
                    error -= f64::from(u8::from(rows.contains(&cell(y, height)) && columns.contains(&cell(x, width))));
                }
                sum += error.abs();
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn game_is_the_definition_and_never_falls(
            (height, width, cells) in (1_usize..20, 1_usize..20).prop_flat_map(|(height, width)| {
                (Just(height), Just(width), prop::collection::vec(-0.5_f32..3.0, height * width))
            }),
            points in prop::collection::vec((0.0_f64..170.0, 0.0_f64..170.0), 0..60),
            stride in 1_usize..12,
        ) {
            let density = DensityGrid::new(height, width, &cells).unwrap();
            let levels = game(&density, points.iter().copied(), stride);
            prop_assert_eq!(levels[0], (density.count() - points.len() as f64).abs());
            prop_assert!(levels.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", levels);
            for (level, got) in (0..).zip(levels) {
                let expected = by_definition(&density, &points, stride, level);
                prop_assert!((got - expected).abs() < 1e-9, "level {}: {} and {}", level, got, expected);
            }
        }
    }
}
