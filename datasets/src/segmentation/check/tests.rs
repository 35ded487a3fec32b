//! What a check says, a test for each row of data that bites its users.

use std::path::Path;

use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, ImageEncoder};
use insta::assert_snapshot;

use super::*;
use crate::segmentation::{BrokenFiles, MissingFiles, Overlap, Severity, UnknownLabels, offending_files};
use crate::testing::{add, folder, index_png, jpeg, jpeg_with_orientation, png, spell_faults};

const BOTH: [Split; 2] = [Split::Train, Split::Val];

/// A folder with one sound training pair `a` and one sound validation pair `v`, of 6 x 4 pixels and classes 0 to 2.
fn small(more: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = folder(&[
        ("images/train/a.png", &png(6, 4, 1)),
        ("images/val/v.png", &png(6, 4, 2)),
        ("masks/train/a.png", &index_png(6, 4, |x, _| [0, 1, 2][x % 3])),
        ("masks/val/v.png", &index_png(6, 4, |_, y| (y % 2) as u8)),
        ("classes.txt", b"sky\nroad\nsign\n"),
    ]);
    add(root.path(), more);
    root
}

fn complaints_with(root: &Path, options: &SegmentationOptions, splits: &[Split], pictures: Pictures) -> String {
    spell_faults(root, &check(root, options, splits, pictures, 2).faults)
}

/// Everything that a check of pictures and masks says.
fn complaints(root: &Path) -> String {
    complaints_with(root, &SegmentationOptions::default(), &BOTH, Pictures::All)
}

fn encoded(pixels: &[u8], width: u32, height: u32, kind: ExtendedColorType) -> Vec<u8> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(pixels, width, height, kind).unwrap();
    out
}

#[test]
fn a_sound_set_has_no_fault_and_its_pixels_are_counted() {
    let root = small(&[]);
    let checked = check(root.path(), &SegmentationOptions::default(), &BOTH, Pictures::All, 0);
    assert_eq!(checked.faults, []);
    assert_eq!(checked.counts.iter().map(|counts| &counts.pixels[..]).collect::<Vec<_>>(), [[8, 8, 8], [12, 12, 0]]);
    assert_eq!(checked.sets[1].images.len(), 1);
    let headers = check(root.path(), &SegmentationOptions::default(), &BOTH, Pictures::Headers, 0);
    assert_eq!((headers.faults.len(), headers.counts.len(), headers.sets), (0, 0, checked.sets));
}

/// Row 1; rows 18 and 41: two channels and 16 bits are no labels of 8 bits either; row 34: nor is a JPEG.
#[test]
fn masks_that_hold_no_labels_are_refused() {
    let wide = encoded(&[0, 1, 0, 2, 1, 44, 0, 0], 2, 2, ExtendedColorType::L16);
    let root = small(&[
        ("images/train/b.png", &png(6, 4, 3)),
        ("images/train/c.png", &png(6, 4, 4)),
        ("images/train/d.png", &png(2, 2, 5)),
        ("images/train/e.png", &png(6, 4, 6)),
        ("masks/train/b.png", &png(6, 4, 200)),
        ("masks/train/c.png", &encoded(&[7; 48], 6, 4, ExtendedColorType::La8)),
        ("masks/train/d.png", &wide),
        ("masks/train/e.jpg", &jpeg(6, 4)),
    ]);
    assert_snapshot!(complaints(root.path()), @r#"
    error: masks/train/b.png: expected a PNG of one channel (palette or grey), got RGB
    help: map each colour of the mask to its class index and store the indices
    error: masks/train/c.png: expected a PNG of one channel (palette or grey), got grey with alpha
    help: map each colour of the mask to its class index and store the indices
    error: masks/train/d.png: expected labels 0 to 255, got 256 at x 0, y 0 of a 16-bit PNG
    help: labels are class indices, 255 is void
    error: masks/train/e.jpg: expected a PNG of indices, got a JPEG, whose compression changes labels
    help: store labels as 8-bit index or grey PNGs
    "#);
    let headers = complaints_with(root.path(), &SegmentationOptions::default(), &BOTH, Pictures::Headers);
    assert_eq!(headers.matches("error: ").count(), 3, "{headers}");
}

/// Rows 3, 5 and 6.
#[test]
fn labels_out_of_range_are_named_with_file_place_and_mend() {
    let root = small(&[
        ("images/train/b.png", &png(6, 4, 3)),
        ("images/train/c.png", &png(6, 4, 4)),
        ("masks/train/b.png", &index_png(6, 4, |x, _| [0, 40, 80][x % 3])),
        ("masks/train/c.png", &index_png(6, 4, |x, y| if (x, y) == (4, 2) { 9 } else { 255 })),
        ("masks/train/a.png", &index_png(6, 4, |x, y| if (x, y) == (5, 3) { 3 } else { 1 })),
    ]);
    assert_snapshot!(complaints(root.path()), @r#"
    error: masks/train/a.png: x 5, y 3: expected labels 0 to 2 for 3 classes, or 255 (void), got 3
    help: the background counts as a class: is it missing in class-names?  if this label means no class: void-labels = [11]
    error: masks/train/b.png: x 1, y 0: expected labels 0 to 2 for 3 classes, or 255 (void), got 40, elsewhere in it 80
    help: labels are class indices; where they are spaced to be seen, say what each means: mask-map = [[40, 1], [80, 2]], or unknown-labels = "void"
    error: masks/train/c.png: x 4, y 2: expected labels 0 to 2 for 3 classes, or 255 (void), got 9
    help: name its class in class-names, say which class it means, mask-map = [[40, 1]], or that it means none, void-labels = [40]
    "#);
    let lenient = SegmentationOptions { unknown_labels: UnknownLabels::Void, ..SegmentationOptions::default() };
    assert_snapshot!(complaints_with(root.path(), &lenient, &BOTH, Pictures::All), @r#"
    warning: masks/train/c.png: no pixel of any class, all is void
    help: nothing is learned from it: is it right?
    "#);
    let mapped = SegmentationOptions { mask_map: vec![(40, 1), (80, 2), (3, 0), (9, 255)], ..Default::default() };
    let checked = check(root.path(), &mapped, &BOTH[..1], Pictures::All, 2);
    assert_eq!(checked.counts[0].pixels, [9, 31, 8]);
}

/// Row 4.
#[test]
fn masks_of_black_and_white_are_explained_once() {
    let white = index_png(6, 4, |x, _| if x < 2 { 255 } else { 0 });
    let root = small(&[
        ("images/train/b.png", &png(6, 4, 3)),
        ("masks/train/a.png", &white),
        ("masks/train/b.png", &index_png(6, 4, |_, _| 255)),
    ]);
    assert_snapshot!(complaints(root.path()), @r#"
    error: masks/train/a.png: the masks of train of ROOT: expected class indices, got nothing but 0 and 255 in 2 of 2; 255 means void, so nothing would be learned from it
    help: if 255 is the foreground: mask-map = [[255, 1]]; if it is void: mask-map = [[255, 255]]
    warning: ROOT: val of ROOT has pixels of class "road", train of ROOT has none
    help: it cannot be learned, and lowers the mean over classes: add examples to the training split
    "#);
}

/// Row 7, and row 16: a mask turned as EXIF turns the picture.
#[test]
fn sizes_that_differ_are_refused() {
    let root = small(&[
        ("images/train/b.jpg", &jpeg_with_orientation(6, 4, 6)),
        ("images/train/c.jpg", &jpeg_with_orientation(6, 4, 8)),
        ("masks/train/a.png", &index_png(5, 4, |_, _| 0)),
        ("masks/train/b.png", &index_png(4, 6, |_, _| 1)),
        ("masks/train/c.png", &index_png(6, 4, |_, _| 1)),
    ]);
    let [all, headers] = [Pictures::All, Pictures::Headers]
        .map(|pictures| complaints_with(root.path(), &SegmentationOptions::default(), &[Split::Train], pictures));
    assert_snapshot!(all, @r#"
    error: masks/train/a.png: 5x4 pixels, its picture images/train/a.png has 6x4
    help: no mask is resized silently: make it anew for this picture, or go on without it: broken = "skip"
    error: masks/train/b.png: 4x6 pixels, its picture images/train/b.jpg has 6x4
    help: EXIF asks for a turn of the picture and the mask is turned: save the picture turned, without EXIF
    warning: images/train/b.jpg: EXIF asks for a turn that is not made: the mask lies over the stored pixels
    help: to be rid of it, save the picture without EXIF
    warning: images/train/c.jpg: EXIF asks for a turn that is not made: the mask lies over the stored pixels
    help: to be rid of it, save the picture without EXIF
    "#);
    assert_eq!(all, headers);
}

/// Rows 8 and 39.
#[test]
fn missing_files_are_all_listed_and_names_that_compete_refused() {
    let root = small(&[
        ("images/train/b.png", &png(6, 4, 3)),
        ("images/train/c.png", &png(6, 4, 4)),
        ("images/train/d.png", &png(6, 4, 5)),
        ("images/train/d.JPG", &jpeg(6, 4)),
        ("masks/train/d.png", &index_png(6, 4, |_, _| 0)),
        ("masks/train/x.png", &index_png(6, 4, |_, _| 0)),
    ]);
    assert_snapshot!(complaints(root.path()), @r#"
    error: images/train: d: expected one file of this name, got d.JPG, d.png
    help: remove or rename all but one
    warning: masks/train/x.png: a mask without a picture in images/train
    help: name picture and mask alike, but for their endings
    error: masks/train/b.png: missing, though named in images/train
    help: unpack it there; to go on without these pictures: missing = "skip"
    error: masks/train/c.png: missing, though named in images/train
    help: unpack it there; to go on without these pictures: missing = "skip"
    "#);
    let skip = SegmentationOptions { missing: MissingFiles::Skip, ..SegmentationOptions::default() };
    std::fs::remove_file(root.path().join("images/train/d.JPG")).unwrap();
    assert_snapshot!(complaints_with(root.path(), &skip, &BOTH, Pictures::Headers), @r#"
    warning: masks/train/x.png: a mask without a picture in images/train
    help: name picture and mask alike, but for their endings
    warning: masks/train/b.png: missing, though named in images/train: its picture is left out
    help: unpack it there
    warning: masks/train/c.png: missing, though named in images/train: its picture is left out
    help: unpack it there
    "#);
}

/// Rows 15, 17, 18 and 40: odd pictures are converted with a remark, damaged files refused.
#[test]
fn odd_pictures_are_remarked_and_damaged_files_refused() {
    let mask = index_png(6, 4, |x, _| [0, 1, 2][x % 3]);
    let cut = jpeg(6, 4);
    let root = small(&[
        ("images/train/b.png", &encoded(&[9; 48], 6, 4, ExtendedColorType::L16)),
        ("images/train/c.png", &encoded(&[7; 96], 6, 4, ExtendedColorType::Rgba8)),
        ("images/train/d.png", &encoded(&[7; 24], 6, 4, ExtendedColorType::L8)),
        ("images/train/e.jpg", &cut[..cut.len() - 20]),
        ("images/train/f.png", &png(6, 4, 7)),
        ("images/train/g.png", &png(6, 4, 8)),
        ("images/train/h.png", &png(6, 4, 9)),
        ("masks/train/b.png", &mask),
        ("masks/train/c.png", &mask),
        ("masks/train/d.png", &mask),
        ("masks/train/e.png", &mask),
        ("masks/train/f.png", &mask[..mask.len() - 30]),
        ("masks/train/g.png", b""),
        ("masks/train/h.png", &index_png(6, 4, |_, _| 255)),
    ]);
    assert_snapshot!(complaints(root.path()), @r#"
    warning: images/train/b.png: 16 bits a channel are scaled to 8
    help: nothing to do, unless the range is narrower
    warning: images/train/c.png: of transparent pixels the colour below is seen
    help: nothing to do, unless it was never meant to be seen
    error: images/train/e.jpg: it ends before its end marker
    help: it is cut off: download or unpack it again
    error: masks/train/f.png: expected a whole PNG, got a damaged one: unexpected end of file
    help: write or fetch the file again
    error: masks/train/g.png: expected a PNG of indices, got an empty file
    help: store labels as 8-bit index or grey PNGs
    warning: masks/train/h.png: no pixel of any class, all is void
    help: nothing is learned from it: is it right?
    "#);
    let checked = check(root.path(), &SegmentationOptions::default(), &BOTH, Pictures::All, 2);
    assert_eq!(checked.sets[0].notes, ["2 pictures are grey: their channel stands for all three, first b"]);
    let empty = small(&[]);
    std::fs::remove_file(empty.path().join("images/val/v.png")).unwrap();
    std::fs::remove_file(empty.path().join("masks/val/v.png")).unwrap();
    assert_snapshot!(complaints(empty.path()), @r#"
    error: images/val: split val: expected pictures, got none
    help: unpack the pictures, or name another split
    "#);
}

/// Rows 7 and 17: what a training leaves out a check warns of, whether it decodes pictures or not.
#[test]
fn broken_files_that_are_left_out_are_warned_of() {
    let (mask, cut) = (index_png(6, 4, |x, _| [0, 1, 2][x % 3]), jpeg(6, 4));
    let root = small(&[
        ("images/train/b.jpg", &cut[..cut.len() - 20]),
        ("images/train/c.png", &png(6, 4, 7)),
        ("images/train/d.png", &png(6, 4, 8)),
        ("masks/train/b.png", &mask),
        ("masks/train/c.png", &mask[..mask.len() - 30]),
        ("masks/train/d.png", &index_png(6, 5, |_, _| 1)),
    ]);
    let skip = SegmentationOptions { broken: BrokenFiles::Skip, ..SegmentationOptions::default() };
    let found = complaints_with(root.path(), &skip, &BOTH, Pictures::All);
    assert_snapshot!(found, @r#"
    warning: images/train/b.jpg: it ends before its end marker
    help: its picture is left out: fetch or write the file again to have it back
    warning: masks/train/c.png: expected a whole PNG, got a damaged one: unexpected end of file
    help: its picture is left out: fetch or write the file again to have it back
    warning: masks/train/d.png: 6x5 pixels, its picture images/train/d.png has 6x4
    help: its picture is left out: fetch or write the file again to have it back
    "#);
    assert_eq!(complaints_with(root.path(), &skip, &BOTH, Pictures::Headers), found);
    let checked = check(root.path(), &skip, &BOTH, Pictures::All, 0);
    assert_eq!((checked.sets[0].images.len(), &checked.counts[0].pixels[..]), (1, &[8, 8, 8][..]));
    let opened = crate::SegmentationDataset::open(root.path(), &skip, &Split::Train).unwrap();
    assert_eq!(opened, checked.sets[0], "a training takes what the check takes");
}

/// Rows 27 and 28: VOC lists that overlap, and an augmented list that is not whole.
#[test]
fn pictures_of_both_splits_are_refused() {
    let mask = |label: u8| index_png(6, 4, move |_, _| label);
    let root = folder(&[
        ("JPEGImages/a.jpg", &jpeg(6, 4)),
        ("JPEGImages/b.jpg", &jpeg_with_orientation(6, 4, 1)),
        ("JPEGImages/c.jpg", &jpeg(7, 4)),
        ("SegmentationClass/a.png", &mask(1)),
        ("SegmentationClass/b.png", &mask(2)),
        ("SegmentationClass/c.png", &index_png(7, 4, |_, _| 3)),
        ("SegmentationClassAug/a.png", &mask(1)),
        ("SegmentationClassAug/b.png", &mask(2)),
        ("ImageSets/Segmentation/train.txt", b"a\n"),
        ("ImageSets/Segmentation/trainaug.txt", b"a\nb\n"),
        ("ImageSets/Segmentation/val.txt", b"b\nc\n"),
    ]);
    let splits = [Split::Named("trainaug".into()), Split::Val];
    let found = complaints_with(root.path(), &SegmentationOptions::default(), &splits, Pictures::All);
    assert_snapshot!(found, @r#"
    warning: ImageSets/Segmentation/trainaug.txt: trainaug has 2 of 10582 ids, 1 of the 1 of train, 1 of the 2 of val
    help: the list of VOC and SBD together has no more and no fewer: is it the right one?
    error: ROOT: trainaug of ROOT and val of ROOT share 1 pictures, first b
    help: what is trained on measures nothing: leave them out of one split, or allow it: overlap = "allow"
    warning: ROOT: val of ROOT has pixels of class "bird", trainaug of ROOT has none
    help: it cannot be learned, and lowers the mean over classes: add examples to the training split
    "#);
    let allowed = SegmentationOptions { overlap: Overlap::Allow, ..SegmentationOptions::default() };
    let found = check(root.path(), &allowed, &splits, Pictures::Headers, 0).faults;
    assert_eq!(offending_files(&found, Severity::Error).len(), 0, "{found:?}");
    let twice = small(&[("images/val/w.png", &png(6, 4, 1)), ("masks/val/w.png", &mask(2))]);
    assert_snapshot!(complaints(twice.path()), @r#"
    warning: images/val/w.png: has the same bytes as images/train/a.png, a picture of train of ROOT
    help: keep one of the two
    "#);
}

#[test]
fn layouts_that_are_none_or_several_are_said() {
    let none = folder(&[("notes.txt", b"")]);
    assert_snapshot!(complaints(none.path()), @r#"
    error: ROOT: no segmentation data under ROOT
      looked for ImageSets/Segmentation and JPEGImages, */ImageSets/Segmentation, VOCdevkit/*/ImageSets/Segmentation, SPLIT.txt of lines `picture mask`, SPLIT and SPLITannot, */SPLITannot, img_dir/* and ann_dir/*, images/* and masks/*
    help: name the folder that holds one of these
    "#);
    let several = small(&[("img_dir/train/a.png", b""), ("ann_dir/train/a.png", b"")]);
    assert_snapshot!(complaints(several.path()), @r#"
    error: ROOT: ROOT holds data in several layouts: mmsegmentation, folders
    help: name one: data.source.folder.layout = "mmsegmentation"
    "#);
}

#[test]
fn workers_do_not_change_what_is_found() {
    let root = small(&[]);
    for i in 0..40u8 {
        let mask = if i % 3 == 0 { png(6, 4, i) } else { index_png(6, 4, |x, _| (x as u8).min(i % 5)) };
        let image = png(6, 4, 10 + i % 7);
        add(root.path(), &[(&format!("images/train/{i}.png"), &image), (&format!("masks/train/{i}.png"), &mask)]);
    }
    let found = |workers| check(root.path(), &SegmentationOptions::default(), &BOTH, Pictures::All, workers);
    assert!(found(0).faults.len() > 14 + 30);
    assert_eq!(found(0), found(1));
    assert_eq!(found(0), found(7));
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_sets_have_no_errors() {
    let data = std::path::PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"));
    let camvid = "Sky Building Pole Road Pavement Tree SignSymbol Fence Car Pedestrian Bicyclist";
    let camvid = SegmentationOptions {
        class_names: Some(camvid.split(' ').map(str::to_owned).collect()),
        void_labels: vec![11],
        ..SegmentationOptions::default()
    };
    for (folder, options, splits) in
        [("voc2012_seg", SegmentationOptions::default(), ["trainaug", "val"]), ("camvid", camvid, ["train", "val"])]
    {
        let begun = std::time::Instant::now();
        let splits = splits.map(Split::from);
        let checked = check(&data.join(folder), &options, &splits, Pictures::All, 2);
        let errors: Vec<_> = checked.faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        eprintln!("{folder}: {} warnings in {:.1?}", checked.faults.len(), begun.elapsed());
        checked.faults.iter().for_each(|fault| eprintln!("{fault}"));
        checked.counts.iter().for_each(|counts| eprintln!("{}: {counts}", counts.set));
    }
}
