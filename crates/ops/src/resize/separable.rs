//! Two sparse matrices applied to a channels-last map, one along H and one along W.

use super::axis::Taps;
use crate::simd::{self, Isa, Kernel, Lanes};
use crate::{Store, scratch};
use rayon::prelude::*;

/// `y[n] = taps_h x[n] taps_w^T`, channel by channel.
///
/// `x` `[N, inputs of H, inputs of W, C]`, `y` `[N, outputs of H, outputs of W, C]`.
pub(super) fn apply(isa: Isa, taps: &[Taps; 2], channels: usize, x: &[f32], y: &mut [f32], store: Store) {
    y.par_chunks_mut((taps[1].outputs() * channels).max(1)).enumerate().for_each(|(i, y)| {
        output_row(isa, taps, channels, x, i, y, store);
    });
}

/// Row `i` of the `[N * outputs of H]` that [`apply`] writes, `y` `[outputs of W, C]`.
pub(super) fn output_row(
    isa: Isa,
    taps: &[Taps; 2],
    channels: usize,
    x: &[f32],
    i: usize,
    y: &mut [f32],
    store: Store,
) {
    let [along_h, along_w] = taps;
    let len = along_w.inputs * channels;
    let image = i / along_h.outputs() * along_h.inputs * len;
    let rows = Rows { taps: along_h.of_output(i % along_h.outputs()), values: &x[image..], len };
    // SAFETY: every `isa` comes from `Isa::available`; the kernel promises nothing else.
    unsafe { simd::run(isa, OutputRow { rows, along_w, channels, y, store }) }
}

/// The rows that an output row reads.
struct Rows<'a> {
    taps: &'a [(usize, f32)],
    values: &'a [f32],
    len: usize,
}

struct OutputRow<'a> {
    rows: Rows<'a>,
    along_w: &'a Taps,
    channels: usize,
    y: &'a mut [f32],
    store: Store,
}

impl Kernel for OutputRow<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { rows, along_w, channels, y, store } = self;
        let mixed;
        let x = if let [(row, 1.0)] = *rows.taps {
            &rows.values[row * rows.len..][..rows.len]
        } else {
            let mut row = scratch::take(rows.len);
            mix(rows.taps, rows.values, rows.len, &mut row, Store::Overwrite);
            mixed = row;
            &mixed
        };
        for (i, y) in y.chunks_exact_mut(channels).enumerate() {
            mix(along_w.of_output(i), x, channels, y, store);
        }
    }
}

/// `y (+)= sum of weight * x[position]` over the taps, where `x` is cut into pieces as long as `y`.
#[inline(always)]
fn mix(taps: &[(usize, f32)], x: &[f32], len: usize, y: &mut [f32], store: Store) {
    let piece = |position: usize| &x[position * len..][..len];
    let rest = match (store, taps) {
        (Store::Accumulate, taps) => taps,
        (Store::Overwrite, []) => {
            y.fill(0.0);
            taps
        }
        (Store::Overwrite, [(a, 1.0), rest @ ..]) => {
            y.copy_from_slice(piece(*a));
            rest
        }
        (Store::Overwrite, [(a, v), (b, w), rest @ ..]) => {
            for ((y, a), b) in y.iter_mut().zip(piece(*a)).zip(piece(*b)) {
                *y = v * a + w * b;
            }
            rest
        }
        (Store::Overwrite, [(a, v), rest @ ..]) => {
            for (y, a) in y.iter_mut().zip(piece(*a)) {
                *y = v * a;
            }
            rest
        }
    };
    for &(a, v) in rest {
        for (y, a) in y.iter_mut().zip(piece(a)) {
            *y += v * a;
        }
    }
}
