//! The correlation of tiles with filters: transform both, multiply them position by position, transform back.
//!
//! Each position of the window is one matrix product, tiles by source channels times source by destination channels.  Work
//! is cut where its larger operand lies:
//!
//! * [`Cut::Tiles`]: all filters are transformed once and every task takes a chunk of tiles through to the output.  For
//!   maps of many tiles, whose filters fit the last cache.
//! * [`Cut::Panels`]: all tiles are transformed once and every task takes a panel of destination channels, whose filters it
//!   transforms as it goes.  For small maps with many channels, whose transformed filters would be
//!   four times the weights, written to memory and read back.

use super::filters::Filters;
use super::grid::Grid;
use super::layout::{Layout, odd_lines};
use super::lines::{Lines, TAPS};
use super::transforms::{Inputs, Outputs};
use crate::conv::epilogue::Finish;
use crate::conv::microkernel::{RowPlaces, RowsTimesPanel, panel_width};
use crate::conv::pack::{Panel, panels};
use crate::conv::transpose::Transpose;
use crate::conv::{ConvShape, Shared};
use crate::simd::{Isa, run};
use crate::{Store, scratch};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Which side of the weights is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// The input channels, as in the forward pass.
    Forward,
    /// The output channels, with the taps flipped, as in the gradient of the input.
    Transposed,
}

/// How the work of a product is cut into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Tiles,
    Panels,
}

/// Source channels whose filters are transformed at a time: with a panel of 64, they stay in the second cache.
const FILTER_DEPTH: usize = 128;
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
/// Values of transformed filters beyond which they are not kept.
const KEPT_FILTER_VALUES: usize = 2 << 20;

/// A correlation of stride 1 over `shape`, whose `c_in` are the channels that are summed over.
pub(super) struct Product<'a> {
    pub(super) isa: Isa,
    pub(super) shape: ConvShape,
    pub(super) x: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) orientation: Orientation,
    pub(super) store: Store,
    pub(super) finish: Option<Finish>,
    pub(super) y: Shared,
}

/// Transformed filters of one panel: `[position][depth][width]`.
#[derive(Clone, Copy)]
struct PanelFilters {
    values: *const f32,
    position: usize,
    depth: usize,
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
    values: &'a [f32],
    layout: Layout,
    tiles: Range<usize>,
}

const fn positions<L: Lines>() -> usize {
    L::WINDOW * L::WINDOW
}

/// The cut that moves less memory, by shape alone.
pub(super) fn cut<L: Lines>(shape: &ConvShape) -> Cut {
    if positions::<L>() * shape.c_in * shape.c_out > KEPT_FILTER_VALUES { Cut::Panels } else { Cut::Tiles }
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
        let kept = self.keep_filters::<L>(&panels);
        let offsets = panel_offsets::<L>(&panels, depth);

        let most = (TILE_VALUES / (positions::<L>() * (depth + panel_width(self.isa))))
            .clamp(FEWEST_TASK_TILES, MOST_TASK_TILES);
        let (chunk, chunks) = even_chunks(grid.len(), most);
        let layout = Layout::rows(chunk, depth);
        (0..chunks).into_par_iter().for_each_init(
            || (scratch::take(layout.len(positions::<L>())), self.work::<L>(chunk, 0)),
            |(values, work), index| {
                let tiles = index * chunk..grid.len().min((index + 1) * chunk);
                self.transform_tiles::<L>(grid, tiles.clone(), values, layout, 0);
                let tiles = TransformedTiles { values, layout, tiles };
                for (panel, &offset) in panels.iter().zip(&offsets) {
                    let position = odd_lines(depth * panel.width);
                    let filters = PanelFilters { values: kept[offset..].as_ptr(), position, depth };
                    self.multiply::<L>(&tiles, 0, panel, filters, work);
                    self.finish_tiles::<L>(grid, &tiles, panel, work);
                }
            },
        );
    }

    /// The transformed filters of all panels, one behind the other.
    fn keep_filters<L: Lines>(&self, panels: &[Panel]) -> scratch::Scratch {
        let depth = self.shape.c_in;
        let offsets = panel_offsets::<L>(panels, depth);
        let mut kept = scratch::take(offsets[panels.len()]);
        let to = Shared::new(&mut kept);
        let tasks: Vec<_> =
            (0..panels.len()).flat_map(|p| (0..depth).step_by(FILTER_DEPTH).map(move |from| (p, from))).collect();
        tasks.into_par_iter().for_each_init(
            || scratch::take(TAPS * TAPS * odd_lines(FILTER_DEPTH * panel_width(self.isa))),
            |taps, (p, from)| {
                let panel = &panels[p];
                let depths = from..depth.min(from + FILTER_DEPTH);
                // SAFETY: the filters of a panel lie inside `kept`, those of `from` on `from` rows behind the first.
                let to = unsafe { to.get().add(offsets[p] + from * panel.width) };
                self.transform_filters::<L>(panel, depths, taps, to, odd_lines(depth * panel.width));
            },
        );
        kept
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
            self.transform_all_tiles::<L>(grid, tiles.clone(), &mut values, layout);
            let tiles = TransformedTiles { values: &values, layout, tiles };
            panels.par_iter().for_each_init(
                || self.work::<L>(chunk, FILTER_DEPTH),
                |work, panel| {
                    for from in (0..depth).step_by(FILTER_DEPTH) {
                        let depths = from..depth.min(from + FILTER_DEPTH);
                        let position = odd_lines(depths.len() * panel.width);
                        let filters = PanelFilters { values: work.filters.as_ptr(), position, depth: depths.len() };
                        let to = work.filters.as_mut_ptr();
                        self.transform_filters::<L>(panel, depths, &mut work.taps, to, position);
                        self.multiply::<L>(&tiles, from, panel, filters, work);
                    }
                    self.finish_tiles::<L>(grid, &tiles, panel, work);
                },
            );
        }
    }

    fn work<L: Lines>(&self, tiles: usize, filter_depth: usize) -> Work {
        let widest = panel_width(self.isa);
        Work {
            products: scratch::take(positions::<L>() * odd_lines(tiles * widest)),
            taps: scratch::take(TAPS * TAPS * odd_lines(filter_depth * widest)),
            filters: scratch::take(positions::<L>() * odd_lines(filter_depth * widest)),
            rows: Vec::with_capacity(tiles),
        }
    }

    fn transform_all_tiles<L: Lines>(&self, grid: &Grid, tiles: Range<usize>, to: &mut [f32], layout: Layout) {
        const TASK: usize = 4;
        let shared = Shared::new(to);
        (0..tiles.len().div_ceil(TASK)).into_par_iter().for_each(|task| {
            let first = task * TASK;
            let part = tiles.start + first..tiles.end.min(tiles.start + first + TASK);
            // SAFETY: the tasks' tiles are distinct, and so are the places of their values.
            let to = unsafe { std::slice::from_raw_parts_mut(shared.get(), layout.len(positions::<L>())) };
            self.transform_tiles::<L>(grid, part, to, layout, first);
        });
    }

    /// The transforms of `tiles`, to the places of `layout` from tile `first` on.
    fn transform_tiles<L: Lines>(
        &self,
        grid: &Grid,
        tiles: Range<usize>,
        to: &mut [f32],
        layout: Layout,
        first: usize,
    ) {
        let to = to[layout.offset(first, 0)..].as_mut_ptr();
        let inputs = Inputs::<L> { grid, x: self.x, channels: self.shape.c_in, tiles, to, layout, lines: PhantomData };
        // SAFETY: the instruction set is available; `x` is the input of `grid`; `to` has room for the layout's tiles.
        unsafe { run(self.isa, inputs) }
    }

    /// The transforms of the filters from the source channels `depths` to `panel`; `taps` is work space.
    fn transform_filters<L: Lines>(
        &self,
        panel: &Panel,
        depths: Range<usize>,
        taps: &mut [f32],
        to: *mut f32,
        position: usize,
    ) {
        let tap_step = odd_lines(depths.len() * panel.width);
        match self.orientation {
            Orientation::Forward => self.transpose_filters(panel, depths.clone(), taps, tap_step),
            Orientation::Transposed => self.flip_filters(panel, depths.clone(), taps, tap_step),
        }
        let (taps, depth, width) = (taps.as_ptr(), depths.len(), panel.width);
        let filters = Filters::<L> { taps, tap_step, depth, width, to, position, lines: PhantomData };
        // SAFETY: the instruction set is available; `taps` was just filled; `to` has room for `depths` filters at every
        // position.
        unsafe { run(self.isa, filters) }
    }

    /// The filters from the source channels `depths`, the weights' output channels, to `panel`, taps in reverse:
    /// `[tap][depth][width]`, taps `tap_step` values apart.
    fn flip_filters(&self, panel: &Panel, depths: Range<usize>, taps: &mut [f32], tap_step: usize) {
        let (count, channels) = (TAPS * TAPS, self.shape.c_out);
        // Copied before anything is computed: the processor fetches many short runs at once, and waits for none.
        for (k, filter) in depths.enumerate() {
            for tap in 0..count {
                let source = (filter * count + count - 1 - tap) * channels + panel.first;
                let to = &mut taps[tap * tap_step + k * panel.width..][..panel.width];
                let (values, padding) = to.split_at_mut(panel.columns);
                values.copy_from_slice(&self.weight[source..source + panel.columns]);
                padding.fill(0.0);
            }
        }
    }

    /// The filters from the source channels `depths` to `panel`: `[tap][depth][width]`, taps `tap_step` values apart.
    fn transpose_filters(&self, panel: &Panel, depths: Range<usize>, taps: &mut [f32], tap_step: usize) {
        let (count, channels) = (TAPS * TAPS, self.shape.c_in);
        for (tap, taps) in taps.chunks_mut(tap_step).enumerate().take(count) {
            let first = (panel.first * count + tap) * channels;
            let transpose = Transpose {
                source: self.weight[first + depths.start..].as_ptr(),
                source_stride: count * channels,
                columns: panel.columns,
                depth: depths.len(),
                out: taps.as_mut_ptr(),
                width: panel.width,
            };
            // SAFETY: the instruction set is available; the panel's filters are those of `weight`; `taps` has room for
            // `depths` rows of the panel's width.
            unsafe { run(self.isa, transpose) }
        }
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
            let matrix = &tiles.values[position * tiles.layout.position..][..tiles.layout.position];
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

/// Where the transformed filters of each panel start, and where the last ends.
fn panel_offsets<L: Lines>(panels: &[Panel], depth: usize) -> Vec<usize> {
    let mut end = 0;
    let mut offsets = vec![0];
    for panel in panels {
        end += positions::<L>() * odd_lines(depth * panel.width);
        offsets.push(end);
    }
    offsets
}

/// Cuts `tiles` in an even number of chunks of like size, `most` tiles at most: size and number.
fn even_chunks(tiles: usize, most: usize) -> (usize, usize) {
    let chunks = tiles.div_ceil(most).next_multiple_of(2);
    let chunk = tiles.div_ceil(chunks);
    (chunk, tiles.div_ceil(chunk))
}
