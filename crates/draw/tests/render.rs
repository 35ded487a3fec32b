//! Pictures as a whole: what is drawn where, and that nothing panics.

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use wrs_draw::{DrawError, LabelledBox, class_colour, draw_boxes, grid};

fn labelled(bbox_xyxy: [f32; 4], label: &str, class: usize) -> LabelledBox {
    LabelledBox { bbox_xyxy, label: label.to_owned(), class }
}

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([128; 3]))
}

fn count(picture: &RgbImage, colour: Rgb<u8>) -> usize {
    picture.pixels().filter(|&&pixel| pixel == colour).count()
}

#[test]
fn a_box_without_a_label_is_its_outline() {
    let mut picture = grey(320, 320);
    draw_boxes(&mut picture, &[labelled([10.0, 20.0, 110.0, 70.0], "", 3)]).unwrap();
    assert_eq!(count(&picture, class_colour(3)), 2 * 100 + 2 * 50 - 4);
    assert_eq!(*picture.get_pixel(10, 20), class_colour(3));
    assert_eq!(*picture.get_pixel(109, 69), class_colour(3));
    assert_eq!(*picture.get_pixel(60, 45), Rgb([128; 3]));
}

#[test]
fn lines_grow_with_the_picture() {
    let frame = |side: u32| {
        let mut picture = grey(side, side);
        draw_boxes(&mut picture, &[labelled([0.0, 0.0, side as f32, side as f32], "", 0)]).unwrap();
        (0..side / 2).take_while(|&x| *picture.get_pixel(x, side / 2) == class_colour(0)).count()
    };
    assert_eq!((frame(32), frame(320), frame(640), frame(1600)), (1, 1, 3, 7));
}

#[test]
fn the_first_box_lies_on_top() {
    let mut picture = grey(64, 64);
    let corners = [8.0, 8.0, 40.0, 40.0];
    draw_boxes(&mut picture, &[labelled(corners, "", 1), labelled(corners, "", 2)]).unwrap();
    assert_eq!((count(&picture, class_colour(1)) > 0, count(&picture, class_colour(2))), (true, 0));
}

#[test]
fn a_label_at_the_top_edge_is_drawn_inside() {
    let mut picture = grey(200, 100);
    draw_boxes(&mut picture, &[labelled([150.0, 0.0, 200.0, 90.0], "a long class name 0.97", 5)]).unwrap();
    // The plate, one line of 12 pixels, reaches left of the box, which is narrower than the text.
    assert!((0..12).all(|y| *picture.get_pixel(140, y) != Rgb([128; 3])));
    assert!(count(&picture, class_colour(5)) > 500);
}

#[test]
fn labels_of_equal_boxes_do_not_cover_each_other() {
    let plate = |boxes: &[LabelledBox], class| {
        let mut picture = grey(400, 400);
        draw_boxes(&mut picture, boxes).unwrap();
        count(&picture, class_colour(class))
    };
    let corners = [100.0, 100.0, 300.0, 300.0];
    let (cat, dog) = (labelled(corners, "cat 0.9", 0), labelled(corners, "dog 0.8", 1));
    let alone = plate(std::slice::from_ref(&dog), 1) - plate(&[labelled(corners, "", 1)], 1);
    let beside = plate(&[cat, dog], 1);
    // The box line of `dog` lies under that of `cat`; its plate is inside the box and keeps nearly all its pixels.
    assert!(beside * 10 > alone * 7, "{beside} of {alone}");
}

#[test]
fn a_box_that_is_no_box_is_named_and_nothing_is_drawn() {
    let mut picture = grey(32, 32);
    let boxes = [labelled([1.0, 1.0, 9.0, 9.0], "cat", 0), labelled([0.0, f32::NAN, 9.0, 9.0], "dog", 1)];
    let error = draw_boxes(&mut picture, &boxes).unwrap_err();
    assert!(matches!(error, DrawError::NotFinite { index: 1, .. }));
    assert!(error.to_string().contains("dog"), "{error}");
    assert_eq!(picture, grey(32, 32));
}

#[test]
fn drawing_is_deterministic() {
    let draw = || {
        let mut picture = grey(300, 200);
        let boxes: Vec<_> = (0..12).map(|i| labelled([i as f32 * 20.0, 30.0, 290.0, 180.0], "thing 0.5", i)).collect();
        draw_boxes(&mut picture, &boxes).unwrap();
        picture
    };
    assert_eq!(draw(), draw());
}

fn corner() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -50.0_f32..100.0,
        1 => any::<f32>(),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::MIN, f32::MAX, -0.0, 0.0]),
    ]
}

fn any_box() -> impl Strategy<Value = LabelledBox> {
    let corners = [corner(), corner(), corner(), corner()];
    (corners, ".{0,12}", any::<usize>()).prop_map(|(corners, label, class)| labelled(corners, &label, class))
}

proptest! {
    #[test]
    fn nothing_panics(width in 0_u32..70, height in 0_u32..70, boxes in prop::collection::vec(any_box(), 0..8)) {
        let mut picture = grey(width, height);
        let finite = boxes.iter().flat_map(|b| b.bbox_xyxy).all(f32::is_finite);
        prop_assert_eq!(draw_boxes(&mut picture, &boxes).is_ok(), finite);
    }

    #[test]
    fn a_box_outside_changes_nothing(x in 64.0_f32..1e9, y in -1e9_f32..1e9, class in 0_usize..90) {
        let mut picture = grey(64, 48);
        draw_boxes(&mut picture, &[labelled([x, y, x + 10.0, y + 10.0], "far away", class)]).unwrap();
        prop_assert_eq!(picture, grey(64, 48));
    }

    #[test]
    fn a_sheet_holds_every_picture(sizes in prop::collection::vec((0_u32..9, 0_u32..9), 0..7), columns in 0_usize..9) {
        let pictures: Vec<_> = sizes.iter().map(|&(w, h)| RgbImage::from_pixel(w, h, Rgb([255; 3]))).collect();
        let area: u32 = sizes.iter().map(|(w, h)| w * h).sum();
        prop_assert_eq!(count(&grid(&pictures, columns), Rgb([255; 3])), area as usize);
    }
}
