//! Arms of segmenters.
//!
//! The numbers are ratios of sums over all pixels, so a draw's number is had from the sum of the drawn images' confusion
//! matrices.  Images have few cells that hold a pixel, and only those are added.

use std::collections::BTreeMap;

use crate::compare::resampled::Resampled;
use crate::compare::{Arm, CompareError, CompareOptions, Comparison, LabelMetric, RunFault, compare};
use crate::mean_iou::{AbsentClasses, CellSum, ConfusionFault, ImageConfusion, NameList, check_all};

/// Compares how the runs of two arms labelled the pixels of the same images, by numbers that leave absent classes out
/// ([`AbsentClasses::Skip`]).  `num_classes` counts the background.
///
/// The same arguments give the same bytes, whatever the order of runs, images and threads.
///
/// # Errors
/// Arms without runs, with a seed twice, or with different seeds; options out of range; fewer than two images; runs on other
/// images or other ground truth than the first run's; labels of no class; images without a labelled pixel, or so few with
/// one that too many draws miss them all.
pub fn compare_label_maps(
    num_classes: usize,
    a: &Arm<'_, ImageConfusion>,
    b: &Arm<'_, ImageConfusion>,
    options: &CompareOptions<LabelMetric>,
) -> Result<Comparison<LabelMetric>, CompareError> {
    let nothing = CellSum::new(num_classes).map_err(CompareError::NumClasses)?;
    // Of no run: which `compare` refuses.
    let first = a.runs.first().map_or(&[][..], |run| run.found);
    let images: Images<'_> = first.iter().map(|of| (of.image.as_str(), of.truth_pixels())).collect();
    compare(a, b, images.len(), options, |found| {
        check_all(found, num_classes).map_err(RunFault::Confusion)?;
        LabelledRun::new(&images, found, &nothing, options.metric)
    })
}

/// Every image's pixels by true class.
type Images<'a> = BTreeMap<&'a str, Vec<(u64, u64)>>;

/// The images of one run in ascending order of name.
struct LabelledRun {
    /// Of all images, one after the other.
    cells: Vec<Cell>,
    /// Behind the last cell of each image.
    ends: Vec<usize>,
    nothing: CellSum,
    metric: LabelMetric,
}

#[derive(Clone, Copy)]
struct Cell {
    place: u32,
    pixels: u32,
}

impl LabelledRun {
    /// Of confusions that [`check_all`] passed.
    fn new(
        images: &Images<'_>,
        found: &[ImageConfusion],
        nothing: &CellSum,
        metric: LabelMetric,
    ) -> Result<Self, RunFault> {
        let by_name: BTreeMap<&str, &ImageConfusion> = found.iter().map(|of| (of.image.as_str(), of)).collect();
        if !by_name.keys().eq(images.keys()) {
            let missing = images.keys().filter(|name| !by_name.contains_key(*name));
            let more = by_name.keys().filter(|name| !images.contains_key(*name));
            let list =
                |names: &mut dyn Iterator<Item = &&str>| NameList(names.map(|name| (*name).to_owned()).collect());
            return Err(RunFault::OtherImages {
                missing: list(&mut missing.into_iter()),
                more: list(&mut more.into_iter()),
            });
        }
        let (mut cells, mut ends) = (Vec::new(), Vec::with_capacity(images.len()));
        for (of, truth) in by_name.values().zip(images.values()) {
            if of.truth_pixels() != *truth {
                return Err(RunFault::Confusion(ConfusionFault::OtherTruth { image: of.image.clone() }));
            }
            let cell = |&[truth, prediction, pixels]: &[u64; 3]| Cell {
                place: nothing.place(truth, prediction),
                // At most u32::MAX, as checked.
                pixels: pixels as u32,
            };
            cells.extend(of.cells.iter().map(cell));
            ends.push(cells.len());
        }
        Ok(Self { cells, ends, nothing: nothing.clone(), metric })
    }
}

impl Resampled for LabelledRun {
    type Scratch = Option<CellSum>;

    fn value(&self, weights: &[u32], scratch: &mut Self::Scratch) -> Option<f64> {
        let sum = scratch.get_or_insert_with(|| self.nothing.clone());
        sum.clear();
        let mut start = 0;
        for (&end, &weight) in self.ends.iter().zip(weights) {
            if weight > 0 {
                for cell in &self.cells[start..end] {
                    sum.add(cell.place, cell.pixels, weight);
                }
            }
            start = end;
        }
        self.metric.of(&sum.matrix().metrics(AbsentClasses::Skip))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mean_iou::ConfusionMatrix;

    const CLASSES: usize = 4;

    fn matrix(pixels: &[(u8, u8)]) -> ConfusionMatrix {
        let (truth, prediction): (Vec<u8>, Vec<u8>) = pixels.iter().copied().unzip();
        let mut confusion = ConfusionMatrix::new(CLASSES).unwrap();
        confusion.add(&truth, &prediction).unwrap();
        confusion
    }

    fn labelled(found: &[ImageConfusion], metric: LabelMetric) -> LabelledRun {
        let images: Images<'_> = found.iter().map(|of| (of.image.as_str(), of.truth_pixels())).collect();
        LabelledRun::new(&images, found, &CellSum::new(CLASSES).unwrap(), metric).unwrap_or_else(|e| panic!("{e}"))
    }

    fn any_set() -> impl Strategy<Value = Vec<Vec<(u8, u8)>>> {
        prop::collection::vec(prop::collection::vec((0..CLASSES as u8, 0..CLASSES as u8), 0..25), 3)
    }

    proptest! {
        #[test]
        fn a_weight_is_that_many_copies_of_the_image(
            set in any_set(), draws in prop::collection::vec(prop::array::uniform3(0_u32..4), 1..4),
        ) {
            let found: Vec<_> =
                set.iter().enumerate().map(|(i, pixels)| ImageConfusion::of(&i.to_string(), &matrix(pixels))).collect();
            for metric in LabelMetric::ALL {
                let run = labelled(&found, metric);
                let mut scratch = None;
                for weights in draws.iter().chain(&[[1; 3]]) {
                    let copies: Vec<(u8, u8)> = set
                        .iter()
                        .zip(weights)
                        .flat_map(|(pixels, &weight)| pixels.repeat(weight as usize))
                        .collect();
                    let expected = metric.of(&matrix(&copies).metrics(AbsentClasses::Skip));
                    prop_assert_eq!(run.value(weights, &mut scratch), expected, "{} {:?}", metric, weights);
                }
            }
        }
    }

    #[test]
    fn draws_worked_by_hand() {
        // Image a: two pixels of class 0, one right; image b: one pixel of class 1, right.
        let a = ImageConfusion::of("a", &matrix(&[(0, 0), (0, 1)]));
        let b = ImageConfusion::of("b", &matrix(&[(1, 1)]));
        let run = labelled(&[b, a], LabelMetric::Miou);
        let mut scratch = None;
        for (weights, expected) in [
            // IoU 1/2 and 1/2.
            ([1, 1], Some(0.5)),
            // 1/2 and 0: class 1 is predicted though absent, classes 2 and 3 are left out.
            ([1, 0], Some(0.25)),
            // Class 1 alone, perfect.
            ([0, 3], Some(1.0)),
            // 2/4 and 1/3.
            ([2, 1], Some(f64::midpoint(0.5, 1.0 / 3.0))),
            ([0, 0], None),
        ] {
            assert_eq!(run.value(&weights, &mut scratch), expected, "{weights:?}");
        }
    }
}
