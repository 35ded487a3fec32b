//! Networks narrower or wider than the paper's.

/// A layer's channels at a width: at least 8, and a multiple of 8 (width 1 keeps every multiple of 8).
pub(crate) fn channels_at(width: f64, at_full_width: usize) -> usize {
    ((at_full_width as f64 * width / 8.0).round() as usize).max(1) * 8
}
