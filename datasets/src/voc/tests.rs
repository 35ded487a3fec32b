use std::collections::HashMap;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::xml;
use crate::detection::{
    Annotation, DetectionDataset, Faults, FirstPixel, Layout, MissingImages, Pictures, ReadOptions, Split, recognise,
};
use crate::error::DataError;
use crate::testing::{add, complaints, folder, png};

/// An annotation of a picture of 20 x 10 with one object.
fn xml(name: &str, edges: [&str; 4], more: &str) -> String {
    let [xmin, ymin, xmax, ymax] = edges;
    format!(
        "<annotation><filename>a.png</filename><size><width>20</width><height>10</height></size>\n<object><name>{name}</name>\
         <bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>{more}</object>\n\
         </annotation>\n"
    )
}

/// A set whose training picture `a` has this xml, and whose validation picture `b` has a cat.
fn small(xml_of_a: &str) -> tempfile::TempDir {
    folder(&[
        ("JPEGImages/a.png", &png(20, 10, 1)),
        ("JPEGImages/b.png", &png(20, 10, 2)),
        ("Annotations/a.xml", xml_of_a.as_bytes()),
        ("Annotations/b.xml", xml("cat", ["1", "1", "9", "9"], "").replace("a.png", "b.png").as_bytes()),
        ("ImageSets/Main/train.txt", b"a\n"),
        ("ImageSets/Main/val.txt", b"b\n"),
    ])
}

fn open(root: &Path, options: ReadOptions, split: &Split) -> DetectionDataset {
    DetectionDataset::open_with(root, options, split).unwrap()
}

fn first(first_pixel: FirstPixel) -> ReadOptions {
    ReadOptions { first_pixel: Some(first_pixel), ..ReadOptions::default() }
}

#[test]
fn names_decide_classes_and_the_first_pixel_unless_it_is_said() {
    let root = small(&xml("zebra", ["2", "3", "8", "9.5"], "<difficult>1</difficult>"));
    let train = open(root.path(), ReadOptions::default(), &Split::Train);
    assert_eq!(train.class_names(), ["cat", "zebra"]);
    assert_eq!(train.categories.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2]);
    let expected = Annotation { class: 1, bbox: [2.0, 3.0, 6.0, 6.5], area: 39.0, is_crowd: false, difficult: true };
    assert_eq!(train.images[0].annotations, [expected]);
    assert!(train.report.notes[0].contains("pixels count from 0"), "{:?}", train.report.notes);
    assert_eq!(train.training_set(crate::detection::EmptyImages::Keep).counts.difficult, 1);
    let bbox = |data: &DetectionDataset| data.images[0].annotations[0].bbox;
    assert_eq!(bbox(&open(root.path(), first(FirstPixel::One), &Split::Train)), [1.0, 2.0, 7.0, 7.5]);

    let root =
        small(&xml("person", ["2", "3", "8", "9"], "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"));
    let train = open(root.path(), ReadOptions::default(), &Split::Train);
    assert_eq!((train.categories.len(), train.categories[14].name.as_str()), (20, "person"));
    assert_eq!(train.categories[0].name, "aeroplane");
    assert_eq!(bbox(&train), [1.0, 2.0, 7.0, 7.0]);
    assert!(train.report.notes[0].contains("pixels count from 1"), "{:?}", train.report.notes);
    assert_eq!(bbox(&open(root.path(), first(FirstPixel::Zero), &Split::Train)), [2.0, 3.0, 6.0, 6.0]);
}

#[test]
fn folders_are_found_where_the_devkit_and_others_put_them() {
    for place in ["", "VOC2012/", "VOCdevkit/VOC2007/", "cells/"] {
        let root = tempfile::tempdir().unwrap();
        add(
            root.path(),
            &[
                (&format!("{place}JPEGImages/a.jpg"), b""),
                (&format!("{place}Annotations/a.xml"), xml("x", ["1", "1", "2", "2"], "").as_bytes()),
                (&format!("{place}ImageSets/Main/x_train.txt"), b"\xEF\xBB\xBFa.jpg -1\r\n\r\n"),
            ],
        );
        assert_eq!(recognise(root.path()).unwrap(), Layout::Voc, "{place}");
        let data = open(root.path(), ReadOptions::default(), &Split::Named("x_train".into()));
        assert_eq!(data.images.len(), 1, "{place}");
        assert!(data.report.notes[0].contains("the second column is not used"), "{:?}", data.report.notes);
        let text = DetectionDataset::open(root.path(), None, &Split::Train).unwrap_err().to_string();
        assert!(text.contains("ImageSets/Main/train.txt") && text.ends_with("help: splits present: x_train"), "{text}");
    }
    let root = tempfile::tempdir().unwrap();
    for year in ["VOC2007", "VOC2012"] {
        let xml = xml("x", ["1", "1", "2", "2"], "");
        add(
            root.path(),
            &[(&format!("{year}/JPEGImages/a.jpg"), b""), (&format!("{year}/Annotations/a.xml"), xml.as_bytes())],
        );
    }
    let text = DetectionDataset::open(root.path(), None, &Split::Train).unwrap_err().to_string();
    assert!(text.contains("name one of them") && text.contains("VOC2007"), "{text}");
}

#[test]
fn a_size_that_is_not_there_is_read_from_the_picture() {
    let root = small(&xml("cat", ["1", "1", "9", "9"], "").replace("<width>20", "<width>0"));
    let train = open(root.path(), ReadOptions::default(), &Split::Train);
    assert_eq!((train.images[0].size.width, train.images[0].size.height), (20, 10));
    assert!(train.report.notes.join("\n").contains("1 xml files have no size"), "{:?}", train.report.notes);
    std::fs::remove_file(root.path().join("JPEGImages/a.png")).unwrap();
    let keep = ReadOptions { missing: MissingImages::Keep, ..ReadOptions::default() };
    let text = DetectionDataset::open_with(root.path(), keep, &Split::Train).unwrap_err().to_string();
    assert!(text.contains("a.xml: size: expected width and height"), "{text}");
}

#[test]
fn missing_pictures_are_refused_or_kept() {
    let root = small(&xml("cat", ["1", "1", "9", "9"], ""));
    std::fs::remove_file(root.path().join("JPEGImages/a.png")).unwrap();
    let error = DetectionDataset::open(root.path(), None, &Split::Train).unwrap_err();
    assert!(matches!(error, DataError::MissingImages { total: 1, .. }), "{error}");
    let keep = ReadOptions { missing: MissingImages::Keep, ..ReadOptions::default() };
    let train = open(root.path(), keep, &Split::Train);
    assert_eq!((train.images[0].on_disk, train.report.missing.len()), (false, 1));
    let text = complaints(root.path(), keep, &[Split::Train, Split::Val], Pictures::All);
    assert_snapshot!(text, @r#"
    warning: JPEGImages/a.jpg: missing, though named in ImageSets/Main/train.txt; its objects count as missed
    help: unpack the picture there
    "#);
}

#[test]
fn every_fault_of_an_xml_is_listed_with_its_mend() {
    let good = xml("cat", ["1", "1", "9", "9"], "");
    let object = |from: &str, to: &str| good.replace(from, to);
    let cases = [
        good[..120].to_owned(),
        object("</name>", "</nome>"),
        "<annotations></annotations>".into(),
        String::new(),
        object("<name>cat</name>", ""),
        object("<name>cat</name>", "<name>cat</name><name>dog</name>"),
        object("<name>cat</name>", "<name>&cat;</name>"),
        object("<xmin>1</xmin>", ""),
        object("<xmin>1</xmin>", "<xmin>one</xmin>"),
        object("<xmin>1</xmin>", "<xmin>NaN</xmin>"),
        object("<xmin>1</xmin>", "<xmin>9</xmin>"),
        object("<xmin>1</xmin>", "<xmin>15</xmin>"),
        object("<xmin>1</xmin>", "<xmin>-9</xmin>"),
        object("<width>20", "<width>wide"),
        object("<width>20", "<width>21"),
        object("</object>", "<difficult>maybe</difficult></object>"),
        object("a.png", "z.png"),
        object(
            "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9<",
            "<bndbox><xmin>.1</xmin><ymin>.1</ymin><xmax>.9</xmax><ymax>.9<",
        ),
    ];
    let texts = cases.map(|xml| complaints(small(&xml).path(), ReadOptions::default(), &[Split::Train], Pictures::All));
    assert_snapshot!(texts.join("\n---\n"), @r#"
    error: Annotations/a.xml: line 2: the file ends within <annotation><object><bndbox>
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: line 2: ill-formed document: expected `</name>`, but `</nome>` was found
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: line 1: expected <annotation>, got <annotations>
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: line 1: expected <annotation>, got nothing
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: object 1 (line 2): expected a <name>, got none
    help: name the object's class
    ---
    error: Annotations/a.xml: line 2: <object><name> stands there twice: "cat" and "dog"
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: line 2: unknown entity &cat;
    help: repair the xml, or remove the picture from the list
    ---
    error: Annotations/a.xml: object 1 (line 2): expected <bndbox> with <xmin>, got none
    help: complete or remove the object
    ---
    error: Annotations/a.xml: object 1 (line 2): expected a number in <xmin>, got "one"
    help: complete or remove the object
    ---
    error: Annotations/a.xml: object 1 (line 2): expected a number in <xmin>, got "NaN"
    help: complete or remove the object
    ---
    warning: Annotations/a.xml: object 1 (line 2): the box of 1.00 x 9.00 at (8.00, 0.00) in 20x10 has a side of a pixel or less and is not trained on
    help: correct or remove it
    ---
    warning: Annotations/a.xml: object 1 (line 2): the box of -5.00 x 9.00 at (14.00, 0.00) in 20x10 has a side of a pixel or less and is not trained on
    help: correct or remove it
    ---
    warning: Annotations/a.xml: object 1 (line 2): the box of 19.00 x 9.00 at (-10.00, 0.00) in 20x10 reaches over the edge and is cut there
    help: correct it if it is not meant to
    ---
    error: Annotations/a.xml: size, width: expected a whole number of pixels, got "wide"
    help: write the picture's size, or remove <size>: it is then read from the picture
    ---
    error: JPEGImages/a.png: the annotations say 21x10 pixels, the picture has 20x10
    help: the annotations belong to another copy of this picture
    ---
    error: Annotations/a.xml: object 1 (line 2): expected <difficult> 0 or 1, got "maybe"
    help: write 0 or 1
    ---
    warning: Annotations/a.xml: <filename> says z.png; the picture is JPEGImages/a.png by the list
    help: correct <filename>, if the boxes are this picture's
    ---
    warning: Annotations/a.xml: object 1 (line 2): the box of 1.80 x 1.80 at (-0.90, -0.90) in 20x10 has a side of a pixel or less and is not trained on
    help: correct or remove it
    error: ImageSets/Main/train.txt: all 1 objects: expected boxes in pixels, got numbers up to 1.5
    help: multiply x by the picture's width, y by its height
    "#);
}

#[test]
fn every_fault_of_lists_is_listed_with_its_mend() {
    let root = small(&xml("cat", ["1", "1", "9", "9"], ""));
    add(root.path(), &[("ImageSets/Main/train.txt", b"a\ngone\na\n"), ("Annotations/c.xml", b"<annotation>")]);
    let text =
        complaints(root.path(), ReadOptions::default(), &[Split::Train, Split::Val, Split::Test], Pictures::Headers);
    assert_snapshot!(text, @r#"
    error: ImageSets/Main/train.txt: line 3: expected a picture of its own, got a, listed in line 1
    help: list each picture once
    warning: Annotations/c.xml: of another split, and broken: Annotations/c.xml: line 1: the file ends within <annotation>
    help: repair the xml, or remove the picture from the list
    error: ImageSets/Main/train.txt: line 2: expected gone.xml in Annotations, got no such file
    help: add the xml (one without objects for a picture without any), or remove the line
    error: ROOT: no VOC split test under ROOT
      looked for ImageSets/Main/test.txt
    help: splits present: train, val
    "#);
}

#[test]
fn entities_cdata_and_comments_are_understood() {
    let text = xml("a&amp;b&#x21;<!-- c --><![CDATA[<d>]]>", ["1", "1", "9", "9"], "")
        .replace("<annotation>", "\u{feff}<?xml version=\"1.0\"?>\n<annotation verified=\"yes\">");
    let mut faults = Faults::all(Path::new("."));
    let read = xml::parse(Path::new("x.xml"), text.as_bytes(), &mut faults);
    assert_eq!(faults.into_list(), []);
    assert_eq!((read.objects[0].name.as_str(), read.objects[0].record.as_str()), ("a&b!<d>", "object 1 (line 3)"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn hostile_xmls_never_panic(
        changes in proptest::collection::vec((0usize..300, any::<u8>()), 0..8),
        random in proptest::collection::vec(any::<u8>(), 0..200),
        text in "[<>/&;a-z0-9#!\\[\\]= \"\n-]{0,120}",
        cut in 0usize..300,
    ) {
        let mut changed = xml("cat", ["1", "1", "9", "9"], "<difficult>0</difficult>").into_bytes();
        let length = changed.len();
        for (at, byte) in changes {
            changed[at % length] = byte;
        }
        for bytes in [&changed[..], &changed[..cut % length], &random, text.as_bytes()] {
            let mut faults = Faults::all(Path::new("."));
            let read = xml::parse(Path::new("x.xml"), bytes, &mut faults);
            for object in read.objects {
                prop_assert!(!object.name.is_empty() && object.edges.iter().all(|edge| edge.is_finite()));
            }
        }
    }
}

/// Blood cells, annotated with LabelImg, and a COCO json made from the same xml.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_xml_and_its_json_have_the_same_boxes() {
    let root = PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA")).join("bccd");
    assert_eq!(recognise(&root).unwrap(), Layout::Voc);
    for (split, images) in [("train", 205), ("val", 87), ("test", 72)] {
        let voc = open(&root, first(FirstPixel::Zero), &Split::from(split));
        assert_eq!(voc, open(&root, ReadOptions::default(), &Split::from(split)).noted_like(&voc));
        let json = root.join(format!("coco/instances_{split}.json"));
        let coco = crate::coco::open_files(&json, &root.join("BCCD/JPEGImages")).unwrap();
        assert_eq!((voc.images.len(), coco.images.len()), (images, images));
        assert_eq!(voc.class_names(), ["Platelets", "RBC", "WBC"]);
        let by_name = |data: &DetectionDataset| -> HashMap<PathBuf, Vec<(String, [u64; 4])>> {
            let named = |a: &Annotation| (data.categories[a.class as usize].name.clone(), a.bbox.map(f64::to_bits));
            data.images.iter().map(|i| (i.path.clone(), i.annotations.iter().map(named).collect())).collect()
        };
        assert!(by_name(&voc) == by_name(&coco), "{split}");
        assert_eq!(
            voc.images.iter().map(|i| i.size).collect::<Vec<_>>(),
            coco.images.iter().map(|i| i.size).collect::<Vec<_>>()
        );
    }
}

impl DetectionDataset {
    /// The same data with another's report.
    fn noted_like(mut self, other: &Self) -> Self {
        self.report = other.report.clone();
        self
    }
}
