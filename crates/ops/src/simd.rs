//! Sixteen `f32` lanes, written once for every instruction set.
//!
//! A kernel is a struct of its arguments that implements [`Kernel`] generically over [`Lanes`]; [`run`] calls it inside a
//! function compiled for AVX-512, AVX2 + FMA, or the plain target.  Everything a kernel calls must be `#[inline(always)]`
//! (no closures in hot loops): only then is it compiled for the instruction set of the function it ends up in.

/// Lanes in one [`Lanes`] value.
pub(crate) const LANES: usize = 16;

/// An instruction set the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// Those this machine has, the widest first.
    pub(crate) fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            // The macro caches what CPUID says, so asking is cheap.  A virtual machine may hide any of them from its
            // guests, so none is taken to imply another.
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            match (is_x86_feature_detected!("avx512f"), avx2) {
                (true, true) => return &[Self::Avx512, Self::Avx2, Self::Portable],
                (true, false) => return &[Self::Avx512, Self::Portable],
                (false, true) => return &[Self::Avx2, Self::Portable],
                (false, false) => {}
            }
        }
        &[Self::Portable]
    }

    /// The widest this machine has.
    pub(crate) fn widest() -> Self {
        Self::available()[0]
    }

    /// Its name in the environment and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// [`Lanes::REGISTERS`] of its lanes.
    pub(crate) fn registers(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::REGISTERS,
            Self::Portable => Plain::REGISTERS,
        }
    }
}

/// Sixteen `f32` values.
///
/// # Safety
/// Every method needs the instruction set of its implementation; pointers must be valid for the lanes that are touched
/// (all sixteen, or the first `n` of the partial forms).  No alignment is asked for.
pub(crate) trait Lanes: Copy {
    /// How many values the register file holds: what micro-kernels size their tiles by.
    const REGISTERS: usize;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The first `n <= 16` lanes from memory, zeros behind them.
    unsafe fn load_partial(from: *const f32, n: usize) -> Self;
    /// Writes the first `n <= 16` lanes.
    unsafe fn store_partial(self, to: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + addend`
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Lane by lane, `positive` where `self > 0`, `otherwise` elsewhere.
    unsafe fn select_positive(self, positive: Self, otherwise: Self) -> Self;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's contract is this method's.
        unsafe { Self::splat(0.0) }
    }
    /// Asks for the cache line at an address that will be needed soon; any address will do.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}
    /// Lane `i` of row `j` becomes lane `j` of row `i`.
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut values = [[0.0; LANES]; LANES];
        let mut row = [0.0; LANES];
        let mut out = rows;
        // SAFETY: sixteen values are writable at each row of `values`, and readable at `row`.
        unsafe {
            for i in 0..LANES {
                rows[i].store(values[i].as_mut_ptr());
            }
            for i in 0..LANES {
                for j in 0..LANES {
                    row[j] = values[j][i];
                }
                out[i] = Self::load(row.as_ptr());
            }
        }
        out
    }
}

/// The plain form: sixteen values in an array, left to the compiler.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; LANES]);

macro_rules! lanewise {
    ($($i:ident => $value:expr),+ $(,)?) => { $( {
        let mut out = [0.0; LANES];
        for $i in 0..LANES { out[$i] = $value; }
        Plain(out)
    } )+ };
}

impl Lanes for Plain {
    // Four lanes a register: sixteen of them on x86-64, thirty-two on AArch64.
    const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: sixteen values are readable at `from`; arrays of f32 need no more than f32's alignment.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: sixteen values are writable at `to`.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> Self {
        let mut out = [0.0; LANES];
        // SAFETY: `n <= 16` values are readable at `from`.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), n) }
        Self(out)
    }
    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, n: usize) {
        // SAFETY: `n <= 16` values are writable at `to`.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, n) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        lanewise!(i => self.0[i] + other.0[i])
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        lanewise!(i => self.0[i] - other.0[i])
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        lanewise!(i => self.0[i] * other.0[i])
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // Not f32::mul_add: without the FMA instruction that is a library call.
        lanewise!(i => self.0[i] * factor.0[i] + addend.0[i])
    }
    #[inline(always)]
    unsafe fn select_positive(self, positive: Self, otherwise: Self) -> Self {
        lanewise!(i => if self.0[i] > 0.0 { positive.0[i] } else { otherwise.0[i] })
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86;

/// A computation written over [`Lanes`].
pub(crate) trait Kernel {
    type Output;
    /// # Safety
    /// The instruction set of `V` is there, and what the kernel's own fields promise holds.
    unsafe fn call<V: Lanes>(self) -> Self::Output;
}

/// Runs a kernel compiled for `isa`.
///
/// # Safety
/// `isa` is one of [`Isa::available`], and what the kernel's own fields promise holds.
#[inline]
pub(crate) unsafe fn run<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        // SAFETY: the caller vouches for the instruction set and for the kernel's promises.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        // SAFETY: as above; this form needs no instruction set.
        Isa::Portable => unsafe { kernel.call::<Plain>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is only called where AVX-512F is there.
    unsafe { kernel.call::<Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is only called where AVX2 and FMA are there.
    unsafe { kernel.call::<Avx2>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything<'a> {
        a: &'a [f32],
        b: &'a [f32],
        out: &'a mut [f32],
        n: usize,
    }

    impl Kernel for Everything<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn call<V: Lanes>(self) {
            // SAFETY: the slices hold sixteen values, `out` sixteen more than `n <= 16`.
            unsafe {
                let (a, b) = (V::load(self.a.as_ptr()), V::load_partial(self.b.as_ptr(), self.n));
                let sum = a.add(b).mul_add(V::splat(2.0), a.sub(b).mul(b));
                a.select_positive(sum, V::zero()).store_partial(self.out.as_mut_ptr(), self.n);
                sum.store(self.out.as_mut_ptr().add(LANES));
            }
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        let a: Vec<f32> = (0..LANES).map(|i| i as f32 - 7.0).collect();
        let b: Vec<f32> = (0..LANES).map(|i| 0.5 * i as f32).collect();
        for &isa in Isa::available() {
            for n in 0..=LANES {
                let mut out = vec![-1.0; 2 * LANES];
                // SAFETY: the instruction set is available and the slices are long enough.
                unsafe { run(isa, Everything { a: &a, b: &b, out: &mut out, n }) };
                for i in 0..LANES {
                    let b = if i < n { b[i] } else { 0.0 };
                    let sum = (a[i] + b) * 2.0 + (a[i] - b) * b;
                    assert_eq!(out[LANES + i], sum, "{isa:?} lane {i}");
                    let expected = if i >= n {
                        -1.0
                    } else if a[i] > 0.0 {
                        sum
                    } else {
                        0.0
                    };
                    assert_eq!(out[i], expected, "{isa:?} n {n} lane {i}");
                }
            }
        }
    }

    struct Transpose<'a> {
        matrix: &'a [f32],
        out: &'a mut [f32],
    }

    impl Kernel for Transpose<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn call<V: Lanes>(self) {
            // SAFETY: both slices hold sixteen rows of sixteen values; a prefetch may go anywhere.
            unsafe {
                let mut rows = [V::zero(); LANES];
                for (i, row) in rows.iter_mut().enumerate() {
                    *row = V::load(self.matrix.as_ptr().add(i * LANES));
                }
                V::prefetch(std::ptr::null());
                for (i, row) in V::transpose(rows).into_iter().enumerate() {
                    row.store(self.out.as_mut_ptr().add(i * LANES));
                }
            }
        }
    }

    #[test]
    fn a_transpose_exchanges_lanes_and_values() {
        let matrix: Vec<f32> = (0..LANES * LANES).map(|i| i as f32).collect();
        for &isa in Isa::available() {
            let mut out = vec![0.0; matrix.len()];
            // SAFETY: the instruction set is available and the slices are long enough.
            unsafe { run(isa, Transpose { matrix: &matrix, out: &mut out }) };
            for i in 0..LANES {
                for j in 0..LANES {
                    assert_eq!(out[j * LANES + i], matrix[i * LANES + j], "{isa:?}");
                }
            }
        }
    }
}
