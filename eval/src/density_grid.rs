//! Densities: how many objects a network expects in each cell of a picture.

/// A density map that is lent: finite, rows from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityGrid<'a> {
    height: usize,
    width: usize,
    cells: &'a [f32],
}

/// Why cells are no density map, or two of them are no pair.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    /// Another number of cells than the sides say.
    #[error("expected {height}x{width} cells of a density map, got {cells} values")]
    Cells {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values there are.
        cells: usize,
    },
    /// A cell that counts nothing.
    #[error(
        "expected finite densities, got {value} in row {row}, column {column}\nhelp: the network diverged, or its weights are damaged"
    )]
    NotFinite {
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A prediction of another size than the truth.
    #[error("expected a density map of {}x{} cells as the truth, got {}x{}", expected.0, expected.1, got.0, got.1)]
    Sizes {
        /// Height and width of the truth.
        expected: (usize, usize),
        /// Those of the prediction.
        got: (usize, usize),
    },
}

impl<'a> DensityGrid<'a> {
    /// A map of `cells`.
    ///
    /// # Shapes
    /// `cells`: `[height, width]`.
    ///
    /// # Errors
    /// [`GridError::Cells`], [`GridError::NotFinite`].
    pub fn new(height: usize, width: usize, cells: &'a [f32]) -> Result<Self, GridError> {
        if height.checked_mul(width) != Some(cells.len()) {
            return Err(GridError::Cells { height, width, cells: cells.len() });
        }
        if let Some((at, &value)) = cells.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(GridError::NotFinite { row: at / width, column: at % width, value });
        }
        Ok(Self { height, width, cells })
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The cells, a row after the other.
    pub fn cells(&self) -> &'a [f32] {
        self.cells
    }

    /// How many objects the whole map expects.
    pub fn count(&self) -> f64 {
        self.cells.iter().map(|&cell| f64::from(cell)).sum()
    }

    /// The largest density; 0 of a map without a positive one.
    pub(crate) fn peak(&self) -> f64 {
        self.cells.iter().fold(0.0, |peak, &cell| f64::from(cell).max(peak))
    }

    /// Refuses a prediction of another size than this truth.
    pub(crate) fn require_size_of(&self, other: &DensityGrid<'_>) -> Result<(), GridError> {
        let (expected, got) = ((self.height, self.width), (other.height, other.width));
        if expected == got { Ok(()) } else { Err(GridError::Sizes { expected, got }) }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "sums of few binary fractions are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_the_cells_its_sides_say_all_finite() {
        let grid = DensityGrid::new(2, 3, &[0.5, 0.25, 0.0, 1.0, -0.5, 2.0]).unwrap();
        assert_eq!((grid.count(), grid.peak()), (3.25, 2.0));
        assert_eq!(DensityGrid::new(0, 7, &[]).unwrap().count(), 0.0);
        let text = DensityGrid::new(2, 3, &[0.0; 5]).unwrap_err().to_string();
        assert_eq!(text, "expected 2x3 cells of a density map, got 5 values");
        assert!(DensityGrid::new(usize::MAX, 2, &[0.0; 2]).is_err());
        let text = DensityGrid::new(2, 2, &[0.0, 0.0, 0.0, f32::NAN]).unwrap_err().to_string();
        assert!(text.starts_with("expected finite densities, got NaN in row 1, column 1\nhelp: "), "{text}");
    }
}
