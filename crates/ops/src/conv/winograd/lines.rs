//! The one-dimensional transforms of F(2, 3) and F(4, 3), and their transposes.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), section 4: a 3-tap correlation `y` of a
//! window `d` with a filter `g` is `y = Aᵀ[(G g) ∘ (Bᵀ d)]`, with one product for each of the `m + 2` positions.

use crate::simd::Lanes;

/// Taps of a filter along one axis.
pub(super) const TAPS: usize = 3;
/// The longest window, that of F(4, 3); the shorter one leaves the rest of its arrays unread.
pub(super) const MAX_WINDOW: usize = 6;
/// The most outputs of one window.
pub(super) const MAX_OUTPUTS: usize = 4;

/// F(m, 3) along one axis; in two dimensions it is applied to the columns, then to the rows.
///
/// # Safety
/// Every method needs the instruction set of `V`.
pub(super) trait Lines {
    /// Outputs of one window, `m`.
    const OUTPUTS: usize;
    /// Inputs of one window, `m + 2`.
    const WINDOW: usize;

    /// `Bᵀ d`
    unsafe fn input<V: Lanes>(d: [V; MAX_WINDOW]) -> [V; MAX_WINDOW];
    /// `Aᵀ p`
    unsafe fn output<V: Lanes>(p: [V; MAX_WINDOW]) -> [V; MAX_OUTPUTS];
    /// `A y`
    unsafe fn output_transposed<V: Lanes>(y: [V; MAX_OUTPUTS]) -> [V; MAX_WINDOW];
    /// `G g`
    unsafe fn filter<V: Lanes>(g: [V; TAPS]) -> [V; MAX_WINDOW];
    /// `Gᵀ u`
    unsafe fn filter_transposed<V: Lanes>(u: [V; MAX_WINDOW]) -> [V; TAPS];
}

/// Positions of a window in two dimensions, each of which is one product.
pub(super) const fn positions<L: Lines>() -> usize {
    L::WINDOW * L::WINDOW
}

/// F(2, 3): 16 products for the 36 of four outputs.
pub(super) struct F2;
/// F(4, 3): 36 products for the 144 of sixteen outputs.
pub(super) struct F4;

// SAFETY of every block: arithmetic on registers; the caller vouches for the instruction set.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lines for F2 {
    const OUTPUTS: usize = 2;
    const WINDOW: usize = 4;

    #[inline(always)]
    unsafe fn input<V: Lanes>([d0, d1, d2, d3, ..]: [V; MAX_WINDOW]) -> [V; MAX_WINDOW] {
        unsafe { [d0.sub(d2), d1.add(d2), d2.sub(d1), d1.sub(d3), V::zero(), V::zero()] }
    }
    #[inline(always)]
    unsafe fn output<V: Lanes>([p0, p1, p2, p3, ..]: [V; MAX_WINDOW]) -> [V; MAX_OUTPUTS] {
        unsafe { [p0.add(p1.add(p2)), p1.sub(p2).sub(p3), V::zero(), V::zero()] }
    }
    #[inline(always)]
    unsafe fn output_transposed<V: Lanes>([y0, y1, ..]: [V; MAX_OUTPUTS]) -> [V; MAX_WINDOW] {
        unsafe { [y0, y0.add(y1), y0.sub(y1), V::zero().sub(y1), V::zero(), V::zero()] }
    }
    #[inline(always)]
    unsafe fn filter<V: Lanes>([g0, g1, g2]: [V; TAPS]) -> [V; MAX_WINDOW] {
        unsafe {
            let half = V::splat(0.5);
            let (even, odd) = (g0.add(g2).mul(half), g1.mul(half));
            [g0, even.add(odd), even.sub(odd), g2, V::zero(), V::zero()]
        }
    }
    #[inline(always)]
    unsafe fn filter_transposed<V: Lanes>([u0, u1, u2, u3, ..]: [V; MAX_WINDOW]) -> [V; TAPS] {
        unsafe {
            let half = V::splat(0.5);
            let even = u1.add(u2).mul(half);
            [u0.add(even), u1.sub(u2).mul(half), even.add(u3)]
        }
    }
}

/// The points at which F(4, 3) evaluates its polynomials, beside 0 and infinity: `±A` and `±B`.
///
/// Not the usual 1 and 2: on random maps of 256 channels these leave a quarter of their largest error and 0.4 of their mean
/// one (Barabasz, Anderson, Soodhalter and Gregg, "Error Analysis and Improving the Accuracy of Winograd Convolution for
/// Deep Neural Networks", 2020, on why the choice matters).  Their powers are exact in f32.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
/// What the Lagrange polynomials of 0, `±A` and `±B` are divided by.
const F0: f32 = A2 * B2;
const FA: f32 = 2.0 * A2 * (A2 - B2);
const FB: f32 = 2.0 * B2 * (B2 - A2);

// SAFETY of every block: arithmetic on registers; the caller vouches for the instruction set.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lines for F4 {
    const OUTPUTS: usize = 4;
    const WINDOW: usize = 6;

    #[inline(always)]
    unsafe fn input<V: Lanes>([d0, d1, d2, d3, d4, d5]: [V; MAX_WINDOW]) -> [V; MAX_WINDOW] {
        unsafe {
            let (product, sum) = (V::splat(F0), V::splat(-(A2 + B2)));
            let (even_a, odd_a) = (d2.mul_add(V::splat(-B2), d4), d1.mul_add(V::splat(-B2), d3));
            let (even_b, odd_b) = (d2.mul_add(V::splat(-A2), d4), d1.mul_add(V::splat(-A2), d3));
            [
                d0.mul_add(product, d2.mul_add(sum, d4)),
                odd_a.mul_add(V::splat(A), even_a),
                odd_a.mul_add(V::splat(-A), even_a),
                odd_b.mul_add(V::splat(B), even_b),
                odd_b.mul_add(V::splat(-B), even_b),
                d1.mul_add(product, d3.mul_add(sum, d5)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn output<V: Lanes>([p0, p1, p2, p3, p4, p5]: [V; MAX_WINDOW]) -> [V; MAX_OUTPUTS] {
        unsafe {
            let (even_a, odd_a, even_b, odd_b) = (p1.add(p2), p1.sub(p2), p3.add(p4), p3.sub(p4));
            [
                p0.add(even_a.add(even_b)),
                odd_b.mul_add(V::splat(B), odd_a.mul(V::splat(A))),
                even_b.mul_add(V::splat(B2), even_a.mul(V::splat(A2))),
                odd_b.mul_add(V::splat(B * B2), odd_a.mul_add(V::splat(A * A2), p5)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn output_transposed<V: Lanes>([y0, y1, y2, y3]: [V; MAX_OUTPUTS]) -> [V; MAX_WINDOW] {
        unsafe {
            let (even_a, odd_a) = (y2.mul_add(V::splat(A2), y0), y3.mul_add(V::splat(A2), y1));
            let (even_b, odd_b) = (y2.mul_add(V::splat(B2), y0), y3.mul_add(V::splat(B2), y1));
            [
                y0,
                odd_a.mul_add(V::splat(A), even_a),
                odd_a.mul_add(V::splat(-A), even_a),
                odd_b.mul_add(V::splat(B), even_b),
                odd_b.mul_add(V::splat(-B), even_b),
                y3,
            ]
        }
    }
    #[inline(always)]
    unsafe fn filter<V: Lanes>([g0, g1, g2]: [V; TAPS]) -> [V; MAX_WINDOW] {
        unsafe {
            let (even_a, odd_a) = (g2.mul_add(V::splat(A2), g0).mul(V::splat(1.0 / FA)), g1.mul(V::splat(A / FA)));
            let (even_b, odd_b) = (g2.mul_add(V::splat(B2), g0).mul(V::splat(1.0 / FB)), g1.mul(V::splat(B / FB)));
            let first = g0.mul(V::splat(1.0 / F0));
            [first, even_a.add(odd_a), even_a.sub(odd_a), even_b.add(odd_b), even_b.sub(odd_b), g2]
        }
    }
    #[inline(always)]
    unsafe fn filter_transposed<V: Lanes>([u0, u1, u2, u3, u4, u5]: [V; MAX_WINDOW]) -> [V; TAPS] {
        unsafe {
            let (even_a, odd_a) = (u1.add(u2).mul(V::splat(1.0 / FA)), u1.sub(u2).mul(V::splat(A / FA)));
            let (even_b, odd_b) = (u3.add(u4).mul(V::splat(1.0 / FB)), u3.sub(u4).mul(V::splat(B / FB)));
            [
                u0.mul_add(V::splat(1.0 / F0), even_a.add(even_b)),
                odd_a.add(odd_b),
                even_a.mul_add(V::splat(A2), even_b.mul_add(V::splat(B2), u5)),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{LANES, Plain};

    /// The value in every lane of a result.
    fn value(v: Plain) -> f64 {
        let mut out = [0.0; LANES];
        // SAFETY: `out` holds sixteen values.
        unsafe { v.store(out.as_mut_ptr()) };
        f64::from(out[0])
    }

    fn splat<const K: usize>(values: [f64; K]) -> [Plain; K] {
        // SAFETY: the plain lanes need no instruction set.
        values.map(|v| unsafe { Plain::splat(v as f32) })
    }

    fn dot<const K: usize>(a: [f64; K], b: [f64; K]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    const D: [f64; MAX_WINDOW] = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];
    const G: [f64; TAPS] = [2.0, -6.0, 5.0];
    const Y: [f64; MAX_OUTPUTS] = [1.0, -2.0, 7.0, 3.0];

    fn correlates<L: Lines>() {
        // SAFETY: the plain lanes need no instruction set.
        let y = unsafe {
            let (d, g) = (L::input(splat(D)), L::filter(splat(G)));
            L::output(std::array::from_fn(|i| d[i].mul(g[i]))).map(value)
        };
        for (i, y) in y.into_iter().enumerate().take(L::OUTPUTS) {
            let expected = (0..TAPS).map(|t| D[i + t] * G[t]).sum::<f64>();
            assert!((y - expected).abs() < 1e-4, "output {i}: {y} for {expected}");
        }
    }

    /// `⟨Aᵀ d, y⟩ = ⟨d, A y⟩` and `⟨G g, d⟩ = ⟨g, Gᵀ d⟩`.
    fn transposes<L: Lines>() {
        let masked_d = std::array::from_fn(|i| if i < L::WINDOW { D[i] } else { 0.0 });
        let masked_y = std::array::from_fn(|i| if i < L::OUTPUTS { Y[i] } else { 0.0 });
        // SAFETY: the plain lanes need no instruction set.
        unsafe {
            let forward = dot(L::output(splat(masked_d)).map(value), masked_y);
            let backward = dot(masked_d, L::output_transposed(splat(masked_y)).map(value));
            assert!((forward - backward).abs() < 1e-4, "A: {forward} {backward}");
            let forward = dot(L::filter(splat(G)).map(value), masked_d);
            let backward = dot(G, L::filter_transposed(splat(masked_d)).map(value));
            assert!((forward - backward).abs() < 1e-4, "G: {forward} {backward}");
        }
    }

    #[test]
    fn the_products_of_transforms_are_the_correlation() {
        correlates::<F2>();
        correlates::<F4>();
    }

    #[test]
    fn the_transposed_transforms_are_transposes() {
        transposes::<F2>();
        transposes::<F4>();
    }
}
