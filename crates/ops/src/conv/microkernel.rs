//! The two register tiles every convolution ends in.
//!
//! * [`RowsTimesPanel`]: `out[r][0..columns] (+)= sum_t sum_k pointers[t][r][from + k] * panel[t * depth + k][0..columns]`
//!   for any number of rows, against **one** panel.  Forward, backward-input and Winograd's batched products.
//! * [`OuterProduct`]: `out[r][0..columns] (+)= sum_pixels rows[pixel][r] * columns[pixel][0..columns]` for any number of
//!   rows against one block of columns.  Weight gradients.
//!
//! Both are [`Kernel`]s: build one and hand it to [`crate::simd::run`], which picks the instruction set; the loop over
//! register tiles is inside, so one call should cover a hundred rows or so.
//!
//! # Contract
//! * Panel widths are those of [`super::pack::panels`] for the same [`Isa`]: 64, 32 or 16 with AVX-512, 16 elsewhere.
//!   Column blocks of an outer product are [`outer_width`] or 16 wide.  Sources are zero-padded up to the width; only
//!   the first `columns` of a row of `out` are touched.
//! * Nothing needs to be aligned.
//! * An element's sum starts at zero in a register and is added to `out` once at the end of the call (or overwrites it):
//!   its bits depend on the order of the calls and on their `taps`, `depth` and runs, never on how rows are grouped.
//! * A tile skips the taps at which all its rows are `padding`: with finite weights that changes nothing.

#![allow(
    clippy::needless_range_loop,
    reason = "counted loops over constants unroll, and their arrays stay in registers"
)]

/// Calls `$tile::<V, ROWS, NV>($args)` with the const `ROWS` equal to `$rows`, which fits the registers.
macro_rules! with_rows {
    ($rows:expr, $v:ty, $nv:ident, $self:ident.$tile:ident $args:tt; $($n:literal)+) => {
        match $rows {
            // The first comparison is known at compile time: tiles that do not fit are not compiled.
            $( $n if $n <= rows_that_fit(<$v>::REGISTERS, $nv) => $self.$tile::<$v, $n, $nv> $args, )+
            _ => {}
        }
    };
}

mod outer;

pub(crate) use outer::{OuterProduct, Run};

use super::epilogue::Finish;
use crate::Store;
use crate::simd::{Isa, Kernel, LANES, Lanes};

/// No tile has more rows than this; row counts a multiple of it waste nothing.
pub(crate) const MOST_ROWS: usize = 12;

/// Values beside the accumulators: the row of the panel and one broadcast.
const fn rows_that_fit(registers: usize, vectors: usize) -> usize {
    let rows = (registers - vectors - 1) / vectors;
    if rows < MOST_ROWS { rows } else { MOST_ROWS }
}

/// Columns of the widest panel of [`RowsTimesPanel`].
pub(crate) fn panel_width(isa: Isa) -> usize {
    if isa.registers() >= 32 { 4 * LANES } else { LANES }
}

/// Columns of the widest block of [`OuterProduct`].
pub(crate) fn outer_width(isa: Isa) -> usize {
    if isa.registers() >= 32 { 2 * LANES } else { LANES }
}

/// Rows of the largest register tile of [`OuterProduct`] on its widest block.
pub(crate) fn outer_rows(isa: Isa) -> usize {
    rows_that_fit(isa.registers(), outer_width(isa) / LANES)
}

/// Where row `r` of the output starts, in values from its base.
#[derive(Clone, Copy)]
pub(crate) enum RowPlaces<'a> {
    /// At `r` times this.
    Every(usize),
    /// At the `r`-th of these.
    At(&'a [usize]),
}

impl RowPlaces<'_> {
    #[inline(always)]
    fn of(self, row: usize) -> usize {
        match self {
            Self::Every(stride) => row * stride,
            Self::At(places) => places[row],
        }
    }
}

/// Writes whole rows of sums, or adds them to what is there; `place` gives where each begins.
///
/// Without a branch for every vector the loops unroll, and the sums stay in registers.
///
/// # Safety
/// The instruction set of `V`; `NV` vectors are writable at each place.
#[inline(always)]
unsafe fn put_rows<V: Lanes, const ROWS: usize, const NV: usize>(
    sums: [[V; NV]; ROWS],
    store: Store,
    place: impl Fn(usize) -> *mut f32,
) {
    match store {
        Store::Overwrite => {
            for r in 0..ROWS {
                let to = place(r);
                for v in 0..NV {
                    // SAFETY: the caller's contract.
                    unsafe { sums[r][v].store(to.add(v * LANES)) }
                }
            }
        }
        Store::Accumulate => {
            for r in 0..ROWS {
                let to = place(r);
                for v in 0..NV {
                    // SAFETY: the caller's contract.
                    unsafe { sums[r][v].add(V::load(to.add(v * LANES))).store(to.add(v * LANES)) }
                }
            }
        }
    }
}

/// Rows given by pointers, times one packed panel.
///
/// # Safety
/// To be [`run`](crate::simd::run), all of this must hold: `pointers` has `(taps - 1) * pointer_stride + rows` entries or
/// more; `from + depth` values are readable behind each and behind `padding`, which are zeros there; `panel` has
/// `taps * depth * width` values; `columns <= width`; every row of `out` is writable for `columns` values, and nobody else
/// touches them meanwhile; `finish` fits `out`.
pub(crate) struct RowsTimesPanel<'a> {
    /// Output rows.
    pub rows: usize,
    /// `[taps][rows]`, where each row's source starts at each tap.
    pub pointers: &'a [*const f32],
    /// Entries of `pointers` from one tap to the next.
    pub pointer_stride: usize,
    /// What `pointers` holds where a row meets padding.
    pub padding: *const f32,
    /// Taps to sum over.
    pub taps: usize,
    /// Values to skip behind every pointer.
    pub from: usize,
    /// Values to sum over behind every pointer.
    pub depth: usize,
    /// `[taps * depth][width]`
    pub panel: *const f32,
    /// Columns of the panel: 64, 32 or 16.
    pub width: usize,
    /// Columns that are written.
    pub columns: usize,
    /// The first row's first column.
    pub out: *mut f32,
    /// Where the rows lie.
    pub places: RowPlaces<'a>,
    /// Whether the sources are likely not in a cache: rows ahead are then fetched beforehand.
    pub cold: bool,
    /// Whether to add to `out`.
    pub store: Store,
    /// What happens to each sum before it is stored.
    pub finish: Option<Finish>,
}

impl Kernel for RowsTimesPanel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: the caller vouches for the type's contract.
        unsafe {
            match self.width / LANES {
                4 if V::REGISTERS >= 32 => self.all_rows::<V, 4>(),
                2 if V::REGISTERS >= 32 => self.all_rows::<V, 2>(),
                _ => self.all_rows::<V, 1>(),
            }
        }
    }
}

impl RowsTimesPanel<'_> {
    #[inline(always)]
    unsafe fn all_rows<V: Lanes, const NV: usize>(&self) {
        let mut row = 0;
        while row < self.rows {
            let count = rows_that_fit(V::REGISTERS, NV).min(self.rows - row);
            // SAFETY: the caller's contract; the rows are within `rows`.
            unsafe { with_rows!(count, V, NV, self.tile(row); 1 2 3 4 5 6 7 8 9 10 11 12) }
            row += count;
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Lanes, const ROWS: usize, const NV: usize>(&self, row: usize) {
        // SAFETY: the type's contract; `row + ROWS <= rows`; any address may be fetched ahead.
        unsafe {
            for r in 0..ROWS {
                let place = self.places.of(row + r);
                for v in 0..NV {
                    V::prefetch(self.out.wrapping_add(place + v * LANES));
                }
            }
            let sums = self.sums::<V, ROWS, NV>(row);
            if self.columns == NV * LANES && self.finish.is_none() {
                return put_rows(sums, self.store, |r| self.out.add(self.places.of(row + r)));
            }
            // A loop that is not unrolled would index `sums`, and then it would live in memory from its first day on:
            // only short loops may touch it.
            let mut stored = [[[0.0; LANES]; NV]; ROWS];
            for r in 0..ROWS {
                for v in 0..NV {
                    sums[r][v].store(stored[r][v].as_mut_ptr());
                }
            }
            for r in 0..ROWS {
                let place = self.places.of(row + r);
                for v in 0..NV {
                    self.put(V::load(stored[r][v].as_ptr()), place, v * LANES);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn sums<V: Lanes, const ROWS: usize, const NV: usize>(&self, row: usize) -> [[V; NV]; ROWS] {
        // SAFETY: the instruction set is there.
        let mut sums = [[unsafe { V::zero() }; NV]; ROWS];
        let mut panel = self.panel;
        let fetch_ahead = self.cold && row + 2 * ROWS <= self.rows;
        for tap in 0..self.taps {
            // SAFETY: the type's contract covers every pointer below; `row + ROWS <= rows`.
            unsafe {
                let pointers = self.pointers.as_ptr().add(tap * self.pointer_stride + row);
                let mut sources = [self.padding; ROWS];
                let mut all_padding = true;
                for r in 0..ROWS {
                    let source = *pointers.add(r);
                    all_padding &= source == self.padding;
                    sources[r] = source.add(self.from);
                }
                if all_padding {
                    panel = panel.add(self.depth * NV * LANES);
                    continue;
                }
                let mut k = 0;
                while k < self.depth {
                    // Rows are short: the hardware sees no stream to fetch ahead of.
                    if fetch_ahead {
                        for r in 0..ROWS {
                            V::prefetch((*pointers.add(ROWS + r)).wrapping_add(self.from + k));
                        }
                    }
                    let line_end = self.depth.min(k + LANES);
                    while k < line_end {
                        let mut columns = [V::zero(); NV];
                        for v in 0..NV {
                            columns[v] = V::load(panel.add(v * LANES));
                        }
                        for r in 0..ROWS {
                            let value = V::splat(*sources[r].add(k));
                            for v in 0..NV {
                                sums[r][v] = value.mul_add(columns[v], sums[r][v]);
                            }
                        }
                        panel = panel.add(NV * LANES);
                        k += 1;
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn put<V: Lanes>(&self, sum: V, place: usize, column: usize) {
        let lanes = self.columns.saturating_sub(column);
        // SAFETY: `lanes` values are inside the row that the type's contract gives us.
        unsafe {
            let to = self.out.add(place);
            let mut sum = sum;
            if lanes >= LANES {
                let to = to.add(column);
                if self.store == Store::Accumulate {
                    sum = sum.add(V::load(to));
                }
                if let Some(finish) = &self.finish {
                    sum = finish.apply(sum, place, column);
                }
                sum.store(to);
            } else if lanes > 0 {
                let to = to.add(column);
                if self.store == Store::Accumulate {
                    sum = sum.add(V::load_partial(to, lanes));
                }
                if let Some(finish) = &self.finish {
                    sum = finish.apply_partial(sum, place, column, lanes);
                }
                sum.store_partial(to, lanes);
            }
        }
    }
}
