//! Pictures to the floats that pretrained backbones expect.

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::image::ImageRgb8;

/// How a picture's bytes become the network's input: divided by 255, less the mean, divided by the standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InputSettings {
    /// Of red, green and blue, in 0 to 1.
    pub mean: [f32; 3],
    /// Of the same.
    pub std: [f32; 3],
}

impl InputSettings {
    /// The input of pictures of one size.
    ///
    /// # Shapes
    /// `[B, H, W, 3]`
    pub fn pixels<'a>(&self, pictures: impl IntoIterator<Item = &'a ImageRgb8>) -> Vec<f32> {
        normalised_pixels(pictures, self.mean, self.std)
    }

    /// Whether they make an input.
    ///
    /// # Errors
    /// [`DataError::Option`].
    pub fn check(&self) -> Result<(), DataError> {
        let refuse = |option, expected: &str, got: [f32; 3]| {
            Err(DataError::Option { option, expected: expected.to_owned(), got: format!("{got:?}") })
        };
        if !self.mean.iter().all(|mean| (0.0..=1.0).contains(mean)) {
            return refuse("input.mean", "three numbers from 0 to 1", self.mean);
        }
        if !self.std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return refuse("input.std", "three numbers above 0", self.std);
        }
        Ok(())
    }
}

/// The pixels of a batch in 0 to 1, less the mean, divided by the standard deviation, a channel at a time.
///
/// # Shapes
/// Out: `[B, H, W, 3]` where the pictures have one size, `[H, W]`; of pictures of several sizes, one after another.
pub fn normalised_pixels<'a>(
    pictures: impl IntoIterator<Item = &'a ImageRgb8>,
    mean: [f32; 3],
    std: [f32; 3],
) -> Vec<f32> {
    let of_channel =
        |c: usize| -> [f32; 256] { std::array::from_fn(|level| (level as f32 / 255.0 - mean[c]) / std[c]) };
    let [red, green, blue] = [of_channel(0), of_channel(1), of_channel(2)];
    let mut out = Vec::new();
    for picture in pictures {
        let (pixels, _) = picture.pixels.as_chunks::<3>();
        out.extend(
            pixels.iter().flat_map(|&[r, g, b]| [red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]]),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageSize;

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let size = ImageSize { width: 2, height: 1 };
        let picture = ImageRgb8 { size, pixels: vec![0, 255, 51, 255, 0, 102] };
        let out = normalised_pixels([&picture, &picture], [0.5, 0.25, 0.2], [0.5, 0.25, 0.1]);
        let expected = [-1.0, 3.0, 0.0, 1.0, -1.0, 2.0];
        assert_eq!(out.len(), 12);
        for (got, expected) in out.iter().zip(expected.iter().chain(&expected)) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }
}
