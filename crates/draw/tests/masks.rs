//! Classes of pixels over pictures, judged by pixel values.

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use wrs_draw::{DrawError, LegendEntry, MaskStyle, blend_labels, legend, overlay};

/// Colours that tell every label from every other and from greys.
fn palette() -> [[u8; 3]; 256] {
    std::array::from_fn(|label| [200, label as u8, 0])
}

fn style(palette: &[[u8; 3]; 256]) -> MaskStyle<'_> {
    MaskStyle { palette, opacity: 0.5, plain: Some(0) }
}

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([100; 3]))
}

fn count(picture: &RgbImage, colour: Rgb<u8>) -> usize {
    picture.pixels().filter(|&&pixel| pixel == colour).count()
}

#[test]
fn classes_cover_half_void_has_a_colour_and_the_background_stays() {
    let palette = palette();
    let mut picture = grey(3, 2);
    blend_labels(&mut picture, &[0, 1, 20, 255, 0, 1], &style(&palette)).unwrap();
    let expected = [[100; 3], [150, 51, 50], [150, 60, 50], [150, 178, 50], [100; 3], [150, 51, 50]];
    assert_eq!(picture.pixels().map(|pixel| pixel.0).collect::<Vec<_>>(), expected);
}

#[test]
fn opacity_runs_from_the_picture_to_the_colours() {
    let palette = palette();
    for (opacity, expected) in [(0.0, [100; 3]), (0.25, [125, 78, 75]), (1.0, [200, 10, 0])] {
        let mut picture = grey(1, 1);
        blend_labels(&mut picture, &[10], &MaskStyle { opacity, ..style(&palette) }).unwrap();
        assert_eq!(picture.get_pixel(0, 0).0, expected, "opacity {opacity}");
    }
    let mut picture = grey(1, 1);
    blend_labels(&mut picture, &[0], &MaskStyle { plain: None, opacity: 1.0, ..style(&palette) }).unwrap();
    assert_eq!(picture.get_pixel(0, 0).0, [200, 0, 0], "without a plain class all are drawn");
}

#[test]
fn labels_of_another_picture_and_shares_that_are_none_draw_nothing() {
    let palette = palette();
    let mut picture = grey(3, 2);
    let error = blend_labels(&mut picture, &[1; 5], &style(&palette)).unwrap_err();
    assert!(matches!(error, DrawError::Labels { width: 3, height: 2, labels: 5 }), "{error}");
    for opacity in [-0.1, 1.1, f32::NAN] {
        let error = blend_labels(&mut picture, &[1; 6], &MaskStyle { opacity, ..style(&palette) }).unwrap_err();
        assert!(matches!(error, DrawError::Opacity(_)), "{error}");
    }
    assert_eq!(picture, grey(3, 2));
}

#[test]
fn an_overlay_has_a_swatch_and_a_name_for_each_class_that_is_there() {
    let palette = palette();
    let names = ["background", "aeroplane", "bicycle"].map(str::to_owned);
    let mut labels = vec![0; 200 * 60];
    labels[..30].fill(2);
    labels[30..40].fill(255);
    let sheet = overlay(&grey(200, 60), &labels, &names, &style(&palette)).unwrap();
    assert_eq!(sheet.width(), 200);
    assert!(sheet.height() > 60 + 12, "a line of 12 pixels and more");
    // Swatches show the pure colours, which the half-covered picture does not have.
    assert!(count(&sheet, Rgb([200, 2, 0])) >= 100);
    assert!(count(&sheet, Rgb([200, 255, 0])) >= 100);
    assert_eq!(count(&sheet, Rgb([200, 1, 0])), 0, "no aeroplane is there");
    assert_eq!(sheet.get_pixel(0, 0).0, [150, 51, 50]);
    assert_eq!(sheet.get_pixel(199, 59).0, [100; 3]);
    let strip_dark = sheet.rows().skip(60).flatten().filter(|pixel| pixel.0 == [0; 3]).count();
    assert!(strip_dark > 100, "names and outlines are written: {strip_dark}");
}

#[test]
fn a_picture_of_background_alone_has_no_legend() {
    let palette = palette();
    assert_eq!(overlay(&grey(20, 10), &[0; 200], &[], &style(&palette)).unwrap(), grey(20, 10));
}

#[test]
fn entries_that_do_not_fit_a_line_begin_another() {
    let entries = |count: u8| -> Vec<LegendEntry> {
        (0..count).map(|i| LegendEntry { name: "diningtable".into(), colour: Rgb([200, i, 0]) }).collect()
    };
    let height = |count| legend((300, 100), &entries(count)).unwrap().height();
    assert_eq!(height(0), 0);
    assert_eq!(height(1), height(2), "two fit beside each other");
    assert!(height(20) > 5 * height(1));
    let strip = legend((300, 100), &entries(20)).unwrap();
    assert!((0..20).all(|i| count(&strip, Rgb([200, i, 0])) >= 100), "every swatch is whole");
}

proptest! {
    #[test]
    fn nothing_panics_and_the_width_stays(
        (width, height, labels) in (0_u32..40, 0_u32..40).prop_flat_map(|(width, height)| {
            (Just(width), Just(height), prop::collection::vec(any::<u8>(), (width * height) as usize))
        }),
        names in prop::collection::vec(".{0,20}", 0..25),
        opacity in 0.0_f32..=1.0,
    ) {
        let palette = palette();
        let sheet = overlay(&grey(width, height), &labels, &names, &MaskStyle { opacity, ..style(&palette) }).unwrap();
        prop_assert_eq!(sheet.width(), width);
        prop_assert!(sheet.height() >= height);
    }
}
