//! Anchors, and the levels of the network's output they belong to.
//!
//! The network gives one map per level, the coarsest first, as [`crate::decode`] and [`crate::loss`] read them:
//! `[B, h, w, A * (5 + K)]`, where channel `a * (5 + K) + e` holds element `e` of anchor `a`, in the order `tx, ty, tw, th,
//! objectness, class 0, class 1, ...`.  Seen flat, a map is therefore `[B * h * w * A]` predictors of `5 + K` logits.
//!
//! Legend: `B` batch, `h w` cells, `A` anchors of a level, `K` classes.

mod kmeans;

use wrs_ops::{ShapeError, check_len};

pub use kmeans::{AnchorFit, FittedAnchors, anchor_fit, fit_anchors};

/// Pixels of the network's input between neighbouring cells, in the order of YOLOv3's outputs.
const STRIDES: [usize; 3] = [32, 16, 8];

/// Anchors of one of YOLOv3's levels.
pub const ANCHORS_PER_LEVEL: usize = 3;

/// YOLOv3's outputs: the largest three of nine sizes at stride 32, the smallest three at stride 8.
pub fn yolov3_levels() -> Vec<LevelPlan> {
    let first = |level: usize| (STRIDES.len() - 1 - level) * ANCHORS_PER_LEVEL;
    let plan = |(level, &stride): (usize, &usize)| {
        let mask = (first(level)..first(level) + ANCHORS_PER_LEVEL).collect();
        LevelPlan { stride, mask, scale_xy: 1.0 }
    };
    STRIDES.iter().enumerate().map(plan).collect()
}

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

/// Anchors that cannot be dealt to the levels of a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnchorError {
    /// Another number of sizes than the network has.
    #[error(
        "anchors: expected {expected} sizes, got {got}\nhelp: list as many as the network's levels use, smallest first"
    )]
    Count {
        /// Sizes the levels speak of.
        expected: usize,
        /// Sizes given.
        got: usize,
    },
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
    /// A box to fit anchors to whose side is no length.
    #[error("anchors: box {index}: expected a width and a height above 0, got {width} x {height}")]
    Box {
        /// Place in the list, from 0.
        index: usize,
        /// Width in pixels.
        width: f64,
        /// Height in pixels.
        height: f64,
    },
    /// Fewer sizes of boxes than anchors to be fitted to them.
    #[error(
        "anchors: expected boxes of at least {expected} different sizes, got {got}\nhelp: keep the recipe's anchors, they need \
         no data"
    )]
    Distinct {
        /// Anchors to be fitted.
        expected: usize,
        /// Different sizes.
        got: usize,
    },
}

/// What a network says of one of its outputs before it knows the anchors' sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelPlan {
    /// Pixels of the network's input between neighbouring cells.
    pub stride: usize,
    /// Its anchors, by their place in the list of sizes.
    pub mask: Vec<usize>,
    /// `a` of `bx = a * sigmoid(tx) - (a - 1) / 2 + column`: above 1 a centre reaches the cell's edges (Darknet's
    /// `scale_x_y`; YOLOv3 has 1).
    pub scale_xy: f64,
}

/// One level: how far its cells lie apart and the boxes it starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Pixels of the network's input between neighbouring cells.
    pub stride: usize,
    /// Place of each of its anchors in [`Anchors::sizes`].
    pub mask: Vec<usize>,
    /// See [`LevelPlan::scale_xy`].
    pub scale_xy: f64,
    /// Width and height of its anchors in pixels of the network's input; they do not change with its size.
    pub sizes: Vec<[f32; 2]>,
}

impl Level {
    /// The anchors in units of cells.
    pub fn sizes_in_cells(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let stride = self.stride as f64;
        self.sizes.iter().map(move |size| size.map(|side| f64::from(side) / stride))
    }

    /// What is added to `scale_xy * sigmoid(t)`: `-(a - 1) / 2`, which keeps 1/2 in its place.
    pub fn shift_xy(&self) -> f64 {
        0.5 * (1.0 - self.scale_xy)
    }
}

/// The anchors of every level, in the order of the network's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// All sizes, in pixels of the network's input; a level need not use each.
    pub sizes: Vec<[f32; 2]>,
    /// In the order of the network's outputs.
    pub levels: Vec<Level>,
}

impl Anchors {
    /// Deals a list of nine sizes, smallest first, to YOLOv3's levels: the last three to stride 32, the first three to
    /// stride 8.
    ///
    /// # Errors
    /// [`AnchorError`] when there are not nine, or a side is not a positive number.
    pub fn from_sizes(sizes: &[[f32; 2]]) -> Result<Self, AnchorError> {
        Self::deal(sizes, &yolov3_levels())
    }

    /// Deals a list of sizes to levels by their masks.
    ///
    /// # Errors
    /// [`AnchorError`] when a mask speaks of a size that is not there, sizes are left over behind the last one spoken of, or a
    /// side is not a positive number.
    pub fn deal(sizes: &[[f32; 2]], plans: &[LevelPlan]) -> Result<Self, AnchorError> {
        let expected = plans.iter().flat_map(|plan| &plan.mask).max().map_or(0, |&last| last + 1);
        // The published tiny network leaves its first size to nobody; sizes behind the last mask would be a mistake.
        if sizes.len() != expected {
            return Err(AnchorError::Count { expected, got: sizes.len() });
        }
        let bad = |size: &[f32; 2]| size.iter().any(|&side| !(side.is_finite() && side > 0.0));
        if let Some(index) = sizes.iter().position(bad) {
            let [width, height] = sizes[index];
            return Err(AnchorError::Size { index, width, height });
        }
        let level = |plan: &LevelPlan| {
            let LevelPlan { stride, ref mask, scale_xy } = *plan;
            Level { stride, mask: mask.clone(), scale_xy, sizes: mask.iter().map(|&index| sizes[index]).collect() }
        };
        Ok(Self { sizes: sizes.to_vec(), levels: plans.iter().map(level).collect() })
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

/// IoU of two sizes, as of boxes with the same centre; a side of 0 or less overlaps nothing.
pub(crate) fn size_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let overlap = a[0].min(b[0]).max(0.0) * a[1].min(b[1]).max(0.0);
    overlap / (a[0] * a[1] + b[0] * b[1] - overlap)
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
    fn a_size_may_belong_to_nobody_but_not_lie_behind_the_masks() {
        // The published tiny weights were trained with the masks 1,2,3 and 3,4,5 of six sizes.
        let plan = |stride, mask: [usize; 3]| LevelPlan { stride, mask: mask.to_vec(), scale_xy: 1.0 };
        let plans = [plan(32, [3, 4, 5]), plan(16, [1, 2, 3])];
        let anchors = Anchors::deal(&COCO_ANCHORS[..6], &plans).unwrap();
        assert_eq!(anchors.levels[1].sizes, COCO_ANCHORS[1..4]);
        assert_eq!(anchors.sizes.len(), 6);
        assert_eq!(Anchors::deal(&COCO_ANCHORS[..7], &plans), Err(AnchorError::Count { expected: 6, got: 7 }));
    }

    #[test]
    fn lists_that_are_no_anchors_are_refused() {
        assert_eq!(Anchors::from_sizes(&COCO_ANCHORS[..8]), Err(AnchorError::Count { expected: 9, got: 8 }));
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
