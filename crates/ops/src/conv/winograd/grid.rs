//! Where the tiles of a convolution lie: the output is cut into squares of `m x m`, each read from one square window.
//!
//! A convolution of dilation `d` is `d x d` convolutions of dilation 1, one for each phase of the output's pixels modulo
//! `d`; a tile belongs to one phase, and its pixels are `d` apart.

use super::lines::{Lines, MAX_OUTPUTS, MAX_WINDOW};
use crate::conv::ConvShape;

/// The tiles of one phase of one image.
#[derive(Debug)]
struct Phase {
    y: usize,
    x: usize,
    /// Tiles of the phases before this one.
    first: usize,
    /// Tiles in one row.
    columns: usize,
}

/// The tiles of a convolution, image by image, phase by phase, row by row.
#[derive(Debug)]
pub(super) struct Grid {
    images: usize,
    input: [usize; 2],
    output: [usize; 2],
    padding: [usize; 2],
    dilation: usize,
    outputs: usize,
    phases: Vec<Phase>,
    per_image: usize,
}

/// A square of pixels: the pixel of row `i` and column `j` is number `rows[i] + columns[j]`, `None` lies outside the map.
pub(super) struct Pixels<const SIDE: usize> {
    pub(super) rows: [Option<usize>; SIDE],
    pub(super) columns: [Option<usize>; SIDE],
}

/// The number of tiles of a shape of equal dilations, `outputs x outputs` pixels each.
pub(super) fn tile_count(shape: &ConvShape, outputs: usize) -> usize {
    let axis = |size: usize| {
        let phases = shape.dilation[0].min(size);
        (0..phases).map(|p| (size - p).div_ceil(shape.dilation[0]).div_ceil(outputs)).sum::<usize>()
    };
    shape.n * axis(shape.out_h()) * axis(shape.out_w())
}

impl Grid {
    /// The tiles of a shape of equal dilations.
    pub(super) fn new<L: Lines>(shape: &ConvShape) -> Self {
        let (dilation, output) = (shape.dilation[0], [shape.out_h(), shape.out_w()]);
        let mut phases = Vec::new();
        let mut per_image = 0;
        for y in 0..dilation.min(output[0]) {
            for x in 0..dilation.min(output[1]) {
                let [rows, columns] = [(0, y), (1, x)].map(|(axis, p)| {
                    let pixels = (output[axis] - p).div_ceil(dilation);
                    pixels.div_ceil(L::OUTPUTS)
                });
                phases.push(Phase { y, x, first: per_image, columns });
                per_image += rows * columns;
            }
        }
        let (input, padding) = ([shape.h, shape.w], shape.padding);
        Self { images: shape.n, input, output, padding, dilation, outputs: L::OUTPUTS, phases, per_image }
    }

    /// The number of tiles.
    pub(super) fn len(&self) -> usize {
        self.images * self.per_image
    }

    /// Image, row and column of the first output pixel of a tile.
    fn origin(&self, tile: usize) -> (usize, usize, usize) {
        let (image, within) = (tile / self.per_image, tile % self.per_image);
        let phase = &self.phases[self.phases.partition_point(|p| p.first <= within) - 1];
        let (row, column) = ((within - phase.first) / phase.columns, (within - phase.first) % phase.columns);
        let step = self.dilation * self.outputs;
        (image, phase.y + step * row, phase.x + step * column)
    }

    /// The input pixels a tile reads.
    pub(super) fn window(&self, tile: usize) -> Pixels<MAX_WINDOW> {
        let (image, y, x) = self.origin(tile);
        let [height, width] = self.input;
        let rows = self.axis(y, self.padding[0], height);
        let columns = self.axis(x, self.padding[1], width);
        Pixels { rows: rows.map(|row| row.map(|y| (image * height + y) * width)), columns }
    }

    /// The output pixels a tile makes.
    pub(super) fn outputs(&self, tile: usize) -> Pixels<MAX_OUTPUTS> {
        let (image, y, x) = self.origin(tile);
        let [height, width] = self.output;
        let rows = self.axis(y, 0, height);
        Pixels { rows: rows.map(|row| row.map(|y| (image * height + y) * width)), columns: self.axis(x, 0, width) }
    }

    fn axis<const SIDE: usize>(&self, first: usize, padding: usize, size: usize) -> [Option<usize>; SIDE] {
        std::array::from_fn(|i| (first + i * self.dilation).checked_sub(padding).filter(|&p| p < size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{F2, F4};
    use super::*;

    fn every_output_once<L: Lines>(shape: &ConvShape) {
        let grid = Grid::new::<L>(shape);
        let pixels = shape.n * shape.out_h() * shape.out_w();
        assert_eq!(grid.len(), tile_count(shape, L::OUTPUTS));
        let mut seen = vec![0; pixels];
        for tile in 0..grid.len() {
            let Pixels { rows, columns } = grid.outputs(tile);
            for row in rows.iter().take(L::OUTPUTS).flatten() {
                for column in columns.iter().take(L::OUTPUTS).flatten() {
                    seen[row + column] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&n| n == 1), "{shape:?}: {seen:?}");
    }

    #[test]
    fn every_output_pixel_belongs_to_one_tile() {
        for (size, dilation, padding) in [(7, 1, 1), (9, 2, 2), (5, 2, 1), (8, 3, 3), (7, 5, 5), (6, 1, 0)] {
            let shape = ConvShape {
                n: 2,
                h: size,
                w: size + 1,
                c_in: 1,
                c_out: 1,
                kernel: [3; 2],
                stride: [1; 2],
                padding: [padding; 2],
                dilation: [dilation; 2],
                groups: 1,
            };
            every_output_once::<F2>(&shape);
            every_output_once::<F4>(&shape);
        }
    }
}
