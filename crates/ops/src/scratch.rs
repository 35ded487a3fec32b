//! Recycled `f32` storage: activations, gradients and the kernels' work space come from one process-wide pool.
//!
//! A training step asks for the same sizes over and over; handing the pages back to the system each time costs more than
//! some layers do.  Most buffers are pieces of slabs, so that what one layer is done with serves the next one's other sizes;
//! see [`slab`].  Large ones are whole allocations that wait for a request of like size; see [`whole`].  What did not come out
//! of the pool never enters it: a picture a step, say, for which nobody asks again, would pile up.
//!
//! Buffers of the pool begin on a cache line: the allocator's large blocks begin sixteen bytes behind one, and there every
//! access of sixteen lanes touches two lines.

mod slab;
mod whole;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::{Piece, Slabs};
use whole::Waiting;

static SLABS: Mutex<Slabs> = Mutex::new(Slabs::new());
static WAITING: Mutex<Waiting> = Mutex::new(Waiting::new());

/// Values of a cache line.
const LINE: usize = 64 / size_of::<f32>();

/// Smaller buffers are left to the system's allocator.
const LEAST_POOLED: usize = 1 << 14;

/// Larger buffers are not cut out of slabs, in which they would leave large gaps.
static MOST_CUT: AtomicUsize = AtomicUsize::new(1 << 22);

/// An owned `f32` buffer whose storage goes back to the pool when dropped.
pub struct Scratch {
    /// Where `len` values lie in the storage, which nothing else refers to.
    values: NonNull<f32>,
    len: usize,
    storage: Storage,
}

/// Only touched through [`Scratch::values`] as long as those are there.
enum Storage {
    /// The system's.
    Own(Vec<f32>),
    /// The pool's.
    Whole(Vec<f32>),
    Piece(Piece),
}

// SAFETY: a buffer is the only owner of its storage, like a `Vec`.
unsafe impl Send for Scratch {}
// SAFETY: as above; a shared buffer gives shared values.
unsafe impl Sync for Scratch {}

fn lock<T>(pool: &Mutex<T>) -> MutexGuard<'_, T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer of `len` values that were written by somebody before: the caller overwrites them all.
pub fn take(len: usize) -> Scratch {
    let storage = len + LINE;
    // In tests every buffer is a block of its own, in which a sanitizer sees who leaves his, and who reads what was not
    // written for him finds no number.
    if cfg!(test) {
        return Scratch::aligned(vec![f32::NAN; storage], len, Storage::Own);
    }
    if storage < LEAST_POOLED {
        return Scratch::aligned(vec![0.0; storage], len, Storage::Own);
    }
    if len <= MOST_CUT.load(Ordering::Relaxed) {
        let piece = lock(&SLABS).take(len);
        return Scratch { values: piece.values(), len, storage: Storage::Piece(piece) };
    }
    // What makes room is freed after the lock.
    let (found, _evicted) = lock(&WAITING).take(storage);
    Scratch::aligned(found.unwrap_or_else(|| vec![0.0; storage]), len, Storage::Whole)
}

/// A buffer of `len` zeros.
pub fn zeros(len: usize) -> Scratch {
    let mut scratch = take(len);
    scratch.fill(0.0);
    scratch
}

/// For programs that are told how much memory they may take: frees what waits, cuts no more slabs, and from now on the pages
/// of every large buffer go back to the system as it is freed.
///
/// glibc otherwise takes the size of what was freed for what will be asked for again, and keeps blocks of up to 32 MiB in
/// its heap, in whose gaps those of other sizes do not fit.  Asking for pages anew costs some time.
pub fn keep_little() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LEAST_MAPPED: libc::c_int = 128 << 10;
        // SAFETY: the call sets one number of the allocator, under the allocator's own lock.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LEAST_MAPPED) };
    }
    MOST_CUT.store(0, Ordering::Relaxed);
    lock(&SLABS).free_idle();
    let _freed = std::mem::take(&mut *lock(&WAITING));
}

/// Values from an address to the next cache line, fewer than [`LINE`].
fn to_line(at: *const f32) -> usize {
    at.align_offset(LINE * size_of::<f32>()) % LINE
}

impl Scratch {
    /// `len` values that begin on a cache line, of storage that has a line more.
    fn aligned(values: Vec<f32>, len: usize, storage: fn(Vec<f32>) -> Storage) -> Self {
        let start = to_line(values.as_ptr());
        Self::part(values, start, len, storage)
    }

    fn part(mut values: Vec<f32>, start: usize, len: usize, storage: fn(Vec<f32>) -> Storage) -> Self {
        let at = NonNull::from(&mut values[start..][..len]).cast();
        Self { values: at, len, storage: storage(values) }
    }

    /// The values as a plain vector, out of the pool for good.
    pub fn into_vec(mut self) -> Vec<f32> {
        match &mut self.storage {
            Storage::Own(values) if values.as_ptr() == self.values.as_ptr() && values.len() == self.len => {
                std::mem::take(values)
            }
            _ => self.to_vec(),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.storage, Storage::Own(Vec::new())) {
            Storage::Piece(piece) => lock(&SLABS).give(piece),
            Storage::Whole(values) => lock(&WAITING).give(values),
            Storage::Own(_) => {}
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
        Self::part(values, 0, len, Storage::Own)
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
