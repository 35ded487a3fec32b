//! Four pictures around a random centre.

use wrs_ops::rng::Rng;

use crate::augment::LabelledImage;
use crate::boxes::PixelBox;
use crate::image::{FILL, ImageRgb8, ImageSize};

/// Puts four pictures, each of long side `size`, on a grey canvas of twice that side: around a centre drawn uniformly from
/// its middle half, in the order top left, top right, bottom left, bottom right. What leaves the canvas is cut; boxes of
/// which nothing is left go.
pub fn mosaic(parts: &[LabelledImage; 4], size: usize, rng: &mut Rng) -> (ImageRgb8, Vec<PixelBox>) {
    let mut canvas = ImageRgb8::filled(ImageSize::square(2 * size), [FILL; 3]);
    let mut centre = || (rng.range(0.5, 1.5) * size as f64) as i64;
    let (x, y) = (centre(), centre());
    let mut boxes = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let (width, height) = (part.image.size.width as i64, part.image.size.height as i64);
        let left = if i % 2 == 0 { x - width } else { x };
        let top = if i < 2 { y - height } else { y };
        canvas.paste(&part.image, left, top);
        let side = 2.0 * size as f64;
        boxes.extend(part.boxes.iter().filter_map(|labelled| {
            let xyxy = labelled.xyxy.shift(left as f64, top as f64).clip(side, side);
            (xyxy.area() > 0.0).then_some(PixelBox { class: labelled.class, xyxy })
        }));
    }
    (canvas, boxes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wrs_ops::rng::Rng;

    use super::*;
    use crate::boxes::BoxXyxy;

    /// A picture of one colour, its own on every box.
    fn part(index: usize, size: ImageSize, boxes: &[BoxXyxy]) -> LabelledImage {
        let mut image = ImageRgb8::filled(size, [10 * (index as u8 + 1); 3]);
        for xyxy in boxes {
            let [x, y, w, h] = xyxy.to_xywh().map(|v| v as usize);
            let patch = ImageRgb8::filled(ImageSize { width: w, height: h }, [200 + index as u8; 3]);
            image.paste(&patch, x as i64, y as i64);
        }
        let boxes = boxes.iter().map(|xyxy| PixelBox { class: index as u32, xyxy: *xyxy }).collect();
        LabelledImage { image, boxes, image_id: index as u64 }
    }

    /// The tight box of the pixels of one colour.
    fn seen(canvas: &ImageRgb8, level: u8) -> Option<BoxXyxy> {
        let mut found: Option<BoxXyxy> = None;
        for y in 0..canvas.size.height {
            for x in 0..canvas.size.width {
                if canvas.at(x, y)[0] == level {
                    let (x, y) = (x as f64, y as f64);
                    let edge = found.get_or_insert(BoxXyxy { x0: x, y0: y, x1: x + 1.0, y1: y + 1.0 });
                    (edge.x0, edge.x1) = (edge.x0.min(x), edge.x1.max(x + 1.0));
                    (edge.y0, edge.y1) = (edge.y0.min(y), edge.y1.max(y + 1.0));
                }
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn every_visible_box_is_kept_where_it_shows(
            index in 0u64..10_000, sides in proptest::array::uniform4(4usize..=32), x in 0usize..3, y in 0usize..3,
        ) {
            let parts: [LabelledImage; 4] = std::array::from_fn(|i| {
                let size = if i % 2 == 0 { ImageSize { width: 32, height: sides[i] } } else { ImageSize { width: sides[i], height: 32 } };
                let xyxy = BoxXyxy::from_xywh([x as f64, y as f64, (size.width - 3) as f64, (size.height - 3) as f64]);
                part(i, size, &[xyxy])
            });
            let (canvas, boxes) = mosaic(&parts, 32, &mut Rng::new(1, "mosaic", 0, index));
            prop_assert_eq!(canvas.size, ImageSize::square(64));
            for i in 0..4 {
                let labelled = boxes.iter().find(|b| b.class == i).map(|b| b.xyxy);
                prop_assert_eq!(labelled, seen(&canvas, 200 + i as u8));
            }
        }
    }

    #[test]
    fn parts_meet_at_the_centre() {
        let parts = std::array::from_fn(|i| part(i, ImageSize::square(32), &[]));
        for index in 0..100 {
            let (canvas, boxes) = mosaic(&parts, 32, &mut Rng::new(1, "mosaic", 0, index));
            assert!(boxes.is_empty());
            let corner = seen(&canvas, 40).unwrap();
            let (x, y) = (corner.x0 as usize, corner.y0 as usize);
            assert!((16..48).contains(&x) && (16..48).contains(&y), "{x} {y}");
            let around = [(x - 1, y - 1), (x, y - 1), (x - 1, y), (x, y)].map(|(x, y)| canvas.at(x, y)[0]);
            assert_eq!(around, [10, 20, 30, 40]);
        }
    }
}
