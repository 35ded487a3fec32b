use std::path::{Path, PathBuf};

use super::*;
use crate::label_map::{VOID, voc_palette};
use crate::testing::{add, folder, index_png, jpeg, jpeg_with_orientation, png};

/// Two training pictures, one held out and one of the test split, as VOC has them.
fn voc() -> tempfile::TempDir {
    folder(&[
        ("VOCdevkit/VOC2012/JPEGImages/a.jpg", &jpeg(6, 4)),
        ("VOCdevkit/VOC2012/JPEGImages/b.JPG", &jpeg(6, 4)),
        ("VOCdevkit/VOC2012/JPEGImages/c.jpg", &jpeg(5, 4)),
        ("VOCdevkit/VOC2012/JPEGImages/d.jpg", &jpeg_with_orientation(6, 4, 6)),
        ("VOCdevkit/VOC2012/SegmentationClass/a.png", &index_png(6, 4, |x, _| [0, 15, VOID][x % 3])),
        ("VOCdevkit/VOC2012/SegmentationClass/b.png", &index_png(6, 4, |_, y| y as u8)),
        ("VOCdevkit/VOC2012/SegmentationClass/c.png", &index_png(5, 4, |_, _| 1)),
        ("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt", b"\xef\xbb\xbfa\r\n\r\nb.jpg \r\na\r\n"),
        ("VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", b"c\n"),
        ("VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt", b"d\n"),
    ])
}

fn open(root: &Path, split: &str) -> Result<SegmentationDataset, DataError> {
    SegmentationDataset::open(root, &SegmentationOptions::default(), &Split::from(split))
}

fn ids(set: &SegmentationDataset) -> Vec<&str> {
    set.images.iter().map(|record| record.id.as_str()).collect()
}

#[test]
fn voc_is_read_from_any_of_its_folders() {
    let root = voc();
    let found: Vec<_> = ["", "VOCdevkit", "VOCdevkit/VOC2012"]
        .iter()
        .map(|inner| open(&root.path().join(inner), "train").unwrap())
        .collect();
    assert!(found[0] == found[1] && found[0] == found[2]);
    let train = &found[0];
    // CRLF, blank lines, endings and repetitions of the list are no fault (rows 28 and 39).
    assert_eq!((ids(train), train.class_names.len()), (vec!["a", "b"], 21));
    assert!(train.notes[0].contains("1 ids listed again"), "{:?}", train.notes);
    let first = train.images[0].read().unwrap();
    assert_eq!(first.image.size, ImageSize { width: 6, height: 4 });
    assert_eq!(&first.labels.labels[..6], [0, 15, VOID, 0, 15, VOID]);
    assert!(train.images[1].image.ends_with("JPEGImages/b.JPG"));
}

#[test]
fn a_test_split_without_masks_serves_prediction_alone() {
    let root = voc();
    let test = open(root.path(), "test").unwrap();
    assert_eq!((test.images[0].mask.as_ref(), test.notes.len()), (None, 1));
    // Without a mask the picture is turned upright.
    assert_eq!(test.images[0].read_image().unwrap().size, ImageSize { width: 4, height: 6 });
    let error = test.images[0].read().unwrap_err().to_string();
    assert!(error.contains("d: expected a mask, got none"), "{error}");
}

/// Row 16 of the edge cases: masks lie over the stored pixels, whatever EXIF says.
#[test]
fn exif_turns_no_picture_that_has_a_mask() {
    let root = voc();
    let home = root.path().join("VOCdevkit/VOC2012");
    add(&home, &[("SegmentationClass/d.png", &index_png(6, 4, |_, _| 2))]);
    let test = open(root.path(), "test").unwrap();
    assert_eq!(test.images[0].read().unwrap().image.size, ImageSize { width: 6, height: 4 });
    assert_eq!(test.images[0].read_image().unwrap().size, ImageSize { width: 6, height: 4 });
    add(&home, &[("SegmentationClass/d.png", &index_png(4, 6, |_, _| 2))]);
    let error = open(root.path(), "test").unwrap().images[0].read().unwrap_err().to_string();
    assert!(error.contains("is 4x6 pixels, its picture") && error.contains("EXIF asks for a turn"), "{error}");
}

/// Row 29.
#[test]
fn the_augmented_split_has_its_own_masks_or_a_command_that_makes_them() {
    let root = voc();
    let home = root.path().join("VOCdevkit/VOC2012");
    let error = open(root.path(), "trainaug").unwrap_err().to_string();
    assert!(error.contains("SegmentationClassAug") && error.contains("trainaug.txt"), "{error}");
    assert!(error.ends_with("help: build it from VOC and SBD: wrs prepare voc-aug --voc DIR --sbd DIR --out DIR"));
    add(
        &home,
        &[
            ("ImageSets/Segmentation/trainaug.txt", b"/JPEGImages/a.jpg /SegmentationClassAug/a.png\nb\n"),
            ("SegmentationClassAug/a.png", &index_png(6, 4, |_, _| 3)),
            ("SegmentationClassAug/b.png", &index_png(6, 4, |_, _| 4)),
        ],
    );
    let set = open(root.path(), "trainaug").unwrap();
    assert_eq!(set.images[0].read().unwrap().labels.labels, [3; 24]);
    let counts = "trainaug has 2 of 10582 ids, 2 of the 2 of train, 0 of the 1 of val";
    assert_eq!(set.notes.last().unwrap(), counts);
    assert_eq!(open(root.path(), "train").unwrap().images[0].read().unwrap().labels.labels[1], 15);
}

#[test]
fn pairs_are_found_by_the_end_of_their_paths() {
    let root = folder(&[
        ("CamVid/train/a.png", &png(6, 4, 1)),
        ("CamVid/train/b c.png", &png(6, 4, 2)),
        ("CamVid/trainannot/a.png", &index_png(6, 4, |x, _| [0, 1, 11][x % 3])),
        ("CamVid/trainannot/b c.png", &index_png(6, 4, |_, _| 1)),
        (
            "CamVid/train.txt",
            b"/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n\
              C:\\SegNet\\CamVid\\train\\b c.png C:\\SegNet\\CamVid\\trainannot\\b c.png\n",
        ),
        ("CamVid/val/v.png", &png(6, 4, 3)),
        ("CamVid/valannot/v.png", &index_png(6, 4, |_, _| 0)),
    ]);
    let options = SegmentationOptions {
        class_names: Some(vec!["sky".into(), "road".into()]),
        void_labels: vec![11],
        ..SegmentationOptions::default()
    };
    for home in ["", "CamVid"] {
        let open = |split| SegmentationDataset::open(&root.path().join(home), &options, &split).unwrap();
        let train = open(Split::Train);
        assert_eq!(ids(&train), ["a", "b c"]);
        assert_eq!(&train.images[0].read().unwrap().labels.labels[..3], [0, 1, VOID]);
        // No list: the folders tell the same.
        assert_eq!(ids(&open(Split::Val)), ["v"]);
    }
    let error = SegmentationDataset::open(root.path(), &options, &Split::Test).unwrap_err().to_string();
    assert!(error.contains("test.txt") && error.contains("help: write this list"), "{error}");
    add(root.path(), &[("CamVid/test.txt", b"test/a.png\n")]);
    let error = SegmentationDataset::open(root.path(), &options, &Split::Test).unwrap_err().to_string();
    assert!(error.contains("line 1: expected a picture and its mask, with their endings, got test/a.png"), "{error}");
}

#[test]
fn folders_of_either_name_are_paired_by_file_name() {
    for (images, masks, layout) in
        [("img_dir", "ann_dir", SegmentationLayout::Mmsegmentation), ("images", "masks", SegmentationLayout::Folders)]
    {
        let root = folder(&[
            (&format!("{images}/train/b.jpeg"), &jpeg(6, 4)),
            (&format!("{images}/train/a.png"), &png(6, 4, 1)),
            (&format!("{masks}/train/a.png"), &index_png(6, 4, |_, y| (y % 2) as u8)),
            (&format!("{masks}/train/b.png"), &index_png(6, 4, |_, _| 1)),
            ("classes.txt", b"wall\nfloor\n"),
        ]);
        assert_eq!(recognise(root.path()).unwrap(), layout);
        let train = open(root.path(), "train").unwrap();
        assert_eq!((ids(&train), &train.class_names[1][..]), (vec!["a", "b"], "floor"));
        assert_eq!(train.images[1].read().unwrap().labels.labels, [1; 24]);
        let error = open(root.path(), "val").unwrap_err().to_string();
        assert!(error.contains("no split val") && error.ends_with("help: splits present: train"), "{error}");
        std::fs::remove_file(root.path().join("classes.txt")).unwrap();
        let error = open(root.path(), "train").unwrap_err().to_string();
        assert!(error.contains("class-names: expected the names by label") && error.contains("classes.txt"), "{error}");
    }
}

/// Rows 8 and 40: every missing file is named; an empty split is an error.
#[test]
fn missing_files_are_refused_or_left_out() {
    let root = voc();
    let home = root.path().join("VOCdevkit/VOC2012");
    std::fs::remove_file(home.join("SegmentationClass/a.png")).unwrap();
    add(&home, &[("ImageSets/Segmentation/train.txt", b"a\nb\ngone\n")]);
    let error = open(root.path(), "train").unwrap_err();
    let DataError::MissingFiles { total: 3, missing, .. } = &error else { panic!("{error}") };
    let names: Vec<_> = missing.iter().map(|path| path.strip_prefix(&home).unwrap().display().to_string()).collect();
    assert_eq!(names, ["SegmentationClass/a.png", "JPEGImages/gone.jpg", "SegmentationClass/gone.png"]);
    let skip = SegmentationOptions { missing: MissingFiles::Skip, ..SegmentationOptions::default() };
    let train = SegmentationDataset::open(root.path(), &skip, &Split::Train).unwrap();
    assert_eq!(ids(&train), ["b"]);
    assert!(train.notes.last().unwrap().starts_with("2 of 3 pictures are left out"), "{:?}", train.notes);
    add(&home, &[("ImageSets/Segmentation/val.txt", b"\n# none\n")]);
    let error = open(root.path(), "val").unwrap_err().to_string();
    assert!(error.contains("expected at least one id, got none"), "{error}");
}

/// Rows 7 and 17: what is cut off, damaged or of another size is refused by name, or left out and counted.
#[test]
fn broken_files_are_refused_or_left_out() {
    let (photograph, mask) = (jpeg(6, 4), index_png(6, 4, |x, _| (x % 2) as u8));
    let root = folder(&[
        ("images/train/a.jpg", &photograph),
        ("images/train/b.jpg", &photograph[..photograph.len() - 20]),
        ("images/train/c.png", &png(6, 4, 1)),
        ("images/train/d.png", &png(6, 4, 2)),
        ("images/train/e.png", &png(6, 4, 3)),
        ("masks/train/a.png", &mask),
        ("masks/train/b.png", &mask),
        ("masks/train/c.png", &mask[..mask.len() - 30]),
        ("masks/train/d.png", &index_png(5, 4, |_, _| 1)),
        ("masks/train/e.png", b""),
        ("classes.txt", b"sky\nroad\n"),
    ]);
    let train = |broken| {
        let options = SegmentationOptions { broken, ..SegmentationOptions::default() };
        SegmentationDataset::open(root.path(), &options, &Split::Train)
    };
    // The masks are sampled when the set is opened; of pictures the first that is read stops.
    assert!(train(BrokenFiles::Refuse).unwrap_err().to_string().contains("masks/train/c.png"));
    add(root.path(), &[("masks/train/c.png", &mask), ("masks/train/e.png", &mask)]);
    let whole = train(BrokenFiles::Refuse).unwrap();
    let refusal = |at: usize| whole.images[at].read().unwrap_err().to_string();
    assert!(refusal(1).contains("b.jpg") && refusal(1).contains("ends before its end marker"), "{}", refusal(1));
    assert!(refusal(3).contains("5x4") && refusal(3).contains("6x4"), "{}", refusal(3));
    assert!(refusal(3).contains("broken = \"skip\""), "{}", refusal(3));

    add(root.path(), &[("masks/train/c.png", &mask[..mask.len() - 30]), ("masks/train/e.png", b"")]);
    let left = train(BrokenFiles::Skip).unwrap();
    assert_eq!(ids(&left), ["a"]);
    let note = left.notes.last().unwrap();
    assert!(note.starts_with("4 of 5 pictures are left out: they or their masks are broken, first "), "{note}");
    assert!(note.contains("b.jpg: it ends before its end marker"), "{note}");
    assert_eq!(train(BrokenFiles::Skip).unwrap(), left, "the same every time");

    // A coloured mask is no broken one: it stays, and is refused.
    add(root.path(), &[("masks/train/a.png", &png(6, 4, 9))]);
    assert!(train(BrokenFiles::Skip).unwrap_err().to_string().contains("got RGB"));
    add(root.path(), &[("masks/train/a.png", b"")]);
    let error = train(BrokenFiles::Skip).unwrap_err().to_string();
    assert!(error.contains("its 5 pictures: expected a whole one with its mask, got none"), "{error}");
}

/// Row 4: a foreground of 255 is void and would teach nothing.
#[test]
fn masks_of_black_and_white_stop_with_an_explanation() {
    let root = folder(&[
        ("images/train/a.png", &png(6, 4, 1)),
        ("images/train/b.png", &png(6, 4, 2)),
        ("masks/train/a.png", &index_png(6, 4, |x, _| if x < 3 { 0 } else { 255 })),
        ("masks/train/b.png", &index_png(6, 4, |_, _| 0)),
        ("classes.txt", b"back\nfront\n"),
    ]);
    let error = open(root.path(), "train").unwrap_err().to_string();
    assert!(error.contains("nothing but 0 and 255 in 2 of 2") && error.contains("mask-map = [[255, 1]]"), "{error}");
    let mapped = SegmentationOptions { mask_map: vec![(255, 1)], ..SegmentationOptions::default() };
    let train = SegmentationDataset::open(root.path(), &mapped, &Split::Train).unwrap();
    assert_eq!(&train.images[0].read().unwrap().labels.labels[..6], [0, 0, 0, 1, 1, 1]);
    let is_void = SegmentationOptions { mask_map: vec![(255, 255)], ..SegmentationOptions::default() };
    assert!(SegmentationDataset::open(root.path(), &is_void, &Split::Train).is_ok());
}

#[test]
fn layouts_are_spelled_as_recipes_spell_them() {
    for layout in SegmentationLayout::ALL {
        assert_eq!(serde_json::to_string(&layout).unwrap(), format!("\"{layout}\""));
    }
}

#[test]
fn palettes_are_indices_never_colours() {
    let root = voc();
    let mask = root.path().join("VOCdevkit/VOC2012/SegmentationClass/c.png");
    let map = LabelMap { width: 5, height: 4, labels: vec![20; 20] };
    crate::label_map::write_label_map(&mask, &map, &voc_palette()).unwrap();
    assert_eq!(open(root.path(), "val").unwrap().images[0].read_labels().unwrap(), map);
}

fn data() -> PathBuf {
    PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"))
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn every_real_picture_has_its_labels() {
    let camvid = "Sky Building Pole Road Pavement Tree SignSymbol Fence Car Pedestrian Bicyclist";
    let camvid = SegmentationOptions {
        class_names: Some(camvid.split(' ').map(str::to_owned).collect()),
        void_labels: vec![11],
        ..SegmentationOptions::default()
    };
    let voc = SegmentationOptions::default();
    for (folder, options, splits) in [
        ("voc2012_seg", voc, [("train", 130), ("trainaug", 215), ("val", 90)]),
        ("camvid", camvid, [("train", 18), ("val", 6), ("test", 7)]),
    ] {
        for (split, pictures) in splits {
            let begun = std::time::Instant::now();
            let set = SegmentationDataset::open(&data().join(folder), &options, &Split::from(split)).unwrap();
            assert_eq!(set.images.len(), pictures, "{folder} {split}");
            let mut has_void = false;
            for record in &set.images {
                let LabelledImage { image, labels, .. } = record.read().unwrap();
                assert_eq!((image.size.width, image.size.height), (labels.width, labels.height));
                assert!(labels.labels.iter().all(|&label| usize::from(label) < set.class_names.len() || label == VOID));
                has_void |= labels.labels.contains(&VOID);
            }
            assert!(has_void);
            eprintln!("{} read in {:.1?}: {:?}", set.name, begun.elapsed(), set.notes);
        }
    }
}
