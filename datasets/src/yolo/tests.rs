use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::data_yaml::DataYaml;
use super::label::{self, bbox_in_image};
use super::record::label_path;
use crate::detection::{Annotation, DetectionDataset, Faults, Pictures, ReadOptions, Split, check};
use crate::testing::{add, complaints, folder, jpeg_with_orientation, png};

const YAML: &str = "train: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n";

/// Two training pictures and one of validation, without labels.
fn small(yaml: &str) -> tempfile::TempDir {
    folder(&[
        ("data.yaml", yaml.as_bytes()),
        ("images/train/a.png", &png(8, 4, 1)),
        ("images/train/b.png", &png(8, 4, 2)),
        ("images/val/c.png", &png(8, 4, 3)),
    ])
}

fn open(root: &Path, split: &Split) -> DetectionDataset {
    DetectionDataset::open(root, None, split).unwrap()
}

fn refusal(root: &Path, split: &Split) -> String {
    let text = DetectionDataset::open(root, None, split).unwrap_err().to_string();
    text.replace(&format!("{}/", root.display()), "")
}

fn names(data: &DetectionDataset) -> Vec<String> {
    data.images.iter().map(|image| image.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_folder_with_labels_is_read() {
    let root = small(YAML);
    // A byte order mark, CRLF, a blank line, blanks around numbers, a class written as a float.
    add(root.path(), &[("labels/train/b.txt", "\u{feff}1 0.5 0.5 0.25 0.5\r\n\r\n 0.0  .25 .5 .5 1 \r\n".as_bytes())]);
    add(root.path(), &[("labels/val/c.txt", b"")]);
    let train = open(root.path(), &Split::Train);
    assert_eq!(train.class_names(), ["cat", "dog"]);
    assert_eq!((names(&train), train.images[0].id, train.images[1].id), (vec!["a.png".into(), "b.png".into()], 1, 2));
    let boxes: Vec<_> = train.images[1].annotations.iter().map(|a| (a.class, a.bbox)).collect();
    assert_eq!(boxes, [(1, [3.0, 1.0, 2.0, 2.0]), (0, [0.0, 0.0, 4.0, 4.0])]);
    assert_eq!(train.report.unlabelled, 1);
    let note = train.report.notes.join("\n");
    assert!(note.contains("1 of 2 pictures have no label file and are background"), "{note}");
    let val = open(root.path(), &Split::Val);
    assert_eq!((val.report.unlabelled, val.report.notes.len()), (1, 0), "an empty file is a label file");
    assert_eq!(open(&root.path().join("data.yaml"), &Split::Val).images.len(), 1, "the yaml as root");
}

#[test]
fn labels_without_a_picture_are_warned_of() {
    let root = small(YAML);
    add(root.path(), &[("labels/train/a.txt", b"0 .5 .5 .5 .5"), ("labels/train/gone.txt", b"0 .5 .5 .5 .5")]);
    add(root.path(), &[("labels/train/classes.txt", b"cat"), ("labels/val/c.txt", b"")]);
    let checked = check(root.path(), ReadOptions::default(), &[Split::Train, Split::Val], Pictures::Headers, 0);
    let orphans: Vec<_> =
        checked.faults.iter().filter(|fault| fault.problem.contains("no picture of that name")).collect();
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(orphans[0].path, root.path().join("labels/train/gone.txt"));
}

#[test]
fn lists_several_sources_and_other_spellings_are_read() {
    let yaml = "path: sub\ntrain: [one.txt, 'images\\two']\nvalid: ../images/two\nnames:\n- 1\n- yes\n- a b \nextra: {x: 1}\n\
                download: null\ntest:\n";
    let root = folder(&[
        ("set.yml", yaml.as_bytes()),
        ("sub/one.txt", "\u{feff}./images/one/x.png\r\nimages\\one\\y.png\r\n\r\n".as_bytes()),
        ("sub/images/one/x.png", &png(3, 3, 1)),
        ("sub/images/one/y.png", &png(3, 3, 2)),
        ("sub/images/two/deeper/z.PNG", &png(3, 3, 3)),
        ("sub/images/two/readme.md", b"x"),
        ("sub/labels/two/deeper/z.txt", b"2 .5 .5 1 1"),
    ]);
    let train = open(root.path(), &Split::Train);
    assert_eq!(train.class_names(), ["1", "yes", "a b"]);
    assert_eq!(names(&train), ["x.png", "y.png", "z.PNG"]);
    assert_eq!(train.images[2].annotations[0].bbox, [0.0, 0.0, 3.0, 3.0]);
    let notes = train.report.notes.join("\n");
    assert!(notes.contains("keys without a use here: download, extra"), "{notes}");
    assert!(notes.contains("1 files are no pictures by their names"), "{notes}");
    // `../` though nothing lies there.
    assert_eq!(names(&open(root.path(), &Split::Val)), ["z.PNG"]);
    let text = refusal(root.path(), &Split::Test);
    assert!(text.contains("test: expected") && text.contains("keys with paths: train, valid"), "{text}");
    assert!(refusal(root.path(), &Split::Named("extra".into())).contains("got nothing"));
}

#[test]
fn labels_lie_where_the_last_images_says() {
    let path = |picture: &str| label_path(Path::new(picture)).display().to_string();
    assert_eq!(path("/d/images/train/a.b.jpg"), "/d/labels/train/a.b.txt");
    assert_eq!(path("images/x/images/a.jpg"), "images/x/labels/a.txt");
    assert_eq!(path("x/pictures/images.jpg"), "x/pictures/images.txt");
}

#[test]
fn turned_pictures_are_upright_whatever_the_turn() {
    let jpeg = jpeg_with_orientation(24, 16, 6);
    let upside_down = jpeg_with_orientation(24, 16, 3);
    let root = small(YAML);
    add(root.path(), &[("images/train/c.jpg", &jpeg), ("images/train/d.jpg", &upside_down)]);
    add(root.path(), &[("labels/train/c.txt", b"0 0.5 0.25 1 0.5")]);
    let train = open(root.path(), &Split::Train);
    assert_eq!(train.images[2].annotations[0].bbox, [0.0, 0.0, 16.0, 12.0]);
    assert_eq!(train.images[2].read().unwrap().image.size, train.images[2].size);
    let read = train.images[3].read().unwrap();
    assert_eq!(read.image, crate::image::read_image(&train.images[3].path, None).unwrap().image);
    assert!(read.notes.is_empty());
}

#[test]
fn every_fault_of_labels_is_listed_with_its_mend() {
    let root = small(YAML);
    add(
        root.path(),
        &[
            (
                "labels/train/a.txt",
                b"2 .5 .5 .5 .5\n-1 .5 .5 .5 .5\n0 .5 .5 nan .5\n0 .5 .5 .5\ncat .5 .5 .5 .5\n0.5 .5 .5 .5 .5\n",
            ),
            ("labels/train/b.txt", b"0 4 2 4 2\n1 .5 .5 .5 .5\n"),
            ("labels/val/c.txt", b"0 .1 .1 .2 .1 .2 .2\n0 .5 .5 .5 .5 .9\n0 .5 .5 .5 .5 .9 .1 .2\n"),
        ],
    );
    let text = complaints(root.path(), ReadOptions::default(), &[Split::Train, Split::Val], Pictures::All);
    assert_snapshot!(text, @r#"
    error: labels/train/a.txt: line 1: expected a class from 0 to 1, got 2
    help: correct the class, or add its name to names in the yaml; classes count from 0
    error: labels/train/a.txt: line 2: expected a class from 0 to 1, got -1
    help: correct the class, or add its name to names in the yaml; classes count from 0
    error: labels/train/a.txt: line 3: expected finite numbers, got nan
    help: correct or remove the row
    error: labels/train/a.txt: line 4: expected five columns: class cx cy w h, got 4 columns
    help: complete or remove the row
    error: labels/train/a.txt: line 5: expected five numbers: class cx cy w h, got "cat"
    help: separate the numbers by blanks
    error: labels/train/a.txt: line 6: expected a class from 0 to 1, got 0.5
    help: correct the class, or add its name to names in the yaml; classes count from 0
    error: labels/train/b.txt: line 1: expected fractions of the picture's sides, got 4, and such numbers in 1 of 2 rows: pixels?
    help: divide x and width by the picture's width, y and height by its height
    error: labels/val/c.txt: line 1: expected five columns: class cx cy w h, got 7 columns, as outlines have: class x1 y1 x2 y2 …
    help: write each outline's box: with the smallest and largest x and y, (x0+x1)/2 (y0+y1)/2 x1-x0 y1-y0
    error: labels/val/c.txt: line 2: expected five columns: class cx cy w h, got 6 columns, as predictions with a score have
    help: remove the sixth column
    error: labels/val/c.txt: line 3: expected five columns: class cx cy w h, got 8 columns, as key points have
    help: keep the first five columns
    "#);
    assert!(
        refusal(root.path(), &Split::Train)
            .starts_with("labels/train/a.txt: line 1: expected a class from 0 to 1, got 2")
    );
}

#[test]
fn boxes_that_cannot_be_trained_on_are_warned_of() {
    let root = small(YAML);
    add(root.path(), &[
        ("labels/train/a.txt", b"0 .5 .5 .5 .5\n0 .5 .5 .5 .5\n1 .5 .5 0 .5\n1 .5 .5 .5 -.5\n1 .5 .5 .1 .5\n1 1.4 .5 .5 .5\n1 .9 .5 .6 .5\n"),
        ("labels/train/b.txt", b"0 .5 .5 1 1"),
        ("labels/val/c.txt", b"0 .5 .5 1 1\n1 .5 .5 1 1"),
    ]);
    let text = complaints(root.path(), ReadOptions::default(), &[Split::Train, Split::Val], Pictures::Headers);
    assert_snapshot!(text, @r#"
    warning: labels/train/a.txt: line 2: the box of 4.00 x 2.00 at (2.00, 1.00) in 8x4 stands there twice and is trained on once
    help: remove one of the two
    warning: labels/train/a.txt: line 3: the box of 0.00 x 2.00 at (4.00, 1.00) in 8x4 has a side of a pixel or less and is not trained on
    help: correct or remove it
    warning: labels/train/a.txt: line 4: the box of 4.00 x -2.00 at (2.00, 3.00) in 8x4 has a side of a pixel or less and is not trained on
    help: correct or remove it
    warning: labels/train/a.txt: line 5: the box of 0.80 x 2.00 at (3.60, 1.00) in 8x4 has a side of a pixel or less and is not trained on
    help: correct or remove it
    warning: labels/train/a.txt: line 6: the box of 4.00 x 2.00 at (9.20, 1.00) in 8x4 lies off the picture and is not trained on
    help: correct or remove it
    warning: labels/train/a.txt: line 7: the box of 4.80 x 2.00 at (4.80, 1.00) in 8x4 reaches over the edge and is cut there
    help: correct it if it is not meant to
    "#);
    let train = open(root.path(), &Split::Train);
    assert_eq!(train.report.annotations, 8, "the evaluator sees them all");
    let counts = train.training_set(crate::detection::EmptyImages::Keep).counts;
    assert_eq!((counts.boxes, counts.degenerate, counts.duplicates, counts.clipped), (3, 4, 1, 1));
}

#[test]
fn every_fault_of_the_yaml_is_listed_with_its_mend() {
    let complaint = |yaml: &str| {
        let root = small(yaml);
        complaints(root.path(), ReadOptions::default(), &[Split::Train], Pictures::Headers)
    };
    let texts: Vec<_> = [
        "train: images/train\nnames: [a\n",
        "train: images/train\nnames: [a, b]\nnames: [c]\n",
        "train: images/train\n",
        "train: images/train\nnames: []\n",
        "train: images/train\nnames: ['a', ' ']\n",
        "train: images/train\nnames: {0: a, 2: b}\n",
        "train: images/train\nnames: 7\n",
        "train: images/train\nnames: [a]\nnc: x\n",
        "train: images/train\nnames: [a]\nnc: 2\n",
        "train: images/nowhere\nnames: [a]\n",
        "train: 7\nnames: [a]\n",
        "path: /nowhere\ntrain: images/train\nnames: [a]\n",
        "- a\n",
    ]
    .map(complaint)
    .into();
    assert_snapshot!(texts.join("\n"), @r#"
    error: data.yaml: line 2: unclosed bracket '['
    help: expected train, val and names, as in: names: {0: cat, 1: dog}
    error: data.yaml: line 3: duplicate mapping key `names` is not allowed here
    help: expected train, val and names, as in: names: {0: cat, 1: dog}
    error: data.yaml: names: expected the names of the classes, got none
    help: add names: [cat, dog]
    error: data.yaml: names: expected one name for each class, got an empty list
    help: number the classes 0, 1, 2, … without a gap
    error: data.yaml: names: expected one name for each class, got an empty name for class 1
    help: number the classes 0, 1, 2, … without a gap
    error: data.yaml: names: expected one name for each class, got number 2 where 1 is due
    help: number the classes 0, 1, 2, … without a gap
    error: data.yaml: line 2: invalid type: integer `7`, expected a list of names, or names by number
    help: expected train, val and names, as in: names: {0: cat, 1: dog}
    error: data.yaml: nc: expected 1, the number of names, got x
    help: correct nc or names; nc may be left out
    warning: data.yaml: 2 of 2 pictures have no label file and are background, first labels/train/a.txt
    help: label files lie where the picture's path says labels instead of images, and end in .txt
    error: data.yaml: nc: expected 1, the number of names, got 2
    help: correct nc or names; nc may be left out
    warning: data.yaml: 2 of 2 pictures have no label file and are background, first labels/train/a.txt
    help: label files lie where the picture's path says labels instead of images, and end in .txt
    error: data.yaml: train: expected a folder of pictures or a list of them (.txt), got images/nowhere, where nothing lies
    help: paths are relative to the yaml's folder, or to its path where it names one
    error: data.yaml: train: expected a folder of pictures, a list of pictures (.txt), or several of them, got nothing
    help: add the split's line, or name another split
    error: data.yaml: path: expected a folder, got /nowhere
    help: it is taken from the yaml's own folder: correct it, or remove it if the pictures lie there
    error: data.yaml: line 1: expected mapping start
    help: expected train, val and names, as in: names: {0: cat, 1: dog}
    "#);
}

#[test]
fn every_fault_of_lists_is_listed_with_its_mend() {
    let root = small("train: list.txt\nval: images/val\nnames: [a]\n");
    add(
        root.path(),
        &[
            ("list.txt", b"images/train/a.png\nimages/train/gone.png\nimages/train/a.png\n"),
            ("images/val/c.jpg", b"<html>"),
            ("images/val/d.png", b""),
            ("images/val/e.webp", b"RIFF\0\0\0\0WEBPVP8 "),
        ],
    );
    let text = complaints(root.path(), ReadOptions::default(), &[Split::Train, Split::Val], Pictures::All);
    assert_snapshot!(text, @r#"
    error: list.txt: line 3: expected a picture of its own, got images/train/a.png, listed before
    help: list each picture once
    error: list.txt: line 2: expected a picture: its labels are fractions of its sides, got images/train/gone.png, where nothing lies
    help: unpack the picture there, or remove the line
    warning: data.yaml: 1 of 1 pictures have no label file and are background, first labels/train/a.txt
    help: label files lie where the picture's path says labels instead of images, and end in .txt
    error: images/val/c.jpg: it is a web page
    help: the download failed and saved an error page: download it again
    error: images/val/d.png: it is empty
    help: download or unpack it again
    error: images/val/e.webp: it is WebP
    help: convert it to JPEG or PNG
    warning: data.yaml: 1 of 1 pictures have no label file and are background, first labels/val/c.txt
    help: label files lie where the picture's path says labels instead of images, and end in .txt
    "#);
}

#[test]
fn repeated_names_are_told_apart() {
    let data = open(small("train: images/train\nnames: [a, a]\n").path(), &Split::Train);
    assert_eq!(data.class_names(), ["a (0)", "a (1)"]);
}

fn boxes() -> impl Strategy<Value = (usize, usize, usize)> {
    (1usize..5000)
        .prop_flat_map(|side| (Just(side), 0..side))
        .prop_flat_map(|(side, from)| (Just(side), Just(from), from + 1..=side))
}

const GOOD_LABEL: &[u8] = b"0 0.5 0.5 0.25 0.25\n1 0.1 .2 1e-3 4e-1\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Boxes of whole pixels, written in full, come back bit for bit.
    #[test]
    fn whole_pixels_survive_the_way_through_fractions((w, x0, x1) in boxes(), (h, y0, y1) in boxes()) {
        let written = |from: usize, to: usize, side: usize| {
            let (from, to, side) = (from as f64, to as f64, side as f64);
            [from.midpoint(to) / side, (to - from) / side].map(|v| format!("{v}").parse::<f64>().unwrap())
        };
        let ([cx, bw], [cy, bh]) = (written(x0, x1, w), written(y0, y1, h));
        let expected = [x0, y0, x1 - x0, y1 - y0].map(|v| v as f64);
        prop_assert_eq!(bbox_in_image([cx, cy, bw, bh], w, h), expected);
    }

    /// Any box comes back within a millionth of a pixel.
    #[test]
    fn any_box_survives_nearly(x in 0.0..4000.0f64, side in 0.0..900.0f64, w in 1usize..5000) {
        let pixels = w as f64;
        let got = bbox_in_image([(x + side / 2.0) / pixels, 0.5, side / pixels, 1.0], w, 1);
        prop_assert!((got[0] - x).abs() < 1e-6 && (got[2] - side).abs() < 1e-6, "{got:?}");
    }

    #[test]
    fn hostile_labels_never_panic(
        changes in proptest::collection::vec((0..GOOD_LABEL.len(), any::<u8>()), 0..6),
        random in proptest::collection::vec(any::<u8>(), 0..200),
        text in "[-+0-9eEinfNa. \t\r\n\u{feff}]{0,80}",
    ) {
        let mut changed = GOOD_LABEL.to_vec();
        for (at, byte) in changes {
            changed[at] = byte;
        }
        for bytes in [&changed[..], &random, text.as_bytes()] {
            let mut faults = Faults::all(Path::new("."));
            let lines = bytes.split(|b| *b == b'\n').count();
            let rows = label::parse(Path::new("x.txt"), bytes, 2, &mut faults);
            prop_assert!(rows.len() + faults.into_list().len() <= lines + 1);
            for row in rows {
                prop_assert!(row.class < 2 && row.cxcywh.iter().all(|v| v.is_finite()));
            }
        }
    }
}

const GOOD_YAML: &str = "path: .\ntrain: [a, &x b, *x]\nval: images\nnames:\n  0: cat\n  1: \"dog\"\nnc: 2\nextra: {a: [1, 2.5, null, true]}\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn hostile_yamls_never_panic(
        changes in proptest::collection::vec((0..GOOD_YAML.len(), any::<u8>()), 0..6),
        random in proptest::collection::vec(any::<u8>(), 0..200),
        text in "[-a-z0-9:{}&*!|>'\"#%\\[\\], \n\t]{0,80}",
        cut in 0..GOOD_YAML.len(),
    ) {
        let mut changed = GOOD_YAML.as_bytes().to_vec();
        for (at, byte) in changes {
            changed[at] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data.yaml");
        for bytes in [&changed[..], &changed[..cut], &random, text.as_bytes()] {
            std::fs::write(&file, bytes).unwrap();
            if let Ok(data) = DataYaml::read(&file, &mut Faults::all(dir.path())) {
                prop_assert!(!data.names.is_empty());
            }
        }
    }
}

#[test]
fn a_yaml_that_would_expand_without_end_is_refused() {
    let mut yaml = "names: [a]\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 9].join(", ");
        yaml.push_str(&["a", &i.to_string(), ": &a", &i.to_string(), " [", &aliases, "]\n"].concat());
    }
    let text = refusal(small(&yaml).path(), &Split::Train);
    assert!(text.contains("data.yaml") && text.contains("help: "), "{text}");
}

/// Real annotations written as labels in full come back bit for bit.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_boxes_survive_the_way_through_labels() {
    let bccd = PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA")).join("bccd");
    let json = bccd.join("coco/instances_val.json");
    let coco = crate::coco::open_files(&json, &bccd.join("BCCD/JPEGImages")).unwrap();
    let root = small("train: images/bccd\nnames: [RBC, WBC, Platelets]\n");
    for image in &coco.images {
        let stem = image.path.file_stem().unwrap().to_str().unwrap();
        let row = |a: &Annotation| {
            let ([x, y, w, h], width, height) = (a.bbox, image.size.width as f64, image.size.height as f64);
            let [cx, cy] = [(x + w / 2.0) / width, (y + h / 2.0) / height];
            format!("{} {cx} {cy} {} {}\n", a.class, w / width, h / height)
        };
        let rows: String = image.annotations.iter().map(row).collect();
        let picture = std::fs::read(&image.path).unwrap();
        add(root.path(), &[(&format!("images/bccd/{stem}.jpg"), &picture)]);
        add(root.path(), &[(&format!("labels/bccd/{stem}.txt"), rows.as_bytes())]);
    }
    let yolo = open(root.path(), &Split::Train);
    assert_eq!(yolo.class_names(), coco.class_names());
    assert_eq!(yolo.images.len(), coco.images.len());
    for (a, b) in yolo.images.iter().zip(&coco.images) {
        assert_eq!((a.id, a.size, &a.annotations), (b.id, b.size, &b.annotations), "{}", b.path.display());
    }
}
