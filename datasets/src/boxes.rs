//! Boxes, each type saying its space: pixels of a picture, or fractions of a network input.

/// A box by its edges, in pixels; pixel `i` covers `[i, i + 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxXyxy {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl BoxXyxy {
    /// From COCO's `[x, y, width, height]`.
    pub fn from_xywh([x, y, w, h]: [f64; 4]) -> Self {
        Self { x0: x, y0: y, x1: x + w, y1: y + h }
    }

    /// To COCO's `[x, y, width, height]`.
    pub fn to_xywh(self) -> [f64; 4] {
        [self.x0, self.y0, self.width(), self.height()]
    }

    /// Right minus left; negative for a box inside out.
    pub fn width(self) -> f64 {
        self.x1 - self.x0
    }

    /// Lower minus upper; negative for a box inside out.
    pub fn height(self) -> f64 {
        self.y1 - self.y0
    }

    /// Width times height, 0 for a box inside out.
    pub fn area(self) -> f64 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// The part inside `[0, width] x [0, height]`; inside out or flat when nothing is.
    #[must_use]
    pub fn clip(self, width: f64, height: f64) -> Self {
        Self {
            x0: self.x0.clamp(0.0, width),
            y0: self.y0.clamp(0.0, height),
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
        }
    }

    /// The box moved by `(dx, dy)`.
    #[must_use]
    pub fn shift(self, dx: f64, dy: f64) -> Self {
        Self { x0: self.x0 + dx, y0: self.y0 + dy, x1: self.x1 + dx, y1: self.y1 + dy }
    }
}

/// A labelled box in the pixels of the picture it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelBox {
    /// Contiguous class index, from 0.
    pub class: u32,
    /// The box.
    pub xyxy: BoxXyxy,
}

/// A labelled box as the loss wants it: centre and sides as fractions of the network input's sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelBox {
    /// Contiguous class index, from 0.
    pub class: u32,
    /// Centre, x.
    pub cx: f32,
    /// Centre, y.
    pub cy: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl PixelBox {
    /// The same box as fractions of a picture of `width` by `height` pixels.
    pub fn normalised(self, width: usize, height: usize) -> LabelBox {
        let (w, h) = (width as f64, height as f64);
        let BoxXyxy { x0, y0, x1, y1 } = self.xyxy;
        LabelBox {
            class: self.class,
            cx: (x0.midpoint(x1) / w) as f32,
            cy: (y0.midpoint(y1) / h) as f32,
            w: ((x1 - x0) / w) as f32,
            h: ((y1 - y0) / h) as f32,
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are exact in binary")]
mod tests {
    use super::*;

    #[test]
    fn edges_corner_and_sides_and_fractions_agree() {
        let xyxy = BoxXyxy::from_xywh([10.0, 20.0, 30.0, 50.0]);
        assert_eq!(xyxy, BoxXyxy { x0: 10.0, y0: 20.0, x1: 40.0, y1: 70.0 });
        assert_eq!(xyxy.to_xywh(), [10.0, 20.0, 30.0, 50.0]);
        let label = PixelBox { class: 3, xyxy }.normalised(100, 200);
        assert_eq!(label, LabelBox { class: 3, cx: 0.25, cy: 0.225, w: 0.3, h: 0.25 });
    }

    #[test]
    fn clipping_leaves_nothing_of_a_box_outside() {
        let outside = BoxXyxy::from_xywh([-20.0, 5.0, 10.0, 10.0]).clip(100.0, 100.0);
        assert_eq!(outside.area(), 0.0);
        let half = BoxXyxy::from_xywh([-5.0, 95.0, 10.0, 10.0]).clip(100.0, 100.0);
        assert_eq!(half, BoxXyxy { x0: 0.0, y0: 95.0, x1: 5.0, y1: 100.0 });
    }
}
