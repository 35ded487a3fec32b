//! The correlation of tiles with filters: transform both, multiply them position by position, transform back.
//!
//! Each position of the window is one matrix product, tiles by source channels times source by destination channels.  Work
//! is cut where its larger operand lies:
//!
//! * [`Cut::Tiles`]: all filters are transformed once and every task takes a chunk of tiles through to the output.  For
//!   maps of many tiles, whose filters stay in a core's own cache.
//! * [`Cut::Panels`]: all tiles are transformed once and every task takes a panel of destination channels, whose filters it
//!   transforms as it goes.  For more filters than that, which would be written to memory and read back.

use super::grid::{Grid, tile_count};
use super::layout::{Layout, odd_lines};
use super::lines::{Lines, positions};
use super::transforms::{Inputs, Outputs};
use super::weights::{FILTER_DEPTH, PanelFilters, Weights, taps_len};
use crate::blocks::keep_threads_busy;
use crate::conv::epilogue::Finish;
use crate::conv::microkernel::{RowPlaces, RowsTimesPanel, panel_width};
use crate::conv::pack::{Panel, panels};
use crate::conv::{ConvShape, Shared};
use crate::simd::{Isa, run};
use crate::{Store, scratch};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// How the work of a product is cut into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Tiles,
    Panels,
}

/// Source channels summed in registers at a time.
const PRODUCT_DEPTH: usize = 128;
/// Values of a task's transformed tiles and of their products with one panel.
const TILE_VALUES: usize = 192 << 10;
/// Tiles of a task: fewer read the filters too often.
const FEWEST_TASK_TILES: usize = 24;
/// Tiles of a task: more leave too few tasks.
const MOST_TASK_TILES: usize = 192;
/// Values of all the transformed tiles shared by the panels' tasks.
const SHARED_TILE_VALUES: usize = 4 << 20;
/// Tiles that pay for transforming a panel's filters once more.
const FEWEST_SHARED_TILES: usize = 96;
/// Values of transformed filters beyond which they are not kept: what the second-level cache of a core holds.
const KEPT_FILTER_VALUES: usize = 512 << 10;

/// A correlation of stride 1 over `shape`, whose `c_in` are the channels that are summed over.
///
/// # Promises
/// `x` and `y` have the values of the shape's input and output; `y` is alive, and nobody else touches it, while this runs;
/// `finish` fits it.
pub(super) struct Product<'a> {
    pub(super) isa: Isa,
    pub(super) shape: ConvShape,
    pub(super) x: &'a [f32],
    pub(super) weights: Weights<'a>,
    pub(super) store: Store,
    pub(super) finish: Option<Finish>,
    pub(super) y: Shared,
}

/// Work space of one task.
struct Work {
    /// Products of a chunk of tiles with one panel: `[position][tile][width]`.
    products: scratch::Scratch,
    /// Filters of one panel, the destination channels innermost: `[tap][depth][width]`.
    taps: scratch::Scratch,
    /// Transformed filters of one panel: `[position][depth][width]`.
    filters: scratch::Scratch,
    /// Where the rows of a product start.
    rows: Vec<*const f32>,
}

/// Transformed tiles: `[position][tile][channel]`.
struct TransformedTiles<'a> {
    /// From the first of the tiles on.
    values: &'a [f32],
    layout: Layout,
    tiles: Range<usize>,
}

/// The cut that moves less memory, by shape alone.
pub(super) fn cut<L: Lines>(shape: &ConvShape) -> Cut {
    let filters = positions::<L>() * shape.c_in * shape.c_out;
    let more_than_tiles = shape.c_out > tile_count(shape, L::OUTPUTS);
    if filters > KEPT_FILTER_VALUES || more_than_tiles { Cut::Panels } else { Cut::Tiles }
}

/// The fewest parts of `tiles` with which the panels keep all threads busy, or the most that are worth it: every part
/// transforms the filters once more.
fn parts(panels: usize, tiles: usize) -> usize {
    let most = (tiles / FEWEST_TASK_TILES).max(1);
    (1..most).find(|parts| keep_threads_busy(panels * parts)).unwrap_or(most)
}

impl Product<'_> {
    pub(super) fn run<L: Lines>(&self, cut: Cut) {
        let grid = Grid::new::<L>(&self.shape);
        match cut {
            Cut::Tiles => self.by_tiles::<L>(&grid),
            Cut::Panels => self.by_panels::<L>(&grid),
        }
    }

    fn by_tiles<L: Lines>(&self, grid: &Grid) {
        let depth = self.shape.c_in;
        let panels = panels(self.isa, self.shape.c_out, depth);
        let kept = self.weights.transform_all::<L>(&panels);

        let most = (TILE_VALUES / (positions::<L>() * (depth + panel_width(self.isa))))
            .clamp(FEWEST_TASK_TILES, MOST_TASK_TILES);
        let (chunk, chunks) = even_chunks(grid.len(), most);
        let layout = Layout::rows(chunk, depth);
        (0..chunks).into_par_iter().for_each_init(
            || (scratch::take(layout.len(positions::<L>())), self.work::<L>(chunk, Cut::Tiles)),
            |(values, work), index| {
                let tiles = index * chunk..grid.len().min((index + 1) * chunk);
                // SAFETY: `values` is this task's and has the layout's length.
                unsafe { self.transform_tiles::<L>(grid, tiles.clone(), values.as_mut_ptr(), layout) }
                let tiles = TransformedTiles { values, layout, tiles };
                for (p, panel) in panels.iter().enumerate() {
                    self.multiply::<L>(&tiles, 0, panel, kept.panel(p, panel), work);
                    self.finish_tiles::<L>(grid, &tiles, panel, work);
                }
            },
        );
    }

    fn by_panels<L: Lines>(&self, grid: &Grid) {
        let depth = self.shape.c_in;
        let panels = panels(self.isa, self.shape.c_out, depth);
        let most = (SHARED_TILE_VALUES / (positions::<L>() * depth)).max(FEWEST_SHARED_TILES);
        let chunks = grid.len().div_ceil(most);
        let chunk = grid.len().div_ceil(chunks);
        let layout = Layout::rows(chunk, depth);
        let mut values = scratch::take(layout.len(positions::<L>()));
        for index in 0..chunks {
            let tiles = index * chunk..grid.len().min((index + 1) * chunk);
            self.transform_all_tiles::<L>(grid, &tiles, &mut values, layout);
            let parts = parts(panels.len(), tiles.len());
            (0..panels.len() * parts).into_par_iter().for_each_init(
                || self.work::<L>(tiles.len().div_ceil(parts), Cut::Panels),
                |work, task| {
                    let (panel, part) = (&panels[task / parts], task % parts);
                    let (first, end) = (part * tiles.len() / parts, (part + 1) * tiles.len() / parts);
                    let values = &values[layout.offset(first, 0)..];
                    let tiles = TransformedTiles { values, layout, tiles: tiles.start + first..tiles.start + end };
                    for from in (0..depth).step_by(FILTER_DEPTH) {
                        let depths = from..depth.min(from + FILTER_DEPTH);
                        let (depth, position) = (depths.len(), odd_lines(depths.len() * panel.width));
                        let to = work.filters.as_mut_ptr();
                        // SAFETY: `filters` has room for `FILTER_DEPTH` rows of the widest panel at every position.
                        unsafe { self.weights.transform::<L>(panel, depths, &mut work.taps, to, position) }
                        let filters = PanelFilters { values: to, position, depth };
                        self.multiply::<L>(&tiles, from, panel, filters, work);
                    }
                    self.finish_tiles::<L>(grid, &tiles, panel, work);
                },
            );
        }
    }

    fn work<L: Lines>(&self, tiles: usize, cut: Cut) -> Work {
        let widest = panel_width(self.isa);
        let (taps, filters) = match cut {
            Cut::Tiles => (0, 0),
            Cut::Panels => (taps_len(self.isa), positions::<L>() * odd_lines(FILTER_DEPTH * widest)),
        };
        Work {
            products: scratch::take(positions::<L>() * odd_lines(tiles * widest)),
            taps: scratch::take(taps),
            filters: scratch::take(filters),
            rows: Vec::with_capacity(tiles),
        }
    }

    fn transform_all_tiles<L: Lines>(&self, grid: &Grid, tiles: &Range<usize>, to: &mut [f32], layout: Layout) {
        const TASK: usize = 4;
        let to = Shared::new(to);
        (0..tiles.len()).into_par_iter().step_by(TASK).for_each(|first| {
            let part = tiles.start + first..tiles.end.min(tiles.start + first + TASK);
            // SAFETY: `to` has the layout's length; the tasks' tiles are distinct, and so are the places of their values.
            unsafe { self.transform_tiles::<L>(grid, part, to.get().add(layout.offset(first, 0)), layout) }
        });
    }

    /// The transforms of `tiles`, the first at `to`.
    ///
    /// # Safety
    /// The places of the tiles in `layout`, from `to` on, are writable, and nobody else touches them.
    unsafe fn transform_tiles<L: Lines>(&self, grid: &Grid, tiles: Range<usize>, to: *mut f32, layout: Layout) {
        let inputs = Inputs::<L> { grid, x: self.x, channels: self.shape.c_in, tiles, to, layout, lines: PhantomData };
        // SAFETY: the instruction set is available; `x` is the input of `grid`; the caller vouches for `to`.
        unsafe { run(self.isa, inputs) }
    }

    /// Multiplies tiles with the filters of `panel` from the source channels `from` on; 0 begins the sums.
    fn multiply<L: Lines>(
        &self,
        tiles: &TransformedTiles,
        from: usize,
        panel: &Panel,
        filters: PanelFilters,
        work: &mut Work,
    ) {
        let rows = tiles.tiles.len();
        for position in 0..positions::<L>() {
            let matrix = &tiles.values[position * tiles.layout.position..];
            work.rows.clear();
            work.rows.extend((0..rows).map(|tile| matrix[tiles.layout.offset(tile, 0)..].as_ptr()));
            for begin in (0..filters.depth).step_by(PRODUCT_DEPTH) {
                let product = RowsTimesPanel {
                    rows,
                    pointers: &work.rows,
                    pointer_stride: rows,
                    padding: std::ptr::null(),
                    taps: 1,
                    from: from + begin,
                    depth: PRODUCT_DEPTH.min(filters.depth - begin),
                    panel: filters.values.wrapping_add(position * filters.position + begin * panel.width),
                    width: panel.width,
                    columns: panel.width,
                    out: work.products[position * odd_lines(rows * panel.width)..].as_mut_ptr(),
                    places: RowPlaces::Every(panel.width),
                    cold: true,
                    store: if from + begin == 0 { Store::Overwrite } else { Store::Accumulate },
                    finish: None,
                };
                // SAFETY: the instruction set is available; every row holds the source channels, the panel its filters
                // at this position, and `products` a row of the panel's width for every tile.  No row is padding.
                unsafe { run(self.isa, product) }
            }
        }
    }

    fn finish_tiles<L: Lines>(&self, grid: &Grid, tiles: &TransformedTiles, panel: &Panel, work: &Work) {
        let outputs = Outputs::<L> {
            grid,
            products: work.products.as_ptr(),
            position: odd_lines(tiles.tiles.len() * panel.width),
            panel_width: panel.width,
            y: self.y.get(),
            channels: self.shape.c_out,
            first_channel: panel.first,
            tiles: tiles.tiles.clone(),
            store: self.store,
            finish: self.finish,
            lines: PhantomData,
        };
        // SAFETY: the instruction set is available; `products` was filled by `multiply` for these tiles and this panel,
        // whose channels of these tiles' pixels belong to this task.
        unsafe { run(self.isa, outputs) }
    }
}

/// Cuts `tiles` in an even number of chunks of like size, `most` tiles at most: size and number.
fn even_chunks(tiles: usize, most: usize) -> (usize, usize) {
    let chunks = tiles.div_ceil(most).next_multiple_of(2);
    let chunk = tiles.div_ceil(chunks);
    (chunk, tiles.div_ceil(chunk))
}
