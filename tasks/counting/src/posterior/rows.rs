//! Shares cell by cell, and how those of one cell are found.

use wrs_datasets::PointXy;
use wrs_ops::exp::exp_of_negative;

use super::buckets::Buckets;

/// A smaller share is left out.
const LEAST_SHARE: f64 = 1e-8;
/// All those left out of a cell are at most this part of it.
const LEAST_SUM: f64 = 1e-6;

/// The points with a share in each cell, one cell after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    ends: Vec<usize>,
    points: Vec<u32>,
    shares: Vec<f32>,
}

impl Rows {
    pub(super) fn push(&mut self, row: &Row) {
        self.points.extend_from_slice(&row.points[..row.len]);
        self.shares.extend_from_slice(&row.shares[..row.len]);
        self.ends.push(self.points.len());
    }

    pub(super) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.points.shrink_to_fit();
        self.shares.shrink_to_fit();
    }

    /// Points and shares of each cell.
    pub(super) fn iter(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, f32)>> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let row = start..end;
            start = row.end;
            let points = self.points[row.clone()].iter().map(|&point| point as usize);
            points.zip(self.shares[row].iter().copied())
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.points.capacity() * size_of::<u32>() + self.shares.capacity() * size_of::<f32>();
        self.ends.capacity() * size_of::<usize>() + entries
    }
}

/// The shares of one cell; its storage serves one cell after the other.
pub(super) struct Row {
    /// `1 / (2 sigma²)`
    scale: f64,
    least_share: f64,
    points: Vec<u32>,
    shares: Vec<f32>,
    len: usize,
}

impl Row {
    /// Room for the shares of `points` points.
    pub(super) fn new(points: usize, sigma_px: f64) -> Self {
        let least_share = LEAST_SHARE.min(LEAST_SUM / points as f64);
        let scale = 0.5 / (sigma_px * sigma_px);
        Self { scale, least_share, points: vec![0; points], shares: vec![0.0; points], len: 0 }
    }

    /// Finds the shares of the cell at `at`, whose nearest point is `nearest` away and its background `background` (both
    /// squared), and returns the background's.
    pub(super) fn find(
        &mut self,
        buckets: &Buckets,
        at: PointXy,
        nearest: f64,
        background: Option<f64>,
    ) -> Option<f32> {
        // The largest term of the cell becomes 1, so that far from everything terms do not vanish together.
        let least = background.map_or(nearest, |background| nearest.min(background));
        self.collect(buckets, at, least);
        let background = background.map(|squared| exp_of_negative(((squared - least) * self.scale) as f32));
        let others = f64::from(background.unwrap_or(0.0));
        let sum = others + self.terms().map(f64::from).sum::<f64>();
        self.keep((self.least_share * sum) as f32);
        let kept = others + self.terms().map(f64::from).sum::<f64>();
        let factor = 1.0 / kept;
        self.shares[..self.len].iter_mut().for_each(|term| *term = (f64::from(*term) * factor) as f32);
        background.map(|term| (f64::from(term) * factor) as f32)
    }

    fn terms(&self) -> impl Iterator<Item = f32> {
        self.shares[..self.len].iter().copied()
    }

    /// The terms of all points that can have more than the least share.
    fn collect(&mut self, buckets: &Buckets, at: PointXy, least: f64) {
        let most = least - self.least_share.ln() / self.scale;
        let mut len = 0;
        for run in buckets.around(at, most) {
            let places = buckets.ids[run.clone()].iter().zip(&buckets.x[run.clone()]).zip(&buckets.y[run]);
            for ((&id, &x), &y) in places {
                let (dx, dy) = (x - at.x, y - at.y);
                let squared = dx * dx + dy * dy;
                self.points[len] = id;
                self.shares[len] = ((squared - least) * self.scale) as f32;
                // Without a branch, which nobody could predict; a point too far away is overwritten by the next.
                len += usize::from(squared <= most);
            }
        }
        self.len = len;
        self.shares[..len].iter_mut().for_each(|exponent| *exponent = exp_of_negative(*exponent));
    }

    /// Leaves the terms out that are under `least`.
    fn keep(&mut self, least: f32) {
        let mut len = 0;
        for i in 0..self.len {
            (self.points[len], self.shares[len]) = (self.points[i], self.shares[i]);
            len += usize::from(self.shares[i] >= least);
        }
        self.len = len;
    }
}
