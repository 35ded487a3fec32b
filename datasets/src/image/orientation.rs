//! Turning a picture as its EXIF orientation asks.

use ::image::metadata::Orientation;

use super::{ImageRgb8, ImageSize};

/// Whether upright means width and height exchanged.
pub(super) fn transposes(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The size once upright.
pub(super) fn upright_size(stored: ImageSize, orientation: Orientation) -> ImageSize {
    if transposes(orientation) { stored.transposed() } else { stored }
}

/// The picture once upright.
pub(super) fn upright(image: ImageRgb8, orientation: Orientation) -> ImageRgb8 {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let ImageSize { width: w, height: h } = image.size;
    let size = upright_size(image.size, orientation);
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for y in 0..size.height {
        for x in 0..size.width {
            let (from_x, from_y) = match orientation {
                Orientation::NoTransforms => (x, y),
                Orientation::FlipHorizontal => (w - 1 - x, y),
                Orientation::Rotate180 => (w - 1 - x, h - 1 - y),
                Orientation::FlipVertical => (x, h - 1 - y),
                Orientation::Rotate90FlipH => (y, x),
                Orientation::Rotate90 => (y, h - 1 - x),
                Orientation::Rotate270FlipH => (w - 1 - y, h - 1 - x),
                Orientation::Rotate270 => (w - 1 - y, x),
            };
            pixels.extend_from_slice(&image.at(from_x, from_y));
        }
    }
    ImageRgb8 { size, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_agrees_with_the_image_crate() {
        let size = ImageSize { width: 3, height: 2 };
        let picture = ImageRgb8 { size, pixels: (0..18).collect() };
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let buffer = ::image::RgbImage::from_raw(3, 2, picture.pixels.clone()).unwrap();
            let mut expected = ::image::DynamicImage::ImageRgb8(buffer);
            expected.apply_orientation(orientation);
            let got = upright(picture.clone(), orientation);
            assert_eq!(
                (got.size.width as u32, got.size.height as u32),
                (expected.width(), expected.height()),
                "{exif}"
            );
            assert_eq!(got.pixels, expected.into_rgb8().into_raw(), "{exif}");
        }
    }
}
