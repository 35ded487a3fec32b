//! Samples to the floats of a batch.

use crate::image::{ImageRgb8, ImageSize};

/// The pixels of a batch in 0 to 1; pictures of another size are resized bilinearly with half-pixel centres and without
/// anti-aliasing, as `interpolate(mode="bilinear", align_corners=False)` of PyTorch does it.
///
/// # Shapes
/// Out: `[B, H, W, 3]` with `H`, `W` of `to`.
pub fn batch_pixels<'a>(pictures: impl IntoIterator<Item = &'a ImageRgb8>, to: ImageSize) -> Vec<f32> {
    let mut out = Vec::new();
    for picture in pictures {
        if picture.size == to {
            out.extend(picture.pixels.iter().map(|level| f32::from(*level) * TO_UNIT));
        } else {
            resize_into(picture, to, &mut out);
        }
    }
    out
}

const TO_UNIT: f32 = 1.0 / 255.0;

/// The two source positions of a target position and the weight of the second.
#[derive(Clone, Copy)]
struct Taps {
    first: usize,
    second: usize,
    weight: f32,
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    (0..to)
        .map(|i| {
            let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            Taps { first, second: (first + 1).min(from - 1), weight: (at - first as f64).min(1.0) as f32 }
        })
        .collect()
}

fn resize_into(picture: &ImageRgb8, to: ImageSize, out: &mut Vec<f32>) {
    if picture.size.area() == 0 {
        out.resize(out.len() + to.area() * 3, 0.0);
        return;
    }
    let columns = taps(picture.size.width, to.width);
    let stride = picture.size.width * 3;
    let mut row = vec![0.0f32; stride];
    for Taps { first, second, weight } in taps(picture.size.height, to.height) {
        let upper = &picture.pixels[first * stride..(first + 1) * stride];
        let lower = &picture.pixels[second * stride..(second + 1) * stride];
        for ((level, upper), lower) in row.iter_mut().zip(upper).zip(lower) {
            let (upper, lower) = (f32::from(*upper) * TO_UNIT, f32::from(*lower) * TO_UNIT);
            *level = upper + (lower - upper) * weight;
        }
        for taps in &columns {
            let (left, right) = (&row[taps.first * 3..taps.first * 3 + 3], &row[taps.second * 3..taps.second * 3 + 3]);
            out.extend(left.iter().zip(right).map(|(left, right)| left + (right - left) * taps.weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(size: ImageSize, levels: &[u8]) -> ImageRgb8 {
        ImageRgb8 { size, pixels: levels.iter().flat_map(|level| [*level; 3]).collect() }
    }

    #[test]
    fn resizing_agrees_with_hand_computed_values() {
        // PyTorch: interpolate(tensor([[0, 51, 102, 255]]) / 255, size=(1, 2)) -> 0.1, 0.7.
        let line = grey(ImageSize { width: 4, height: 1 }, &[0, 51, 102, 255]);
        let out = batch_pixels([&line], ImageSize { width: 2, height: 1 });
        for (got, expected) in out.iter().step_by(3).zip([0.1, 0.7]) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
        // Doubling: 0.25 and 0.75 between neighbours, ends held.
        let pair = grey(ImageSize { width: 1, height: 2 }, &[0, 255]);
        let out = batch_pixels([&pair], ImageSize { width: 1, height: 4 });
        assert_eq!(out.iter().step_by(3).copied().collect::<Vec<_>>(), [0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn a_batch_is_its_pictures_one_after_another() {
        let size = ImageSize { width: 3, height: 2 };
        let (first, second) =
            (grey(size, &[0, 51, 102, 153, 204, 255]), ImageRgb8::filled(ImageSize::square(9), [51; 3]));
        let out = batch_pixels([&first, &second], size);
        assert_eq!(out.len(), 2 * size.area() * 3);
        for (got, expected) in out.iter().zip(first.pixels.iter().map(|level| f32::from(*level) / 255.0)) {
            assert!((got - expected).abs() < 1e-7);
        }
        assert!(out[size.area() * 3..].iter().all(|level| (level - 0.2).abs() < 1e-6));
    }
}
