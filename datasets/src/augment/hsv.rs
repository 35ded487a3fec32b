//! Colour jitter: hue, saturation and value each multiplied by a random gain, through tables over 8-bit HSV.
//!
//! 8-bit HSV is OpenCV's: hue in steps of two degrees (0 to 179), saturation and value from 0 to 255.

use serde::{Deserialize, Serialize};
use wrs_ops::rng::Rng;

use crate::image::ImageRgb8;

/// How far each gain may stray from 1: it is drawn from `1 + U(-1, 1) * gain`. The paper's code base has 0.0138, 0.678, 0.36.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HsvGains {
    /// Hue.
    pub hue: f64,
    /// Saturation.
    pub saturation: f64,
    /// Value.
    pub value: f64,
}

/// What each level of hue, saturation and value becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HsvTables {
    hue: [u8; 256],
    saturation: [u8; 256],
    value: [u8; 256],
}

/// Levels of hue in a turn.
const HUES: u8 = 180;

impl HsvTables {
    /// Draws the three gains; `None` where all gains are 0, for going to HSV and back rounds.
    pub fn draw(gains: HsvGains, rng: &mut Rng) -> Option<Self> {
        if gains == (HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 }) {
            return None;
        }
        let mut factor = |gain: f64| 1.0 + rng.range(-1.0, 1.0) * gain;
        Some(Self::new(factor(gains.hue), factor(gains.saturation), factor(gains.value)))
    }

    /// The tables of three factors: hue wraps around, saturation and value stop at 255; fractions are cut.
    pub fn new(hue: f64, saturation: f64, value: f64) -> Self {
        let table = |level: &dyn Fn(f64) -> f64| std::array::from_fn(|i| level(i as f64) as u8);
        Self {
            hue: table(&|i| (i * hue).rem_euclid(f64::from(HUES))),
            saturation: table(&|i| (i * saturation).clamp(0.0, 255.0)),
            value: table(&|i| (i * value).clamp(0.0, 255.0)),
        }
    }

    /// Recolours a picture in place.
    pub fn apply(&self, image: &mut ImageRgb8) {
        for pixel in image.pixels.chunks_exact_mut(3) {
            let [h, s, v] = hsv_from_rgb([pixel[0], pixel[1], pixel[2]]);
            let hsv = [self.hue[usize::from(h)], self.saturation[usize::from(s)], self.value[usize::from(v)]];
            pixel.copy_from_slice(&rgb_from_hsv(hsv));
        }
    }
}

/// `[hue / 2 degrees, saturation, value]`, rounded.
fn hsv_from_rgb([r, g, b]: [u8; 3]) -> [u8; 3] {
    let most = r.max(g).max(b);
    let spread = most - r.min(g).min(b);
    if spread == 0 {
        return [0, 0, most];
    }
    let (rf, gf, bf, range) = (f32::from(r), f32::from(g), f32::from(b), f32::from(spread));
    let sixth = if most == r {
        (gf - bf) / range
    } else if most == g {
        2.0 + (bf - rf) / range
    } else {
        4.0 + (rf - gf) / range
    };
    let hue = (if sixth < 0.0 { sixth + 6.0 } else { sixth }) * 30.0;
    let saturation = 255.0 * range / f32::from(most);
    [(hue + 0.5) as u8 % HUES, (saturation + 0.5) as u8, most]
}

fn rgb_from_hsv([h, s, v]: [u8; 3]) -> [u8; 3] {
    let sixth = f32::from(h) / 30.0;
    let (sector, f) = (sixth as u8, sixth.fract());
    let (v, s) = (f32::from(v), f32::from(s) / 255.0);
    let p = v * (1.0 - s);
    let q = v * (1.0 - s * f);
    let t = v * (1.0 - s * (1.0 - f));
    let rgb = match sector {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    };
    rgb.map(|level| (level + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wrs_ops::rng::Rng;

    use super::*;
    use crate::image::ImageSize;

    #[test]
    fn known_colours_convert() {
        // OpenCV's cvtColor on the same triples.
        let known = [
            ([255, 0, 0], [0, 255, 255]),
            ([255, 255, 0], [30, 255, 255]),
            ([0, 255, 0], [60, 255, 255]),
            ([0, 0, 255], [120, 255, 255]),
            ([255, 0, 255], [150, 255, 255]),
            ([128, 128, 128], [0, 0, 128]),
            ([0, 0, 0], [0, 0, 0]),
            ([200, 100, 50], [10, 191, 200]),
        ];
        for (rgb, hsv) in known {
            assert_eq!(hsv_from_rgb(rgb), hsv, "{rgb:?}");
        }
    }

    #[test]
    fn tables_wrap_hue_and_stop_the_rest() {
        let tables = HsvTables::new(1.1, 2.0, 0.5);
        assert_eq!((tables.hue[10], tables.hue[179]), (11, 16)); // 196.9 - 180
        assert_eq!((tables.saturation[100], tables.saturation[200]), (200, 255));
        assert_eq!((tables.value[101], tables.value[255]), (50, 127));
    }

    #[test]
    fn no_gain_is_no_change_and_half_value_is_half_bright() {
        let none = HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 };
        assert_eq!(HsvTables::draw(none, &mut Rng::new(0, "hsv", 0, 0)), None);
        let mut grey = ImageRgb8::filled(ImageSize::square(2), [100, 100, 100]);
        HsvTables::new(1.0, 1.0, 0.5).apply(&mut grey);
        assert_eq!(grey.at(1, 1), [50, 50, 50]);
    }

    #[test]
    fn gains_stay_in_their_range() {
        let gains = HsvGains { hue: 0.0, saturation: 0.0, value: 0.36 };
        let values: Vec<u8> = (0..200)
            .filter_map(|i| HsvTables::draw(gains, &mut Rng::new(1, "hsv", 0, i)))
            .map(|tables| tables.value[100])
            .collect();
        let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        assert!((64..70).contains(least) && (130..=136).contains(most), "{least} {most}");
    }

    proptest! {
        #[test]
        fn there_and_back_stays_near(r: u8, g: u8, b: u8) {
            // Hue has 180 levels: up to half a step of 255 / 30 levels, and saturation as much as v / 255 / 2.
            let back = rgb_from_hsv(hsv_from_rgb([r, g, b]));
            for (a, b) in back.into_iter().zip([r, g, b]) {
                prop_assert!(a.abs_diff(b) <= 6, "{back:?}");
            }
        }
    }
}
