//! Which predictors a truth trains.
//!
//! The rule of the code the paper ran (2020): at every level, every anchor whose size overlaps the truth's by more than a
//! threshold, in the cell that holds the truth's centre.  A truth may own none, or up to nine.

use crate::anchors::{Anchors, Level, LevelMap};

/// A labelled box of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Place of its picture in the batch.
    pub image: usize,
    /// Contiguous class index, from 0.
    pub class: usize,
    /// Centre and sides as fractions of the network input's sides.
    pub cxcywh: [f32; 4],
}

/// A predictor and the truth it is trained towards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Place of the picture in the batch.
    pub image: usize,
    /// Anchor of the level.
    pub anchor: usize,
    /// Cell, from the top.
    pub row: usize,
    /// Cell, from the left.
    pub column: usize,
    /// Place of the truth in the list that was given.
    pub truth: usize,
    /// The predictor among all of its level: `((image * h + row) * w + column) * A + anchor`.
    pub predictor: usize,
    /// The truth in cells: its centre from the cell's upper left corner, its sides.
    pub target: [f64; 4],
}

/// The pairs of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// One list per level, in the order of the truths, then of the anchors.
    pub levels: Vec<Vec<Pair>>,
    /// Truths that own no predictor: nothing is learned from them.
    pub unmatched: usize,
}

/// A truth that cannot be trained on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TruthError {
    /// Its picture is not in the batch.
    #[error("truth {truth}: expected an image below {batch}, got {image}")]
    Image {
        /// Place in the list.
        truth: usize,
        /// The picture it names.
        image: usize,
        /// Pictures in the batch.
        batch: usize,
    },
    /// The network has no such class.
    #[error("truth {truth} of image {image}: expected a class below {classes}, got {class}")]
    Class {
        /// Place in the list.
        truth: usize,
        /// Its picture.
        image: usize,
        /// The class it names.
        class: usize,
        /// Classes of the network.
        classes: usize,
    },
    /// Its box is not made of numbers.
    #[error("truth {truth} of image {image}: expected a finite box, got {cxcywh:?}")]
    Box {
        /// Place in the list.
        truth: usize,
        /// Its picture.
        image: usize,
        /// The box.
        cxcywh: [f32; 4],
    },
}

/// Refuses truths that do not belong to a batch of `batch` pictures and a network of `classes` classes.
///
/// # Errors
/// [`TruthError`], for the first of them.
pub fn check_truths(truths: &[Truth], batch: usize, classes: usize) -> Result<(), TruthError> {
    for (truth, &Truth { image, class, cxcywh }) in truths.iter().enumerate() {
        if image >= batch {
            return Err(TruthError::Image { truth, image, batch });
        }
        if class >= classes {
            return Err(TruthError::Class { truth, image, class, classes });
        }
        if !cxcywh.iter().all(|v| v.is_finite()) {
            return Err(TruthError::Box { truth, image, cxcywh });
        }
    }
    Ok(())
}

/// Pairs every truth with the anchors whose size overlaps its own by more than `iou_threshold` (strictly), both centred
/// on the origin, in the cell of its centre; a centre on the right or lower edge belongs to the last cell.
///
/// The truths are those [`check_truths`] lets pass; of the maps only the grids matter.
pub fn assign(truths: &[Truth], maps: &[LevelMap<'_>], anchors: &Anchors, iou_threshold: f64) -> Assignment {
    let mut owned = vec![false; truths.len()];
    let mut levels = Vec::with_capacity(maps.len());
    for (map, level) in maps.iter().zip(&anchors.levels) {
        let mut pairs = Vec::new();
        for (index, truth) in truths.iter().enumerate() {
            let before = pairs.len();
            pairs.extend(pairs_of(truth, index, map, level, iou_threshold));
            owned[index] |= pairs.len() > before;
        }
        levels.push(pairs);
    }
    Assignment { levels, unmatched: owned.iter().filter(|&&owned| !owned).count() }
}

/// The predictors of one level that one truth owns.
fn pairs_of<'a>(
    truth: &'a Truth,
    index: usize,
    map: &LevelMap<'_>,
    level: &'a Level,
    iou_threshold: f64,
) -> impl Iterator<Item = Pair> + 'a {
    let LevelMap { h, w, .. } = *map;
    let [cx, cy, width, height] = truth.cxcywh.map(f64::from);
    let (x, y) = (cx * w as f64, cy * h as f64);
    let size = [width * w as f64, height * h as f64];
    let (column, row) = (cell(x, w), cell(y, h));
    let target = [x - column as f64, y - row as f64, size[0], size[1]];
    let first = ((truth.image * h + row) * w + column) * level.sizes.len();
    level.sizes_in_cells().enumerate().filter(move |&(_, prior)| centred_iou(size, prior) > iou_threshold).map(
        move |(anchor, _)| Pair {
            image: truth.image,
            anchor,
            row,
            column,
            truth: index,
            predictor: first + anchor,
            target,
        },
    )
}

/// The cell of a coordinate, kept inside the grid.
fn cell(coordinate: f64, cells: usize) -> usize {
    // A conversion to an integer saturates, so what lies left of the grid is in cell 0.
    (coordinate.floor() as usize).min(cells.saturating_sub(1))
}

/// IoU of two boxes with the same centre; a box with a side of 0 overlaps nothing.
fn centred_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let overlap = a[0].min(b[0]).max(0.0) * a[1].min(b[1]).max(0.0);
    overlap / (a[0] * a[1] + b[0] * b[1] - overlap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchors::COCO_ANCHORS;

    /// A 416 x 416 input: 13, 26 and 52 cells.
    fn maps() -> [LevelMap<'static>; 3] {
        [13, 26, 52].map(|cells| LevelMap { n: 2, h: cells, w: cells, logits: &[] })
    }

    fn assign_coco(truths: &[Truth]) -> Assignment {
        assign(truths, &maps(), &Anchors::from_sizes(&COCO_ANCHORS).unwrap(), 0.20)
    }

    fn in_pixels(image: usize, [x, y, w, h]: [f32; 4]) -> Truth {
        Truth { image, class: 0, cxcywh: [x / 416.0, y / 416.0, w / 416.0, h / 416.0] }
    }

    #[test]
    fn a_truth_owns_every_anchor_that_overlaps_it_enough() {
        // 62 x 45 px: IoU 1 with its own anchor; 2790 / 10440 = 0.27 with 116 x 90; 33 x 23 = 759 / 2790 = 0.27;
        // 30 x 61: 1350 / 3270 = 0.41; 59 x 119: 2655 / 7156 = 0.37; 16 x 30: 480 / 2790 = 0.17; 10 x 13: less.
        let found = assign_coco(&[in_pixels(1, [100.0, 200.0, 62.0, 45.0])]);
        let anchors: Vec<Vec<_>> =
            found.levels.iter().map(|pairs| pairs.iter().map(|pair| pair.anchor).collect()).collect();
        assert_eq!(anchors, [vec![0], vec![0, 1, 2], vec![2]]);
        assert_eq!(found.unmatched, 0);

        let pair = found.levels[1][2];
        // 100 / 16 = 6.25 and 200 / 16 = 12.5
        assert_eq!((pair.image, pair.row, pair.column, pair.truth), (1, 12, 6, 0));
        assert_eq!(pair.predictor, ((26 + 12) * 26 + 6) * 3 + 2);
        for (got, expected) in pair.target.iter().zip([0.25, 0.5, 3.875, 2.8125]) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    }

    #[test]
    fn the_threshold_is_strict() {
        let anchors = Anchors::from_sizes(&[[8.0, 8.0]; 9]).unwrap();
        let maps = [1, 2, 4].map(|cells| LevelMap { n: 1, h: cells, w: cells, logits: &[] });
        // 4 x 4 px over 8 x 8 px: exactly a quarter.
        let truth = Truth { image: 0, class: 0, cxcywh: [0.5, 0.5, 0.125, 0.125] };
        assert_eq!(assign(&[truth], &maps, &anchors, 0.25).unmatched, 1);
        let below = assign(&[truth], &maps, &anchors, 0.2499);
        assert_eq!(below.levels.iter().map(Vec::len).sum::<usize>(), 9);
    }

    #[test]
    fn centres_on_the_edges_stay_in_the_grid() {
        let corner = in_pixels(0, [416.0, 416.0, 116.0, 90.0]);
        let pair = assign_coco(&[corner]).levels[0][0];
        assert_eq!((pair.row, pair.column, pair.target[0], pair.target[1]), (12, 12, 1.0, 1.0));
        let origin = in_pixels(0, [0.0, -3.2, 116.0, 90.0]);
        let pair = assign_coco(&[origin]).levels[0][0];
        assert_eq!((pair.row, pair.column, pair.target[0]), (0, 0, 0.0));
        assert!((pair.target[1] + 0.1).abs() < 1e-6);
    }

    #[test]
    fn height_and_width_have_their_own_grids() {
        let anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
        let maps = [(4, 8), (8, 16), (16, 32)].map(|(h, w)| LevelMap { n: 1, h, w, logits: &[] });
        // 128 x 256 px input: centre (192, 96), 116 x 90 px.
        let truth = Truth { image: 0, class: 0, cxcywh: [0.75, 0.75, 116.0 / 256.0, 90.0 / 128.0] };
        let pair = assign(&[truth], &maps, &anchors, 0.2).levels[0][0];
        assert_eq!((pair.row, pair.column, pair.target), (3, 6, [0.0, 0.0, 3.625, 2.8125]));
    }

    #[test]
    fn truths_without_a_predictor_are_counted() {
        let tiny = in_pixels(0, [50.0, 50.0, 3.0, 3.0]);
        let flat = in_pixels(0, [50.0, 50.0, 0.0, 40.0]);
        let negative = in_pixels(0, [50.0, 50.0, -40.0, -40.0]);
        let good = in_pixels(1, [50.0, 50.0, 30.0, 30.0]);
        let found = assign_coco(&[tiny, flat, good, negative]);
        assert_eq!(found.unmatched, 3);
        assert!(found.levels.iter().flatten().all(|pair| pair.truth == 2));
        let none = assign_coco(&[]);
        assert_eq!((none.levels, none.unmatched), (vec![vec![], vec![], vec![]], 0));
    }

    #[test]
    fn foreign_truths_are_refused() {
        let good = Truth { image: 1, class: 2, cxcywh: [0.5; 4] };
        assert_eq!(check_truths(&[good], 2, 3), Ok(()));
        let image = check_truths(&[good, Truth { image: 2, ..good }], 2, 3);
        assert_eq!(image, Err(TruthError::Image { truth: 1, image: 2, batch: 2 }));
        let class = check_truths(&[good, good, Truth { class: 3, ..good }], 2, 3);
        assert_eq!(class, Err(TruthError::Class { truth: 2, image: 1, class: 3, classes: 3 }));
        let cxcywh = [0.5, f32::NAN, 0.5, 0.5];
        assert!(matches!(check_truths(&[Truth { cxcywh, ..good }], 2, 3), Err(TruthError::Box { truth: 0, .. })));
    }
}
