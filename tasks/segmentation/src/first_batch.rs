//! Whether the first batch is what a normalisation is for: mean 0, deviation 1.

use wrs_datasets::label_map::VOID;

use crate::sample::Batch;

/// Photographs under their own normalisation have batches of means within 1 of 0 and of deviations between a half and one and
/// a half; nights, fogs and few pictures reach farther.  Pictures in 0 to 1 that nobody normalised have a deviation of about a
/// quarter, such in 0 to 255 one of tens.
const FARTHEST_MEAN: f64 = 1.5;
const DEVIATIONS: [f64; 2] = [0.4, 2.5];

/// The channels, as messages name them.
const CHANNELS: [&str; 3] = ["red", "green", "blue"];

/// A warning about a batch that is far from mean 0 and deviation 1, over the pixels that have a class: padding says nothing.
pub(crate) fn strange_input(batch: &Batch) -> Option<String> {
    let seen = moments(batch)?;
    let is_usual = |&[mean, deviation]: &[f64; 2]| {
        mean.abs() <= FARTHEST_MEAN && (DEVIATIONS[0]..=DEVIATIONS[1]).contains(&deviation)
    };
    if seen.iter().all(is_usual) {
        return None;
    }
    let told: Vec<String> = CHANNELS
        .iter()
        .zip(seen)
        .map(|(channel, [mean, deviation])| format!("{channel} has mean {mean:.2} and deviation {deviation:.2}"))
        .collect();
    Some(format!(
        "the first batch is far from mean 0 and deviation 1: {}; are `input.mean` and `input.std` in 0 to 1, and those of the \
         weights it starts from?",
        told.join(", ")
    ))
}

/// Mean and deviation of each channel, over the pixels that have a class; nothing where none has.
fn moments(batch: &Batch) -> Option<[[f64; 2]; 3]> {
    let (pixels, _) = batch.pixels.as_chunks::<3>();
    let (mut count, mut sums, mut squares) = (0.0f64, [0.0f64; 3], [0.0f64; 3]);
    for (pixel, _) in pixels.iter().zip(&batch.labels).filter(|(_, label)| **label != VOID) {
        count += 1.0;
        for (c, &value) in pixel.iter().enumerate() {
            sums[c] += f64::from(value);
            squares[c] += f64::from(value) * f64::from(value);
        }
    }
    (count > 0.0).then(|| {
        std::array::from_fn(|c| {
            let mean = sums[c] / count;
            [mean, (squares[c] / count - mean * mean).max(0.0).sqrt()]
        })
    })
}

#[cfg(test)]
mod tests {
    use wrs_nn::Dims;

    use super::*;

    fn batch(pixels: &[[f32; 3]], labels: &[u8]) -> Batch {
        let dims = Dims { n: 1, h: 1, w: labels.len(), c: 3 };
        Batch { dims, pixels: pixels.concat(), labels: labels.to_vec(), ids: Vec::new(), notes: Vec::new() }
    }

    #[test]
    fn moments_by_hand_are_of_pixels_with_a_class() {
        let batch = batch(&[[1.0, -2.0, 0.5], [3.0, 2.0, 0.5], [100.0; 3]], &[0, 4, VOID]);
        assert_eq!(moments(&batch), Some([[2.0, 1.0], [0.0, 2.0], [0.5, 0.0]]));
    }

    /// Row 19 of the edge cases.
    #[test]
    fn only_what_is_far_from_normal_is_told() {
        let usual = [[1.0, 1.0, 1.2], [-1.0, -0.8, -1.0]];
        assert_eq!(strange_input(&batch(&usual, &[0, 1])), None);
        assert_eq!(strange_input(&batch(&usual, &[VOID; 2])), None, "nothing but padding");
        // Not normalised: in 0 to 1, and in 0 to 255.
        for scale in [1.0, 255.0] {
            let levels = [0.2, 0.7].map(|level: f32| [level * scale; 3]);
            let told = strange_input(&batch(&levels, &[0, 1])).unwrap();
            assert!(told.contains("blue has mean") && told.contains("`input.std`"), "{told}");
        }
        let dark = [[-1.9, 0.0, 0.0], [-1.3, 1.0, 1.0]];
        let told = strange_input(&batch(&dark, &[0, 1])).unwrap();
        assert!(
            told.contains("red has mean -1.60 and deviation 0.30, green has mean 0.50 and deviation 0.50"),
            "{told}"
        );
    }
}
