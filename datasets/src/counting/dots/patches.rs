//! Patches of pixels that touch at sides or corners.

use super::super::PointXy;

/// A patch this much larger than the median of its file may be dots that touch.
const LARGE: f64 = 1.5;

/// The patches of a picture.
pub(super) struct Patches {
    /// The pixels of each patch, as columns and rows.
    pixels: Vec<Vec<(usize, usize)>>,
    width: usize,
    /// Which pixels are in a patch, as they were found.
    marked: Vec<usize>,
}

impl Patches {
    /// Finds the patches of the marked pixels, which lie row after row; in the order of their first pixels.
    pub fn find(mut is_marked: Vec<bool>, width: usize) -> Self {
        let marked: Vec<usize> = is_marked.iter().enumerate().filter(|(_, is)| **is).map(|(at, _)| at).collect();
        let mut patches = Vec::new();
        for &first in &marked {
            if is_marked[first] {
                patches.push(fill(&mut is_marked, width, first));
            }
        }
        Self { pixels: patches, width, marked }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pixels.len()
    }

    /// Whether more than half are single pixels.
    pub fn are_mostly_pixels(&self) -> bool {
        2 * self.pixels.iter().filter(|patch| patch.len() == 1).count() > self.len()
    }

    /// How many are larger than usual, and how many pixels the usual one has.
    pub fn large(&self) -> (usize, usize) {
        let mut sizes: Vec<_> = self.pixels.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let usual = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        (sizes.iter().filter(|&&size| size as f64 > LARGE * usual as f64).count(), usual)
    }

    /// The middle of every pixel, row after row.
    pub fn pixels(&self) -> Vec<PointXy> {
        self.marked.iter().map(|at| centre(&[(at % self.width, at / self.width)])).collect()
    }

    /// The middle of every patch.
    pub fn centres(&self) -> Vec<PointXy> {
        self.pixels.iter().map(|patch| centre(patch)).collect()
    }
}

/// The mean of the middles of pixels.
fn centre(pixels: &[(usize, usize)]) -> PointXy {
    let (x, y) = pixels.iter().fold((0, 0), |(x, y), pixel| (x + pixel.0, y + pixel.1));
    let mean = |sum: usize| sum as f64 / pixels.len() as f64 + 0.5;
    PointXy { x: mean(x), y: mean(y) }
}

/// Takes away the patch of a marked pixel and lists its pixels.
fn fill(is_marked: &mut [bool], width: usize, first: usize) -> Vec<(usize, usize)> {
    let height = is_marked.len() / width;
    let (mut patch, mut open) = (Vec::new(), vec![first]);
    is_marked[first] = false;
    while let Some(at) = open.pop() {
        let (x, y) = (at % width, at / width);
        patch.push((x, y));
        for y in y.saturating_sub(1)..(y + 2).min(height) {
            let near = y * width + x.saturating_sub(1)..y * width + (x + 2).min(width);
            for (near, is_marked) in near.clone().zip(&mut is_marked[near]) {
                if std::mem::take(is_marked) {
                    open.push(near);
                }
            }
        }
    }
    patch
}
