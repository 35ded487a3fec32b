//! Which predictors a truth trains: by size ([`by_size`]), by Darknet's rule ([`best_anchor`]), by mmdetection's ([`grid`]).

pub mod best_anchor;
pub mod by_size;
pub mod grid;
mod overlap;

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

impl Truth {
    /// Centre and sides in cells of a level.
    fn in_cells(&self, map: &LevelMap<'_>) -> [f64; 4] {
        let [x, y, w, h] = self.cxcywh.map(f64::from);
        let [columns, rows] = [map.w as f64, map.h as f64];
        [x * columns, y * rows, w * columns, h * rows]
    }

    /// Row and column of the cell that holds the centre; one on the right or lower edge belongs to the last cell.
    fn cell(&self, map: &LevelMap<'_>) -> [usize; 2] {
        // A conversion to an integer saturates, so what lies left of the grid is in cell 0.
        let inside = |coordinate: f64, cells: usize| (coordinate.floor() as usize).min(cells.saturating_sub(1));
        let [x, y, ..] = self.in_cells(map);
        [inside(y, map.h), inside(x, map.w)]
    }
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

impl Pair {
    /// Truth number `index` and an anchor of a cell.
    fn new(
        (index, truth): (usize, &Truth),
        (map, level): (&LevelMap<'_>, &Level),
        [row, column]: [usize; 2],
        anchor: usize,
    ) -> Self {
        let [x, y, w, h] = truth.in_cells(map);
        Self {
            image: truth.image,
            anchor,
            row,
            column,
            truth: index,
            predictor: ((truth.image * map.h + row) * map.w + column) * level.sizes.len() + anchor,
            target: [x - column as f64, y - row as f64, w, h],
        }
    }
}

/// What the objectness of a predictor learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// That there is nothing.
    Background,
    /// Nothing: it lies too well on a truth to be wrong, and another predictor is responsible for that.
    Ignored,
    /// That there is an object: it is in a pair.
    Object,
}

/// What every predictor of one level learns, by a rule that gives a predictor at most one box.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelTargets {
    /// The predictors with a box to learn, each once.
    pub pairs: Vec<Pair>,
    /// Place of a pair in the list, and a class it learns; a pair has at least one.
    pub labels: Vec<(usize, usize)>,
    /// `[B * h * w * A]`
    pub parts: Vec<Part>,
}

/// What every predictor of a batch learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// In the order of the network's outputs.
    pub levels: Vec<LevelTargets>,
    /// Truths that no predictor learns the box of.
    pub unmatched: usize,
}

impl Targets {
    /// Nothing anywhere.
    fn background(maps: &[LevelMap<'_>], anchors: &Anchors) -> Self {
        let blank = |(map, level): (&LevelMap<'_>, &Level)| LevelTargets {
            pairs: Vec::new(),
            labels: Vec::new(),
            parts: vec![Part::Background; map.predictors(level)],
        };
        Self { levels: maps.iter().zip(&anchors.levels).map(blank).collect(), unmatched: 0 }
    }

    /// Counts the truths, of `truths` in all, that are in no pair.
    fn count_unmatched(&mut self, truths: usize) {
        let mut owned = vec![false; truths];
        for pair in self.levels.iter().flat_map(|level| &level.pairs) {
            owned[pair.truth] = true;
        }
        self.unmatched = owned.iter().filter(|owned| !**owned).count();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
