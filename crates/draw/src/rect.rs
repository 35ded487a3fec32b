//! Rectangles of whole pixels.

use image::{Rgb, RgbImage};

/// Pixels `left..right` by `top..bottom`.  Labels are placed before they are known to fit, so sides may lie outside
/// the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rect {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

impl Rect {
    /// The pixels of a `width` x `height` picture that a finite box touches, at least one; `None` if it lies wholly
    /// outside.
    pub fn of_visible_part([x1, y1, x2, y2]: [f32; 4], width: u32, height: u32) -> Option<Self> {
        let (left, right) = visible_span(x1.min(x2), x1.max(x2), width)?;
        let (top, bottom) = visible_span(y1.min(y2), y1.max(y2), height)?;
        Some(Self { left, top, right, bottom })
    }

    /// The rectangle of a size at a top left corner.
    pub fn at(left: i64, top: i64, (width, height): (i64, i64)) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    /// Whether the two share a pixel.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Paints the part inside the picture.
    pub fn fill(&self, picture: &mut RgbImage, colour: Rgb<u8>) {
        let (width, height) = picture.dimensions();
        let clip = |value: i64, size: u32| value.clamp(0, i64::from(size)) as u32;
        for y in clip(self.top, height)..clip(self.bottom, height) {
            for x in clip(self.left, width)..clip(self.right, width) {
                picture.put_pixel(x, y, colour);
            }
        }
    }

    /// Paints the frame of `thickness` pixels along the inner side of the edges.
    pub fn outline(&self, picture: &mut RgbImage, thickness: i64, colour: Rgb<u8>) {
        let Self { left, top, right, bottom } = *self;
        Self { bottom: bottom.min(top + thickness), ..*self }.fill(picture, colour);
        Self { top: top.max(bottom - thickness), ..*self }.fill(picture, colour);
        Self { right: right.min(left + thickness), ..*self }.fill(picture, colour);
        Self { left: left.max(right - thickness), ..*self }.fill(picture, colour);
    }
}

fn visible_span(low: f32, high: f32, size: u32) -> Option<(i64, i64)> {
    let end = size as f32;
    if size == 0 || high < 0.0 || low >= end {
        return None;
    }
    let first = low.clamp(0.0, end).floor() as i64;
    let last = high.clamp(0.0, end).ceil() as i64;
    Some((first.min(i64::from(size) - 1), last.max(first + 1).min(i64::from(size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_covers_the_pixels_it_touches() {
        let rect = Rect::of_visible_part([1.2, 0.0, 3.5, 2.0], 10, 10).unwrap();
        assert_eq!(rect, Rect { left: 1, top: 0, right: 4, bottom: 2 });
    }

    #[test]
    fn a_box_is_cut_at_the_picture_and_gone_outside() {
        let rect = Rect::of_visible_part([-1e30, -5.0, 1e30, 4.0], 8, 6).unwrap();
        assert_eq!(rect, Rect { left: 0, top: 0, right: 8, bottom: 4 });
        assert_eq!(Rect::of_visible_part([8.0, 0.0, 9.0, 1.0], 8, 6), None);
        assert_eq!(Rect::of_visible_part([-2.0, 0.0, -1.0, 1.0], 8, 6), None);
        assert_eq!(Rect::of_visible_part([0.0, 0.0, 1.0, 1.0], 0, 0), None);
    }

    #[test]
    fn a_box_without_area_and_a_turned_one_are_drawn() {
        let point = Rect::of_visible_part([2.0; 4], 8, 8).unwrap();
        assert_eq!(point, Rect { left: 2, top: 2, right: 3, bottom: 3 });
        let turned = Rect::of_visible_part([5.0, 4.0, 1.0, 2.0], 8, 8).unwrap();
        assert_eq!(turned, Rect { left: 1, top: 2, right: 5, bottom: 4 });
    }

    #[test]
    fn an_outline_leaves_the_inside_alone() {
        let mut picture = RgbImage::new(6, 5);
        let red = Rgb([255, 0, 0]);
        Rect { left: 1, top: 0, right: 6, bottom: 5 }.outline(&mut picture, 1, red);
        let painted = |x, y| *picture.get_pixel(x, y) == red;
        for y in 0..5 {
            for x in 0..6 {
                let on_edge = x >= 1 && (x == 1 || x == 5 || y == 0 || y == 4);
                assert_eq!(painted(x, y), on_edge, "{x} {y}");
            }
        }
    }
}
