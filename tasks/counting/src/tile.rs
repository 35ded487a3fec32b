//! Whole pictures of any size in bounded memory.
//!
//! In evaluation mode the network is a filter of finite reach: a cell depends on no more than a halo of pixels around it.
//! So a large picture is cut into tiles, each with its halo and with zero padding at the picture's true borders alone, and
//! of every tile only the core's cells are kept.  The result is that of the whole picture up to rounding.  Averaging tiles
//! without a halo, as some published code does, is not the same.
//!
//! All cuts are at multiples of the stride, so that pooling meets the same windows.
//!
//! Legend: `H W` pixels, `h w` cells.

mod axis;
mod padding;
#[cfg(test)]
mod tests;

use std::ops::Range;

use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_ops::check_len;

use crate::error::CountingError;
use crate::net::STRIDE;
use axis::{Cut, Span};

pub use padding::Padding;

/// What decides how a picture is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiling {
    /// What the network's cells depend on beyond their own pixels, on every side; in whole cells, or it is rounded up to them.
    pub halo_px: usize,
    /// What a pixel of input costs while the network runs.
    pub bytes_per_pixel: f64,
    /// What a tile may cost; without it, the picture is not cut.
    pub memory: Option<u64>,
}

/// A picture's tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePlan {
    size: ImageSize,
    padding: Padding,
    rows: Vec<Span>,
    columns: Vec<Span>,
}

/// A part of a picture that the network sees alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    rows: Span,
    columns: Span,
}

/// People per cell.
#[derive(Clone, Debug, PartialEq)]
pub struct DensityMap {
    /// Rows of cells.
    pub height: usize,
    /// Columns of cells.
    pub width: usize,
    /// `[h, w]`
    pub cells: Vec<f32>,
}

impl DensityMap {
    /// The sum over the cells.
    pub fn count(&self) -> f64 {
        self.cells.iter().map(|&cell| f64::from(cell)).sum()
    }
}

impl TilePlan {
    /// Cuts a picture so that the fewest pixels are computed and no tile costs more than the memory there is.
    ///
    /// # Errors
    /// [`CountingError::NoCell`] for a picture smaller than a cell that is not padded; [`CountingError::TileMemory`] when not
    /// even tiles of one cell fit.
    pub fn new(size: ImageSize, padding: Padding, tiling: &Tiling) -> Result<Self, CountingError> {
        let padded = padding.padded(size);
        if padded.width < STRIDE || padded.height < STRIDE {
            return Err(CountingError::NoCell { size });
        }
        let [rows, columns] = Self::cut(size, padded, tiling)?;
        Ok(Self { size, padding, rows: rows.spans(), columns: columns.spans() })
    }

    fn cut(size: ImageSize, padded: ImageSize, tiling: &Tiling) -> Result<[Cut; 2], CountingError> {
        let halo = tiling.halo_px.next_multiple_of(STRIDE);
        let [rows, columns] = [padded.height, padded.width].map(|pixels| Cut::all(pixels, halo));
        let pairs = || rows.iter().flat_map(|row| columns.iter().map(move |column| [*row, *column]));
        let bytes = |[row, column]: [Cut; 2]| {
            (row.largest as f64 * column.largest as f64 * tiling.bytes_per_pixel).ceil() as u64
        };
        let memory = tiling.memory.unwrap_or(u64::MAX);
        let work = |[row, column]: &[Cut; 2]| (row.total * column.total, row.parts * column.parts, row.parts);
        if let Some(cut) = pairs().filter(|cut| bytes(*cut) <= memory).min_by_key(work) {
            return Ok(cut);
        }
        // At least one way to cut is in the list: the whole picture.
        let needed = pairs().map(bytes).min().unwrap_or(u64::MAX);
        Err(CountingError::TileMemory { size, needed, memory })
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Rows and columns of cells.
    pub fn cells(&self) -> [usize; 2] {
        [&self.rows, &self.columns].map(|spans| spans.last().map_or(0, |span| span.core.end))
    }

    /// The tiles, row by row.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        let tile = |rows: &Span, columns: &Span| Tile { rows: rows.clone(), columns: columns.clone() };
        self.rows.iter().flat_map(move |rows| self.columns.iter().map(move |columns| tile(rows, columns)))
    }

    /// A tile's part of the picture as the network's input.
    ///
    /// # Shapes
    /// `normalise` makes `[H, W, 3]` of a picture; the result is that of the tile's size.
    pub fn input(&self, tile: &Tile, image: &ImageRgb8, normalise: impl FnOnce(&ImageRgb8) -> Vec<f32>) -> Vec<f32> {
        debug_assert_eq!(image.size, self.size);
        self.padding.input(image, [tile.rows.crop.clone(), tile.columns.crop.clone()], normalise)
    }
}

impl Tile {
    /// Pixels that the network sees, halo included.
    pub fn size(&self) -> ImageSize {
        ImageSize { width: self.columns.crop.len(), height: self.rows.crop.len() }
    }

    /// Rows and columns of cells that the network makes of them.
    pub fn cells(&self) -> [usize; 2] {
        [self.rows.crop.len() / STRIDE, self.columns.crop.len() / STRIDE]
    }

    /// The rows and columns of the picture's cells that are kept.
    pub fn core(&self) -> [Range<usize>; 2] {
        [self.rows.core.clone(), self.columns.core.clone()]
    }
}

/// Runs a network tile by tile and puts the cores together.
///
/// # Shapes
/// `run` gives the densities of all cells of a tile, [`Tile::cells`].
///
/// # Errors
/// [`CountingError::Shape`] when it gives others; what `run` ends in.
pub fn density_map(
    plan: &TilePlan,
    mut run: impl FnMut(&Tile) -> Result<Vec<f32>, CountingError>,
) -> Result<DensityMap, CountingError> {
    let [height, width] = plan.cells();
    let mut cells = vec![0.0; height * width];
    for tile in plan.tiles() {
        let densities = run(&tile)?;
        let [tile_height, tile_width] = tile.cells();
        check_len("density map", "cells of a tile", densities.len(), tile_height * tile_width)?;
        let [rows, columns] = tile.core();
        for y in rows {
            let from =
                (y - tile.rows.crop.start / STRIDE) * tile_width + columns.start - tile.columns.crop.start / STRIDE;
            let to = y * width + columns.start;
            cells[to..to + columns.len()].copy_from_slice(&densities[from..from + columns.len()]);
        }
    }
    Ok(DensityMap { height, width, cells })
}
