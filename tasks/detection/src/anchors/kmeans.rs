//! Anchors fitted to data: k-means over the boxes' sizes with the distance `1 - IoU` (Redmon and Farhadi 2017, section 2,
//! "dimension clusters", which YOLOv3 keeps).

use rayon::prelude::*;
use wrs_ops::rng::Rng;

use super::{AnchorError, size_iou};

/// Boxes that one task compares with the centres; the shape, not the threads, splits the sums.
const BLOCK: usize = 4096;

/// The rise of the mean IoU below which another round is not worth its time.
const SMALLEST_GAIN: f64 = 1e-6;

/// How well a list of anchors fits boxes, by size alone.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// Rounds of k-means that raised it.
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
/// centres there are, the one that helps most becomes the next.  A round moves every centre to the mean of the boxes it is
/// the best for, as Darknet does.  That mean is not where `1 - IoU` is least, so rounds go on only while they raise the mean
/// IoU, and the result is never worse than the seeds.  It is a function of the boxes, not of their order.
///
/// # Errors
/// [`AnchorError::Box`] for sides that are no lengths; [`AnchorError::Distinct`] for fewer sizes of boxes than anchors.
pub fn fit_anchors(sides: &[[f64; 2]], k: usize, seed: u64) -> Result<FittedAnchors, AnchorError> {
    let boxes = tally(sides)?;
    if boxes.len() < k {
        return Err(AnchorError::Distinct { expected: k, got: boxes.len() });
    }
    let mut centres = seeds(&boxes, k, seed);
    let mut round = Round::of(&boxes, &centres);
    let mut rounds = 0;
    loop {
        let moved = round.means(&centres);
        let next = Round::of(&boxes, &moved);
        if next.total - round.total <= SMALLEST_GAIN * sides.len() as f64 {
            break;
        }
        (centres, round, rounds) = (moved, next, rounds + 1);
    }
    centres.sort_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])).then(a[0].total_cmp(&b[0])));
    let sizes: Vec<[f32; 2]> = centres.iter().map(|centre| centre.map(|side| side as f32)).collect();
    let mean_best_iou = anchor_fit(&sizes, sides, 0.0).mean_best_iou;
    Ok(FittedAnchors { sizes, mean_best_iou, rounds })
}

/// A size and how many boxes have it.
type Tallied = ([f64; 2], f64);

/// The distinct sizes, in order.
fn tally(sides: &[[f64; 2]]) -> Result<Vec<Tallied>, AnchorError> {
    let is_length = |side: f64| side.is_finite() && side > 0.0;
    if let Some(index) = sides.iter().position(|size| !size.iter().copied().all(is_length)) {
        let [width, height] = sides[index];
        return Err(AnchorError::Box { index, width, height });
    }
    let mut sorted = sides.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    Ok(sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect())
}

/// `k` different boxes to begin with, or as many as there are.
fn seeds(boxes: &[Tallied], k: usize, seed: u64) -> Vec<[f64; 2]> {
    let candidates = 2 + (k.max(1) as f64).ln() as usize;
    let mut centres: Vec<[f64; 2]> = Vec::with_capacity(k);
    // 1 - the best IoU so far, times the boxes of that size.
    let mut distances: Vec<f64> = boxes.iter().map(|&(_, n)| n).collect();
    for place in 0..k {
        let mut rng = Rng::new(seed, "anchors", 0, place as u64);
        let mut nearest: Option<(f64, [f64; 2], Vec<f64>)> = None;
        for _ in 0..candidates {
            let Some(drawn) = draw(&distances, rng.uniform()) else { continue };
            let centre = boxes[drawn].0;
            let closer = |(&(size, n), &distance): (&Tallied, &f64)| distance.min(n * (1.0 - size_iou(size, centre)));
            let left: Vec<f64> = boxes.par_iter().zip(&distances).map(closer).collect();
            let total: f64 = left.iter().sum();
            if nearest.as_ref().is_none_or(|(least, ..)| total < *least) {
                nearest = Some((total, centre, left));
            }
        }
        if let Some((_, centre, left)) = nearest {
            centres.push(centre);
            distances = left;
        }
    }
    centres
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

/// The boxes dealt to the centres that fit them best.
struct Round {
    /// The sum over the boxes of their IoU with the best centre.
    total: f64,
    /// Of each centre: its boxes' widths, heights and number.
    sums: Vec<[f64; 3]>,
}

impl Round {
    fn of(boxes: &[Tallied], centres: &[[f64; 2]]) -> Self {
        let nothing = || Self { total: 0.0, sums: vec![[0.0; 3]; centres.len()] };
        let deal = |boxes: &[Tallied]| {
            let mut round = nothing();
            for &(size, n) in boxes {
                let (place, iou) = best(size, centres);
                round.total += n * iou;
                if let Some(sums) = round.sums.get_mut(place) {
                    add(sums, [n * size[0], n * size[1], n]);
                }
            }
            round
        };
        let blocks: Vec<Self> = boxes.par_chunks(BLOCK).map(deal).collect();
        blocks.into_iter().fold(nothing(), |mut round, block| {
            round.total += block.total;
            round.sums.iter_mut().zip(block.sums).for_each(|(sums, block)| add(sums, block));
            round
        })
    }

    /// The mean size of each centre's boxes; a centre without any stays.
    fn means(&self, centres: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let mean = |(&[w, h, n], &centre): (&[f64; 3], &[f64; 2])| if n > 0.0 { [w / n, h / n] } else { centre };
        self.sums.iter().zip(centres).map(mean).collect()
    }
}

fn add(into: &mut [f64; 3], values: [f64; 3]) {
    into.iter_mut().zip(values).for_each(|(into, value)| *into += value);
}

/// The centre of the highest IoU, the first of equals, and that IoU; 0 without centres.
fn best(size: [f64; 2], centres: &[[f64; 2]]) -> (usize, f64) {
    let ious = centres.iter().map(|&centre| size_iou(size, centre)).enumerate();
    ious.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests;
