//! Whole allocations that wait for a request of like size.
//!
//! When none fits a request, the longest-waiting ones of a like size go, so that multi-scale training does not hoard one set
//! of buffers per size.

/// A buffer may serve a request of at least this share of its length.
const LEAST_FILL: (usize, usize) = (3, 4);

/// What goes to make room is at most this many times the size of the request.
const LARGEST_EVICTED: usize = 4;

/// Waiting buffers, the longest-waiting first.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Vec<f32>>);

impl Waiting {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The smallest buffer that serves `len` values, or those that make room for a new one.
    pub(super) fn take(&mut self, len: usize) -> (Option<Vec<f32>>, Vec<Vec<f32>>) {
        let best = (0..self.0.len())
            .filter(|&i| self.0[i].len() >= len && len * LEAST_FILL.1 >= self.0[i].len() * LEAST_FILL.0)
            .min_by_key(|&i| self.0[i].len());
        if let Some(i) = best {
            return (Some(self.0.remove(i)), Vec::new());
        }
        let mut evicted = Vec::new();
        let mut room = 0;
        while room < len {
            let Some(i) = self.0.iter().position(|b| b.len() <= LARGEST_EVICTED * len) else { break };
            room += self.0[i].len();
            evicted.push(self.0.remove(i));
        }
        (None, evicted)
    }

    pub(super) fn give(&mut self, values: Vec<f32>) {
        self.0.push(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_fits_serves_and_the_oldest_of_like_size_make_room() {
        let mut waiting = Waiting::new();
        for len in [900, 1000, 1100, 9000] {
            waiting.give(vec![0.0; len]);
        }
        assert_eq!(waiting.take(950).0.map(|b| b.len()), Some(1000));
        let (found, evicted) = waiting.take(2000);
        assert_eq!(found, None, "9000 values are too many for 2000");
        assert_eq!(evicted.iter().map(Vec::len).collect::<Vec<_>>(), [900, 1100], "9000 are no like size");
        assert_eq!(waiting.take(9000).0.map(|b| b.len()), Some(9000));
    }
}
