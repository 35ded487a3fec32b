//! Densities over pictures, judged by pixel values.

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use wrs_draw::{DensityOverlay, DrawError, overlay_density};

const DOT: Rgb<u8> = Rgb([60, 240, 255]);
const PLATE: Rgb<u8> = Rgb([16, 16, 16]);

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([100; 3]))
}

fn overlay(cells: &[f32], shape: (usize, usize)) -> DensityOverlay<'_> {
    DensityOverlay { cells, shape, cell_px: (8.0, 8.0), count: 3.25, truth: None, points: &[], opacity: 0.5 }
}

fn luminance(pixel: Rgb<u8>) -> u32 {
    let [r, g, b] = pixel.0.map(u32::from);
    2 * r + 7 * g + b
}

/// A map of 20 x 30 cells that is empty on the left and grows to the right.
fn growing() -> Vec<f32> {
    (0..20 * 30).map(|at| (at % 30) as f32 - 14.0).map(|density| density.max(0.0)).collect()
}

#[test]
fn the_empty_part_shows_the_picture_and_the_dense_part_its_colour() {
    let cells = growing();
    let picture = grey(240, 160);
    let sheet = overlay_density(&picture, &overlay(&cells, (20, 30))).unwrap();
    assert_eq!(sheet.width(), 240);
    assert!(sheet.height() > 160 + 12, "the colour bar has a line of 12 pixels and more");
    for y in 60..160 {
        assert_eq!(sheet.get_pixel(70, y).0, [100; 3], "nobody is here");
    }
    // The last half cell is at the peak: half grey, half the lightest colour.
    let Rgb([r, g, b]) = *sheet.get_pixel(239, 80);
    assert!(r > 160 && g > 160 && b < g, "{r} {g} {b}");
    // It grows lighter by the pixel, without steps of 8.
    let row: Vec<u32> = (180..236).map(|x| luminance(*sheet.get_pixel(x, 80))).collect();
    assert!(row.windows(2).all(|pair| pair[0] <= pair[1] + 10), "{row:?}");
    let changes = row.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 45, "{changes}");
}

#[test]
fn opacity_runs_from_the_picture_to_the_colours() {
    let cells = [1.0; 4];
    let at = |opacity| {
        let overlay = DensityOverlay { opacity, cell_px: (50.0, 50.0), ..overlay(&cells, (2, 2)) };
        *overlay_density(&grey(100, 100), &overlay).unwrap().get_pixel(90, 90)
    };
    assert_eq!(at(0.0).0, [100; 3]);
    let (half, full) = (at(0.5), at(1.0));
    assert!(full.0.iter().max().unwrap() - full.0.iter().min().unwrap() > 60, "{full:?}");
    for (half, full) in half.0.iter().zip(full.0) {
        assert!((f32::from(*half) - f32::midpoint(100.0, f32::from(full))).abs() <= 1.0);
    }
}

#[test]
fn pixels_beyond_the_map_stay() {
    let cells = [1.0; 12 * 12];
    let sheet = overlay_density(&grey(103, 99), &overlay(&cells, (12, 12))).unwrap();
    assert_ne!(sheet.get_pixel(95, 95).0, [100; 3]);
    assert_eq!(sheet.get_pixel(96, 90).0, [100; 3]);
    assert_eq!(sheet.get_pixel(90, 96).0, [100; 3]);
}

#[test]
fn the_count_and_the_truth_are_written_on_a_plate() {
    let plate = |truth| {
        let sheet = overlay_density(&grey(200, 160), &DensityOverlay { truth, ..overlay(&[], (0, 0)) }).unwrap();
        assert_eq!(sheet.dimensions(), (200, 160), "a map without anybody has no bar");
        let rows = (0..160).filter(|&y| *sheet.get_pixel(0, y) == PLATE).count();
        let white = sheet.pixels().filter(|pixel| pixel.0.iter().all(|&channel| channel > 200)).count();
        (rows, white)
    };
    let ((one, ink), (two, more)) = (plate(None), plate(Some(4.0)));
    assert!(one >= 12 && two >= one + 12, "{one} and {two} rows");
    assert!(ink > 60 && more > ink + 60, "{ink} and {more} pixels of ink");
}

#[test]
fn points_are_dots_that_stay_on_the_picture() {
    let cells = growing();
    let points = [(200.0, 100.5), (-5.0, 30.0), (239.9, 159.9), (1e300, -1e300)];
    let sheet =
        overlay_density(&grey(240, 160), &DensityOverlay { points: &points, ..overlay(&cells, (20, 30)) }).unwrap();
    assert_eq!(*sheet.get_pixel(200, 100), DOT);
    assert_eq!(*sheet.get_pixel(239, 159), DOT);
    assert_ne!(*sheet.get_pixel(204, 100), DOT);
    let dots = sheet.pixels().filter(|&&pixel| pixel == DOT).count();
    assert!((4..16).contains(&dots), "{dots}");
    assert!(sheet.rows().skip(160).flatten().all(|&pixel| pixel != DOT), "none on the bar");
}

#[test]
fn what_is_no_map_is_refused() {
    let refused = |overlay: &DensityOverlay| overlay_density(&grey(20, 10), overlay).unwrap_err();
    let cells = [0.0, 1.0, f32::NAN, 0.0];
    let text = refused(&overlay(&cells, (2, 2))).to_string();
    assert_eq!(text, "expected finite densities, got NaN in row 1, column 0");
    let text = refused(&overlay(&cells[..2], (2, 2))).to_string();
    assert_eq!(text, "expected 2x2 cells of a density map, got 2");
    for size in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = refused(&DensityOverlay { cell_px: (8.0, size), ..overlay(&cells[..2], (1, 2)) });
        assert!(matches!(error, DrawError::CellSize { .. }), "{error}");
    }
    for opacity in [-0.1, 1.1, f32::NAN] {
        let error = refused(&DensityOverlay { opacity, ..overlay(&cells[..2], (1, 2)) });
        assert!(matches!(error, DrawError::Opacity(_)), "{error}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_the_width_stays(
        (width, height) in (0_u32..40, 0_u32..40),
        (shape, cells) in (0_usize..7, 0_usize..7).prop_flat_map(|(rows, columns)| {
            let cell = prop_oneof![4 => -1.0_f32..3.0, 1 => prop::num::f32::NORMAL];
            (Just((rows, columns)), prop::collection::vec(cell, rows * columns))
        }),
        cell_px in (0.01_f32..20.0, 0.01_f32..20.0),
        (count, truth) in (any::<f64>(), prop::option::of(any::<f64>())),
        points in prop::collection::vec((any::<f64>(), -50.0_f64..90.0), 0..5),
        opacity in 0.0_f32..=1.0,
    ) {
        let overlay = DensityOverlay { cells: &cells, shape, cell_px, count, truth, points: &points, opacity };
        let sheet = overlay_density(&grey(width, height), &overlay).unwrap();
        prop_assert_eq!(sheet.width(), width);
        prop_assert!(sheet.height() >= height);
    }
}
