//! Fitting a picture into the network's input, and boxes there and back.

use crate::boxes::BoxXyxy;
use crate::error::DataError;
use crate::image::{FILL, ImageRgb8, ImageSize, ResizeFilter, resize};

/// Whether a picture smaller than the input grows to fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlarge {
    /// It grows.
    Allow,
    /// It keeps its size and gets more padding.
    Never,
}

/// How a picture lies in the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    /// The picture's size.
    pub image: ImageSize,
    /// The input's size.
    pub input: ImageSize,
    /// The resized picture's size within the input.
    pub content: ImageSize,
    /// Padding columns left of the content.
    pub left: usize,
    /// Padding rows above the content.
    pub top: usize,
}

impl Letterbox {
    /// Keeps the ratio: both sides times `min(input.width / width, input.height / height)`, rounded, centred; of an odd
    /// padding the smaller half comes first.
    pub fn fit(image: ImageSize, input: ImageSize, enlarge: Enlarge) -> Self {
        let ratio = |to: usize, from: usize| to as f64 / from.max(1) as f64;
        let mut gain = ratio(input.width, image.width).min(ratio(input.height, image.height));
        if enlarge == Enlarge::Never {
            gain = gain.min(1.0);
        }
        let side = |side: usize, limit: usize| ((side as f64 * gain).round() as usize).clamp(1, limit.max(1));
        let content = ImageSize { width: side(image.width, input.width), height: side(image.height, input.height) };
        let left = input.width.saturating_sub(content.width) / 2;
        let top = input.height.saturating_sub(content.height) / 2;
        Self { image, input, content, left, top }
    }

    /// Fills the input without keeping the ratio, as AlexeyAB's darknet does by default.
    pub fn stretch(image: ImageSize, input: ImageSize) -> Self {
        Self { image, input, content: input, left: 0, top: 0 }
    }

    /// A box of the picture, in pixels of the input.
    pub fn input_from_image(&self, xyxy: BoxXyxy) -> BoxXyxy {
        let (gain_x, gain_y) = self.gains();
        let (left, top) = (self.left as f64, self.top as f64);
        BoxXyxy {
            x0: xyxy.x0 * gain_x + left,
            y0: xyxy.y0 * gain_y + top,
            x1: xyxy.x1 * gain_x + left,
            y1: xyxy.y1 * gain_y + top,
        }
    }

    /// A box of the input, in pixels of the picture and clipped to it.
    pub fn image_from_input(&self, xyxy: BoxXyxy) -> BoxXyxy {
        let (gain_x, gain_y) = self.gains();
        let (left, top) = (self.left as f64, self.top as f64);
        BoxXyxy {
            x0: (xyxy.x0 - left) / gain_x,
            y0: (xyxy.y0 - top) / gain_y,
            x1: (xyxy.x1 - left) / gain_x,
            y1: (xyxy.y1 - top) / gain_y,
        }
        .clip(self.image.width as f64, self.image.height as f64)
    }

    /// The input: the resized picture on grey.
    ///
    /// # Errors
    /// [`DataError::Resize`]; [`DataError::Option`] for a picture that is not of the size this was made for.
    pub fn apply(&self, image: &ImageRgb8, filter: ResizeFilter) -> Result<ImageRgb8, DataError> {
        if image.size != self.image {
            return Err(DataError::Option {
                option: "letterbox",
                expected: format!("a picture of {}", self.image),
                got: image.size.to_string(),
            });
        }
        let content = resize(image, self.content, filter)?;
        if self.content == self.input {
            return Ok(content);
        }
        let mut input = ImageRgb8::filled(self.input, [FILL; 3]);
        input.paste(&content, self.left as i64, self.top as i64);
        Ok(input)
    }

    /// The true scales: rounding the content to whole pixels makes them differ a little between the axes.
    fn gains(&self) -> (f64, f64) {
        let gain = |to: usize, from: usize| to as f64 / from.max(1) as f64;
        (gain(self.content.width, self.image.width), gain(self.content.height, self.image.height))
    }
}

/// The input size of a batch of rectangular pictures: the long side is `size`, the other as long as the squarest of them
/// needs, both rounded up to `stride`; a square where wide and tall ones meet.
///
/// `margin` is added in strides before rounding up: 0 in tests while training, 0.5 in the stand-alone test of the paper's
/// code base.
pub fn rectangular_input(pictures: &[ImageSize], size: usize, stride: usize, margin: f64) -> ImageSize {
    let aspects = pictures.iter().map(|picture| picture.height as f64 / picture.width.max(1) as f64);
    let (least, most) = aspects.fold((f64::INFINITY, 0.0f64), |(least, most), a| (least.min(a), most.max(a)));
    let (height, width) = match (least, most) {
        (_, most) if most > 0.0 && most < 1.0 => (most, 1.0),
        (least, _) if least.is_finite() && least > 1.0 => (1.0, 1.0 / least),
        _ => (1.0, 1.0),
    };
    let strides = size as f64 / stride as f64;
    let side = |share: f64| ((share * strides + margin).ceil() as usize).max(1) * stride;
    ImageSize { width: side(width), height: side(height) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn size(width: usize, height: usize) -> ImageSize {
        ImageSize { width, height }
    }

    #[test]
    fn a_wide_picture_is_padded_above_and_below() {
        let fit = Letterbox::fit(size(640, 427), size(416, 416), Enlarge::Allow);
        assert_eq!(fit.content, size(416, 278)); // 427 * 0.65 = 277.55
        assert_eq!((fit.left, fit.top), (0, 69));
        let odd = Letterbox::fit(size(100, 51), size(100, 100), Enlarge::Allow);
        assert_eq!((odd.top, 100 - odd.content.height - odd.top), (24, 25));
        let kept = Letterbox::fit(size(30, 20), size(64, 64), Enlarge::Never);
        assert_eq!((kept.content, kept.left, kept.top), (size(30, 20), 17, 22));
        assert_eq!(Letterbox::fit(size(3000, 1), size(64, 64), Enlarge::Allow).content, size(64, 1));
    }

    #[test]
    fn the_input_is_grey_around_the_picture() {
        let picture = ImageRgb8::filled(size(40, 20), [9, 8, 7]);
        let fit = Letterbox::fit(picture.size, size(32, 32), Enlarge::Allow);
        let input = fit.apply(&picture, ResizeFilter::Area).unwrap();
        assert_eq!(input.size, size(32, 32));
        for y in 0..32 {
            let expected = if (8..24).contains(&y) { [9, 8, 7] } else { [FILL; 3] };
            assert_eq!(input.at(16, y), expected, "row {y}");
        }
        assert!(fit.apply(&ImageRgb8::filled(size(20, 40), [0; 3]), ResizeFilter::Area).is_err());
    }

    proptest! {
        #[test]
        fn boxes_return_to_where_they_were(
            w in 1usize..5000, h in 1usize..5000, input_w in 32usize..700, input_h in 32usize..700,
            u in 0.0f64..1.0, v in 0.0f64..1.0, p in 0.0f64..1.0, q in 0.0f64..1.0,
        ) {
            let image = size(w, h);
            let whole = BoxXyxy { x0: u.min(p) * w as f64, y0: v.min(q) * h as f64, x1: u.max(p) * w as f64, y1: v.max(q) * h as f64 };
            for fit in [
                Letterbox::fit(image, size(input_w, input_h), Enlarge::Allow),
                Letterbox::fit(image, size(input_w, input_h), Enlarge::Never),
                Letterbox::stretch(image, size(input_w, input_h)),
            ] {
                let there = fit.input_from_image(whole);
                prop_assert!(there.x0 >= -1e-6 && there.x1 <= input_w as f64 + 1e-6, "{there:?}");
                prop_assert!(there.y0 >= -1e-6 && there.y1 <= input_h as f64 + 1e-6, "{there:?}");
                let back = fit.image_from_input(there);
                for (a, b) in [(back.x0, whole.x0), (back.y0, whole.y0), (back.x1, whole.x1), (back.y1, whole.y1)] {
                    prop_assert!((a - b).abs() < 1e-3, "{back:?} {whole:?}");
                }
            }
        }
    }

    #[test]
    fn rectangles_fit_the_squarest_of_the_batch() {
        assert_eq!(rectangular_input(&[size(640, 320), size(640, 427)], 640, 32, 0.0), size(640, 448));
        assert_eq!(rectangular_input(&[size(320, 640), size(427, 640)], 640, 32, 0.0), size(448, 640));
        assert_eq!(rectangular_input(&[size(640, 320), size(320, 640)], 640, 32, 0.0), size(640, 640));
        assert_eq!(rectangular_input(&[size(640, 480)], 640, 32, 0.5), size(672, 512));
        assert_eq!(rectangular_input(&[], 640, 32, 0.0), size(640, 640));
    }
}
