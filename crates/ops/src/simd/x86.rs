//! The lanes in x86 registers.

use super::{LANES, Lanes};
#[allow(clippy::wildcard_imports, reason = "two instruction sets' worth of intrinsics, each used once or twice")]
use std::arch::x86_64::*;

/// One AVX-512 register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// Two AVX registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

#[inline(always)]
fn mask16(n: usize) -> __mmask16 {
    if n >= LANES { !0 } else { (1 << n) - 1 }
}

// SAFETY of every block: the caller vouches for AVX-512F and for the memory behind the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for Avx512 {
    const REGISTERS: usize = 32;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> Self {
        unsafe { Self(_mm512_maskz_loadu_ps(mask16(n), from)) }
    }
    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, mask16(n), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }
    #[inline(always)]
    unsafe fn select_positive(self, positive: Self, otherwise: Self) -> Self {
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            Self(_mm512_mask_blend_ps(mask, otherwise.0, positive.0))
        }
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        unsafe {
            // Pairs of rows, then quadruples: quarter `q` of row `4 b + c` holds lane `4 q + c` of rows `4 b..4 b + 4`.
            let (mut pairs, mut quads) = (rows, rows);
            for i in 0..LANES / 2 {
                let (a, b) = (rows[2 * i].0, rows[2 * i + 1].0);
                pairs[2 * i].0 = _mm512_unpacklo_ps(a, b);
                pairs[2 * i + 1].0 = _mm512_unpackhi_ps(a, b);
            }
            for i in 0..LANES / 4 {
                for half in 0..2 {
                    let a = _mm512_castps_pd(pairs[4 * i + half].0);
                    let b = _mm512_castps_pd(pairs[4 * i + 2 + half].0);
                    quads[4 * i + 2 * half].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    quads[4 * i + 2 * half + 1].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            let mut out = rows;
            for c in 0..4 {
                let [q0, q1, q2, q3] = [quads[c].0, quads[4 + c].0, quads[8 + c].0, quads[12 + c].0];
                let (even0, even1) = (_mm512_shuffle_f32x4::<0x88>(q0, q1), _mm512_shuffle_f32x4::<0x88>(q2, q3));
                let (odd0, odd1) = (_mm512_shuffle_f32x4::<0xdd>(q0, q1), _mm512_shuffle_f32x4::<0xdd>(q2, q3));
                out[c].0 = _mm512_shuffle_f32x4::<0x88>(even0, even1);
                out[4 + c].0 = _mm512_shuffle_f32x4::<0x88>(odd0, odd1);
                out[8 + c].0 = _mm512_shuffle_f32x4::<0xdd>(even0, even1);
                out[12 + c].0 = _mm512_shuffle_f32x4::<0xdd>(odd0, odd1);
            }
            out
        }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// Lane masks of the two halves for the first `n` of sixteen lanes.
#[inline(always)]
fn halves(n: usize) -> [[i32; 8]; 2] {
    let mut out = [[0; 8]; 2];
    for (i, lane) in out.as_flattened_mut().iter_mut().enumerate() {
        *lane = if i < n { -1 } else { 0 };
    }
    out
}

// SAFETY of every block: the caller vouches for AVX2 and FMA and for the memory behind the pointers; masked-off lanes
// are not touched, and `wrapping_add` makes no claim about the pointer behind them.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for Avx2 {
    const REGISTERS: usize = 8;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> Self {
        let m = halves(n);
        unsafe {
            let (a, b) = (_mm256_loadu_si256(m[0].as_ptr().cast()), _mm256_loadu_si256(m[1].as_ptr().cast()));
            Self(_mm256_maskload_ps(from, a), _mm256_maskload_ps(from.wrapping_add(8), b))
        }
    }
    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, n: usize) {
        let m = halves(n);
        unsafe {
            let (a, b) = (_mm256_loadu_si256(m[0].as_ptr().cast()), _mm256_loadu_si256(m[1].as_ptr().cast()));
            _mm256_maskstore_ps(to, a, self.0);
            _mm256_maskstore_ps(to.wrapping_add(8), b, self.1);
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1)) }
    }
    #[inline(always)]
    unsafe fn select_positive(self, positive: Self, otherwise: Self) -> Self {
        unsafe {
            let zero = _mm256_setzero_ps();
            let a = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, zero);
            let b = _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, zero);
            Self(_mm256_blendv_ps(otherwise.0, positive.0, a), _mm256_blendv_ps(otherwise.1, positive.1, b))
        }
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut out = rows;
        let (top, bottom) = rows.split_at(8);
        unsafe {
            let zero = _mm256_setzero_ps();
            let mut corners = [[[zero; 8]; 2]; 2];
            for i in 0..8 {
                corners[0][0][i] = top[i].0;
                corners[0][1][i] = top[i].1;
                corners[1][0][i] = bottom[i].0;
                corners[1][1][i] = bottom[i].1;
            }
            for right in 0..2 {
                let (above, below) = (transpose8(corners[0][right]), transpose8(corners[1][right]));
                for i in 0..8 {
                    out[8 * right + i] = Self(above[i], below[i]);
                }
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// # Safety
/// AVX is there.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe fn transpose8(rows: [__m256; 8]) -> [__m256; 8] {
    let (mut pairs, mut fours, mut out) = (rows, rows, rows);
    unsafe {
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
        }
        for i in 0..2 {
            for j in 0..2 {
                let (low, high) = (_mm256_castps_pd(pairs[4 * i + j]), _mm256_castps_pd(pairs[4 * i + j + 2]));
                fours[4 * i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
                fours[4 * i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
            }
        }
        for j in 0..4 {
            out[j] = _mm256_permute2f128_ps::<0x20>(fours[j], fours[4 + j]);
            out[4 + j] = _mm256_permute2f128_ps::<0x31>(fours[j], fours[4 + j]);
        }
    }
    out
}
