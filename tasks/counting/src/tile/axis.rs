//! One axis of a picture, cut into parts.

use std::ops::Range;

use crate::net::STRIDE;

/// A part of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Cells that are kept.
    pub(super) core: Range<usize>,
    /// Pixels that are computed.
    pub(super) crop: Range<usize>,
}

/// A way to cut an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pixels: usize,
    halo: usize,
    /// Into how many parts, whose cores differ by a cell at most.
    pub(super) parts: usize,
    /// Pixels of the largest part.
    pub(super) largest: usize,
    /// Pixels of all parts together.
    pub(super) total: usize,
}

impl Cut {
    /// The ways worth a look: for every size of the largest core, the fewest parts.  `pixels` hold at least a cell.
    pub(super) fn all(pixels: usize, halo: usize) -> Vec<Self> {
        let cells = pixels / STRIDE;
        let mut parts: Vec<usize> = (1..=cells).map(|core| cells.div_ceil(core)).collect();
        parts.dedup();
        parts.into_iter().map(|parts| Self::new(pixels, halo, parts)).collect()
    }

    fn new(pixels: usize, halo: usize, parts: usize) -> Self {
        let mut cut = Self { pixels, halo, parts, largest: 0, total: 0 };
        for Span { crop, .. } in cut.spans() {
            cut.largest = cut.largest.max(crop.len());
            cut.total += crop.len();
        }
        cut
    }

    /// Its parts from the first to the last.
    pub(super) fn spans(&self) -> Vec<Span> {
        let cells = self.pixels / STRIDE;
        let span = |part: usize| {
            let core = part * cells / self.parts..(part + 1) * cells / self.parts;
            let start = (core.start * STRIDE).saturating_sub(self.halo);
            // The last part takes the pixels behind the last cell along: they are in its reach.
            let end = if core.end == cells { self.pixels } else { self.pixels.min(core.end * STRIDE + self.halo) };
            Span { core, crop: start..end }
        };
        (0..self.parts).map(span).collect()
    }
}
