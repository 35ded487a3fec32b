//! Darknet's rule (Redmon and Farhadi 2018, section 2.1): the one anchor of all whose size fits a truth best, in the cell of
//! the truth's centre; and an ignore zone around the truths.

use std::collections::BTreeMap;

use super::overlap::{Boxes, ignore_overlapping};
use super::{Pair, Part, Targets, Truth};
use crate::anchors::{Anchors, LevelMap, size_iou};

/// Truths with a smaller side, as a fraction of the input's, are not trained on.
pub const MIN_SIDE: f32 = 0.001;

/// Pairs every truth with the size in [`Anchors::sizes`] of the highest IoU, both centred on the origin (the first of
/// equals), on every level whose mask holds it.
///
/// * Of two truths in one predictor the later takes the box, and the predictor learns both classes.
/// * Predictors whose predicted box has an IoU above `ignore_threshold` with a truth of the picture, of any class, are
///   ignored, unless they are in a pair.
/// * Unmatched are: truths with a side below [`MIN_SIDE`], those whose size belongs to no level, those whose box was taken.
///
/// Darknet looks at the first 90 truths of a picture (`max`); here there is no such bound.  It trains a predictor towards any
/// truth it overlaps by more than `truth_thresh`, which is 1 in every published file and therefore not here.
///
/// The truths are those [`super::check_truths`] lets pass.
pub fn assign(truths: &[Truth], maps: &[LevelMap<'_>], anchors: &Anchors, ignore_threshold: f64) -> Targets {
    let mut targets = Targets::background(maps, anchors);
    let large = |truth: &Truth| truth.cxcywh[2] >= MIN_SIDE && truth.cxcywh[3] >= MIN_SIDE;
    let kept: Vec<Truth> = truths.iter().copied().filter(large).collect();
    for ((map, level), targets) in maps.iter().zip(&anchors.levels).zip(&mut targets.levels) {
        ignore_overlapping(Boxes::Predicted, (map, level), &kept, ignore_threshold, &mut targets.parts);
        let mut places = BTreeMap::new();
        for (index, truth) in truths.iter().enumerate().filter(|(_, truth)| large(truth)) {
            let [.., w, h] = truth.in_cells(map).map(|cells| cells * level.stride as f64);
            let best = best_size([w, h], &anchors.sizes);
            let Some(anchor) = level.mask.iter().position(|&size| Some(size) == best) else { continue };
            let pair = Pair::new((index, truth), (map, level), truth.cell(map), anchor);
            let place = *places.entry(pair.predictor).or_insert(targets.pairs.len());
            match targets.pairs.get_mut(place) {
                Some(taken) => *taken = pair,
                None => targets.pairs.push(pair),
            }
            targets.labels.push((place, truth.class));
            targets.parts[pair.predictor] = Part::Object;
        }
    }
    targets.count_unmatched(truths.len());
    targets
}

/// The place of the size with the highest IoU, the first of equals; none for a size without an area.
fn best_size(size: [f64; 2], sizes: &[[f32; 2]]) -> Option<usize> {
    let ious = sizes.iter().map(|anchor| size_iou(size, anchor.map(f64::from)));
    let best = ious.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.filter(|&(_, iou)| iou > 0.0).map(|(place, _)| place)
}
