//! The rule of the code the paper ran (2020): at every level, every anchor whose size overlaps the truth's by more than a
//! threshold, in the cell that holds the truth's centre.  A truth may own none, or up to nine.

use super::{Pair, Truth};
use crate::anchors::{Anchors, LevelMap, size_iou};

/// The pairs of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// One list per level, in the order of the truths, then of the anchors.
    pub levels: Vec<Vec<Pair>>,
    /// Truths that own no predictor: nothing is learned from them.
    pub unmatched: usize,
}

/// Pairs every truth with the anchors whose size overlaps its own by more than `iou_threshold` (strictly), both centred
/// on the origin, in the cell of its centre; a centre on the right or lower edge belongs to the last cell.
///
/// The truths are those [`super::check_truths`] lets pass; of the maps only the grids matter.
pub fn assign(truths: &[Truth], maps: &[LevelMap<'_>], anchors: &Anchors, iou_threshold: f64) -> Assignment {
    let mut owned = vec![false; truths.len()];
    let mut levels = Vec::with_capacity(maps.len());
    for (map, level) in maps.iter().zip(&anchors.levels) {
        let mut pairs = Vec::new();
        for (index, truth) in truths.iter().enumerate() {
            let before = pairs.len();
            let [.., w, h] = truth.in_cells(map);
            let fit = |&(_, prior): &(usize, [f64; 2])| size_iou([w, h], prior) > iou_threshold;
            let fitting = level.sizes_in_cells().enumerate().filter(fit);
            pairs.extend(fitting.map(|(anchor, _)| Pair::new((index, truth), (map, level), truth.cell(map), anchor)));
            owned[index] |= pairs.len() > before;
        }
        levels.push(pairs);
    }
    Assignment { levels, unmatched: owned.iter().filter(|owned| !**owned).count() }
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
}
