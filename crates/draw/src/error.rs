//! What can go wrong while drawing.

/// Why a picture cannot be drawn on.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// A box without a place.
    #[error("box {index} (`{label}`): expected four finite corners [x1, y1, x2, y2], got {bbox_xyxy:?}")]
    NotFinite {
        /// Its position in the list, from 0.
        index: usize,
        /// Its label.
        label: String,
        /// The corners as given.
        bbox_xyxy: [f32; 4],
    },
    /// Labels of another picture.
    #[error("expected a label for each of {width}x{height} pixels, got {labels} labels")]
    Labels {
        /// Columns of the picture.
        width: u32,
        /// Rows of the picture.
        height: u32,
        /// How many labels there are.
        labels: usize,
    },
    /// A share of colour that is none.
    #[error("expected an opacity from 0 to 1, got {0}")]
    Opacity(f32),
    /// Another number of cells than the shape says.
    #[error("expected {rows}x{columns} cells of a density map, got {cells}")]
    Cells {
        /// Rows of the map.
        rows: usize,
        /// Columns of the map.
        columns: usize,
        /// How many cells there are.
        cells: usize,
    },
    /// A density that is no number.
    #[error("expected finite densities, got {value} in row {row}, column {column}")]
    Density {
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
        /// The density.
        value: f32,
    },
    /// Cells of no size.
    #[error("expected cells of more than 0 pixels, got {width}x{height}")]
    CellSize {
        /// Pixels of the picture across.
        width: f32,
        /// Pixels of the picture down.
        height: f32,
    },
    /// The font built into this crate does not parse: the build is damaged.
    #[error("the built-in font cannot be read: {0}")]
    Font(#[from] ab_glyph::InvalidFont),
}
