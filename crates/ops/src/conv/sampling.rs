//! Which source pixel each pixel of a grid meets at each tap.
//!
//! A forward pass reads input pixels `stride * output + offset`; a backward pass over one residue class of input pixels
//! reads output pixels `class index + offset`.  Both are a grid whose pixels step evenly through a source.

use super::ConvShape;

/// Pixels `[images, size]` that read the source pixels `step * pixel + tap` of `[images, source]`.
pub(crate) struct Sampling {
    /// Images of the grid and of the source.
    pub images: usize,
    /// Rows and columns of the grid.
    pub size: [usize; 2],
    /// Rows and columns of the source.
    pub source: [usize; 2],
    /// Source pixels from one grid pixel to the next.
    pub step: [usize; 2],
    /// Where the taps lie, relative to `step * pixel`.
    pub taps: Vec<[isize; 2]>,
}

/// Neighbours in one row of a [`Sampling`]'s grid.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    /// The image.
    pub image: usize,
    /// The row of the grid.
    pub row: usize,
    /// The first column.
    pub column: usize,
    /// How many pixels.
    pub pixels: usize,
    /// How many pixels of the request lie in front.
    pub at: usize,
}

impl Sampling {
    /// Output pixels that read input pixels.
    pub(crate) fn forward(shape: &ConvShape) -> Self {
        let tap = |axis: usize, k: usize| (k * shape.dilation[axis]) as isize - shape.padding[axis] as isize;
        let [rows, columns] = shape.kernel;
        Self {
            images: shape.n,
            size: [shape.out_h(), shape.out_w()],
            source: [shape.h, shape.w],
            step: shape.stride,
            taps: (0..rows).flat_map(|i| (0..columns).map(move |j| [tap(0, i), tap(1, j)])).collect(),
        }
    }

    /// Input pixels `stride * pixel + class` that read output pixels, and the index in the kernel of each of their taps:
    /// those that an output pixel can meet at such an input pixel.
    pub(crate) fn backward(shape: &ConvShape, class: [usize; 2]) -> (Self, Vec<usize>) {
        let place = |axis: usize, k: usize| {
            let numerator = (class[axis] + shape.padding[axis]) as isize - (k * shape.dilation[axis]) as isize;
            let stride = shape.stride[axis] as isize;
            (numerator % stride == 0).then_some(numerator / stride)
        };
        let (mut taps, mut indices) = (Vec::new(), Vec::new());
        for i in 0..shape.kernel[0] {
            for j in 0..shape.kernel[1] {
                if let (Some(row), Some(column)) = (place(0, i), place(1, j)) {
                    taps.push([row, column]);
                    indices.push(i * shape.kernel[1] + j);
                }
            }
        }
        let size = |axis: usize, all: usize| all.saturating_sub(class[axis]).div_ceil(shape.stride[axis]);
        let sampling = Self {
            images: shape.n,
            size: [size(0, shape.h), size(1, shape.w)],
            source: [shape.out_h(), shape.out_w()],
            step: [1, 1],
            taps,
        };
        (sampling, indices)
    }

    /// Pixels of the grid.
    pub(crate) fn pixels(&self) -> usize {
        self.images * self.size[0] * self.size[1]
    }

    /// `count` pixels from pixel `first` on, row by row.
    pub(crate) fn segments(&self, first: usize, count: usize) -> impl Iterator<Item = Segment> + use<'_> {
        let [rows, columns] = self.size;
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < count).then(|| {
                let (line, column) = ((first + at) / columns, (first + at) % columns);
                let pixels = (columns - column).min(count - at);
                let segment = Segment { image: line / rows, row: line % rows, column, pixels, at };
                at += pixels;
                segment
            })
        })
    }

    /// The source row that row `row` of the grid meets at an offset, if it is inside.
    pub(crate) fn source_row(&self, row: usize, offset: isize) -> Option<usize> {
        let source = (row * self.step[0]) as isize + offset;
        (0..self.source[0] as isize).contains(&source).then_some(source as usize)
    }

    /// The columns of the grid whose source column at an offset is inside: from the first up to the second.
    pub(crate) fn columns_inside(&self, offset: isize) -> (usize, usize) {
        let step = self.step[1] as isize;
        let width = self.source[1] as isize;
        let low = (-offset).max(0).unsigned_abs().div_ceil(self.step[1]);
        let high = if offset >= width { 0 } else { ((width - 1 - offset) / step + 1) as usize };
        let high = high.min(self.size[1]);
        (low.min(high), high)
    }

    /// Where each tap of `count` pixels from pixel `first` on starts in the source: `out[tap * stride + pixel]`, `padding`
    /// where it is outside.
    ///
    /// `source` has `pitch` values a pixel.
    pub(crate) fn pointers(
        &self,
        source: *const f32,
        pitch: usize,
        padding: *const f32,
        (first, count): (usize, usize),
        out: &mut [*const f32],
        stride: usize,
    ) {
        for segment in self.segments(first, count) {
            let end = segment.column + segment.pixels;
            for (&[down, right], out) in self.taps.iter().zip(out.chunks_mut(stride)) {
                let out = &mut out[segment.at..segment.at + segment.pixels];
                let Some(row) = self.source_row(segment.row, down) else {
                    out.fill(padding);
                    continue;
                };
                let (low, high) = self.columns_inside(right);
                let (low, high) = (low.clamp(segment.column, end), high.clamp(segment.column, end));
                out[..low - segment.column].fill(padding);
                out[high.max(low) - segment.column..].fill(padding);
                let line = (segment.image * self.source[0] + row) * self.source[1];
                for (column, out) in (low..high).zip(&mut out[low - segment.column..]) {
                    let pixel = line + (column * self.step[1]).wrapping_add_signed(right);
                    *out = source.wrapping_add(pixel * pitch);
                }
            }
        }
    }
}
