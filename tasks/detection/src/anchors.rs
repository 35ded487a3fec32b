//! Anchors, and the levels of the network's output they belong to.
//!
//! The network gives one map per level, the coarsest first, as [`crate::decode`] and [`crate::loss`] read them:
//! `[B, h, w, A * (5 + K)]`, where channel `a * (5 + K) + e` holds element `e` of anchor `a`, in the order `tx, ty, tw, th,
//! objectness, class 0, class 1, ...`.  Seen flat, a map is therefore `[B * h * w * A]` predictors of `5 + K` logits.
//!
//! Legend: `B` batch, `h w` cells, `A` anchors of a level, `K` classes.

use wrs_ops::{ShapeError, check_len};

/// Pixels of the network's input between neighbouring cells, in the order of the network's outputs.
pub const STRIDES: [usize; 3] = [32, 16, 8];

/// Anchors of one level.
pub const ANCHORS_PER_LEVEL: usize = 3;

/// The nine anchors of YOLOv3 on COCO, width and height in pixels of the network's input, smallest first (Redmon and
/// Farhadi 2018, section 2.3).
pub const COCO_ANCHORS: [[f32; 2]; 9] = [
    [10.0, 13.0],
    [16.0, 30.0],
    [33.0, 23.0],
    [30.0, 61.0],
    [62.0, 45.0],
    [59.0, 119.0],
    [116.0, 90.0],
    [156.0, 198.0],
    [373.0, 326.0],
];

/// A list of anchors that three levels cannot be made from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnchorError {
    /// Not nine sizes.
    #[error(
        "anchors: expected 9 sizes, got {0}\nhelp: list three for each of the strides 8, 16 and 32, smallest first"
    )]
    Count(usize),
    /// A side that is no length.
    #[error("anchors: size {index}: expected a width and a height above 0, got {width} x {height}")]
    Size {
        /// Place in the list, from 0.
        index: usize,
        /// Width in pixels.
        width: f32,
        /// Height in pixels.
        height: f32,
    },
}

/// One level: how far its cells lie apart and the boxes it starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Pixels of the network's input between neighbouring cells.
    pub stride: usize,
    /// Width and height of its anchors in pixels of the network's input; they do not change with its size.
    pub sizes: Vec<[f32; 2]>,
}

impl Level {
    /// The anchors in units of cells.
    pub fn sizes_in_cells(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let stride = self.stride as f64;
        self.sizes.iter().map(move |size| size.map(|side| f64::from(side) / stride))
    }
}

/// The anchors of every level, in the order of the network's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// Stride 32 first.
    pub levels: Vec<Level>,
}

impl Anchors {
    /// Deals a list of nine sizes, smallest first, to the levels: the last three to stride 32, the first three to stride 8.
    ///
    /// # Errors
    /// [`AnchorError`] when there are not nine, or a side is not a positive number.
    pub fn from_sizes(sizes: &[[f32; 2]]) -> Result<Self, AnchorError> {
        if sizes.len() != STRIDES.len() * ANCHORS_PER_LEVEL {
            return Err(AnchorError::Count(sizes.len()));
        }
        let bad = |size: &[f32; 2]| size.iter().any(|&side| !(side.is_finite() && side > 0.0));
        if let Some(index) = sizes.iter().position(bad) {
            let [width, height] = sizes[index];
            return Err(AnchorError::Size { index, width, height });
        }
        let level = |(&stride, sizes): (&usize, &[[f32; 2]])| Level { stride, sizes: sizes.to_vec() };
        Ok(Self { levels: STRIDES.iter().zip(sizes.rchunks(ANCHORS_PER_LEVEL)).map(level).collect() })
    }

    /// Refuses maps that do not belong to these levels.
    ///
    /// # Errors
    /// [`ShapeError`] when their number, their batch sizes or their lengths do not fit.
    pub fn check_maps(&self, op: &'static str, maps: &[LevelMap<'_>], classes: usize) -> Result<(), ShapeError> {
        check_len(op, "levels", maps.len(), self.levels.len())?;
        let n = maps.first().map_or(0, |map| map.n);
        for (map, level) in maps.iter().zip(&self.levels) {
            check_len(op, "batch of a level", map.n, n)?;
            check_len(op, "logits of a level", map.logits.len(), map.predictors(level) * (5 + classes))?;
        }
        Ok(())
    }
}

/// What the network gives for one level.
#[derive(Clone, Copy, Debug)]
pub struct LevelMap<'a> {
    /// Pictures in the batch.
    pub n: usize,
    /// Cells down.
    pub h: usize,
    /// Cells across.
    pub w: usize,
    /// `[n, h, w, A * (5 + K)]`.
    pub logits: &'a [f32],
}

impl LevelMap<'_> {
    /// Predictors over the batch: one for every anchor of every cell.
    pub fn predictors(&self, level: &Level) -> usize {
        self.n * self.h * self.w * level.sizes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_anchors_go_to_the_coarsest_level() {
        let anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
        let strides: Vec<_> = anchors.levels.iter().map(|level| level.stride).collect();
        assert_eq!(strides, [32, 16, 8]);
        assert_eq!(anchors.levels[0].sizes, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]);
        assert_eq!(anchors.levels[1].sizes, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]);
        assert_eq!(anchors.levels[2].sizes, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]);
        let cells: Vec<_> = anchors.levels[2].sizes_in_cells().collect();
        assert_eq!(cells, [[1.25, 1.625], [2.0, 3.75], [4.125, 2.875]]);
    }

    #[test]
    fn lists_that_are_no_anchors_are_refused() {
        assert_eq!(Anchors::from_sizes(&COCO_ANCHORS[..8]), Err(AnchorError::Count(8)));
        for side in [0.0, -1.0, f32::INFINITY, f32::NAN] {
            let mut sizes = COCO_ANCHORS;
            sizes[4][1] = side;
            let error = Anchors::from_sizes(&sizes).unwrap_err();
            assert!(matches!(error, AnchorError::Size { index: 4, .. }), "{side}: {error}");
        }
    }

    #[test]
    fn maps_must_fit_the_levels() {
        let anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
        let logits = vec![0.0; 2 * 4 * 8 * 3 * 7];
        let map = |n, side: usize, len| LevelMap { n, h: side, w: 2 * side, logits: &logits[..len] };
        let fit = [map(2, 1, 84), map(2, 2, 336), map(2, 4, 1344)];
        assert_eq!(anchors.check_maps("test", &fit, 2), Ok(()));
        assert!(anchors.check_maps("test", &fit[..2], 2).is_err(), "a level is missing");
        assert!(anchors.check_maps("test", &fit, 3).is_err(), "another number of classes");
        let mixed = [map(2, 1, 84), map(1, 2, 168), map(2, 4, 1344)];
        assert!(anchors.check_maps("test", &mixed, 2).is_err(), "another batch size");
    }
}
