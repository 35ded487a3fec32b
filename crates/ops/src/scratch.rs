//! Recycled `f32` storage: activations, gradients and the kernels' work space come from one process-wide pool.
//!
//! A training step asks for the same sizes over and over; handing the pages back to the system each time costs more than
//! some layers do.  A returned buffer waits in the pool; when none fits a request, the longest-waiting ones of a like size
//! are freed first, so that multi-scale training does not hoard one set of buffers per size.
//!
//! Buffers of the pool begin on a cache line: the allocator's large blocks begin sixteen bytes behind one, and there every
//! access of sixteen lanes touches two lines.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waiting buffers, the longest-waiting first.
static WAITING: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer may serve a request of at least this share of its capacity.
const LEAST_FILL: (usize, usize) = (3, 4);

/// Smaller buffers are left to the system's allocator.
const LEAST_POOLED: usize = 1 << 14;

/// What is freed to make room is at most this many times the size of the request.
const LARGEST_EVICTED: usize = 4;

/// Bytes of a cache line, and the values that a buffer may begin behind its storage to be aligned to it.
const LINE: usize = 64;
const LINE_VALUES: usize = LINE / size_of::<f32>() - 1;

/// An owned `f32` buffer that goes back to the pool when dropped.
#[derive(Debug, Default)]
pub struct Scratch {
    /// `len` values from `start` on, and those around them: they were written once and are not written again.
    values: Vec<f32>,
    start: usize,
    len: usize,
}

fn waiting() -> MutexGuard<'static, Vec<Vec<f32>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer of `len` values that were written by somebody before: the caller overwrites them all.
pub fn take(len: usize) -> Scratch {
    let storage = len + LINE_VALUES;
    if storage < LEAST_POOLED {
        return Scratch::aligned(vec![0.0; storage], len);
    }
    let mut freed = Vec::new();
    let found = {
        let mut pool = waiting();
        let best = (0..pool.len())
            .filter(|&i| pool[i].len() >= storage && storage * LEAST_FILL.1 >= pool[i].len() * LEAST_FILL.0)
            .min_by_key(|&i| pool[i].len());
        if best.is_none() {
            let mut room = 0;
            while room < storage {
                let Some(i) = pool.iter().position(|b| b.len() <= LARGEST_EVICTED * storage) else { break };
                let oldest = pool.remove(i);
                room += oldest.len();
                freed.push(oldest);
            }
        }
        best.map(|i| pool.remove(i))
    };
    drop(freed);
    Scratch::aligned(found.unwrap_or_else(|| vec![0.0; storage]), len)
}

/// For programs that are told how much memory they may take: frees the waiting buffers, and from now on the pages of every
/// large one go back to the system as it is freed.
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
    let freed = std::mem::take(&mut *waiting());
    drop(freed);
}

/// In tests, who reads what was not written for them finds no number.
fn poison(values: &mut [f32]) {
    if cfg!(test) {
        values.fill(f32::NAN);
    }
}

/// A buffer of `len` zeros.
pub fn zeros(len: usize) -> Scratch {
    let mut scratch = take(len);
    scratch.fill(0.0);
    scratch
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        if values.len() >= LEAST_POOLED {
            waiting().push(values);
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.len]
    }
}

impl From<Vec<f32>> for Scratch {
    fn from(values: Vec<f32>) -> Self {
        Self { start: 0, len: values.len(), values }
    }
}

impl Scratch {
    /// `len` values in storage that has [`LINE_VALUES`] more.
    fn aligned(values: Vec<f32>, len: usize) -> Self {
        let start = values.as_ptr().align_offset(LINE).min(values.len() - len);
        let mut scratch = Self { values, start, len };
        poison(&mut scratch);
        scratch
    }

    /// The values as a plain vector, out of the pool for good.
    pub fn into_vec(mut self) -> Vec<f32> {
        let mut values = std::mem::take(&mut self.values);
        values.copy_within(self.start..self.start + self.len, 0);
        values.truncate(self.len);
        values
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
    fn a_returned_buffer_serves_the_next_request_of_its_size() {
        let len = 1_234_567;
        let first = take(len);
        let address = first.as_ptr();
        drop(first);
        let second = take(len - 1000);
        assert_eq!(second.len(), len - 1000);
        assert_eq!(second.as_ptr(), address);
        assert!(zeros(len).iter().all(|&v| v == 0.0));
    }

    #[test]
    fn buffers_begin_on_a_cache_line_and_leave_as_they_are() {
        for len in [0, 1, 100, LEAST_POOLED, 1_000_003] {
            let mut scratch = take(len);
            assert_eq!(scratch.as_ptr().addr() % LINE, 0);
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            scratch.copy_from_slice(&values);
            assert_eq!(scratch.into_vec(), values);
        }
    }
}
