//! Where the transformed values of tiles lie in work space.

use crate::simd::LANES;

/// Values per tile, position of the window and channel, one matrix of tiles by channels for each position.
///
/// Steps between positions are odd multiples of a cache line: the values of one tile at all positions are written together,
/// and at steps of a power of two they would push each other out of the first cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// From one position to the next.
    pub(super) position: usize,
    /// From one tile to the next.
    pub(super) tile: usize,
    /// Channels of a panel that lie side by side.
    width: usize,
    /// From one panel to the next.
    panel: usize,
}

impl Layout {
    /// All channels of a tile side by side.
    pub(super) fn rows(tiles: usize, channels: usize) -> Self {
        let row = channels.next_multiple_of(LANES);
        // Rows a power of two apart meet in the same few sets of the cache.
        let tile = if row.is_multiple_of(16 * LANES) { row + LANES } else { row };
        Self { position: odd_lines(tiles * tile), tile, width: row, panel: 0 }
    }

    /// Panels of `width` channels (a multiple of the lanes), the tiles of a panel one behind the other.
    pub(super) fn panels(tiles: usize, channels: usize, width: usize) -> Self {
        let panel = tiles * width;
        Self { position: odd_lines(channels.div_ceil(width) * panel), tile: width, width, panel }
    }

    /// Where the values of a tile's channel and those behind it in its panel lie, within a position.
    #[inline(always)]
    pub(super) fn offset(&self, tile: usize, channel: usize) -> usize {
        channel / self.width * self.panel + tile * self.tile + channel % self.width
    }

    /// Values in all.
    pub(super) fn len(&self, positions: usize) -> usize {
        positions * self.position
    }
}

/// The least length from `len` that is an odd number of cache lines.
pub(super) fn odd_lines(len: usize) -> usize {
    (len.div_ceil(LANES) | 1) * LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(layout: &Layout, tiles: usize, channels: usize) {
        let mut seen = vec![false; layout.len(4)];
        for position in 0..4 {
            for tile in 0..tiles {
                for group in (0..channels).step_by(LANES) {
                    let at = position * layout.position + layout.offset(tile, group);
                    for lane in &mut seen[at..at + LANES] {
                        assert!(!std::mem::replace(lane, true), "tile {tile} channel {group} position {position}");
                    }
                }
            }
        }
    }

    #[test]
    fn whole_groups_of_lanes_have_a_place_of_their_own() {
        for channels in [1, 16, 17, 64, 255, 256] {
            for tiles in [1, 3, 8] {
                distinct(&Layout::rows(tiles, channels), tiles, channels);
                distinct(&Layout::panels(tiles, channels, 16), tiles, channels);
                distinct(&Layout::panels(tiles, channels, 64), tiles, channels);
            }
        }
    }
}
