//! The shapes, as signed distances: negative inside, in the shape's own frame, whose unit is its radius.

use std::f64::consts::TAU;

/// What can be in a scene; its category id is its place in [`SHAPES`] plus 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
    Ring,
    Cross,
}

/// All shapes, in the order of their ids, with their names.
pub(super) const SHAPES: [(Shape, &str); 6] = [
    (Shape::Circle, "circle"),
    (Shape::Square, "square"),
    (Shape::Triangle, "triangle"),
    (Shape::Star, "star"),
    (Shape::Ring, "ring"),
    (Shape::Cross, "cross"),
];

/// Half the side of a square whose corners lie on the unit circle, a little enlarged so that shapes look equally big.
const SQUARE_HALF: f64 = 0.78;
/// Inner radius of a five-pointed star.
const STAR_INNER: f64 = 0.42;
/// Inner radius of a ring.
const RING_INNER: f64 = 0.55;
/// Half the width of a cross's arms.
const CROSS_HALF: f64 = 0.3;

impl Shape {
    /// Distance to the outline, in radii; exact near the outline, which is where it is used.
    pub(super) fn distance(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Circle => x.hypot(y) - 1.0,
            Self::Square => rectangle(x, y, SQUARE_HALF, SQUARE_HALF),
            Self::Triangle => fan(x, y, 3, 0.5),
            Self::Star => fan(x, y, 5, STAR_INNER),
            Self::Ring => {
                let r = x.hypot(y);
                (r - 1.0).max(RING_INNER - r)
            }
            Self::Cross => rectangle(x, y, 1.0, CROSS_HALF).min(rectangle(x, y, CROSS_HALF, 1.0)),
        }
    }
}

fn rectangle(x: f64, y: f64, half_width: f64, half_height: f64) -> f64 {
    (x.abs() - half_width).max(y.abs() - half_height)
}

/// A polygon of `points` tips at radius 1 with corners at radius `inner` between them: by symmetry the distance to the line
/// from a tip to the next inner corner decides. With `inner = cos(pi / points)` it is the regular polygon.
fn fan(x: f64, y: f64, points: u32, inner: f64) -> f64 {
    let sector = TAU / f64::from(points);
    // The tip of the folded sector points along +x; y up to the inner corner at half a sector.
    let angle = (y.atan2(x) + TAU / 4.0).rem_euclid(sector);
    let folded = (angle.min(sector - angle), x.hypot(y));
    let (px, py) = (folded.1 * folded.0.cos(), folded.1 * folded.0.sin());
    let (ex, ey) = (inner * (sector / 2.0).cos() - 1.0, inner * (sector / 2.0).sin());
    ((px - 1.0) * ey - py * ex) / ex.hypot(ey)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Area of the shape in squared radii, by counting.
    fn area(shape: Shape) -> f64 {
        let n = 1000;
        let inside = (0..n * n)
            .filter(|i| {
                let at = |k: i32| (f64::from(k) + 0.5) / f64::from(n) * 2.4 - 1.2;
                shape.distance(at(i % n), at(i / n)) < 0.0
            })
            .count();
        inside as f64 * (2.4 / f64::from(n)).powi(2)
    }

    #[test]
    fn areas_are_those_of_geometry() {
        let pi = std::f64::consts::PI;
        let star = 5.0 * STAR_INNER * (pi / 5.0).sin();
        let expected =
            [pi, 4.0 * SQUARE_HALF.powi(2), 3.0 * 3f64.sqrt() / 4.0, star, pi * (1.0 - RING_INNER.powi(2)), {
                2.0 * 4.0 * CROSS_HALF - 4.0 * CROSS_HALF.powi(2)
            }];
        for ((shape, name), expected) in SHAPES.into_iter().zip(expected) {
            assert!((area(shape) - expected).abs() < 0.01, "{name}: {} {expected}", area(shape));
        }
    }

    #[test]
    fn no_shape_leaves_its_box() {
        for (shape, name) in SHAPES {
            for i in 0..360 {
                let (y, x) = (f64::from(i).to_radians().sin(), f64::from(i).to_radians().cos());
                assert!(shape.distance(1.2 * x, 1.2 * y) > 0.0, "{name}");
            }
        }
    }
}
