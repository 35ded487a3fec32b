//! How much of a person lies in a crop.

use serde::{Deserialize, Serialize};

use crate::boxes::BoxXyxy;
use crate::counting::PointXy;
use crate::error::DataError;

/// A point stands for a square around it, as large as the distances to its neighbours; what counts in a crop is the share of
/// the square that lies in it. So a point just outside of a crop may count, and one just inside may not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VisibleArea {
    /// The square's side by the mean distance to the three nearest points.
    pub box_scale: f64,
    /// The smallest and the largest side in pixels.
    pub clip_px: [f64; 2],
    /// The least share at which a point counts.
    pub keep: f64,
    /// How much it counts then.
    pub targets: Targets,
}

/// How much a point counts that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The share of its square.
    Ratio,
    /// One.
    One,
}

impl VisibleArea {
    /// As UCF-QNRF is trained on.
    pub const QNRF: Self = Self { box_scale: 1.0, clip_px: [4.0, 128.0], keep: 0.3, targets: Targets::Ratio };

    /// As ShanghaiTech is trained on.
    pub const SHANGHAITECH: Self = Self { box_scale: 0.8, clip_px: [4.0, 40.0], keep: 0.5, targets: Targets::One };

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`DataError::Option`].
    pub fn check(&self) -> Result<(), DataError> {
        let fault =
            |option, expected: &str, got: String| Err(DataError::Option { option, expected: expected.into(), got });
        if !(self.box_scale > 0.0 && self.box_scale.is_finite()) {
            return fault("visible-area.box-scale", "a factor above 0", self.box_scale.to_string());
        }
        let [least, most] = self.clip_px;
        if !(least > 0.0 && least <= most && most.is_finite()) {
            let expected = "a smallest side above 0 and a largest at or above it, in pixels";
            return fault("visible-area.clip-px", expected, format!("{least}, {most}"));
        }
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            return fault("visible-area.keep", "a share above 0, at most 1", self.keep.to_string());
        }
        Ok(())
    }

    /// How much a point counts in the crop, of the mean distance to its neighbours; [`None`] where it does not. All in pixels
    /// of the resized picture.
    pub fn target(&self, point: PointXy, neighbour_px: f64, crop: BoxXyxy) -> Option<f64> {
        let share = self.share(point, neighbour_px, crop);
        // In f64: the share 0.3 of six columns of twenty is not below 0.3.
        (share >= self.keep).then_some(match self.targets {
            Targets::Ratio => share,
            Targets::One => 1.0,
        })
    }

    /// The share of the point's square that lies in the crop.
    fn share(&self, point: PointXy, neighbour_px: f64, crop: BoxXyxy) -> f64 {
        let [least, most] = self.clip_px;
        let side = (self.box_scale * neighbour_px).clamp(least, most);
        let within = |at: f64, low: f64, high: f64| ((at + side / 2.0).min(high) - (at - side / 2.0).max(low)).max(0.0);
        let area = within(point.x, crop.x0, crop.x1) * within(point.y, crop.y0, crop.y1);
        (area / (side * side)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CROP: BoxXyxy = BoxXyxy { x0: 64.0, y0: 32.0, x1: 576.0, y1: 544.0 };

    fn point(x: f64, y: f64) -> PointXy {
        PointXy { x, y }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "all sums and quotients here are exact, or what keeping hangs on")]
    fn shares_are_those_of_the_reference() {
        for (at, neighbour_px, share, target) in [
            (point(100.0, 100.0), 20.0, 1.0, Some(1.0)),
            (point(64.0, 100.0), 20.0, 0.5, Some(0.5)),
            (point(58.0, 100.0), 20.0, 0.2, None),
            (point(60.0, 60.0), 20.0, 0.3, Some(0.3)),
            // Clipped to a side of 4.
            (point(57.0, 57.0), 2.0, 0.0, None),
            // At a corner, and at both far edges.
            (point(64.0, 32.0), 50.0, 0.25, None),
            (point(576.0, 544.0), 50.0, 0.25, None),
            (point(576.0, 100.0), 300.0, 0.5, Some(0.5)),
            (point(640.0, 300.0), 300.0, 0.0, None),
        ] {
            assert_eq!(VisibleArea::QNRF.share(at, neighbour_px, CROP), share, "{at:?} {neighbour_px}");
            assert_eq!(VisibleArea::QNRF.target(at, neighbour_px, CROP), target, "{at:?} {neighbour_px}");
        }
    }

    #[test]
    fn shanghaitech_takes_smaller_squares_and_counts_heads() {
        let target = |x, neighbour_px| VisibleArea::SHANGHAITECH.target(point(x, 100.0), neighbour_px, CROP);
        assert_eq!(target(64.0, 25.0), Some(1.0)); // half of it
        assert_eq!(target(63.0, 25.0), None); // 9 of 20 columns
        assert_eq!(target(100.0, 25.0), Some(1.0));
        assert_eq!(target(63.9, 4000.0), None); // of a square of 40
    }

    #[test]
    fn a_square_may_be_larger_than_the_crop() {
        let crop = BoxXyxy { x0: 0.0, y0: 0.0, x1: 64.0, y1: 64.0 };
        assert_eq!(VisibleArea::QNRF.target(point(32.0, 32.0), 500.0, crop), None); // a quarter of it
        assert_eq!(VisibleArea { keep: 0.25, ..VisibleArea::QNRF }.target(point(32.0, 32.0), 500.0, crop), Some(0.25));
    }

    #[test]
    fn recipes_spell_it() {
        let text = r#"{"box-scale":1,"clip-px":[4,128],"keep":0.3,"targets":"ratio"}"#;
        assert_eq!(serde_json::from_str::<VisibleArea>(text).unwrap(), VisibleArea::QNRF);
        let text = r#"{"box-scale":0.8,"clip-px":[4,40],"keep":0.5,"targets":"one"}"#;
        assert_eq!(serde_json::from_str::<VisibleArea>(text).unwrap(), VisibleArea::SHANGHAITECH);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = |settings: VisibleArea| match settings.check() {
            Err(DataError::Option { option, .. }) => option,
            other => panic!("{other:?}"),
        };
        let qnrf = VisibleArea::QNRF;
        for box_scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(VisibleArea { box_scale, ..qnrf }), "visible-area.box-scale");
        }
        for clip_px in [[0.0, 4.0], [5.0, 4.0], [f64::NAN, 4.0], [4.0, f64::INFINITY]] {
            assert_eq!(refused(VisibleArea { clip_px, ..qnrf }), "visible-area.clip-px");
        }
        for keep in [0.0, 1.1, f64::NAN] {
            assert_eq!(refused(VisibleArea { keep, ..qnrf }), "visible-area.keep");
        }
        assert!(qnrf.check().is_ok() && VisibleArea::SHANGHAITECH.check().is_ok());
    }

    proptest! {
        /// The shares of a square in crops that tile the plane add up to it.
        #[test]
        fn shares_in_tiles_sum_to_one(x in 0.0f64..256.0, y in 0.0f64..256.0, neighbour_px in 0.0f64..64.0) {
            let tile = |i: i32, j: i32| {
                let (x0, y0) = (f64::from(i) * 64.0, f64::from(j) * 64.0);
                VisibleArea::QNRF.share(point(x, y), neighbour_px, BoxXyxy { x0, y0, x1: x0 + 64.0, y1: y0 + 64.0 })
            };
            let sum: f64 = (-2..6).flat_map(|i| (-2..6).map(move |j| (i, j))).map(|(i, j)| tile(i, j)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12, "{}", sum);
        }
    }
}
