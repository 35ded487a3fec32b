//! Anchors fitted to data: k-means over the boxes' sizes with the distance `1 - IoU` (Redmon and Farhadi 2017, section 2,
//! "dimension clusters", which YOLOv3 keeps).

use rayon::prelude::*;
use serde::Serialize;
use wrs_ops::rng::Rng;

use super::{AnchorError, size_iou};

/// Boxes that one task compares with the centres; the shape, not the threads, splits the sums.
const BLOCK: usize = 4096;

/// Rounds without a better fit after which none is expected.
const PATIENCE: usize = 10;

/// How well a list of anchors fits boxes, by size alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AnchorFit {
    /// Boxes compared; without any, the rest is 0.
    pub boxes: usize,
    /// The mean over the boxes of their IoU with the best anchor (the paper's "Avg IOU").
    pub mean_best_iou: f64,
    /// The share of boxes whose IoU with the best anchor is above the threshold.
    pub covered: f64,
}

/// Anchors made for boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedAnchors {
    /// Width and height in the boxes' unit, by area, smallest first.
    pub sizes: Vec<[f32; 2]>,
    /// See [`AnchorFit::mean_best_iou`].
    pub mean_best_iou: f64,
    /// Rounds of k-means that led to them.
    pub rounds: usize,
}

/// How well anchors fit boxes, both in pixels of the network's input; sides are finite numbers.
pub fn anchor_fit(sizes: &[[f32; 2]], sides: &[[f64; 2]], iou_threshold: f64) -> AnchorFit {
    let centres: Vec<[f64; 2]> = sizes.iter().map(|size| size.map(f64::from)).collect();
    let blocks: Vec<(f64, usize)> = sides
        .par_chunks(BLOCK)
        .map(|sides| {
            let ious = sides.iter().map(|&size| best(size, &centres).1);
            ious.fold((0.0, 0), |(sum, above), iou| (sum + iou, above + usize::from(iou > iou_threshold)))
        })
        .collect();
    let (sum, above) = blocks.into_iter().fold((0.0, 0), |(sum, n), block| (sum + block.0, n + block.1));
    let boxes = sides.len();
    let share = |part: f64| if boxes == 0 { 0.0 } else { part / boxes as f64 };
    AnchorFit { boxes, mean_best_iou: share(sum), covered: share(above as f64) }
}

/// The `k` sizes that k-means finds for boxes, given by width and height in pixels of the network's input.
///
/// Seeded by k-means++ (Arthur and Vassilvitskii 2007) in its greedy form: of a few boxes drawn by their distance to the
/// centres there are, the one that helps most becomes the next.  A round moves every centre to the median width and height of
/// the boxes it is the best for.  The papers do not say, Darknet takes means; but boxes' sizes are skewed, and means end below
/// their seeds (mean IoU with 9 anchors on 2,259 boxes of COCO: seeds 0.592, means 0.590, medians 0.624).  Neither is where
/// `1 - IoU` is least, so the best round counts, and the result is never worse than the seeds.
///
/// The result is a function of the boxes, not of their order.
///
/// # Errors
/// [`AnchorError::Box`] for sides that are no lengths; [`AnchorError::Distinct`] for fewer sizes of boxes than anchors;
/// [`AnchorError::Count`] for no anchors at all.
pub fn fit_anchors(sides: &[[f64; 2]], k: usize, seed: u64) -> Result<FittedAnchors, AnchorError> {
    let boxes = Tally::new(sides)?;
    if k == 0 {
        return Err(AnchorError::Count { expected: 1, got: 0 });
    }
    if boxes.sizes.len() < k {
        return Err(AnchorError::Distinct { expected: k, got: boxes.sizes.len() });
    }
    let mut centres = boxes.seeds(k, seed);
    let (mut owners, mut fit) = boxes.deal(&centres);
    let mut best = (fit, 0, centres.clone());
    for round in 1.. {
        centres = boxes.medians(&owners, &centres);
        (owners, fit) = boxes.deal(&centres);
        if fit > best.0 {
            best = (fit, round, centres.clone());
        } else if round >= best.1 + PATIENCE {
            break;
        }
    }
    let (_, rounds, mut centres) = best;
    centres.sort_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])).then(a[0].total_cmp(&b[0])));
    let sizes: Vec<[f32; 2]> = centres.iter().map(|centre| centre.map(|side| side as f32)).collect();
    let mean_best_iou = anchor_fit(&sizes, sides, 0.0).mean_best_iou;
    Ok(FittedAnchors { sizes, mean_best_iou, rounds })
}

/// Boxes of the same size told once.
struct Tally {
    /// The distinct sizes, by width, then height.
    sizes: Vec<[f64; 2]>,
    /// How many boxes have each.
    counts: Vec<f64>,
    /// The places of the sizes, by height.
    by_height: Vec<usize>,
}

impl Tally {
    fn new(sides: &[[f64; 2]]) -> Result<Self, AnchorError> {
        let is_length = |side: f64| side.is_finite() && side > 0.0;
        if let Some(index) = sides.iter().position(|size| !size.iter().copied().all(is_length)) {
            let [width, height] = sides[index];
            return Err(AnchorError::Box { index, width, height });
        }
        let order = |a: &[f64; 2], b: &[f64; 2]| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]));
        let mut sorted = sides.to_vec();
        sorted.sort_by(order);
        let same = || sorted.chunk_by(|a, b| order(a, b).is_eq());
        let sizes: Vec<[f64; 2]> = same().map(|same| same[0]).collect();
        let counts = same().map(|same| same.len() as f64).collect();
        let mut by_height: Vec<usize> = (0..sizes.len()).collect();
        by_height.sort_by(|&a, &b| sizes[a][1].total_cmp(&sizes[b][1]));
        Ok(Self { sizes, counts, by_height })
    }

    /// `k` different boxes to begin with, or as many as there are.
    fn seeds(&self, k: usize, seed: u64) -> Vec<[f64; 2]> {
        let candidates = 2 + (k as f64).ln() as usize;
        let mut centres: Vec<[f64; 2]> = Vec::with_capacity(k);
        // 1 - the best IoU so far, times the boxes of that size.
        let mut distances = self.counts.clone();
        for place in 0..k {
            let mut rng = Rng::new(seed, "anchors", 0, place as u64);
            let drawn = (0..candidates).filter_map(|_| draw(&distances, rng.uniform()));
            let tried = drawn.map(|drawn| {
                let left = self.distances(self.sizes[drawn], &distances);
                (left.iter().sum::<f64>(), self.sizes[drawn], left)
            });
            if let Some((_, centre, left)) = tried.reduce(|best, next| if next.0 < best.0 { next } else { best }) {
                centres.push(centre);
                distances = left;
            }
        }
        centres
    }

    /// The distances that are left when a centre joins those there are.
    fn distances(&self, centre: [f64; 2], distances: &[f64]) -> Vec<f64> {
        let boxes = self.sizes.par_iter().zip(&self.counts).zip(distances);
        boxes.map(|((&size, n), &distance)| distance.min(n * (1.0 - size_iou(size, centre)))).collect()
    }

    /// The centre that fits each size best, and the sum of the IoUs over all boxes.
    fn deal(&self, centres: &[[f64; 2]]) -> (Vec<usize>, f64) {
        let mut owners = vec![0; self.sizes.len()];
        let blocks = owners.par_chunks_mut(BLOCK).zip(self.sizes.par_chunks(BLOCK)).zip(self.counts.par_chunks(BLOCK));
        let sums: Vec<f64> = blocks
            .map(|((owners, sizes), counts)| {
                let mut sum = 0.0;
                for ((owner, &size), n) in owners.iter_mut().zip(sizes).zip(counts) {
                    let (place, iou) = best(size, centres);
                    *owner = place;
                    sum += n * iou;
                }
                sum
            })
            .collect();
        (owners, sums.into_iter().sum())
    }

    /// The median width and height of each centre's boxes, the lower of two in the middle; a centre without boxes stays.
    fn medians(&self, owners: &[usize], centres: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let mut totals = vec![0.0; centres.len()];
        for (&owner, n) in owners.iter().zip(&self.counts) {
            totals[owner] += n;
        }
        let mut moved = centres.to_vec();
        self.medians_along(0, 0..self.sizes.len(), owners, &totals, &mut moved);
        self.medians_along(1, self.by_height.iter().copied(), owners, &totals, &mut moved);
        moved
    }

    /// The medians of one side, whose order `ascending` gives.
    fn medians_along(
        &self,
        side: usize,
        ascending: impl Iterator<Item = usize>,
        owners: &[usize],
        totals: &[f64],
        centres: &mut [[f64; 2]],
    ) {
        let mut passed = vec![0.0; totals.len()];
        for place in ascending {
            let owner = owners[place];
            let before = passed[owner];
            passed[owner] += self.counts[place];
            if 2.0 * before < totals[owner] && 2.0 * passed[owner] >= totals[owner] {
                centres[owner][side] = self.sizes[place][side];
            }
        }
    }
}

/// The place where the running sum of the weights passes a share of the total; none where all are 0.
fn draw(weights: &[f64], share: f64) -> Option<usize> {
    let mut left = share * weights.iter().sum::<f64>();
    let mut last = None;
    for (place, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = Some(place);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The centre of the highest IoU, the first of equals, and that IoU; 0 without centres.
fn best(size: [f64; 2], centres: &[[f64; 2]]) -> (usize, f64) {
    let ious = centres.iter().map(|&centre| size_iou(size, centre)).enumerate();
    ious.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests;
