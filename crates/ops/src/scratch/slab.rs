//! Slabs of storage, from which pieces are cut, lowest addresses first, and joined again with their neighbours.
//!
//! A slab is written by the system once, with zeros, page by page as it is first touched.  It is larger than the blocks the
//! system's allocator keeps for itself: those it would have to clear for every new owner.

use std::collections::BTreeMap;
use std::ptr::NonNull;

use super::{LINE, to_line};

/// Values of a slab.
const SLAB: usize = 1 << 24;

/// Storage that one owner may use until it is given back.
#[derive(Debug)]
pub(super) struct Piece {
    /// The slab's first value, for its name only.
    slab: NonNull<f32>,
    values: NonNull<f32>,
    start: usize,
    len: usize,
}

impl Piece {
    /// The first value, on a cache line.
    pub(super) fn values(&self) -> NonNull<f32> {
        self.values
    }
}

/// One allocation of zeros and the parts of it that nobody uses.
struct Slab {
    storage: NonNull<[f32]>,
    /// Where each free part starts, and its length: apart from one another, whole lines.
    free: BTreeMap<usize, usize>,
    /// The free part when nothing is taken.
    all: (usize, usize),
}

// SAFETY: the slab owns its storage.
unsafe impl Send for Slab {}

impl Slab {
    fn new() -> Self {
        let storage = NonNull::from(Box::leak(vec![0.0; SLAB + LINE].into_boxed_slice()));
        let all = (to_line(storage.cast().as_ptr()), SLAB);
        Self { storage, free: BTreeMap::from([all]), all }
    }

    /// `len` values from the first free part that has them.
    fn cut(&mut self, len: usize) -> Option<Piece> {
        let (start, there) =
            self.free.iter().map(|(&start, &there)| (start, there)).find(|&(_, there)| there >= len)?;
        self.free.remove(&start);
        if there > len {
            self.free.insert(start + len, there - len);
        }
        // SAFETY: free parts lie inside the storage.
        let values = unsafe { self.storage.cast().add(start) };
        Some(Piece { slab: self.storage.cast(), values, start, len })
    }

    fn join(&mut self, mut start: usize, mut len: usize) {
        if let Some(behind) = self.free.remove(&(start + len)) {
            len += behind;
        }
        if let Some((&before, &there)) = self.free.range(..start).next_back()
            && before + there == start
        {
            (start, len) = (before, there + len);
        }
        self.free.insert(start, len);
    }

    fn is_idle(&self) -> bool {
        self.free.get(&self.all.0) == Some(&self.all.1)
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // A slab in use is leaked: its pieces are still somebody's.
        if self.is_idle() {
            // SAFETY: it came from a box, and no piece of it is out.
            drop(unsafe { Box::from_raw(self.storage.as_ptr()) });
        }
    }
}

/// All slabs of the process.
pub(super) struct Slabs(Vec<Slab>);

impl Slabs {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Storage of at least `len` values, whatever they are; `len` is less than a slab.
    pub(super) fn take(&mut self, len: usize) -> Piece {
        // One line more than is asked for: sizes of whole pages would all begin at one place of a page, and in the few
        // sets of the cache that belong to it.
        let len = (len.div_ceil(LINE) + 1) * LINE;
        loop {
            if let Some(piece) = self.0.iter_mut().find_map(|slab| slab.cut(len)) {
                return piece;
            }
            self.0.push(Slab::new());
        }
    }

    /// Takes a piece back.
    #[allow(clippy::needless_pass_by_value, reason = "who gives a piece back has it no more")]
    pub(super) fn give(&mut self, piece: Piece) {
        let Piece { slab, start, len, .. } = piece;
        if let Some(slab) = self.0.iter_mut().find(|s| s.storage.cast::<f32>() == slab) {
            slab.join(start, len);
        }
    }

    /// Gives the slabs of which nothing is in use back to the system.
    pub(super) fn free_idle(&mut self) {
        self.0.retain(|slab| !slab.is_idle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn fill(piece: &Piece, value: f32) {
        for i in 0..piece.len {
            // SAFETY: the piece has so many values.
            unsafe { piece.values.add(i).write(value) };
        }
    }

    fn holds(piece: &Piece, value: f32) -> bool {
        // SAFETY: as above, and the slab was written when it was made.
        (0..piece.len).all(|i| unsafe { piece.values.add(i).read() } == value)
    }

    #[test]
    fn pieces_are_apart_and_all_joined_in_the_end() {
        let mut slabs = Slabs::new();
        let mut out: Vec<(Piece, f32)> = Vec::new();
        let mut rng = Rng::new(1, "slabs", 0, 0);
        for i in 0..2000 {
            if out.len() > 20 || (i > 1500 && !out.is_empty()) {
                let (piece, value) = out.swap_remove(rng.below(out.len()));
                assert!(holds(&piece, value), "somebody else wrote here");
                slabs.give(piece);
            } else {
                let piece = slabs.take(1 + rng.below(5000));
                assert_eq!(piece.values.as_ptr().addr() % 64, 0);
                fill(&piece, i as f32);
                out.push((piece, i as f32));
            }
        }
        for (piece, _) in out.drain(..) {
            slabs.give(piece);
        }
        assert_eq!(slabs.0.len(), 1, "twenty small pieces fit one slab");
        assert!(slabs.0[0].is_idle());
    }

    #[test]
    fn what_was_given_back_is_used_again() {
        let mut slabs = Slabs::new();
        let first = slabs.take(100_000);
        let second = slabs.take(100_000);
        let address = first.values;
        slabs.give(first);
        let smaller = slabs.take(40_000);
        assert_eq!(smaller.values, address);
        slabs.give(second);
        slabs.give(smaller);
        let larger = slabs.take(200_000);
        assert_eq!(larger.values, address);
        slabs.give(larger);
    }

    #[test]
    fn idle_slabs_are_freed_and_others_stay() {
        let mut slabs = Slabs::new();
        let pieces = [(); 3].map(|()| slabs.take(SLAB / 2));
        assert_eq!(slabs.0.len(), 3, "two halves and a line each do not fit one slab");
        let [first, kept, last] = pieces;
        fill(&kept, 1.0);
        slabs.give(first);
        slabs.give(last);
        slabs.free_idle();
        assert_eq!(slabs.0.len(), 1);
        assert!(holds(&kept, 1.0));
        slabs.give(kept);
    }
}
