//! The gradient of the weights: transform inputs and output gradients, sum their products over the tiles position by
//! position, transform the sums back.
//!
//! Tiles are taken in chunks, one behind the other, whose transforms stay in the last cache.  The sums of a chunk are
//! transformed back at once and added to the gradient, which is a quarter of their size: they never leave their task.

use super::filters::FilterGradients;
use super::grid::Grid;
use super::layout::{Layout, odd_lines};
use super::lines::{Lines, TAPS, positions};
use super::transforms::{Inputs, OutputGradients};
use crate::conv::microkernel::{OuterProduct, Run, outer_rows, outer_width};
use crate::conv::{ConvShape, Shared};
use crate::simd::{Isa, LANES, run};
use crate::{Store, scratch};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Values of a chunk's transformed tiles.
const CHUNK_VALUES: usize = 1 << 20;
/// Tiles of a chunk: fewer, and transforming the sums back costs too much of what their products cost.
const FEWEST_TILES: usize = 128;
/// Tiles of a chunk: more save nothing.
const MOST_TILES: usize = 512;
/// Tiles of one task of transforms.
const TASK_TILES: usize = 4;
/// Filters and input channels of the largest task of products: its sums stay in the second cache.
const BLOCK: usize = 64;
/// Tasks that keep a few threads busy.
const ENOUGH_TASKS: usize = 8;

/// The gradient of the weights of a convolution of stride 1 over `shape`.
///
/// # Promises
/// `x`, `gy` and `gw` have the values of the shape's input, output and weight; `gw` is alive, and nobody else touches it,
/// while this runs.
pub(super) struct WeightGradient<'a> {
    pub(super) isa: Isa,
    pub(super) shape: ConvShape,
    pub(super) x: &'a [f32],
    pub(super) gy: &'a [f32],
    pub(super) gw: Shared,
}

/// The transformed tiles of a chunk.
struct Chunk {
    inputs: scratch::Scratch,
    input_layout: Layout,
    gradients: scratch::Scratch,
    gradient_layout: Layout,
    tiles: usize,
}

/// The filters and input channels of one task.
struct Block {
    filters: Range<usize>,
    channels: Range<usize>,
}

impl WeightGradient<'_> {
    pub(super) fn run<L: Lines>(&self, store: Store) {
        let grid = Grid::new::<L>(&self.shape);
        let (c_in, c_out) = (self.shape.c_in, self.shape.c_out);
        let most = (CHUNK_VALUES / (positions::<L>() * (c_in + c_out))).clamp(FEWEST_TILES, MOST_TILES);
        let tiles = grid.len().div_ceil(grid.len().div_ceil(most));
        let input_layout = Layout::panels(tiles, c_in, outer_width(self.isa));
        let gradient_layout = Layout::panels(tiles, c_out, LANES);
        let mut chunk = Chunk {
            inputs: scratch::take(input_layout.len(positions::<L>())),
            input_layout,
            gradients: scratch::take(gradient_layout.len(positions::<L>())),
            gradient_layout,
            tiles,
        };
        let blocks = self.blocks();
        let mut store = store;
        for first in (0..grid.len()).step_by(tiles) {
            chunk.tiles = tiles.min(grid.len() - first);
            self.transform::<L>(&grid, first, &mut chunk);
            blocks.par_iter().for_each_init(
                || scratch::take(positions::<L>() * odd_lines(BLOCK * BLOCK)),
                |sums, block| self.sum_block::<L>(&chunk, block, sums, store),
            );
            store = Store::Accumulate;
        }
    }

    /// The tasks of products, by shape alone.
    fn blocks(&self) -> Vec<Block> {
        let (c_in, c_out) = (self.shape.c_in, self.shape.c_out);
        let enough = |filters: &usize| c_out.div_ceil(*filters) * c_in.div_ceil(BLOCK) >= ENOUGH_TASKS;
        let filters = [BLOCK, BLOCK / 2].into_iter().find(enough).unwrap_or(LANES);
        let starts = (0..c_out).step_by(filters).flat_map(|o| (0..c_in).step_by(BLOCK).map(move |i| (o, i)));
        starts.map(|(o, i)| Block { filters: o..c_out.min(o + filters), channels: i..c_in.min(i + BLOCK) }).collect()
    }

    fn transform<L: Lines>(&self, grid: &Grid, first: usize, chunk: &mut Chunk) {
        let (inputs, gradients) = (Shared::new(&mut chunk.inputs), Shared::new(&mut chunk.gradients));
        let (input_layout, gradient_layout) = (chunk.input_layout, chunk.gradient_layout);
        (0..chunk.tiles.div_ceil(TASK_TILES)).into_par_iter().for_each(|task| {
            let from = task * TASK_TILES;
            let tiles = first + from..first + chunk.tiles.min(from + TASK_TILES);
            // SAFETY: the instruction set is available; `x` and `gy` are the maps of `grid`; the layouts have room for
            // `chunk.tiles` tiles, and every task writes those of its own.
            unsafe {
                let inputs = Inputs::<L> {
                    grid,
                    x: self.x,
                    channels: self.shape.c_in,
                    tiles: tiles.clone(),
                    to: inputs.get().add(input_layout.offset(from, 0)),
                    layout: input_layout,
                    lines: PhantomData,
                };
                run(self.isa, inputs);
                let gradients = OutputGradients::<L> {
                    grid,
                    gy: self.gy,
                    channels: self.shape.c_out,
                    tiles,
                    to: gradients.get().add(gradient_layout.offset(from, 0)),
                    layout: gradient_layout,
                    lines: PhantomData,
                };
                run(self.isa, gradients);
            }
        });
    }

    /// Sums the products of one block over a chunk's tiles and adds their transform to the gradient.
    fn sum_block<L: Lines>(&self, chunk: &Chunk, block: &Block, sums: &mut [f32], store: Store) {
        let row = block.channels.len().next_multiple_of(LANES);
        let position_step = odd_lines(block.filters.len() * row);
        for position in 0..positions::<L>() {
            self.sum_position(chunk, block, position, &mut sums[position * position_step..], row);
        }
        let (channels, count) = (self.shape.c_in, TAPS * TAPS);
        // SAFETY: the instruction set is available; `sums` holds the block at every position; the block's part of the
        // gradient lies inside it and belongs to this task.
        unsafe {
            let gradients = FilterGradients::<L> {
                products: sums.as_ptr(),
                position: position_step,
                row,
                filters: block.filters.len(),
                channels: block.channels.len(),
                gw: self.gw.get().add(block.filters.start * count * channels + block.channels.start),
                tap_step: channels,
                store,
                lines: PhantomData,
            };
            run(self.isa, gradients);
        }
    }

    /// The sums of one block at one position: `[filter][row]`.
    fn sum_position(&self, chunk: &Chunk, block: &Block, position: usize, sums: &mut [f32], row: usize) {
        let width = outer_width(self.isa);
        // A power of two, so that a group of lanes is cut evenly.
        let tile_rows = (1 << outer_rows(self.isa).ilog2()).min(LANES);
        let inputs = &chunk.inputs[position * chunk.input_layout.position..];
        let gradients = &chunk.gradients[position * chunk.gradient_layout.position..];
        let pixels = [Run { row_pixel: 0, column_pixel: 0, pixels: chunk.tiles }];
        for channel in block.channels.clone().step_by(width) {
            for filter in block.filters.clone().step_by(tile_rows) {
                let at = (filter - block.filters.start) * row + channel - block.channels.start;
                let product = OuterProduct {
                    runs: &pixels,
                    rows: gradients[chunk.gradient_layout.offset(0, filter)..].as_ptr(),
                    row_count: tile_rows.min(block.filters.end - filter),
                    row_pitch: LANES,
                    tile_rows: LANES,
                    tile_stride: 0,
                    column_source: inputs[chunk.input_layout.offset(0, channel)..].as_ptr(),
                    column_pitch: width,
                    column_step: 1,
                    width,
                    columns: width.min(row - (channel - block.channels.start)),
                    out: sums[at..].as_mut_ptr(),
                    out_stride: row,
                    store: Store::Overwrite,
                };
                // SAFETY: the instruction set is available; both layouts hold the chunk's tiles at this position, the
                // gradients in rows of sixteen; `sums` has room for the block.
                unsafe { run(self.isa, product) }
            }
        }
    }
}
