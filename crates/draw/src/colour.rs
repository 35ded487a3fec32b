//! A colour for every class, and the ink that reads on it.

use image::Rgb;

/// Turning the hue by the golden angle keeps any first n classes about as far apart as n colours can be.
const GOLDEN_ANGLE_DEGREES: f64 = 137.507_764;
/// The hue of class 0, a red.
const FIRST_HUE_DEGREES: f64 = 25.0;
/// Classes 8, 13, 21 or 34 apart come close in hue; a cycle of five gives them different lightness.
const LIGHTNESS: [f64; 5] = [0.68, 0.84, 0.54, 0.76, 0.61];
/// The hue of a plot's first line, a blue.
const FIRST_LINE_DEGREES: f64 = 255.0;
/// Less than the whole circle, so that the last line does not look like the first.
const LINE_SPAN_DEGREES: f64 = 290.0;
/// Dark enough for thin lines on white.
const LINE_LIGHTNESS: [f64; 2] = [0.48, 0.62];
/// More than sRGB holds for most hues; the excess is taken back per hue.
const CHROMA: f64 = 0.25;
/// Lightness and hue of the heat colours from none to most: a dark violet, through red and orange, to a light yellow.
const HEAT: [(f64, f64); 2] = [(0.25, 300.0), (0.96, 465.0)];
/// So much is within sRGB for nearly all heat colours: were each as strong as it can be, red would stand out as an edge.
const HEAT_CHROMA: f64 = 0.17;
/// Steps in which the excess is taken back.
const STEPS: u32 = 64;

/// The colour of a class: always the same for the same index, light or dark, never grey.
///
/// Hues step by the golden angle in Ottosson's OKLCH space, where equal steps look equal; chroma is as strong as
/// sRGB allows up to a bound.
pub fn class_colour(class: usize) -> Rgb<u8> {
    // The remainder keeps the product small; colours repeat long before.
    let hue = (FIRST_HUE_DEGREES + (class % 3600) as f64 * GOLDEN_ANGLE_DEGREES).to_radians();
    let lightness = LIGHTNESS[class % LIGHTNESS.len()];
    Rgb(strongest(lightness, hue, CHROMA))
}

/// The colour of line `index` of `count` on white, as CSS writes it: hues in order, from blue through red to green, so
/// that lines which follow each other (layers, say) look related, and neighbours differ in lightness.
pub(crate) fn line_colour(index: usize, count: usize) -> String {
    let hue = FIRST_LINE_DEGREES + LINE_SPAN_DEGREES * index as f64 / count.max(1) as f64;
    let [r, g, b] = strongest(LINE_LIGHTNESS[index % LINE_LIGHTNESS.len()], hue.to_radians(), CHROMA);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The colours of a quantity from none to most, dark to light.
///
/// Lightness and hue go on evenly in OKLCH, as even steps of a quantity should look; the idea is that of matplotlib's
/// `inferno` (Smith and van der Walt 2015), the numbers are our own.
pub(crate) fn heat_colours() -> [Rgb<u8>; 256] {
    let [(darkest, first), (lightest, last)] = HEAT;
    std::array::from_fn(|step| {
        let share = step as f64 / 255.0;
        let hue = (first + share * (last - first)).to_radians();
        Rgb(strongest(darkest + share * (lightest - darkest), hue, HEAT_CHROMA))
    })
}

/// The sRGB colour of a lightness and a hue whose chroma is the largest that fits, up to `most`.
fn strongest(lightness: f64, hue: f64, most: f64) -> [u8; 3] {
    let fits = |step: &u32| {
        let chroma = most * f64::from(STEPS - step) / f64::from(STEPS);
        let linear = linear_from_oklch(lightness, chroma, hue);
        linear.iter().all(|channel| (0.0..=1.0).contains(channel)).then_some(linear)
    };
    let linear = (0..STEPS).find_map(|step| fits(&step)).unwrap_or_else(|| linear_from_oklch(lightness, 0.0, hue));
    linear.map(encode)
}

/// Black or white, whichever contrasts more with `background` by WCAG's ratio.
pub fn ink_on(background: Rgb<u8>) -> Rgb<u8> {
    let [r, g, b] = background.0.map(decode);
    let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let contrast_with_white = 1.05 / (luminance + 0.05);
    let contrast_with_black = (luminance + 0.05) / 0.05;
    if contrast_with_black >= contrast_with_white { Rgb([0; 3]) } else { Rgb([255; 3]) }
}

/// `share` of one colour, 0 to 1, over another.
pub(crate) fn mix(mut under: Rgb<u8>, over: Rgb<u8>, share: f32) -> Rgb<u8> {
    for (under, over) in under.0.iter_mut().zip(over.0) {
        *under = (f32::from(*under) + (f32::from(over) - f32::from(*under)) * share).round() as u8;
    }
    under
}

/// Ottosson's OKLab to linear sRGB, hue in radians; channels may leave `0..=1`.
fn linear_from_oklch(lightness: f64, chroma: f64, hue: f64) -> [f64; 3] {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

/// Linear light to an sRGB byte.
fn encode(linear: f64) -> u8 {
    let encoded = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (encoded * 255.0).round().clamp(0.0, 255.0) as u8
}

/// An sRGB byte to linear light.
fn decode(byte: u8) -> f64 {
    let encoded = f64::from(byte) / 255.0;
    if encoded <= 0.040_45 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_twenty_classes_can_be_told_apart() {
        let colours: Vec<[f64; 3]> = (0..20).map(|class| class_colour(class).0.map(f64::from)).collect();
        for (i, a) in colours.iter().enumerate() {
            for (j, b) in colours.iter().enumerate().take(i) {
                let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 25.0, "classes {j} and {i}: {distance}");
            }
        }
    }

    #[test]
    fn colours_are_strong_and_their_ink_reads() {
        for class in (0..200).chain([usize::MAX]) {
            let colour = class_colour(class);
            let (low, high) = (colour.0.iter().min().unwrap(), colour.0.iter().max().unwrap());
            assert!(high - low > 60, "class {class} is grey: {colour:?}");
            let luminance = |Rgb(c): Rgb<u8>| {
                let [r, g, b] = c.map(decode);
                0.2126 * r + 0.7152 * g + 0.0722 * b
            };
            let (a, b) = (luminance(colour), luminance(ink_on(colour)));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "class {class}: contrast {contrast}");
        }
    }

    #[test]
    fn heat_grows_lighter_evenly_and_stays_colourful() {
        let colours = heat_colours();
        let luminances: Vec<f64> = colours
            .iter()
            .map(|colour| {
                let [r, g, b] = colour.0.map(decode);
                0.2126 * r + 0.7152 * g + 0.0722 * b
            })
            .collect();
        // The cube root of luminance is about the lightness: none of 15 equal parts is a step twice or half the mean.
        let roots: Vec<f64> = luminances.iter().step_by(17).map(|luminance| luminance.cbrt()).collect();
        let mean = (roots[15] - roots[0]) / 15.0;
        for pair in roots.windows(2) {
            let step = (pair[1] - pair[0]) / mean;
            assert!((0.5..2.0).contains(&step), "{step}: {roots:?}");
        }
        assert!(luminances[0] < 0.03 && luminances[255] > 0.75, "{luminances:?}");
        for pair in colours.windows(2) {
            let jump = pair[0].0.iter().zip(pair[1].0).map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(jump <= 6, "{pair:?}");
        }
        for colour in colours {
            let (low, high) = (colour.0.iter().min().unwrap(), colour.0.iter().max().unwrap());
            assert!(high - low > 60, "{colour:?} is grey");
        }
    }

    #[test]
    fn lines_show_on_white_and_differ() {
        for count in [1, 2, 3, 8, 75, 1024] {
            let colours: Vec<String> = (0..count).map(|index| line_colour(index, count)).collect();
            for colour in &colours {
                let channel = |at: usize| decode(u8::from_str_radix(&colour[at..at + 2], 16).unwrap());
                let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
                assert!(1.05 / (luminance + 0.05) >= 3.0, "{colour} of {count} is too light");
            }
            assert!(colours.windows(2).all(|pair| pair[0] != pair[1]), "{colours:?}");
        }
    }

    #[test]
    fn oklch_reproduces_published_srgb_values() {
        // sRGB red is OKLCH 0.6280, 0.2577, 29.23 degrees; white is 1, 0.
        let red = linear_from_oklch(0.627_96, 0.257_68, 29.234_f64.to_radians()).map(encode);
        assert_eq!(red, [255, 0, 0]);
        assert_eq!(linear_from_oklch(1.0, 0.0, 0.0).map(encode), [255; 3]);
        assert_eq!((ink_on(Rgb([255; 3])), ink_on(Rgb([0; 3]))), (Rgb([0; 3]), Rgb([255; 3])));
    }
}
