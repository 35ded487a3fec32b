//! Mirroring.

use crate::augment::LabelledImage;
use crate::boxes::BoxXyxy;
use crate::image::ImageRgb8;

/// Mirrors a picture and its boxes left to right, in place.
pub fn flip_left_right(sample: &mut LabelledImage) {
    mirror_pixels(&mut sample.image);
    let width = sample.image.size.width as f64;
    for labelled in &mut sample.boxes {
        let BoxXyxy { x0, x1, .. } = labelled.xyxy;
        (labelled.xyxy.x0, labelled.xyxy.x1) = (width - x1, width - x0);
    }
}

/// Mirrors a picture left to right, in place.
pub fn mirror_pixels(image: &mut ImageRgb8) {
    let width = image.size.width;
    for row in image.pixels.chunks_exact_mut(width.max(1) * 3) {
        for x in 0..width / 2 {
            let mirrored = width - 1 - x;
            for c in 0..3 {
                row.swap(x * 3 + c, mirrored * 3 + c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::PixelBox;
    use crate::image::ImageSize;

    #[test]
    fn pixels_and_boxes_are_mirrored() {
        let xyxy = BoxXyxy { x0: 0.0, y0: 1.0, x1: 1.0, y1: 2.0 };
        let mut sample = LabelledImage {
            image: ImageRgb8 { size: ImageSize { width: 3, height: 2 }, pixels: (0..18).collect() },
            boxes: vec![PixelBox { class: 2, xyxy }],
            image_id: 1,
        };
        let before = sample.clone();
        flip_left_right(&mut sample);
        assert_eq!(sample.image.pixels, [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
        assert_eq!(sample.boxes[0].xyxy, BoxXyxy { x0: 2.0, y0: 1.0, x1: 3.0, y1: 2.0 });
        flip_left_right(&mut sample);
        assert_eq!(sample, before);
    }
}
