use insta::assert_snapshot;

use super::*;
use crate::detection::{FirstPixel, MissingImages, Severity, offending_files};
use crate::testing::{add, complaints, folder, jpeg_with_orientation, png, spell};

fn coco(images: &str, annotations: &str, categories: &str) -> Vec<u8> {
    format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"#).into_bytes()
}

fn image(id: u64, file: &str, width: u32, height: u32) -> String {
    format!(r#"{{"id": {id}, "file_name": "{file}", "width": {width}, "height": {height}}}"#)
}

fn object(id: u64, image: u64, category: u64, bbox: &str) -> String {
    format!(r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": {bbox}}}"#)
}

const TWO: &str = r#"{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}"#;
const BOTH: [Split; 2] = [Split::Train, Split::Val];

/// A COCO folder with one training and one validation picture, and these training records.
fn small(images: &[String], annotations: &[String], categories: &str) -> tempfile::TempDir {
    let val = coco(&image(9, "v.png", 20, 10), &object(1, 9, 1, "[0, 0, 9, 9]"), TWO);
    folder(&[
        ("annotations/instances_train.json", &coco(&images.join(","), &annotations.join(","), categories)),
        ("annotations/instances_val.json", &val),
        ("train/a.png", &png(20, 10, 1)),
        ("val/v.png", &png(20, 10, 2)),
    ])
}

#[test]
fn a_sound_set_has_no_fault() {
    let root = small(&[image(1, "a.png", 20, 10)], &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    let checked = check(root.path(), ReadOptions::default(), &BOTH, Pictures::All, 0);
    assert_eq!(checked.faults, []);
    assert_eq!(checked.sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["train", "val"]);
}

#[test]
fn every_fault_of_a_json_is_listed_with_its_mend() {
    let images = [
        image(1, "a.png", 20, 10),
        image(1, "b.png", 20, 10),
        image(3, "a.png", 20, 10),
        image(4, "d.png", 0, 10),
        image(5, "e.png", 20, 10),
    ];
    let annotations = [
        object(1, 1, 1, "[0, 0, 9, 9]"),
        object(2, 1, 1, "[0, 0, 9, 9]"),
        object(3, 1, 7, "[0, 0, 9, 9]"),
        object(4, 8, 1, "[0, 0, 9, 9]"),
        object(5, 1, 2, "[30, 0, 9, 9]"),
        object(6, 1, 2, "[10, 0, 19, 9]"),
        object(7, 1, 2, "[1, 1, 0.5, 9]"),
    ];
    let root = small(&images, &annotations, &format!(r#"{TWO}, {{"id": 2, "name": "ant"}}"#));
    assert_snapshot!(complaints(root.path(), ReadOptions::default(), &BOTH, Pictures::Headers), @r#"
    error: annotations/instances_train.json: category 2: expected one category an id, got "dog" and "ant"
    help: give each category an id of its own
    error: annotations/instances_train.json: image 1: expected an id of its own, got an id seen before
    help: remove or renumber one of the two
    error: annotations/instances_train.json: image 3: expected a file of its own, got a.png, seen before
    help: remove one of the two images
    error: annotations/instances_train.json: image 4: expected a width and height of 1 or more, got 0x10
    help: write the picture's size in pixels
    error: annotations/instances_train.json: annotations[2] (id 3): expected a category of this file, got category_id 7
    help: add it to "categories" or correct the annotation
    error: annotations/instances_train.json: annotations[3] (id 4): expected an image of this file, got image_id 8
    help: remove the annotation, or add its image to "images"
    warning: annotations/instances_train.json: annotations[1] (id 2): the box of 9.00 x 9.00 at (0.00, 0.00) in 20x10 stands there twice and is trained on once
    help: remove one of the two
    warning: annotations/instances_train.json: annotations[4] (id 5): the box of 9.00 x 9.00 at (30.00, 0.00) in 20x10 lies off the picture and is not trained on
    help: correct or remove it
    warning: annotations/instances_train.json: annotations[5] (id 6): the box of 19.00 x 9.00 at (10.00, 0.00) in 20x10 reaches over the edge and is cut there
    help: correct it if it is not meant to
    warning: annotations/instances_train.json: annotations[6] (id 7): the box of 0.50 x 9.00 at (1.00, 1.00) in 20x10 has a side of a pixel or less and is not trained on
    help: correct or remove it
    error: train/e.png: missing, though named in annotations/instances_train.json
    help: unpack the picture there, or allow missing ones: they then count as missed objects
    "#);
    let broken = small(&images[..1], &[object(1, 1, 1, "[0, 0, 9]"), object(2, 1, 1, "[0, 0, 9, 9]")], TWO);
    add(broken.path(), &[("annotations/instances_val.json", b"{\"images\": [],\n\"annotations\": [")]);
    assert_snapshot!(complaints(broken.path(), ReadOptions::default(), &BOTH, Pictures::Headers), @r#"
    error: annotations/instances_train.json: annotations[0]: invalid length 3, expected an array of length 4
    help: expected COCO instances: images, annotations with bbox and category_id, categories
    error: annotations/instances_val.json: line 2, column 16: EOF while parsing a list
    help: the file ends early: unpack or download it again
    "#);
    let fractions = small(&images[..1], &[object(1, 1, 1, "[0.1, 0, 0.5, 0.5]")], TWO);
    assert_snapshot!(complaints(fractions.path(), ReadOptions::default(), &BOTH, Pictures::Headers), @r#"
    error: annotations/instances_train.json: all 1 annotations: expected boxes in pixels, got numbers up to 1.5, such as [0.1, 0.0, 0.5, 0.5]
    help: multiply x and width by the image's width, y and height by its height
    warning: ROOT: val has objects of class "cat", train has none
    help: it cannot be learned, and lowers the mean over classes: add examples to the training split
    "#);
}

#[test]
fn pictures_are_read_and_compared() {
    let names = ["a.png", "b.jpg", "c.jpg", "d.jpg", "e.png", "f.png"];
    let sizes = [(20, 10), (24, 16), (16, 24), (9, 9), (1, 1), (20, 10)];
    let images: Vec<_> = names.iter().zip(sizes).zip(1..).map(|((name, (w, h)), id)| image(id, name, w, h)).collect();
    let root = small(&images, &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    let wide = {
        let mut out = Vec::new();
        let encoder = ::image::codecs::png::PngEncoder::new(&mut out);
        ::image::ImageEncoder::write_image(encoder, &[0; 8], 1, 1, ::image::ExtendedColorType::Rgba16).unwrap();
        out
    };
    let (turned, other) = (jpeg_with_orientation(24, 16, 6), jpeg_with_orientation(24, 16, 8));
    add(
        root.path(),
        &[
            ("train/b.jpg", &turned),
            ("train/c.jpg", &other),
            ("train/d.jpg", &other[..40]),
            ("train/e.png", &wide),
            ("train/f.png", &png(20, 10, 2)),
        ],
    );
    let everything = complaints(root.path(), ReadOptions::default(), &BOTH, Pictures::All);
    assert_snapshot!(everything, @r#"
    warning: train/b.jpg: EXIF asks for a turn, but the annotations give the size as stored: the boxes are taken to mean the stored pixels
    help: look at its boxes: if they are turned, write the turned size and boxes into the annotations
    error: train/d.jpg: it ends before its end marker
    help: it is cut off: download or unpack it again
    warning: train/e.png: 16 bits a channel are scaled to 8
    help: nothing to do, unless the range is narrower
    warning: train/e.png: transparent pixels are laid over grey
    help: nothing to do, unless they hide something
    warning: val/v.png: has the same bytes as train/f.png, a picture of train
    help: keep one of the two
    "#);
    let headers = complaints(root.path(), ReadOptions::default(), &BOTH, Pictures::Headers);
    assert_snapshot!(headers, @r#"
    warning: train/b.jpg: EXIF asks for a turn, but the annotations give the size as stored: the boxes are taken to mean the stored pixels
    help: look at its boxes: if they are turned, write the turned size and boxes into the annotations
    error: train/d.jpg: it ends before its end marker
    help: it is cut off: download or unpack it again
    "#);
    let resized = small(&[image(1, "a.png", 10, 20)], &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    let [text, same] = [Pictures::All, Pictures::Headers]
        .map(|pictures| complaints(resized.path(), ReadOptions::default(), &[Split::Train], pictures));
    assert_eq!(text, same);
    assert_snapshot!(text, @r#"
    error: train/a.png: the annotations say 10x20 pixels, the picture has 20x10
    help: the annotations belong to another copy of this picture
    "#);
}

#[test]
fn workers_do_not_change_what_is_found() {
    let images: Vec<_> = (1..40).map(|i| image(i, &format!("{i}.png"), 20, 10)).collect();
    let root = small(&images, &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    for i in 1..40 {
        let bytes = if i % 3 == 0 { b"<html>".to_vec() } else { png(20, 10, i % 5) };
        add(root.path(), &[(&format!("train/{i}.png"), &bytes)]);
    }
    let found = |workers| check(root.path(), ReadOptions::default(), &BOTH, Pictures::All, workers);
    assert_eq!(found(0).faults.len(), 13 + 26 - 5 + 1);
    assert_eq!(found(0), found(1));
    assert_eq!(found(0), found(7));
    let files = offending_files(&found(0).faults, Severity::Error);
    assert_eq!((files.len(), files[0].file_name().unwrap().to_str()), (13, Some("12.png")));
}

#[test]
fn what_lies_between_splits_is_found() {
    let yaml = "train: images/train\nval: [images/val, images/train/a.png.txt]\ntest: images/test\nnames: [cat, dog]\n";
    let root = folder(&[
        ("data.yaml", yaml.as_bytes()),
        ("images/train/a.png.txt", b"a.png"),
        ("images/train/a.png", &png(8, 8, 1)),
        ("images/val/b.png", &png(8, 8, 1)),
        ("labels/train/a.txt", b"0 .5 .5 1 1"),
        ("labels/val/b.txt", b"1 .5 .5 1 1"),
        ("images/test/.hidden", b""),
    ]);
    let splits = [Split::Train, Split::Val, Split::Test];
    assert_snapshot!(complaints(root.path(), ReadOptions::default(), &splits, Pictures::All), @r#"
    error: ROOT: split test: expected pictures, got none
    help: unpack the pictures, or name another split
    warning: ROOT: val of data.yaml has objects of class "dog", train of data.yaml has none
    help: it cannot be learned, and lowers the mean over classes: add examples to the training split
    warning: images/train/a.png: is a picture of val of data.yaml and of train of data.yaml
    help: what is trained on measures nothing: leave it out of one split
    warning: images/val/b.png: has the same bytes as images/train/a.png, a picture of train of data.yaml
    help: keep one of the two
    "#);
    let other = coco(&image(9, "v.png", 20, 10), &object(1, 9, 1, "[0, 0, 9, 9]"), r#"{"id": 1, "name": "ant"}"#);
    let more = coco(&image(9, "v.png", 20, 10), &object(1, 9, 3, "[0, 0, 9, 9]"), r#"{"id": 3, "name": "ant"}"#);
    let root = small(&[image(1, "a.png", 20, 10)], &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    add(root.path(), &[("annotations/instances_val.json", &other), ("annotations/instances_test.json", &more)]);
    add(root.path(), &[("test/v.png", &png(20, 10, 9))]);
    assert_snapshot!(complaints(root.path(), ReadOptions::default(), &splits, Pictures::All), @r#"
    error: ROOT: category 1 is "cat" in train and "ant" in val
    help: train and evaluate on annotations of one category list
    warning: ROOT: category 3 "ant" is listed in test and not in train
    help: the classes of both are taken together
    warning: ROOT: category 1 "cat" is listed in train and not in test
    help: the classes of both are taken together
    warning: ROOT: category 2 "dog" is listed in train and not in test
    help: the classes of both are taken together
    warning: ROOT: test has objects of class "ant", train has none
    help: it cannot be learned, and lowers the mean over classes: add examples to the training split
    "#);
}

#[test]
fn layouts_that_are_none_or_several_are_said() {
    let root = folder(&[("notes.txt", b"")]);
    let none = complaints(root.path(), ReadOptions::default(), &BOTH, Pictures::Headers);
    assert_snapshot!(none, @r#"
    error: ROOT: no detection data under ROOT
      looked for annotations/instances_*.json, {train,valid,test}/_annotations.coco.json, data.yaml, *.yaml (one), Annotations/*.xml and JPEGImages, */Annotations/*.xml, VOCdevkit/*/Annotations/*.xml
    help: name the folder that holds one of these
    "#);
    let root = small(&[image(1, "a.png", 20, 10)], &[object(1, 1, 1, "[0, 0, 9, 9]")], TWO);
    add(root.path(), &[("data.yaml", b"train: train\nnames: [a]\n")]);
    let several = complaints(root.path(), ReadOptions::default(), &BOTH, Pictures::Headers);
    assert_snapshot!(several, @r#"
    error: ROOT: ROOT holds data in several layouts: coco, yolo
    help: name one: data.source.folder.layout = "coco"
    "#);
    let options = ReadOptions { layout: Some(Layout::Coco), ..ReadOptions::default() };
    assert_eq!(complaints(root.path(), options, &BOTH, Pictures::Headers), "");
    let missing = ReadOptions { layout: Some(Layout::Yolo), ..options };
    let checked = check(&root.path().join("train"), missing, &BOTH, Pictures::Headers, 0);
    assert_snapshot!(spell(root.path(), &checked), @r#"
    error: train: no YOLO data under train
      looked for train/data.yaml, train/*.yaml
    help: name the yaml itself, or the folder that holds data.yaml or one yaml
    "#);
}

#[test]
fn options_are_spelled_as_recipes_spell_them() {
    let json =
        serde_json::to_string(&(Layout::Yolo, FirstPixel::One, MissingImages::Refuse == MissingImages::default()));
    assert_eq!(json.unwrap(), r#"["yolo","one",true]"#);
    for layout in Layout::ALL {
        assert_eq!(serde_json::to_string(&layout).unwrap(), format!("\"{layout}\""));
    }
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_sets_have_no_errors() {
    let data = std::path::PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"));
    let three = [Split::Train, Split::Val, Split::Test];
    for (folder, splits, pictures, zero_areas) in [("bccd", &three[..], 364, 2), ("coco_tiny", &three[..2], 160, 0)] {
        let begun = std::time::Instant::now();
        let checked = check(&data.join(folder), ReadOptions::default(), splits, Pictures::All, 2);
        assert_eq!(checked.sets.iter().map(|set| set.images.len()).sum::<usize>(), pictures, "{folder}");
        let errors: Vec<_> = checked.faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let is_flat = |fault: &&Fault| fault.problem.contains("the box of 0.00 x 0.00");
        assert_eq!(checked.faults.iter().filter(is_flat).count(), zero_areas, "{folder}");
        eprintln!("{folder}: {} warnings in {:.1?}", checked.faults.len(), begun.elapsed());
        checked.faults.iter().take(3).for_each(|fault| eprintln!("{fault}"));
    }
}
