//! Several views of one picture: other sizes, mirrored; the mean of their probabilities decides (DeepLab's multi-scale
//! evaluation: logits brought to the picture's size, softmax, mean).
//!
//! The views' logits wait as the network gives them; they grow a few rows at a time, so that no map of all classes has the
//! picture's size.

use wrs_datasets::ImageRgb8;
use wrs_datasets::augment::mirror_pixels;
use wrs_datasets::image::{ImageSize, ResizeFilter, resize};
use wrs_nn::Value;
use wrs_ops::resize::argmax;
use wrs_ops::softmax::softmax_in_place;

use super::{Segmented, Segmenter, label_map, not_finite};
use crate::error::SegmentationError;
use crate::recipe::EvaluationSettings;

/// Rows that grow together.
const ROWS: usize = 32;

/// What the network makes of one view.
struct View {
    /// `[1, h, w, K]`
    low: Value,
    is_mirrored: bool,
}

/// Gives every pixel the class of the highest mean probability; of equals the first.
pub(super) fn segment(
    segmenter: &Segmenter<'_>,
    image: &ImageRgb8,
    settings: &EvaluationSettings,
) -> Result<Segmented, SegmentationError> {
    let (size, classes) = (image.size, segmenter.net.classes());
    let mut views = Vec::with_capacity(2 * settings.scales.len());
    for &scale in &settings.scales {
        let scaled = resize(image, scaled(size, scale), ResizeFilter::Bilinear)?;
        for is_mirrored in [false, true].into_iter().take(1 + usize::from(settings.flip)) {
            let mut seen = scaled.clone();
            if is_mirrored {
                mirror_pixels(&mut seen);
            }
            views.push(View { low: segmenter.logits(&seen, settings)?, is_mirrored });
        }
    }
    let mut labels = vec![0; size.area()];
    for (band, labels) in labels.chunks_mut(ROWS * size.width).enumerate() {
        let first = band * ROWS;
        let rows = first..first + labels.len() / size.width;
        let mut sum = vec![0.0f32; labels.len() * classes];
        for View { low, is_mirrored } in &views {
            let mut grown = segmenter.net.grown_rows(low, [size.height, size.width], rows.clone())?;
            softmax_in_place(classes, &mut grown)?;
            add(&mut sum, &grown, size.width, classes, *is_mirrored);
        }
        argmax(classes, &sum, labels)?;
    }
    let broken = views.iter().map(|view| not_finite(&view.low)).sum();
    let is_tiled = segmenter.plan(size, settings).is_some();
    Ok(Segmented { labels: label_map(size, labels), not_finite: broken, is_tiled })
}

/// Products that rounding leaves just under a whole number are that number.
const ROUNDING: f64 = 1e-9;

/// DeepLab's sizes: `(n - 1) s + 1`, truncated, so that 513 becomes 257, 385, 641, …
pub(super) fn scaled(size: ImageSize, scale: f64) -> ImageSize {
    let side = |n: usize| (((n.max(1) - 1) as f64 * scale + ROUNDING) as usize) + 1;
    ImageSize { width: side(size.width), height: side(size.height) }
}

fn add(sum: &mut [f32], view: &[f32], width: usize, classes: usize, is_mirrored: bool) {
    for (sum, view) in sum.chunks_exact_mut(width * classes).zip(view.chunks_exact(width * classes)) {
        for x in 0..width {
            let from = if is_mirrored { width - 1 - x } else { x };
            let (to, from) = (x * classes..(x + 1) * classes, from * classes..(from + 1) * classes);
            sum[to].iter_mut().zip(&view[from]).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_sizes_are_deeplabs() {
        let sides = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75].map(|s| scaled(ImageSize::square(513), s).width);
        assert_eq!(sides, [257, 385, 513, 641, 769, 897]);
        assert_eq!(scaled(ImageSize { width: 1, height: 2 }, 0.5), ImageSize { width: 1, height: 1 });
    }

    #[test]
    fn a_mirrored_view_is_mirrored_back() {
        let mut sum = vec![0.0; 6];
        add(&mut sum, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2, true);
        assert!(sum.iter().zip([5.0, 6.0, 3.0, 4.0, 1.0, 2.0]).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6));
        add(&mut sum, &[1.0; 6], 3, 2, false);
        assert!((sum[0] - 6.0).abs() < 1e-6);
    }
}
