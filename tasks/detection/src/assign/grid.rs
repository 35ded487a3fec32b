//! mmdetection's rule (its `GridAssigner`): the anchors as boxes in the middle of their cells, compared with the truths where
//! they stand.
//!
//! A prior is responsible when its cell holds the centre of any truth of the picture.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::overlap::{Boxes, ignore_overlapping, iou};
use super::{Pair, Part, Targets, Truth};
use crate::anchors::{Anchors, Level, LevelMap};

/// What a prior must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A responsible prior learns the truth it overlaps most when their IoU is above it.
    pub positive: f64,
    /// A prior that overlaps a truth by more than it is not background.
    pub negative: f64,
}

/// Pairs responsible priors with truths.
///
/// 1. Priors that overlap no truth of the picture by more than the negative threshold are background, the others ignored.
/// 2. A responsible prior that overlaps a truth by more than the positive threshold learns the one it overlaps most (the
///    first of equals), whether its cell holds that truth's centre or another's.
/// 3. Every truth then takes the responsible prior it overlaps most, whatever that one learned before, all of them where
///    several are equal; of two truths that take the same one the later has it.
///
/// Truths without an area take part in nothing.  The truths are those [`super::check_truths`] lets pass.
pub fn assign(truths: &[Truth], maps: &[LevelMap<'_>], anchors: &Anchors, thresholds: Thresholds) -> Targets {
    let mut targets = Targets::background(maps, anchors);
    let has_area = |truth: &Truth| truth.cxcywh[2] > 0.0 && truth.cxcywh[3] > 0.0;
    let mut by_image = vec![Vec::new(); maps.first().map_or(0, |map| map.n)];
    for (index, truth) in truths.iter().enumerate().filter(|(_, truth)| has_area(truth)) {
        by_image[truth.image].push((index, truth));
    }
    let kept: Vec<Truth> = by_image.iter().flatten().map(|&(_, truth)| *truth).collect();
    for ((map, level), targets) in maps.iter().zip(&anchors.levels).zip(&mut targets.levels) {
        ignore_overlapping(Boxes::Priors, (map, level), &kept, thresholds.negative, &mut targets.parts);
    }
    let taken: Vec<_> =
        by_image.par_iter().map(|truths| of_picture(truths, maps, anchors, thresholds.positive)).collect();
    for (prior, index) in taken.into_iter().flatten() {
        let (map, level) = (&maps[prior.level], &anchors.levels[prior.level]);
        let pair = Pair::new((index, &truths[index]), (map, level), prior.cell, prior.anchor);
        let targets = &mut targets.levels[prior.level];
        targets.parts[pair.predictor] = Part::Object;
        targets.labels.push((targets.pairs.len(), truths[index].class));
        targets.pairs.push(pair);
    }
    targets.count_unmatched(truths.len());
    targets
}

/// A responsible prior.
struct Prior {
    level: usize,
    cell: [usize; 2],
    anchor: usize,
    /// Centre and sides in pixels of the network's input.
    cxcywh: [f64; 4],
}

/// The priors of one picture that learn a truth, by level and place, with the truth's index.
fn of_picture(
    truths: &[(usize, &Truth)],
    maps: &[LevelMap<'_>],
    anchors: &Anchors,
    positive: f64,
) -> Vec<(Prior, usize)> {
    let priors = responsible(truths, maps, anchors);
    let (Some(map), Some(level)) = (maps.first(), anchors.levels.first()) else { return Vec::new() };
    let boxes: Vec<[f64; 4]> =
        truths.iter().map(|(_, truth)| truth.in_cells(map).map(|cells| cells * level.stride as f64)).collect();
    let most = |of: &Prior| {
        let ious = boxes.iter().map(|&truth| iou(of.cxcywh, truth)).enumerate();
        ious.reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    let mut learns: Vec<Option<usize>> =
        priors.iter().map(|prior| most(prior).filter(|&(_, iou)| iou > positive).map(|(place, _)| place)).collect();
    for (place, &truth) in boxes.iter().enumerate() {
        let ious: Vec<f64> = priors.iter().map(|prior| iou(prior.cxcywh, truth)).collect();
        let highest = ious.iter().copied().fold(0.0, f64::max);
        // A truth that overlaps no responsible prior takes none.
        for (learns, _) in learns.iter_mut().zip(ious).filter(|&(_, iou)| iou > 0.0 && iou >= highest) {
            *learns = Some(place);
        }
    }
    let taken = priors.into_iter().zip(learns);
    taken.filter_map(|(prior, place)| place.map(|place| (prior, truths[place].0))).collect()
}

/// The priors of the cells that hold the truths' centres, by level, row, column and anchor.
fn responsible(truths: &[(usize, &Truth)], maps: &[LevelMap<'_>], anchors: &Anchors) -> Vec<Prior> {
    let mut found = Vec::new();
    let has_cells = |(_, (map, _)): &(usize, (&LevelMap<'_>, &Level))| map.h > 0 && map.w > 0;
    for (index, (map, level)) in maps.iter().zip(&anchors.levels).enumerate().filter(has_cells) {
        let cells: BTreeSet<[usize; 2]> = truths.iter().map(|(_, truth)| truth.cell(map)).collect();
        let stride = level.stride as f64;
        for cell in cells {
            let [y, x] = cell.map(|place| (place as f64 + 0.5) * stride);
            found.extend(level.sizes.iter().enumerate().map(|(anchor, &size)| {
                let [w, h] = size.map(f64::from);
                Prior { level: index, cell, anchor, cxcywh: [x, y, w, h] }
            }));
        }
    }
    found
}
