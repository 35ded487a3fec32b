//! Points sorted into square buckets, so that those within a distance are found without looking at all.

use std::ops::Range;

use wrs_datasets::PointXy;

/// Buckets along the longer side of a crop, at most: more cost more than they save.
const MOST_BUCKETS: f64 = 64.0;

/// The points of a crop, bucket by bucket in rows from the top; within a bucket they keep their order.
///
/// Points outside lie in the nearest bucket, so those at the border have no outer end.
pub(super) struct Buckets {
    side: f64,
    rows: usize,
    columns: usize,
    /// Where each bucket begins among the points, and an end.
    starts: Vec<usize>,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    /// Their places in the annotation.
    pub(super) ids: Vec<u32>,
}

impl Buckets {
    /// Sorts points over `[height, width]` pixels into buckets of `side` pixels at least.
    pub(super) fn new(points: &[PointXy], [height, width]: [f64; 2], side: f64) -> Self {
        // No more buckets than points, about: looking into empty ones takes time, too.
        let sparse = (height * width / points.len() as f64).sqrt();
        let side = side.max(sparse).max(height.max(width) / MOST_BUCKETS);
        let [rows, columns] = [height, width].map(|length| ((length / side).ceil() as usize).max(1));
        let n = points.len();
        let (starts, x, y, ids) = (vec![0; rows * columns + 1], vec![0.0; n], vec![0.0; n], vec![0; n]);
        let mut buckets = Self { side, rows, columns, starts, x, y, ids };
        let homes: Vec<usize> = points.iter().map(|p| buckets.row(p.y) * columns + buckets.column(p.x)).collect();
        for &home in &homes {
            buckets.starts[home + 1] += 1;
        }
        for i in 0..rows * columns {
            buckets.starts[i + 1] += buckets.starts[i];
        }
        let mut next = buckets.starts.clone();
        for (id, (point, home)) in points.iter().zip(homes).enumerate() {
            let place = next[home];
            next[home] += 1;
            (buckets.x[place], buckets.y[place], buckets.ids[place]) = (point.x, point.y, id as u32);
        }
        buckets
    }

    fn row(&self, y: f64) -> usize {
        ((y / self.side).max(0.0) as usize).min(self.rows - 1)
    }

    fn column(&self, x: f64) -> usize {
        ((x / self.side).max(0.0) as usize).min(self.columns - 1)
    }

    /// Runs of points in which all those lie whose squared distance from `at` is at most `squared`; others lie there, too.
    pub(super) fn around(&self, at: PointXy, squared: f64) -> impl Iterator<Item = Range<usize>> + '_ {
        let reach = squared.sqrt();
        (self.row(at.y - reach)..=self.row(at.y + reach)).map(move |row| {
            let top = row as f64 * self.side;
            let gap = (top - at.y).max(at.y - top - self.side).max(0.0);
            let half = (squared - gap * gap).max(0.0).sqrt();
            let bucket = |x: f64| row * self.columns + self.column(x);
            self.starts[bucket(at.x - half)]..self.starts[bucket(at.x + half) + 1]
        })
    }

    /// The squared distance of the point at a place from `at`.
    pub(super) fn squared_distance(&self, place: usize, at: PointXy) -> f64 {
        // Subtracted first: the expanded square would cancel.
        let (dx, dy) = (self.x[place] - at.x, self.y[place] - at.y);
        dx * dx + dy * dy
    }

    /// The place of the point nearest to `at`, given one that is near.
    pub(super) fn nearest(&self, at: PointXy, near: Option<usize>) -> usize {
        let (mut best, mut least) = match near {
            Some(place) => (place, self.squared_distance(place, at)),
            None => (0, f64::INFINITY),
        };
        for run in self.around(at, least) {
            for place in run {
                let squared = self.squared_distance(place, at);
                if squared < least {
                    (best, least) = (place, squared);
                }
            }
        }
        best
    }
}
