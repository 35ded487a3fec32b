//! Which boxes of a level overlap the truths, without comparing every one with every truth.
//!
//! When the IoU of two boxes is above `t`, so is that of their extents along each axis.  The sides then differ by less than
//! a factor of `t`, and the centres by less than `(1 - t) / 2t` of the truth's side: of the level's cells only those in a
//! window around the truth are looked at, and of their boxes only those of about its size.

use std::ops::Range;

use rayon::prelude::*;

use super::{Part, Truth};
use crate::anchors::{Level, LevelMap};
use crate::decode::MAX_SIDE_LOGIT;

/// The boxes that are compared with the truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boxes {
    /// What the network says, its sides bounded as in [`crate::decode`].
    Predicted,
    /// What it starts from: the anchors in the middle of their cells, which is what logits of 0 stand for.
    Priors,
}

/// Ignores what lies on a truth: every predictor of a level whose box has an IoU above the threshold with any truth of its
/// picture, strictly.  The truths have sides above 0.
///
/// # Shapes
/// `parts` `[B * h * w * A]`
pub(super) fn ignore_overlapping(
    boxes: Boxes,
    (map, level): (&LevelMap<'_>, &Level),
    truths: &[Truth],
    threshold: f64,
    parts: &mut [Part],
) {
    let mut by_image = vec![Vec::new(); map.n];
    for truth in truths {
        by_image[truth.image].push(truth.in_cells(map));
    }
    let per_image = map.h * map.w * level.sizes.len();
    parts.par_chunks_mut(per_image.max(1)).zip(by_image).enumerate().for_each(|(image, (parts, truths))| {
        let width = map.logits.len() / map.predictors(level).max(1);
        let logits = match boxes {
            Boxes::Predicted => &map.logits[image * per_image * width..][..per_image * width],
            Boxes::Priors => &[],
        };
        let mut picture = Picture { logits, width, level, grid: [map.h, map.w], threshold, parts };
        for truth in truths {
            picture.ignore(truth);
        }
    });
}

/// One picture of a level; without logits, its boxes are the priors.
struct Picture<'a> {
    logits: &'a [f32],
    width: usize,
    level: &'a Level,
    grid: [usize; 2],
    threshold: f64,
    parts: &'a mut [Part],
}

impl Picture<'_> {
    /// Ignores what lies on a truth, given in cells.
    fn ignore(&mut self, truth: [f64; 4]) {
        let [x, y, w, h] = truth;
        let reach = (1.0 - self.threshold) / (2.0 * self.threshold);
        let [rows, columns] = self.grid;
        let [rows, columns] = [self.window(y, h * reach, rows), self.window(x, w * reach, columns)];
        let limits = |side: f64, prior: f64| Limits::new(side, prior, self.threshold);
        let anchors = self.level.sizes_in_cells().map(|[pw, ph]| ([pw, ph], [limits(w, pw), limits(h, ph)]));
        // Priors all have the logit 0, so most are out of the question at once.
        let possible = |(_, limits): &(_, [Limits; 2])| !self.logits.is_empty() || limits.iter().all(|l| l.hold(0.0));
        let possible: Vec<_> = anchors.enumerate().filter(|(_, anchor)| possible(anchor)).collect();
        let per_cell = self.level.sizes.len();
        for row in rows {
            for column in columns.clone() {
                for (anchor, (prior, limits)) in &possible {
                    let predictor = (row * self.grid[1] + column) * per_cell + anchor;
                    if self.parts[predictor] == Part::Ignored {
                        continue;
                    }
                    let logits = self.logits_of(predictor);
                    let sized = limits[0].hold(logits[2]) && limits[1].hold(logits[3]);
                    if sized && iou(self.box_of(logits, [column, row], *prior), truth) > self.threshold {
                        self.parts[predictor] = Part::Ignored;
                    }
                }
            }
        }
    }

    /// The cells whose boxes may have their centre within `reach` of a coordinate.
    fn window(&self, centre: f64, reach: f64, cells: usize) -> Range<usize> {
        let beyond = reach - self.level.shift_xy().min(0.0);
        let from = (centre - beyond - 1.0).floor() as usize;
        let to = ((centre + beyond).floor() as usize).saturating_add(1);
        from.min(cells)..to.min(cells)
    }

    /// `tx, ty, tw, th`
    fn logits_of(&self, predictor: usize) -> [f64; 4] {
        let logits = self.logits.get(predictor * self.width..).and_then(<[f32]>::first_chunk::<4>);
        logits.map_or([0.0; 4], |logits| logits.map(f64::from))
    }

    /// Centre and sides in cells.
    fn box_of(&self, [tx, ty, tw, th]: [f64; 4], [column, row]: [usize; 2], [pw, ph]: [f64; 2]) -> [f64; 4] {
        let (scale, shift) = (self.level.scale_xy, self.level.shift_xy());
        let centre = |t: f64, cell: usize| cell as f64 + scale / (1.0 + (-t).exp()) + shift;
        let side = |t: f64, prior: f64| prior * t.min(MAX_SIDE_LOGIT).exp();
        [centre(tx, column), centre(ty, row), side(tw, pw), side(th, ph)]
    }
}

/// The side logits of boxes that may reach the threshold.
struct Limits {
    low: f64,
    high: f64,
}

impl Limits {
    /// Room for rounding; this only sifts, the IoU decides.
    const SLACK: f64 = 1e-9;

    fn new(truth: f64, prior: f64, threshold: f64) -> Self {
        let low = (truth * threshold / prior).ln() - Self::SLACK;
        Self { low, high: (truth / (threshold * prior)).ln() + Self::SLACK }
    }

    /// Not for what is not a number.
    fn hold(&self, logit: f64) -> bool {
        (self.low..=self.high).contains(&logit.clamp(f64::NEG_INFINITY, MAX_SIDE_LOGIT))
    }
}

/// IoU of two boxes given by centre and sides, of which at least one has an area; not a number where a centre is none.
pub(super) fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let along = |centre: usize| {
        let side = centre + 2;
        let shared = 0.5 * (a[side] + b[side]) - (a[centre] - b[centre]).abs();
        // clamp, not max and min: those would hide what is not a number.
        shared.clamp(0.0, a[side].min(b[side]).max(0.0))
    };
    let overlap = along(0) * along(1);
    overlap / (a[2] * a[3] + b[2] * b[3] - overlap)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iou_by_hand() {
        let unit = [0.0, 0.0, 2.0, 2.0];
        let cases = [
            (unit, 1.0),
            ([0.5, 0.0, 1.0, 2.0], 0.5),
            ([1.0, 1.0, 2.0, 2.0], 1.0 / 7.0),
            ([2.0, 0.0, 2.0, 2.0], 0.0),
            ([9.0, 0.0, 2.0, 2.0], 0.0),
            ([0.0, 0.0, 0.0, 2.0], 0.0),
        ];
        for (other, expected) in cases {
            assert!((iou(unit, other) - expected).abs() < 1e-15, "{other:?}");
            assert!((iou(other, unit) - expected).abs() < 1e-15, "{other:?}");
        }
        assert!(iou(unit, [f64::NAN, 0.0, 1.0, 1.0]).is_nan());
    }

    const CELLS: [usize; 2] = [5, 7];
    const WIDTH: usize = 6;

    fn level(scale_xy: f64) -> Level {
        let sizes = vec![[8.0, 11.0], [30.0, 25.0]];
        Level { stride: 8, mask: vec![0, 1], scale_xy, sizes }
    }

    /// Every predictor against every truth.
    fn by_brute_force(boxes: Boxes, map: &LevelMap<'_>, level: &Level, truths: &[Truth], threshold: f64) -> Vec<Part> {
        let sizes: Vec<[f64; 2]> = level.sizes_in_cells().collect();
        let mut parts = Vec::new();
        for (predictor, logits) in map.logits.chunks_exact(WIDTH).enumerate() {
            let (cell, [pw, ph]) = (predictor / 2, sizes[predictor % 2]);
            let [column, row] = [cell % map.w, cell / map.w % map.h].map(|place| place as f64);
            let t: Vec<f64> = logits.iter().map(|&t| f64::from(t)).collect();
            let sigmoid = |t: f64| level.scale_xy / (1.0 + (-t).exp()) - 0.5 * (level.scale_xy - 1.0);
            let side = |t: f64| t.min(MAX_SIDE_LOGIT).exp();
            let found = match boxes {
                Boxes::Predicted => [column + sigmoid(t[0]), row + sigmoid(t[1]), pw * side(t[2]), ph * side(t[3])],
                Boxes::Priors => [column + 0.5, row + 0.5, pw, ph],
            };
            let of_image = truths.iter().filter(|truth| truth.image == cell / (map.w * map.h));
            let overlaps = of_image.map(|truth| iou(found, truth.in_cells(map))).any(|iou| iou > threshold);
            parts.push(if overlaps { Part::Ignored } else { Part::Background });
        }
        parts
    }

    proptest! {
        #[test]
        fn the_windows_leave_nothing_out(
            logits in proptest::collection::vec(prop_oneof![4 => -2f32..2.0, 1 => -9f32..9.0], 2 * 5 * 7 * 2 * WIDTH),
            truths in proptest::collection::vec((0..2usize, [-0.2f32..1.2, -0.2f32..1.2], [0.01f32..1.5, 0.01f32..1.5]), 0..6),
            threshold in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
            scale_xy in prop_oneof![Just(1.0), 0.5..3.0],
        ) {
            let truths: Vec<Truth> = truths
                .into_iter()
                .map(|(image, [x, y], [w, h])| Truth { image, class: 0, cxcywh: [x, y, w, h] })
                .collect();
            let (map, level) = (LevelMap { n: 2, h: CELLS[0], w: CELLS[1], logits: &logits }, level(scale_xy));
            for boxes in [Boxes::Predicted, Boxes::Priors] {
                let mut parts = vec![Part::Background; map.predictors(&level)];
                ignore_overlapping(boxes, (&map, &level), &truths, threshold, &mut parts);
                prop_assert_eq!(&parts, &by_brute_force(boxes, &map, &level, &truths, threshold), "{:?}", boxes);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_overlaps_nothing() {
        let truth = Truth { image: 0, class: 0, cxcywh: [0.5, 0.5, 0.5, 0.5] };
        for element in 0..4 {
            let mut logits = vec![0.0; 2 * WIDTH];
            for predictor in logits.chunks_exact_mut(WIDTH) {
                predictor[element] = f32::NAN;
            }
            let map = LevelMap { n: 1, h: 1, w: 1, logits: &logits };
            let mut parts = vec![Part::Background; 2];
            ignore_overlapping(Boxes::Predicted, (&map, &level(1.0)), &[truth], 0.0, &mut parts);
            assert_eq!(parts, [Part::Background; 2]);
        }
    }
}
