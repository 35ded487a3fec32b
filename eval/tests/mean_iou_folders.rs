//! Folders of masks: what is scored, what is refused, and that neither depends on threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../datasets/tests/masks/mod.rs"]
mod masks;

use std::fs;
use std::path::{Path, PathBuf};

use hotcoco::semantic::SemanticEval;
use masks::{Header, palette, png};
use tempfile::TempDir;
use wrs_eval::{
    AbsentClasses, ConfusionMatrix, FolderEvaluation, MaskNames, SegmentationError, VOID, evaluate_folders,
    read_label_map,
};

/// A folder `gt` and a folder `pred`.
struct Folders {
    root: TempDir,
}

impl Folders {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("gt")).unwrap();
        fs::create_dir(root.path().join("pred")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// A palette PNG of one row.
    fn mask(self, name: &str, labels: &[u8]) -> Self {
        let samples: Vec<u16> = labels.iter().map(|&label| u16::from(label)).collect();
        self.file(name, &png(palette(samples.len() as u32, 1), &samples))
    }

    fn score(&self, num_classes: usize, names: MaskNames<'_>) -> Result<FolderEvaluation, SegmentationError> {
        evaluate_folders(&self.path("pred"), &self.path("gt"), num_classes, names)
    }

    /// The refusal, paths relative to the root.
    fn refusal(&self, num_classes: usize, names: MaskNames<'_>) -> String {
        let error = self.score(num_classes, names).unwrap_err().to_string();
        error.replace(&format!("{}/", self.root.path().display()), "")
    }
}

fn matrix(num_classes: usize, pairs: &[(&[u8], &[u8])]) -> ConfusionMatrix {
    let mut confusion = ConfusionMatrix::new(num_classes).unwrap();
    for (truth, prediction) in pairs {
        confusion.add(truth, prediction).unwrap();
    }
    confusion
}

#[test]
fn masks_pair_by_name_whatever_their_layout() {
    let grey = |width, bits, labels: &[u16]| png(Header { width, height: 1, color: 0, bits, interlace: 0 }, labels);
    let folders = Folders::new()
        .mask("gt/a.png", &[0, 1, 2, 255])
        .file("pred/a.png", &grey(4, 8, &[0, 2, 2, 1]))
        .mask("gt/b.PNG", &[1, 1, 1])
        .file("pred/b.png", &grey(3, 1, &[1, 0, 1]))
        .file("gt/b.jpg", b"the picture")
        .file("gt/.a.png", b"hidden")
        .file("pred/README.txt", b"no mask");
    let scored = folders.score(3, MaskNames::Every).unwrap();
    assert_eq!(scored.images, 2);
    assert_eq!(scored.confusion, matrix(3, &[(&[0, 1, 2, 255], &[0, 2, 2, 1]), (&[1, 1, 1], &[1, 0, 1])]));
}

#[test]
fn a_list_scores_a_part_of_the_folders() {
    let folders = Folders::new()
        .mask("gt/a.png", &[0, 1])
        .mask("gt/b.png", &[1, 1])
        .mask("pred/b.png", &[1, 0])
        .file("pred/c.png", b"not looked at");
    let names = ["b".to_owned(), "b".to_owned()];
    let scored = folders.score(2, MaskNames::Listed(&names)).unwrap();
    assert_eq!((scored.images, scored.confusion), (1, matrix(2, &[(&[1, 1], &[1, 0])])));
    let text = folders.refusal(2, MaskNames::Listed(&["a".to_owned(), "b".to_owned(), "d".to_owned()]));
    assert_eq!(
        text,
        "expected a mask of every name in both folders\n2 of them are not in pred: a, d\n1 of them are not in gt: d\nhelp: masks are index PNGs named as their picture; to score a part of a folder, list its names"
    );
}

#[test]
fn masks_without_a_partner_are_listed() {
    let mut folders = Folders::new().mask("gt/z.png", &[0]).file("pred/z.jpg", b"lossy").mask("pred/extra.png", &[0]);
    for i in 0..25 {
        folders = folders.mask(&format!("gt/m{i:02}.png"), &[0]);
    }
    let text = folders.refusal(2, MaskNames::Every);
    assert!(text.contains("\n26 of them are not in pred: m00, m01, "), "{text}");
    assert!(text.contains("m19 and 6 more\n1 of them are not in gt: extra\nhelp: "), "{text}");
    let listed = folders.refusal(2, MaskNames::Listed(&["z".to_owned()]));
    assert!(listed.contains("not in pred: z (there is z.jpg)"), "{listed}");
}

#[test]
fn nothing_to_score_and_folders_that_are_none() {
    assert!(Folders::new().refusal(2, MaskNames::Every).starts_with("gt: expected masks to score, got none"));
    let folders = Folders::new().mask("pred/a.png", &[0]);
    assert!(folders.refusal(2, MaskNames::Every).starts_with("gt: expected masks to score, got none"));
    assert!(folders.refusal(2, MaskNames::Listed(&[])).starts_with("gt: expected masks to score, got none"));
    let error = evaluate_folders(&folders.path("nowhere"), &folders.path("gt"), 2, MaskNames::Every).unwrap_err();
    assert!(error.to_string().contains("nowhere: cannot read: "), "{error}");
    assert!(folders.refusal(256, MaskNames::Every).starts_with("expected 1 to 255 classes, got 256"));
}

#[test]
fn two_masks_of_one_name_are_ambiguous() {
    let folders = Folders::new().mask("gt/a.png", &[0]).mask("gt/a.PNG", &[1]);
    assert_eq!(
        folders.refusal(2, MaskNames::Every),
        "expected one mask of each name, got gt/a.PNG and gt/a.png\nhelp: remove one"
    );
}

/// Six pairs, five of them faulty in their own way.
fn faulty() -> Folders {
    let rgb = Header { width: 2, height: 1, color: 2, bits: 8, interlace: 0 };
    let tall = Header { width: 1, height: 2, color: 3, bits: 8, interlace: 0 };
    let wide = Header { width: 2, height: 2, color: 3, bits: 8, interlace: 0 };
    Folders::new()
        .mask("gt/a.png", &[0, 1])
        .file("pred/a.png", &png(rgb, &[0; 6]))
        .mask("gt/b.png", &[0, 1])
        .file("pred/b.png", &png(tall, &[0, 1]))
        .file("gt/c.png", &png(wide, &[0, 255, 128, 0]))
        .file("pred/c.png", &png(wide, &[0; 4]))
        .mask("gt/d.png", &[0, 1])
        .mask("pred/d.png", &[0, 255])
        .mask("gt/e.png", &[0, 1])
        .file("pred/e.png", b"\xff\xd8\xff\xe0 named .png, a JPEG all the same")
        .mask("gt/f.png", &[0, 1])
        .mask("pred/f.png", &[0, 1])
}

#[test]
fn every_faulty_mask_is_named_with_its_mend() {
    let help = "help: labels are class indices, and the number of classes counts the background; map labels that are spaced for the eye (0, 128, 255) to indices first";
    let expected = [
        "pred/a.png: expected a PNG of one channel (palette or grey), got RGB",
        "help: map each colour of the mask to its class index and store the indices",
        "pred/b.png: expected 2x1 pixels as in gt/b.png, got 1x2",
        "help: predict at the size of the original picture; labels are never resized here",
        "gt/c.png, x 0, y 1: expected labels 0 to 1 and 255 (void), got 128 (the map has 0, 128, 255)",
        help,
        "pred/d.png, x 1, y 0: expected labels 0 to 1, got 255 (the map has 0, 255)",
        "help: a prediction names a class for every pixel, void ones of the ground truth too",
        "pred/e.png: expected a PNG of indices, got a JPEG, whose compression changes labels",
        "help: store labels as 8-bit index or grey PNGs",
    ];
    assert_eq!(faulty().refusal(2, MaskNames::Every).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_foreground_of_255_is_refused() {
    let folders = Folders::new().mask("gt/a.png", &[0, 255]).mask("pred/a.png", &[0, 1]);
    assert_eq!(
        folders.refusal(2, MaskNames::Every),
        "gt: expected class indices, got only 0 and 255 in 1 of 1 masks: 255 is void and would not be scored\nhelp: write the foreground as 1"
    );
    // Void outlines around objects are as they should be, and so is a mask of void alone.
    let folders = folders.mask("gt/b.png", &[0, 255, 1]).mask("pred/b.png", &[0, 1, 1]);
    assert_eq!(folders.score(2, MaskNames::Every).unwrap().images, 2);
    let void = Folders::new().mask("gt/a.png", &[VOID; 3]).mask("pred/a.png", &[0, 1, 1]);
    let scored = void.score(2, MaskNames::Every).unwrap();
    assert_eq!((scored.images, scored.confusion.metrics(AbsentClasses::Skip).miou), (1, None));
}

/// Forty pairs of several sizes with runs, noise and void.
fn many() -> Folders {
    let mut folders = Folders::new();
    for i in 0..40_u32 {
        let (width, height) = (17 + i % 5, 9 + i % 3);
        let header = palette(width, height);
        let truth = |p: u32| if (p / 7 + i).is_multiple_of(11) { 255 } else { ((p / 23 + i) % 5) as u16 };
        let prediction = |p: u32| ((p / 19 + i / 2 + u32::from((p * 7 + i).is_multiple_of(13))) % 5) as u16;
        let pixels = || 0..width * height;
        folders = folders
            .file(&format!("gt/{i}.png"), &png(header, &pixels().map(truth).collect::<Vec<_>>()))
            .file(&format!("pred/{i}.png"), &png(header, &pixels().map(prediction).collect::<Vec<_>>()));
    }
    folders
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (good, bad) = (many(), faulty());
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (good.score(5, MaskNames::Every).unwrap(), bad.refusal(2, MaskNames::Every)))
    };
    let one = with_threads(1);
    assert_eq!(one.0.images, 40);
    for threads in [2, 3, 8] {
        assert_eq!(with_threads(threads), one, "{threads} threads");
    }
}

#[test]
fn a_folder_is_the_sum_of_its_files_and_what_hotcoco_makes_of_it() {
    let folders = many();
    let scored = folders.score(5, MaskNames::Every).unwrap().confusion;
    let mut summed = ConfusionMatrix::new(5).unwrap();
    for i in 0..40 {
        let labels = |folder: &str| read_label_map(&folders.path(&format!("{folder}/{i}.png"))).unwrap().labels;
        summed.add(&labels("gt"), &labels("pred")).unwrap();
    }
    assert_eq!(scored, summed);
    assert_equals_hotcoco(&scored, &folders.path("gt"), &folders.path("pred"));
}

fn assert_equals_hotcoco(ours: &ConfusionMatrix, gt: &Path, pred: &Path) {
    let mut theirs = SemanticEval::new(ours.num_classes());
    theirs.update_folders(gt, pred).unwrap();
    assert!(ours.rows().flatten().eq(theirs.confusion().counts()));
    let (ours, theirs) = (ours.metrics(AbsentClasses::Skip), theirs.scores());
    assert_eq!(ours.miou, Some(theirs.miou));
    assert_eq!(ours.pixel_accuracy, Some(theirs.aacc));
    assert_eq!(ours.mean_accuracy, Some(theirs.macc));
    assert_eq!(ours.fw_iou, Some(theirs.fwiou));
}

/// VOC's masks against those of the augmented set, moved by nine pixels and void made background: real sizes, real files.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_voc_masks_score_as_in_hotcoco() {
    let data = PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"));
    let voc = data.join("voc2012_seg/VOCdevkit/VOC2012");
    let truth = voc.join("SegmentationClass");
    let folders = Folders::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(&truth).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let map = read_label_map(&voc.join(format!("SegmentationClassAug/{name}.png"))).unwrap();
        let mut samples: Vec<u16> =
            map.labels.iter().map(|&label| if label == VOID { 0 } else { u16::from(label) }).collect();
        samples.rotate_right(9.min(map.width));
        let bytes = png(palette(map.width as u32, map.height as u32), &samples);
        fs::write(folders.path(&format!("pred/{name}.png")), bytes).unwrap();
        names.push(name);
    }
    let pred = folders.path("pred");
    let scored = evaluate_folders(&pred, &truth, 21, MaskNames::Every).unwrap();
    assert_eq!(scored.images, names.len());
    assert_equals_hotcoco(&scored.confusion, &truth, &pred);
    let metrics = scored.confusion.metrics(AbsentClasses::Skip);
    println!("{} images, mIOU {:?}, void {}", scored.images, metrics.miou, metrics.void_pixels);
    assert!((0.5..0.99).contains(&metrics.miou.unwrap()) && metrics.void_pixels > 0);
}
