//! Resizing 8-bit pictures.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::U8x3;

use super::{ImageRgb8, ImageSize};
use crate::error::DataError;

/// How pixels between pixels are made. All take pixel centres at half-integers, as PyTorch with `align_corners=False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeFilter {
    /// The mean of the source pixels whose centres a target pixel covers when shrinking (a box filter, free of moiré);
    /// bilinear when a side grows.
    Area,
    /// Four neighbours, whatever the ratio.
    Bilinear,
    /// Bilinear weights over a reach that grows with the ratio: Pillow's `BILINEAR`, without aliasing.
    Triangle,
    /// Cubic weights (a = -0.5) over a reach that grows with the ratio: Pillow's `BICUBIC`, without aliasing.
    CatmullRom,
    /// A windowed sinc of three lobes over a reach that grows with the ratio: Pillow's `LANCZOS`.
    Lanczos,
}

/// Resizes to the given size; a picture that has it already is copied.
///
/// # Errors
/// [`DataError::Resize`] for a side of 0 or of more than 32 bits.
pub fn resize(image: &ImageRgb8, to: ImageSize, filter: ResizeFilter) -> Result<ImageRgb8, DataError> {
    if image.size == to {
        return Ok(image.clone());
    }
    let fault = |reason: String| DataError::Resize { from: image.size, to, reason };
    if to.area() == 0 || image.size.area() == 0 {
        return Err(fault("a side is 0".into()));
    }
    let side = |side: usize| u32::try_from(side).map_err(|error| fault(error.to_string()));
    let shrinks = to.width <= image.size.width && to.height <= image.size.height;
    let algorithm = match filter {
        ResizeFilter::Area if shrinks => fir::ResizeAlg::Convolution(fir::FilterType::Box),
        ResizeFilter::Triangle => fir::ResizeAlg::Convolution(fir::FilterType::Bilinear),
        ResizeFilter::CatmullRom => fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom),
        ResizeFilter::Lanczos => fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3),
        ResizeFilter::Area | ResizeFilter::Bilinear => fir::ResizeAlg::Interpolation(fir::FilterType::Bilinear),
    };
    // The typed entry: the other one brings every pixel type and takes minutes to compile.
    let mut pixels = vec![0; to.area() * 3];
    let source = TypedImageRef::<U8x3>::from_buffer(side(image.size.width)?, side(image.size.height)?, &image.pixels)
        .map_err(|error| fault(error.to_string()))?;
    let mut target = TypedImage::<U8x3>::from_buffer(side(to.width)?, side(to.height)?, &mut pixels)
        .map_err(|error| fault(error.to_string()))?;
    fir::Resizer::new()
        .resize_typed(&source, &mut target, &fir::ResizeOptions::new().resize_alg(algorithm))
        .map_err(|error| fault(error.to_string()))?;
    drop(target);
    Ok(ImageRgb8 { size: to, pixels })
}

/// The size whose longer side is `long`: the other side keeps the ratio, truncated, at least 1.
pub fn long_side_size(size: ImageSize, long: usize) -> ImageSize {
    let longest = size.width.max(size.height);
    let scaled = |side: usize| (side * long / longest.max(1)).max(1);
    ImageSize { width: scaled(size.width), height: scaled(size.height) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(size: ImageSize, seed: u64) -> ImageRgb8 {
        let mut rng = wrs_ops::rng::Rng::new(seed, "test", 0, 0);
        ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
    }

    /// Bilinear with half-pixel centres, by its definition.
    fn bilinear_oracle(image: &ImageRgb8, to: ImageSize) -> Vec<f64> {
        let taps = |i: usize, from: usize, to: usize| {
            let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64);
            (at.floor() as usize, (at.floor() as usize + 1).min(from - 1), at.fract())
        };
        let mut out = Vec::new();
        for y in 0..to.height {
            let (y0, y1, fy) = taps(y, image.size.height, to.height);
            for x in 0..to.width {
                let (x0, x1, fx) = taps(x, image.size.width, to.width);
                for c in 0..3 {
                    let v = |x, y| f64::from(image.at(x, y)[c]);
                    let upper = v(x0, y0) * (1.0 - fx) + v(x1, y0) * fx;
                    let lower = v(x0, y1) * (1.0 - fx) + v(x1, y1) * fx;
                    out.push(upper * (1.0 - fy) + lower * fy);
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn bilinear_agrees_with_its_definition(w in 1usize..20, h in 1usize..20, to_w in 1usize..20, to_h in 1usize..20, seed: u64) {
            let image = picture(ImageSize { width: w, height: h }, seed);
            let to = ImageSize { width: to_w, height: to_h };
            let got = resize(&image, to, ResizeFilter::Bilinear).unwrap();
            for (got, expected) in got.pixels.iter().zip(bilinear_oracle(&image, to)) {
                // Two passes, each rounded to 8 bits.
                prop_assert!((f64::from(*got) - expected).abs() <= 1.51, "{got} {expected}");
            }
        }
    }

    #[test]
    fn area_is_the_mean_of_what_a_pixel_covers() {
        let image = picture(ImageSize { width: 8, height: 6 }, 1);
        let half = resize(&image, ImageSize { width: 4, height: 3 }, ResizeFilter::Area).unwrap();
        for y in 0..3 {
            for x in 0..4 {
                for c in 0..3 {
                    let sum: u32 = [(0, 0), (1, 0), (0, 1), (1, 1)]
                        .iter()
                        .map(|(dx, dy)| u32::from(image.at(2 * x + dx, 2 * y + dy)[c]))
                        .sum();
                    let mean = f64::from(sum) / 4.0;
                    assert!((f64::from(half.at(x, y)[c]) - mean).abs() <= 1.0);
                }
            }
        }
    }

    #[test]
    fn triangle_weighs_over_twice_the_ratio() {
        let levels = [0, 100, 200, 40];
        let line = ImageRgb8 {
            size: ImageSize { width: 4, height: 1 },
            pixels: levels.iter().flat_map(|level| [*level; 3]).collect(),
        };
        let half = resize(&line, ImageSize { width: 2, height: 1 }, ResizeFilter::Triangle).unwrap();
        // At half size the weights are 3/4, 3/4, 1/4 of 7/4: Pillow gives 71 and 117 for BILINEAR.
        let expected = [(0.75 * 0.0 + 0.75 * 100.0 + 0.25 * 200.0) / 1.75, (0.25 * 100.0 + 0.75 * 240.0) / 1.75];
        for (got, expected) in half.pixels.iter().step_by(3).zip(expected) {
            assert!((f64::from(*got) - expected).abs() <= 1.0, "{got} {expected}");
        }
    }

    #[test]
    fn the_cubic_and_the_sinc_weigh_as_they_are_defined() {
        let levels = [10.0, 100.0, 200.0, 40.0, 60.0, 250.0, 0.0, 90.0];
        let line = ImageRgb8 {
            size: ImageSize { width: 8, height: 1 },
            pixels: levels.iter().flat_map(|level| [*level as u8; 3]).collect(),
        };
        let cubic = |x: f64| match x.abs() {
            x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            _ => 0.0,
        };
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        let lanczos = |x: f64| if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
        let weights: [(ResizeFilter, &dyn Fn(f64) -> f64); 2] =
            [(ResizeFilter::CatmullRom, &cubic), (ResizeFilter::Lanczos, &lanczos)];
        for (filter, weight) in weights {
            for width in [3, 5, 13] {
                let got = resize(&line, ImageSize { width, height: 1 }, filter).unwrap();
                let ratio = 8.0 / width as f64;
                for (i, got) in got.pixels.iter().step_by(3).enumerate() {
                    let centre = (i as f64 + 0.5) * ratio;
                    let weigh = |at: usize| weight((at as f64 + 0.5 - centre) / ratio.max(1.0));
                    let sum: f64 = (0..8).map(|at| weigh(at) * levels[at]).sum();
                    let expected = (sum / (0..8).map(weigh).sum::<f64>()).clamp(0.0, 255.0);
                    assert!((f64::from(*got) - expected).abs() <= 1.0, "{filter:?} {width} {i}: {got} {expected}");
                }
            }
        }
    }

    #[test]
    fn sides_truncate_and_never_vanish() {
        let size = |width, height| ImageSize { width, height };
        assert_eq!(long_side_size(size(640, 427), 416), size(416, 277));
        assert_eq!(long_side_size(size(427, 640), 640), size(427, 640));
        assert_eq!(long_side_size(size(1, 3000), 416), size(1, 416));
        assert!(resize(&picture(size(3, 3), 0), size(0, 3), ResizeFilter::Area).is_err());
    }
}
