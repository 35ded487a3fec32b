//! Layers without parameters that move values: concatenation and resizing.

use wrs_ops::concat::{self as concat_op, Part, PartGradient};
use wrs_ops::resize::{Corners, Interpolation, ResizeShape, resize, resize_backward};

use crate::pass::{Dims, Pass, Slot, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, NnError};

/// Concatenates along channels, in the order given.
///
/// # Shapes
/// `[N, H, W, C_i]` each, to `[N, H, W, sum C_i]`.
///
/// # Errors
/// [`NnError::Shape`] when the inputs differ in batch, height or width.
pub fn concat(pass: &mut Pass<'_>, inputs: &[&Value]) -> Result<Value, NnError> {
    let first = inputs.first().map_or(Dims { n: 0, h: 0, w: 0, c: 0 }, |v| v.dims());
    for v in inputs {
        let (d, what) = (v.dims(), "pixels of an input");
        let same = (d.n, d.h, d.w) == (first.n, first.h, first.w);
        let got = if same { first.pixels() } else { d.pixels() };
        wrs_ops::check_len("concat", what, got, first.pixels()).map_err(NnError::shape("concat"))?;
    }
    let channels: Vec<usize> = inputs.iter().map(|v| v.dims().c).collect();
    let dims = Dims { c: channels.iter().sum(), ..first };
    let wanted = inputs.iter().any(|v| v.wanted);
    let y = pass
        .compute(dims, wanted, |y| {
            let parts: Vec<Part> =
                inputs.iter().map(|v| Part { values: v.data.host(), channels: v.dims().c }).collect();
            concat_op::concat(dims.pixels(), &parts, y)
        })
        .map_err(NnError::shape("concat"))?;
    let slots = inputs.iter().map(|v| v.slot()).collect();
    pass.record(&y, || Box::new(ConcatNode { rows: dims.pixels(), channels, slots }));
    Ok(y)
}

struct ConcatNode {
    rows: usize,
    channels: Vec<usize>,
    slots: Vec<Slot>,
}

impl Node for ConcatNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        for (own, &slot) in self.slots.iter().enumerate() {
            way.give(slot, |gx, store| {
                let mut gx = Some(gx);
                let part = |(i, &channels): (usize, &usize)| {
                    let gradient = if i == own { gx.take() } else { None };
                    PartGradient { gradient, channels, store }
                };
                let mut parts: Vec<PartGradient> = self.channels.iter().enumerate().map(part).collect();
                concat_op::split(self.rows, gy.host(), &mut parts)
            })
            .map_err(NnError::shape("concat"))?;
        }
        Ok(())
    }
}

/// Repeats each pixel `factor` times in both directions.
///
/// # Shapes
/// `[N, H, W, C]` to `[N, factor H, factor W, C]`.
///
/// # Errors
/// [`NnError::Shape`] when `factor` is 0.
pub fn upsample_nearest(pass: &mut Pass<'_>, x: &Value, factor: usize) -> Result<Value, NnError> {
    let Dims { h, w, .. } = x.dims();
    resized(pass, x, [factor * h, factor * w], Interpolation::Nearest)
}

/// Bilinear interpolation to another size, with PyTorch's coordinates; a single pixel fills the whole map.
///
/// # Shapes
/// `[N, H, W, C]` to `[N, h, w, C]`, `size` being `[h, w]`.
///
/// # Errors
/// [`NnError::Shape`] when a size is 0.
pub fn resize_bilinear(pass: &mut Pass<'_>, x: &Value, size: [usize; 2], corners: Corners) -> Result<Value, NnError> {
    resized(pass, x, size, Interpolation::Bilinear(corners))
}

fn resized(pass: &mut Pass<'_>, x: &Value, output: [usize; 2], interpolation: Interpolation) -> Result<Value, NnError> {
    let from = x.dims();
    let dims = Dims { h: output[0], w: output[1], ..from };
    let shape = ResizeShape { batch: from.n, input: [from.h, from.w], output, channels: from.c };
    let y = pass
        .compute(dims, x.wanted, |y| resize(&shape, interpolation, x.data.host(), y))
        .map_err(NnError::shape("resize"))?;
    let slot = x.slot();
    pass.record(&y, || Box::new(ResizeNode { shape, interpolation, slot }));
    Ok(y)
}

struct ResizeNode {
    shape: ResizeShape,
    interpolation: Interpolation,
    slot: Slot,
}

impl Node for ResizeNode {
    fn backward(self: Box<Self>, gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        way.give(self.slot, |gx, store| resize_backward(&self.shape, self.interpolation, gy.host(), gx, store))
            .map_err(NnError::shape("resize"))
    }
}
