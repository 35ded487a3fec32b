//! What torchvision's networks computed, in a folder of the user's.

use std::path::PathBuf;

use wrs_nn::{Dims, Value};
use wrs_weights::TensorFile;

use crate::GoldenError;

/// The variable that names the folder.
const VARIABLE: &str = "WRS_TEST_TORCHVISION";

/// The folder that `WRS_TEST_TORCHVISION` names: files NAME.pth, NAME_legacy.pth (`_use_new_zipfile_serialization=False`) and
/// NAME.golden.safetensors (`x` and what was computed of it), made in Python of `torchvision.models` with random weights.
#[derive(Clone, Debug)]
pub struct Torchvision {
    folder: PathBuf,
}

impl Torchvision {
    /// The folder, if one is named; else says that `test` is skipped: other tests that are ignored want other data.
    #[allow(clippy::print_stderr)] // tests, which tell what they leave out
    pub fn asked(test: &str) -> Option<Self> {
        let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
        if folder.is_none() {
            eprintln!("{test}: skipped, {VARIABLE} is not set");
        }
        folder.map(|folder| Self { folder })
    }

    /// A file in it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The weights of a network in both of `torch.save`'s formats.
    pub fn weights(&self, name: &str) -> [PathBuf; 2] {
        ["", "_legacy"].map(|form| self.path(&format!("{name}{form}.pth")))
    }

    /// A tensor `[B, C, H, W]` of a network's golden, as `[B, H, W, C]`.
    ///
    /// # Errors
    /// [`GoldenError::File`].
    pub fn golden(&self, name: &str, tensor: &str) -> Result<(Dims, Vec<f32>), GoldenError> {
        let path = self.path(&format!("{name}.golden.safetensors"));
        let fail = |reason: String| GoldenError::File { path: path.display().to_string(), reason };
        let file = TensorFile::open(&path).map_err(|e| fail(e.to_string()))?;
        let entry = file.get(tensor).ok_or_else(|| fail(format!("expected a tensor `{tensor}`, got none")))?;
        let [n, c, h, w] = entry.shape[..] else {
            return Err(fail(format!("`{tensor}`: expected [B, C, H, W], got {:?}", entry.shape)));
        };
        let values = file.values(entry).map_err(|e| fail(e.to_string()))?;
        let dims = Dims { n, h, w, c };
        Ok((dims, channels_last(&values, dims)))
    }

    /// The largest difference of an output from a golden's tensor, over that tensor's largest value.
    ///
    /// # Errors
    /// [`GoldenError::File`]; [`GoldenError::Mismatch`] for an output of another shape.
    pub fn difference(&self, name: &str, tensor: &str, got: &Value) -> Result<f32, GoldenError> {
        let (dims, expected) = self.golden(name, tensor)?;
        if got.dims() != dims {
            return Err(GoldenError::Mismatch(format!("{name} {tensor}: expected {dims:?}, got {:?}", got.dims())));
        }
        Ok(largest_difference(got.buffer().host(), &expected))
    }
}

/// `[B, C, H, W]` as `[B, H, W, C]`.
fn channels_last(values: &[f32], Dims { n: _, h, w, c }: Dims) -> Vec<f32> {
    let at = |i: usize| {
        let (image, y, x, channel) = (i / c / w / h, i / c / w % h, i / c % w, i % c);
        values[((image * c + channel) * h + y) * w + x]
    };
    (0..values.len()).map(at).collect()
}

/// Over the largest value expected; not a number where a difference is none.
fn largest_difference(got: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    let differences = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |m: f32, d| if d > m || d.is_nan() { d } else { m }) / largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)]
    fn channels_go_last_and_differences_are_told_by_hand() {
        let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let dims = Dims { n: 2, h: 1, w: 3, c: 2 };
        assert_eq!(channels_last(&values, dims), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
        assert_eq!(largest_difference(&[1.0, -3.5, 2.0], &[1.5, -4.0, 1.0]), 0.25);
        assert!(largest_difference(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan(), "what is not a number is not passed over");
    }
}
