//! How work is cut into tasks: by shape alone where a sum crosses a cut, so that the bytes of a result do not depend on the
//! number of threads.

/// Values of a flat task: large enough to pay for its start, small enough to stay in a core's cache.
pub(crate) const VALUES: usize = 1 << 15;

/// Rows whose `f32` sum is still as good as its terms.
const MOST_ROWS: usize = 256;

/// Rows that pay for the `f64` work at the end of a block.
const FEWEST_ROWS: usize = 32;

/// Whether so many equal tasks keep all threads busy, but for a ninth of the time.
pub(crate) fn keep_threads_busy(tasks: usize) -> bool {
    let threads = rayon::current_num_threads();
    8 * tasks.next_multiple_of(threads) <= 9 * tasks
}

/// Rows of `channels` values in one block of a per-channel reduction.
pub(crate) fn rows_per_reduction(channels: usize) -> usize {
    (VALUES / channels.max(1)).clamp(FEWEST_ROWS, MOST_ROWS)
}

/// Rows of `channels` values in one task that reduces nothing.
pub(crate) fn rows_per_task(channels: usize) -> usize {
    (VALUES / channels.max(1)).max(1)
}
