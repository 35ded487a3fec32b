//! How many points there are, and how densely they stand.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::super::neighbours::nearest_distances;
use super::super::open::ReadSet;
use super::super::{CountingRecord, PointXy};

/// The shares at which distances are told.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// The points of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PointCounts {
    /// The split's name.
    pub set: String,
    /// Pictures.
    pub images: usize,
    /// Pictures with points given, be there none in them.
    pub annotated: usize,
    /// Points in all.
    pub points: usize,
    /// The fewest in a picture.
    pub min: usize,
    /// The most.
    pub max: usize,
    /// Pictures without an object.
    pub empty: usize,
    /// Points that stand where another of their picture does.
    pub duplicates: usize,
    /// Points outside their pictures, left out of all other numbers.
    pub outside: usize,
    /// Distances in pixels to the nearest other point, at 5, 25, 50, 75 and 95 %; none where no picture has two points.
    pub nearest_px: Option<[f64; 5]>,
    /// The least and the greatest shorter side of a picture, in pixels.
    pub shorter_side: (usize, usize),
}

impl PointCounts {
    pub(super) fn of(read: &ReadSet) -> Self {
        let images = &read.set.images;
        let given: Vec<&[PointXy]> = images.iter().filter_map(|record| record.points.as_deref()).collect();
        let counts = || given.iter().map(|points| points.len());
        let sides = || images.iter().map(|record| record.size.width.min(record.size.height));
        let nearest = given.iter().flat_map(|points| nearest_distances(points)).collect();
        Self {
            set: read.set.name.clone(),
            images: images.len(),
            annotated: given.len(),
            points: counts().sum(),
            min: counts().min().unwrap_or(0),
            max: counts().max().unwrap_or(0),
            empty: counts().filter(|&count| count == 0).count(),
            duplicates: images.iter().map(duplicates).sum(),
            outside: read.found.iter().map(|found| found.outside).sum(),
            nearest_px: quantiles(nearest),
            shorter_side: (sides().min().unwrap_or(0), sides().max().unwrap_or(0)),
        }
    }

    /// Points a picture, where any picture has them given.
    pub fn mean(&self) -> Option<f64> {
        (self.annotated > 0).then(|| self.points as f64 / self.annotated as f64)
    }
}

/// How many points stand where one before them does.
pub(super) fn duplicates(record: &CountingRecord) -> usize {
    let points = record.points.as_deref().unwrap_or_default();
    // Adding 0 makes -0 into 0.
    let place = |point: &PointXy| [point.x, point.y].map(|coordinate| (coordinate + 0.0).to_bits());
    points.len() - points.iter().map(place).collect::<HashSet<_>>().len()
}

/// The values at the shares, without interpolation: the first that so many do not exceed.
fn quantiles(mut values: Vec<f64>) -> Option<[f64; 5]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(QUANTILES.map(|share| values[((share * values.len() as f64).ceil() as usize).saturating_sub(1).min(last)]))
}

/// A line: pictures and points, then what is odd about them, then how densely they stand.
impl fmt::Display for PointCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, points, min, max, empty, duplicates, outside, .. } = self;
        let (least, greatest) = self.shorter_side;
        match self.mean() {
            Some(mean) => write!(f, "{points} points, {min} to {max} a picture, {mean:.2} on average; ")?,
            None => write!(f, "{images} pictures without annotation; ")?,
        }
        for (count, what) in [
            (empty, "pictures without an object"),
            (duplicates, "points at the place of another"),
            (outside, "points outside, left out"),
        ] {
            if *count > 0 {
                write!(f, "{count} {what}; ")?;
            }
        }
        if let Some([a, b, c, d, e]) = self.nearest_px {
            write!(f, "nearest neighbour {a:.1}, {b:.1}, {c:.1}, {d:.1}, {e:.1} px at 5, 25, 50, 75, 95 %; ")?;
        }
        write!(f, "shorter sides {least} to {greatest} px")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_are_there() {
        assert_eq!(quantiles((1..=100).rev().map(f64::from).collect()), Some([5.0, 25.0, 50.0, 75.0, 95.0]));
        assert_eq!(quantiles(vec![3.0]), Some([3.0; 5]));
        assert_eq!(quantiles(vec![1.0, 2.0]), Some([1.0, 1.0, 1.0, 2.0, 2.0]));
        assert_eq!(quantiles(vec![]), None);
    }
}
