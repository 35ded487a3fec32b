//! How pictures are evaluated.

use serde::{Deserialize, Serialize};
use wrs_train::recipe::{SettingError, judge};

/// Tiles of fewer pixels than a square of 32, one cell at the coarsest stride, cannot be cut.
const LEAST_PIXELS: usize = 32 * 32;

/// How pictures are evaluated: whole, at their own size, one at a time; those of too many pixels in tiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Factors of the picture's size; the probabilities of several are averaged.
    pub scales: Vec<f64>,
    /// Whether each is looked at mirrored, too.
    pub flip: bool,
    /// The most pixels that the network sees at once: a larger picture is cut into tiles that overlap, which bounds the
    /// memory that it takes; without it, none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<usize>,
}

impl EvaluationSettings {
    /// Every picture once, whole, at its own size.
    pub fn plain() -> Self {
        Self { scales: vec![1.0], flip: false, max_pixels: None }
    }

    /// The same with the factors that DeepLab's published numbers with several scales are at, mirrored too.
    #[must_use]
    pub fn multi_scale(&self) -> Self {
        Self { scales: vec![0.5, 0.75, 1.0, 1.25, 1.5, 1.75], flip: true, max_pixels: self.max_pixels }
    }

    /// Whether the picture is looked at once, as it is.
    #[allow(clippy::float_cmp)] // exactly 1, or another number
    pub fn is_plain(&self) -> bool {
        self.scales == [1.0] && !self.flip
    }

    /// What the numbers of such an evaluation are called, by whether any picture was cut into tiles.
    pub fn protocol(&self, is_tiled: bool) -> &'static str {
        match (self.is_plain(), is_tiled) {
            (true, false) => "native",
            (true, true) => "tiled",
            (false, false) => "multi-scale",
            (false, true) => "multi-scale-tiled",
        }
    }

    /// Judges the values.
    ///
    /// # Errors
    /// [`SettingError`] for the first one outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let in_range = |scale: &f64| scale.is_finite() && *scale > 0.0 && *scale <= 8.0;
        let scales = !self.scales.is_empty() && self.scales.iter().all(in_range);
        let expected = "one factor or more, each above 0 and at most 8";
        judge("evaluation.scales", scales, expected, &format_args!("{:?}", self.scales))?;
        let pixels = self.max_pixels.unwrap_or(LEAST_PIXELS);
        let expected = format!("at least {LEAST_PIXELS} pixels");
        judge("evaluation.max-pixels", pixels >= LEAST_PIXELS, &expected, &pixels)
    }
}
