//! Colouring what lies in an ellipse or a rectangle, with edges that blend.

use crate::scenes::paint::{Canvas, Rgb};

/// An ellipse or a rectangle, turned about its centre.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    /// Centre, in pixels.
    pub x: f64,
    pub y: f64,
    /// Half its extent along its own axes.
    pub half: [f64; 2],
    /// Turn of its axes against the picture's.
    pub angle: f64,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Ellipse,
    Rectangle,
    /// Two arcs that meet in a point at both ends of the first axis.
    Leaf,
}

impl Blob {
    /// An upright ellipse.
    pub fn ellipse(x: f64, y: f64, half: [f64; 2]) -> Self {
        Self { x, y, half, angle: 0.0, form: Form::Ellipse }
    }

    /// Colours the pixels by `colour`, which is given their place in the blob's own frame, -1 to 1 on either axis. `opacity`
    /// is how much of what lies behind is covered.
    pub fn fill(&self, canvas: &mut Canvas, opacity: f64, colour: impl Fn(f64, f64) -> Rgb) {
        let size = canvas.size();
        let (sin, cos) = self.angle.sin_cos();
        let reach = self.half[0].hypot(self.half[1]) + 1.0;
        let span = |at: f64, side: usize| {
            let bound = |edge: f64| edge.clamp(0.0, side as f64) as usize;
            bound((at - reach).floor())..bound((at + reach).ceil())
        };
        for row in span(self.y, size.height) {
            for column in span(self.x, size.width) {
                let (dx, dy) = (column as f64 + 0.5 - self.x, row as f64 + 0.5 - self.y);
                let (u, v) = ((dx * cos + dy * sin) / self.half[0], (dy * cos - dx * sin) / self.half[1]);
                let coverage = (0.5 - self.distance(u, v)).clamp(0.0, 1.0) * opacity;
                if coverage > 0.0 {
                    let over = colour(u, v);
                    let under = canvas.at_mut(column, row);
                    for c in 0..3 {
                        under[c] += (over[c] - under[c]) * coverage;
                    }
                }
            }
        }
    }

    /// About the distance to the outline in pixels, negative inside.
    fn distance(&self, u: f64, v: f64) -> f64 {
        let [a, b] = self.half;
        match self.form {
            Form::Ellipse => (u.hypot(v) - 1.0) * a.min(b),
            Form::Rectangle => ((u.abs() - 1.0) * a).max((v.abs() - 1.0) * b),
            Form::Leaf => (v.abs() - (1.0 - u * u)) * b,
        }
    }
}

/// All levels of a colour times a factor.
pub(super) fn times(colour: Rgb, factor: f64) -> Rgb {
    colour.map(|level| level * factor)
}

/// A mixture of two colours, `share` of the second.
pub(super) fn mix(first: Rgb, second: Rgb, share: f64) -> Rgb {
    std::array::from_fn(|c| first[c] + (second[c] - first[c]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageSize;

    /// The share of a canvas of 40 x 30 that is covered, in pixels.
    fn area(blob: Blob) -> f64 {
        let mut canvas = Canvas::new(ImageSize { width: 40, height: 30 });
        blob.fill(&mut canvas, 1.0, |u, v| {
            assert!(u.abs() < 1.3 && v.abs() < 1.3);
            [1.0; 3]
        });
        canvas.colours_mut().iter().map(|colour| colour[0]).sum()
    }

    #[test]
    fn forms_have_their_areas_and_are_cut_at_the_edge() {
        let blob = |form| Blob { x: 20.2, y: 14.9, half: [9.0, 6.0], angle: 0.4, form };
        let near = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 0.04, "{got} {expected}");
        near(area(blob(Form::Ellipse)), std::f64::consts::PI * 54.0);
        near(area(blob(Form::Rectangle)), 4.0 * 54.0);
        near(area(blob(Form::Leaf)), 4.0 / 3.0 * 2.0 * 54.0);
        near(area(Blob { x: 0.0, ..blob(Form::Ellipse) }), std::f64::consts::PI * 54.0 / 2.0);
        assert_eq!(area(Blob { x: -90.0, y: 500.0, ..blob(Form::Ellipse) }).to_bits(), 0);
    }

    #[test]
    fn opacity_lets_through_what_lies_behind() {
        let mut canvas = Canvas::new(ImageSize { width: 9, height: 9 });
        Blob::ellipse(4.5, 4.5, [3.0, 3.0]).fill(&mut canvas, 0.25, |_, _| [100.0, 40.0, 0.0]);
        assert_eq!(*canvas.at_mut(4, 4), [25.0, 10.0, 0.0]);
        assert_eq!(*canvas.at_mut(0, 0), [0.0; 3]);
    }
}
