//! Pooling: maxima of windows, and the average of a whole map.

use wrs_ops::pool::{self, PoolShape};

use crate::pass::{Dims, Pass, Slot, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// The geometry of a max pooling; padding counts as minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Steps down and right from one window to the next.
    pub stride: [usize; 2],
    /// Rows added above and below, columns added left and right.
    pub padding: [[usize; 2]; 2],
}

impl PoolConfig {
    /// A square window, padded alike on every side (PyTorch's `MaxPool2d`).
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [[padding; 2]; 2] }
    }

    /// Darknet's `maxpool` section, whose `padding` (`size - 1` where the section has none) is what both sides of an axis get
    /// together, the smaller half above and left: a map of `h` rows becomes `(h + padding - size) / stride + 1`.
    pub fn darknet(size: usize, stride: usize, padding: usize) -> Self {
        let before = padding / 2;
        Self { kernel: [size; 2], stride: [stride; 2], padding: [[before, padding - before]; 2] }
    }
}

/// The maximum of every window; the first of equal ones has the gradient, as in PyTorch.
///
/// # Shapes
/// `[N, H, W, C]` to `[N, h, w, C]`.
///
/// # Errors
/// [`NnError::Shape`] when a size is 0, a side's padding could fill a window, or the padded map is smaller than one.
pub fn max_pool(pass: &mut Pass<'_>, x: &Value, config: PoolConfig) -> Result<Value, NnError> {
    let Dims { n, h, w, c } = x.dims();
    let PoolConfig { kernel, stride, padding } = config;
    let shape = PoolShape { batch: n, input: [h, w], channels: c, kernel, stride, padding };
    let [out_h, out_w] = shape.output().map_err(NnError::shape("max pool"))?;
    let dims = Dims { h: out_h, w: out_w, ..x.dims() };
    let mut argmax = if x.wanted { vec![0; dims.len()] } else { Vec::new() };
    let positions = x.wanted.then_some(&mut argmax[..]);
    let y = pass
        .compute(dims, x.wanted, |y| pool::max_pool(&shape, x.data.host(), y, positions))
        .map_err(NnError::shape("max pool"))?;
    pass.record(&y, || Box::new(MaxPoolNode { shape, argmax, slot: x.slot() }));
    Ok(y)
}

struct MaxPoolNode {
    shape: PoolShape,
    argmax: Vec<u8>,
    slot: Slot,
}

impl Node for MaxPoolNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        way.give(self.slot, |gx, store| pool::max_pool_backward(&self.shape, &self.argmax, gy.host(), gx, store))
            .map_err(NnError::shape("max pool"))
    }
}

/// The mean of every channel of every image.
///
/// # Shapes
/// `[N, H, W, C]` to `[N, 1, 1, C]`.
///
/// # Errors
/// [`NnError::Shape`] when the map has no pixels.
pub fn global_average_pool(pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
    let from = x.dims();
    let dims = Dims { h: 1, w: 1, ..from };
    let y = pass
        .compute(dims, x.wanted, |y| pool::global_average_pool(from.n, from.h * from.w, from.c, x.data.host(), y))
        .map_err(NnError::shape("global average pool"))?;
    pass.record(&y, || Box::new(AverageNode { from, slot: x.slot() }));
    Ok(y)
}

struct AverageNode {
    from: Dims,
    slot: Slot,
}

impl Node for AverageNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        let Dims { n, h, w, c } = self.from;
        way.give(self.slot, |gx, store| pool::global_average_pool_backward(n, h * w, c, gy.host(), gx, store))
            .map_err(NnError::shape("global average pool"))
    }
}
