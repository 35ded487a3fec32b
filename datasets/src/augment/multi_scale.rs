//! The input size that changes from step to step.

use wrs_ops::rng::Rng;

use crate::error::DataError;
use crate::image::ImageSize;

/// Sizes `min`, `min + stride`, … `max`, drawn uniformly once for every optimizer step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiScale {
    min: usize,
    max: usize,
    stride: usize,
}

impl MultiScale {
    /// Both ends are rounded up to the stride.
    ///
    /// # Errors
    /// [`DataError::Option`] unless `0 < min <= max` and `0 < stride`.
    pub fn new(min: usize, max: usize, stride: usize) -> Result<Self, DataError> {
        if stride == 0 || min == 0 || max < min {
            return Err(DataError::Option {
                option: "size",
                expected: "0 < smallest <= largest, and a stride above 0".into(),
                got: format!("{min} to {max} by {stride}"),
            });
        }
        Ok(Self { min: min.next_multiple_of(stride), max: max.next_multiple_of(stride), stride })
    }

    /// The largest size: the one to try first, for it takes the most memory.
    pub fn largest(self) -> usize {
        self.max
    }

    /// The size of an optimizer step, whose micro-batches all share it.
    pub fn draw(self, seed: u64, step: u64) -> usize {
        let sizes = (self.max - self.min) / self.stride + 1;
        self.min + self.stride * Rng::new(seed, "multi-scale", 0, step).below(sizes)
    }

    /// The sides of a batch of `input` whose long side becomes `size`, rounded up to the stride.
    pub fn batch_size(self, input: ImageSize, size: usize) -> ImageSize {
        let long = input.width.max(input.height).max(1);
        let side = |side: usize| (side * size).div_ceil(long).max(1).next_multiple_of(self.stride);
        ImageSize { width: side(input.width), height: side(input.height) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eleven_sizes_come_equally_often() {
        let scale = MultiScale::new(320, 640, 32).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for step in 0..11_000 {
            *counts.entry(scale.draw(3, step)).or_insert(0) += 1;
        }
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), (320..=640).step_by(32).collect::<Vec<_>>());
        assert!(counts.values().all(|n| (850..1150).contains(n)), "{counts:?}");
        assert_eq!(scale.draw(3, 7), scale.draw(3, 7));
    }

    #[test]
    fn sides_are_multiples_of_the_stride() {
        let scale = MultiScale::new(300, 640, 32).unwrap();
        assert_eq!(scale.batch_size(ImageSize::square(640), 416), ImageSize::square(416));
        assert_eq!(
            scale.batch_size(ImageSize { width: 640, height: 448 }, 416),
            ImageSize { width: 416, height: 320 } // 291.2
        );
        assert_eq!(MultiScale::new(1, 1, 32).unwrap().draw(0, 0), 32);
        assert!(MultiScale::new(64, 32, 32).is_err());
    }
}
