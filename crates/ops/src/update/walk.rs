//! One pass over values, their gradients and an optimizer's states, block by block on all threads.

use rayon::prelude::*;

use super::formula::Formula;
use crate::rows::{Rescaled, UnitRows, row_count};
use crate::simd::{Isa, Kernel, Lanes, run};
use crate::{ShapeError, blocks, check_len};

/// Neighbours, with their gradients and states.
struct Block<'a, const S: usize> {
    params: &'a mut [f32],
    grads: &'a [f32],
    states: [&'a mut [f32]; S],
}

/// Cuts slices of one length in blocks of `len` values; the last may be shorter.
fn cut<'a, const S: usize>(
    op: &'static str,
    len: usize,
    params: &'a mut [f32],
    grads: &'a [f32],
    states: [&'a mut [f32]; S],
) -> Result<Vec<Block<'a, S>>, ShapeError> {
    check_len(op, "gradients", grads.len(), params.len())?;
    for state in &states {
        check_len(op, "state", state.len(), params.len())?;
    }
    let mut states = states.map(|state| state.chunks_mut(len));
    let pairs = params.chunks_mut(len).zip(grads.chunks(len));
    let block = |(params, grads)| {
        let states = states.each_mut().map(|chunks| chunks.next().unwrap_or_default());
        Block { params, grads, states }
    };
    Ok(pairs.map(block).collect())
}

/// A formula over a flat run of values.
pub(super) fn values<const S: usize>(
    op: &'static str,
    formula: &impl Formula<S>,
    params: &mut [f32],
    grads: &[f32],
    states: [&mut [f32]; S],
) -> Result<(), ShapeError> {
    cut(op, blocks::VALUES, params, grads, states)?.into_par_iter().for_each(|block| {
        // SAFETY: the widest set is one this machine has, and the kernel promises nothing.
        unsafe { run(Isa::widest(), Flat { formula, block }) };
    });
    Ok(())
}

/// A formula over the rows of a matrix, each of which then becomes one of unit norm.
pub(super) fn rows<const S: usize>(
    op: &'static str,
    formula: &impl Formula<S>,
    params: &mut [f32],
    grads: &[f32],
    states: [&mut [f32]; S],
    unit: UnitRows,
) -> Result<Rescaled, ShapeError> {
    let mut rescaled = Rescaled::of_rows(row_count(op, params.len(), unit.row_len)?);
    let block = blocks::rows_per_task(unit.row_len);
    let blocks = cut(op, block * unit.row_len, params, grads, states)?;
    let found = rescaled.norms.par_chunks_mut(block).zip(rescaled.factors.par_chunks_mut(block));
    blocks.into_par_iter().zip(found).for_each(|(block, (norms, factors))| {
        // SAFETY: as above.
        unsafe { run(Isa::widest(), Rows { formula, block, unit, norms, factors }) };
    });
    rescaled.count_skipped(unit);
    Ok(rescaled)
}

struct Flat<'a, F, const S: usize> {
    formula: &'a F,
    block: Block<'a, S>,
}

impl<F: Formula<S>, const S: usize> Kernel for Flat<'_, F, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Block { params, grads, states } = self.block;
        self.formula.apply(params, grads, states);
    }
}

struct Rows<'a, F, const S: usize> {
    formula: &'a F,
    block: Block<'a, S>,
    unit: UnitRows,
    norms: &'a mut [f64],
    factors: &'a mut [f64],
}

impl<F: Formula<S>, const S: usize> Kernel for Rows<'_, F, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Block { params, grads, mut states } = self.block;
        let len = self.unit.row_len;
        for (i, (norm, factor)) in self.norms.iter_mut().zip(self.factors).enumerate() {
            let window = i * len..(i + 1) * len;
            let row = &mut params[window.clone()];
            let states = states.each_mut().map(|state| &mut state[window.clone()]);
            self.formula.apply(row, &grads[window.clone()], states);
            (*norm, *factor) = self.unit.rescale(row);
        }
    }
}
