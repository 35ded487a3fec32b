//! Whether files give y before x: most points then lie outside their pictures, and none does the other way round.

use std::path::Path;

use super::{PointXy, SwapXy};
use crate::error::DataError;
use crate::image::ImageSize;

/// So many points outside may be clicks beside the picture.
const FEW: usize = 5;

/// How many points lie outside their pictures, as they are read and with coordinates exchanged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AxesTally {
    points: usize,
    outside: usize,
    outside_exchanged: usize,
}

/// Whether a point lies in a picture; its right and lower edges are part of it.
pub(super) fn is_inside(point: PointXy, size: ImageSize) -> bool {
    (0.0..=size.width as f64).contains(&point.x) && (0.0..=size.height as f64).contains(&point.y)
}

/// The point with its coordinates exchanged.
pub(super) fn exchanged(point: PointXy) -> PointXy {
    PointXy { x: point.y, y: point.x }
}

impl AxesTally {
    /// The tally of a picture.
    pub fn of(points: &[PointXy], size: ImageSize) -> Self {
        let outside = |place: fn(PointXy) -> PointXy| points.iter().filter(|at| !is_inside(place(**at), size)).count();
        Self { points: points.len(), outside: outside(|point| point), outside_exchanged: outside(exchanged) }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.outside += other.outside;
        self.outside_exchanged += other.outside_exchanged;
    }

    /// How many lie outside as they are read.
    pub fn outside(self) -> usize {
        self.outside
    }

    /// More than a fifth outside, and not a hundredth once exchanged.
    fn are_exchanged(self) -> bool {
        self.outside >= FEW && 5 * self.outside > self.points && 100 * self.outside_exchanged < self.points
    }

    /// Refuses points whose coordinates are exchanged; `swap` is how they were read.
    ///
    /// # Errors
    /// [`DataError::Record`].
    pub fn refuse(self, path: &Path, record: &str, swap: SwapXy) -> Result<(), DataError> {
        if !self.are_exchanged() {
            return Ok(());
        }
        let (order, other, help) = match swap {
            SwapXy::No => ("x, y", "y, x", "if the files give y before x: swap-xy = \"yes\""),
            SwapXy::Yes => ("y, x", "x, y", "if the files give x before y: swap-xy = \"no\""),
        };
        let Self { points, outside, outside_exchanged } = self;
        Err(DataError::Record {
            path: path.to_path_buf(),
            record: record.to_owned(),
            expected: format!("points {order} inside their pictures"),
            got: format!("{outside} of {points} outside; as {other} it would be {outside_exchanged}"),
            help,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 36 of the edge cases.
    #[test]
    fn a_fifth_outside_and_none_exchanged_is_refused() {
        let size = ImageSize { width: 100, height: 40 };
        let points = |outside: usize, inside: usize| {
            let at = |x, y| PointXy { x, y };
            [vec![at(30.0, 90.0); outside], vec![at(30.0, 30.0); inside]].concat()
        };
        let refusal = |points: &[PointXy]| AxesTally::of(points, size).refuse(Path::new("a"), "points", SwapXy::No);
        let error = refusal(&points(10, 30)).unwrap_err().to_string();
        assert!(
            error.contains("got 10 of 40 outside; as y, x it would be 0\nhelp: if the files give y before x: swap-xy")
        );
        assert!(refusal(&points(4, 1)).is_ok(), "few");
        assert!(refusal(&points(8, 32)).is_ok(), "a fifth is not more than a fifth");
        let mut both = points(10, 30);
        both.push(PointXy { x: 200.0, y: 200.0 });
        assert!(refusal(&both).is_ok(), "more than a hundredth is outside either way");
    }

    /// Row 4.
    #[test]
    fn edges_belong_to_the_picture() {
        let size = ImageSize { width: 10, height: 5 };
        for (x, y, inside) in
            [(10.0, 5.0, true), (0.0, 0.0, true), (10.01, 0.0, false), (0.0, -0.01, false), (f64::NAN, 1.0, false)]
        {
            assert_eq!(is_inside(PointXy { x, y }, size), inside, "{x}, {y}");
        }
    }
}
