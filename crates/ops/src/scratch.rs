//! Recycled `f32` storage: activations, gradients and the kernels' work space come from one process-wide pool.
//!
//! A training step asks for the same sizes over and over; handing the pages back to the system each time costs more than
//! some layers do.  The pool holds slabs, out of which buffers are cut and into which they are joined again, so that what
//! one layer is done with serves the next one's other sizes; see [`slab`].
//!
//! Buffers begin on a cache line: the allocator's large blocks begin sixteen bytes behind one, and there every access of
//! sixteen lanes touches two lines.

mod slab;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::{Piece, Slabs};

static POOL: Mutex<Slabs> = Mutex::new(Slabs::new());

/// Smaller buffers are left to the system's allocator.
const LEAST_POOLED: usize = 1 << 14;

/// An owned `f32` buffer whose storage goes back to the pool when dropped.
pub struct Scratch {
    /// Where `len` values lie in the storage, which nothing else refers to.
    values: NonNull<f32>,
    len: usize,
    storage: Storage,
}

enum Storage {
    /// Of the system's allocator; only touched through `values` as long as those are there.
    System(Vec<f32>),
    Pool(Piece),
}

// SAFETY: a buffer is the only owner of its storage, like a `Vec`.
unsafe impl Send for Scratch {}
// SAFETY: as above; a shared buffer gives shared values.
unsafe impl Sync for Scratch {}

fn pool() -> MutexGuard<'static, Slabs> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer of `len` values that were written by somebody before: the caller overwrites them all.
pub fn take(len: usize) -> Scratch {
    // In tests every buffer is a block of its own, so that a sanitizer sees who leaves his.
    if len < LEAST_POOLED || cfg!(test) {
        let mut values = vec![0.0; len + slab::LINE];
        let start = slab::to_line(values.as_ptr());
        // Who reads what was not written for him finds no number.
        values.fill(if cfg!(test) { f32::NAN } else { 0.0 });
        return Scratch::from_vec(values, start, len);
    }
    let piece = pool().take(len);
    Scratch { values: piece.values(), len, storage: Storage::Pool(piece) }
}

/// A buffer of `len` zeros.
pub fn zeros(len: usize) -> Scratch {
    let mut scratch = take(len);
    scratch.fill(0.0);
    scratch
}

impl Scratch {
    /// `len` of the values, from `start` on.
    fn from_vec(mut values: Vec<f32>, start: usize, len: usize) -> Self {
        let at = NonNull::from(&mut values[start..][..len]).cast();
        Self { values: at, len, storage: Storage::System(values) }
    }

    /// The values as a plain vector, out of the pool for good.
    pub fn into_vec(mut self) -> Vec<f32> {
        match std::mem::replace(&mut self.storage, Storage::System(Vec::new())) {
            Storage::System(values) if values.as_ptr() == self.values.as_ptr() && values.len() == self.len => values,
            storage => {
                let values = self.to_vec();
                self.storage = storage;
                values
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Storage::Pool(piece) = std::mem::replace(&mut self.storage, Storage::System(Vec::new())) {
            pool().give(piece);
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` values lie there, all of them initialized, and this buffer alone owns them.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr(), self.len) }
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and it is borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.len) }
    }
}

impl From<Vec<f32>> for Scratch {
    fn from(values: Vec<f32>) -> Self {
        let len = values.len();
        Self::from_vec(values, 0, len)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        let mut copy = take(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_cache_line_and_leave_as_they_are() {
        for len in [0, 1, 100, LEAST_POOLED, 1_000_003] {
            let mut scratch = take(len);
            assert_eq!(scratch.as_ptr().addr() % 64, 0);
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            scratch.copy_from_slice(&values);
            assert_eq!(scratch.clone().into_vec(), values);
            let whole = Scratch::from(values.clone());
            let address = whole.as_ptr();
            let back = whole.into_vec();
            assert_eq!((back.as_ptr(), back), (address, values));
        }
        assert!(zeros(1234).iter().all(|&v| v == 0.0));
        assert!(Scratch::default().into_vec().is_empty());
    }
}
