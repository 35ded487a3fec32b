//! Pictures of single boxes.

use image::{RgbImage, imageops};

use crate::rect::Rect;

/// The pixels of a picture that a box `[x1, y1, x2, y2]` touches; `None` if no part of it lies inside.
///
/// A box over the edge gives its visible part.  A box without area and one with a corner that is not finite have
/// nothing inside.
pub fn crop(picture: &RgbImage, bbox_xyxy: [f32; 4]) -> Option<RgbImage> {
    let (width, height) = picture.dimensions();
    let [x1, y1, x2, y2] = bbox_xyxy;
    let inside = |a: f32, b: f32, size: u32| a.max(b).min(size as f32) > a.min(b).max(0.0);
    if bbox_xyxy.iter().any(|v| !v.is_finite()) || !inside(x1, x2, width) || !inside(y1, y2, height) {
        return None;
    }
    let rect = Rect::of_visible_part(bbox_xyxy, width, height)?;
    let extent = |low: i64, high: i64| (low as u32, (high - low) as u32);
    let ((left, wide), (top, high)) = (extent(rect.left, rect.right), extent(rect.top, rect.bottom));
    Some(imageops::crop_imm(picture, left, top, wide, high).to_image())
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    /// Each pixel holds its own place.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 7]))
    }

    fn first_and_size(bbox: [f32; 4]) -> Option<([u8; 2], (u32, u32))> {
        let cut = crop(&picture(20, 10), bbox)?;
        let Rgb([x, y, _]) = *cut.get_pixel(0, 0);
        Some(([x, y], cut.dimensions()))
    }

    #[test]
    fn the_pixels_a_box_touches() {
        assert_eq!(first_and_size([3.0, 2.0, 8.0, 6.0]), Some(([3, 2], (5, 4))));
        assert_eq!(first_and_size([3.9, 2.9, 4.1, 3.1]), Some(([3, 2], (2, 2))));
        assert_eq!(first_and_size([8.0, 6.0, 3.0, 2.0]), Some(([3, 2], (5, 4))), "turned corners");
    }

    #[test]
    fn a_box_over_the_edge_is_cut_and_one_outside_is_nothing() {
        assert_eq!(first_and_size([-5.0, -5.0, 2.5, 100.0]), Some(([0, 0], (3, 10))));
        assert_eq!(first_and_size([18.5, 9.5, 1e30, 1e30]), Some(([18, 9], (2, 1))));
        for outside in [[-5.0, 0.0, 0.0, 5.0], [20.0, 0.0, 25.0, 5.0], [0.0, 10.0, 5.0, 12.0], [4.0, 4.0, 4.0, 8.0]] {
            assert_eq!(first_and_size(outside), None, "{outside:?}");
        }
        assert_eq!(first_and_size([f32::NAN, 0.0, 5.0, 5.0]), None);
        assert_eq!(first_and_size([0.0, 0.0, f32::INFINITY, 5.0]), None);
        assert_eq!(crop(&RgbImage::default(), [0.0, 0.0, 5.0, 5.0]), None);
    }

    proptest! {
        #[test]
        fn a_crop_is_a_part_of_the_picture(
            (width, height) in (0_u32..30, 0_u32..30), corners in prop::array::uniform4(-40.0_f32..60.0),
        ) {
            let whole = picture(width, height);
            if let Some(cut) = crop(&whole, corners) {
                prop_assert!(cut.width() >= 1 && cut.height() >= 1);
                let Rgb([left, top, _]) = *cut.get_pixel(0, 0);
                for (x, y, pixel) in cut.enumerate_pixels() {
                    prop_assert_eq!(pixel, whole.get_pixel(x + u32::from(left), y + u32::from(top)));
                }
            }
        }
    }
}
