use std::fs;
use std::path::Path;

use super::*;
use crate::label_map::{LabelMap, VOID, encode_label_map, read_label_map, voc_palette};
use crate::mat5::{Array, Class, Compression, Endian, MatFile, Numbers, Numeric, Sparse, Value};
use crate::testing::{add, folder, jpeg};

const WIDTH: usize = 5;
const HEIGHT: usize = 3;

/// Labels that tell rows from columns, and one source from another.
fn labels(shift: u8) -> LabelMap {
    let labels = (0..WIDTH * HEIGHT).map(|i| i as u8 + shift).collect();
    LabelMap { width: WIDTH, height: HEIGHT, labels }
}

/// A file of SBD's layout: `GTcls` with boundaries, labels and the classes that are there.
fn sbd_file(map: &LabelMap) -> Vec<u8> {
    let real = Numbers::U8(vec![1]);
    let boundary = Sparse { class: Class::Logical, rows: vec![1], column_starts: vec![0, 1, 1], real, imaginary: None };
    let boundary = Array::new(vec![3, 2], Value::Sparse(boundary)).unwrap();
    let classes = Numeric { class: Class::F64, real: Numbers::U8(vec![1, 15]), imaginary: None };
    let truth = Array::structure([
        ("Boundaries", Array::new(vec![20, 1], Value::Cell(vec![boundary; 20])).unwrap()),
        ("Segmentation", Array::matrix(map.height, map.width, &map.labels).unwrap()),
        ("CategoriesPresent", Array::new(vec![2, 1], Value::Numeric(classes)).unwrap()),
    ]);
    MatFile::new([("GTcls", truth)]).encode(Endian::Little, Compression::Deflated).unwrap()
}

/// VOC and SBD in one folder: `a` and `b` in VOC's training list, `v` in its validation list; `b`, `c`, `v` and `d` in SBD's.
/// A label of VOC's masks is void.
fn sources() -> tempfile::TempDir {
    let home = "voc/VOCdevkit/VOC2012";
    let mut voc = labels(1);
    voc.labels[7] = VOID;
    let mask = encode_label_map(&voc, &voc_palette()).unwrap();
    let truth = sbd_file(&labels(3));
    let picture = jpeg(WIDTH, HEIGHT);
    let root = folder(&[
        (&format!("{home}/ImageSets/Segmentation/train.txt"), b"2007_b\r\n2007_a\r\n"),
        (&format!("{home}/ImageSets/Segmentation/val.txt"), b"2008_v\n"),
        ("sbd/benchmark_RELEASE/dataset/train.txt", b"2008_v\n2008_c\n2007_b\n2008_c\n"),
        ("sbd/benchmark_RELEASE/dataset/val.txt", b"2011_d\n"),
    ]);
    for id in ["2007_a", "2007_b", "2008_v", "2008_c", "2011_d"] {
        add(root.path(), &[(&format!("{home}/JPEGImages/{id}.jpg"), &picture)]);
    }
    for id in ["2007_a", "2007_b", "2008_v"] {
        add(root.path(), &[(&format!("{home}/SegmentationClass/{id}.png"), &mask)]);
    }
    for id in ["2007_b", "2008_c", "2008_v", "2011_d"] {
        add(root.path(), &[(&format!("sbd/benchmark_RELEASE/dataset/cls/{id}.mat"), &truth)]);
    }
    root
}

fn options(root: &Path, out: &str) -> AugmentedVocOptions {
    AugmentedVocOptions {
        voc: root.join("voc"),
        sbd: root.join("sbd"),
        out: root.join(out),
        labels: LabelSource::VocFirst,
        expect: Expect::Any,
    }
}

#[test]
fn the_set_is_training_pictures_of_both_without_those_of_validation() {
    let root = sources();
    let report = write(&options(root.path(), "out"), 2).unwrap();
    let counts = Counts { voc_train: 2, voc_val: 1, sbd_train: 3, sbd_val: 1, augmented: 4 };
    assert_eq!((report.counts, report.from_voc, report.from_sbd), (counts, 2, 2));
    let years: Vec<_> = report.years.iter().map(|(year, count)| (year.as_str(), *count)).collect();
    assert_eq!(years, [("2007", 2), ("2008", 1), ("2011", 1)]);
    assert_eq!(report.notes.len(), 1, "2008_c is listed twice: {:?}", report.notes);
    let out = root.path().join("out");
    let list = fs::read_to_string(out.join("ImageSets/Segmentation/trainaug.txt")).unwrap();
    assert_eq!(list, "2007_a\n2007_b\n2008_c\n2011_d\n");
    let mut voc = labels(1);
    voc.labels[7] = VOID;
    for (id, expected) in [("2007_a", &voc), ("2007_b", &voc), ("2008_c", &labels(3)), ("2011_d", &labels(3))] {
        let mask = out.join(format!("SegmentationClassAug/{id}.png"));
        assert_eq!(read_label_map(&mask).unwrap(), *expected, "{id}");
    }
    assert_eq!(fs::read_dir(out.join("SegmentationClassAug")).unwrap().count(), 4);
    let text = report.to_string();
    assert!(text.contains("labels: 2 of VOC, 2 of SBD") && text.contains("years: 2007 2, 2008 1, 2011 1"), "{text}");
}

#[test]
fn sbds_labels_may_come_first() {
    let root = sources();
    let report =
        write(&AugmentedVocOptions { labels: LabelSource::SbdFirst, ..options(root.path(), "out") }, 0).unwrap();
    assert_eq!((report.from_voc, report.from_sbd), (1, 3));
    assert_eq!(read_label_map(&report.masks.join("2007_b.png")).unwrap(), labels(3));
    assert_eq!(read_label_map(&report.masks.join("2007_a.png")).unwrap().labels[7], VOID);
}

#[test]
fn the_manifest_says_what_each_mask_was_made_of() {
    let root = sources();
    let report = write(&options(root.path(), "out"), 1).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(report.manifest).unwrap()).unwrap();
    assert_eq!((&manifest["labels"], &manifest["counts"]["augmented"]), (&"voc-first".into(), &4.into()));
    let mask = &manifest["masks"][2];
    assert_eq!((&mask["id"], &mask["source"]), (&"2008_c".into(), &"sbd".into()));
    assert_eq!((&mask["width"], &mask["height"]), (&WIDTH.into(), &HEIGHT.into()));
    assert_eq!(mask["blake3"], blake3::hash(&labels(3).labels).to_hex().as_str());
}

#[test]
fn written_into_vocs_folder_it_is_read_as_the_split_trainaug() {
    use crate::segmentation::{SegmentationDataset, SegmentationOptions};
    let root = sources();
    let report = write(&options(root.path(), "voc"), 2).unwrap();
    assert_eq!(report.masks, root.path().join("voc/VOCdevkit/VOC2012/SegmentationClassAug"));
    let split = crate::Split::Named("trainaug".into());
    let set = SegmentationDataset::open(&root.path().join("voc"), &SegmentationOptions::default(), &split).unwrap();
    assert_eq!(set.images.len(), 4);
    assert_eq!(set.images[3].read().unwrap().labels, labels(3));
}

#[test]
fn threads_change_nothing() {
    let root = sources();
    let bytes = |out: &str, workers| {
        let report = write(&options(root.path(), out), workers).unwrap();
        (fs::read(report.manifest).unwrap(), fs::read(report.masks.join("2011_d.png")).unwrap())
    };
    assert_eq!(bytes("one", 0), bytes("two", 3));
}

#[test]
fn what_lies_there_is_not_replaced() {
    let root = sources();
    write(&options(root.path(), "out"), 0).unwrap();
    let error = write(&options(root.path(), "out"), 0).unwrap_err().to_string();
    assert!(error.contains("SegmentationClassAug already exists"), "{error}");
    // What a run that was stopped left behind is.
    add(root.path(), &[("other/.SegmentationClassAug.partial/x.png", b"")]);
    let report = write(&options(root.path(), "other"), 0).unwrap();
    assert!(!report.masks.join("x.png").exists());
}

#[test]
fn counts_of_a_part_are_refused_with_every_difference() {
    let root = sources();
    let options = AugmentedVocOptions { expect: Expect::Published, ..options(root.path(), "out") };
    let error = write(&options, 0).unwrap_err().to_string();
    assert!(error.contains("VOC train 2 (1462 fewer), VOC val 1 (1448 fewer), SBD train 3 (8495 fewer)"), "{error}");
    assert!(
        error.contains("augmented 4 (10578 fewer)") && error.contains("augmented of 2009 0 (2392 fewer)"),
        "{error}"
    );
    assert!(!options.out.exists());
}

#[test]
fn all_missing_files_are_named_before_anything_is_written() {
    let root = sources();
    let home = root.path().join("voc/VOCdevkit/VOC2012");
    fs::remove_file(home.join("JPEGImages/2008_c.jpg")).unwrap();
    fs::remove_file(home.join("SegmentationClass/2007_a.png")).unwrap();
    fs::remove_file(root.path().join("sbd/benchmark_RELEASE/dataset/cls/2011_d.mat")).unwrap();
    let error = write(&options(root.path(), "out"), 0).unwrap_err();
    let DataError::MissingSources { total: 8, missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing.len(), 3);
    assert!(error.to_string().contains("cls/2011_d.mat"), "{error}");
    assert!(!root.path().join("out").exists());
}

#[test]
fn labels_that_do_not_fit_name_their_file() {
    let refusal = |file: &str, bytes: &[u8]| {
        let root = sources();
        add(root.path(), &[(file, bytes)]);
        let error = write(&options(root.path(), "out"), 2).unwrap_err().to_string();
        assert!(!root.path().join("out/SegmentationClassAug").exists());
        assert!(error.contains(file), "{error}");
        error
    };
    let cls = "sbd/benchmark_RELEASE/dataset/cls/2008_c.mat";
    let error = refusal(cls, &sbd_file(&labels(7)));
    assert!(error.contains("GTcls.Segmentation: expected classes 0 to 20, got 21 at x 4, y 2"), "{error}");
    let error = refusal(cls, &sbd_file(&LabelMap { width: 3, height: 5, labels: labels(3).labels }));
    assert!(error.contains("is 3x5 pixels, its picture") && error.contains("5x3"), "{error}");
    assert!(refusal(cls, b"not MATLAB's").contains("expected a MAT file of version 5"));
    let mask = "voc/VOCdevkit/VOC2012/SegmentationClass/2007_a.png";
    let error = refusal(mask, &encode_label_map(&labels(7), &voc_palette()).unwrap());
    assert!(error.contains("labels 0 to 20"), "{error}");
}

#[test]
fn both_sources_are_found_by_any_of_their_folders() {
    let root = sources();
    for (i, (voc, sbd)) in
        [("voc/VOCdevkit", "sbd/benchmark_RELEASE"), ("voc/VOCdevkit/VOC2012", "sbd/benchmark_RELEASE/dataset")]
            .iter()
            .enumerate()
    {
        let out = format!("out{i}");
        let options = AugmentedVocOptions {
            voc: root.path().join(voc),
            sbd: root.path().join(sbd),
            ..options(root.path(), &out)
        };
        assert_eq!(write(&options, 0).unwrap().counts.augmented, 4);
    }
    let error =
        write(&AugmentedVocOptions { sbd: root.path().join("voc"), ..options(root.path(), "x") }, 0).unwrap_err();
    assert!(error.to_string().contains("no SBD under"), "{error}");
}

/// The masks that people share, made again: of VOC's own, and of SBD's as MAT files written here.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn a_part_of_the_real_set_comes_out_as_it_is_shared() {
    let voc = Path::new(&std::env::var("WRS_TEST_DATA").unwrap()).join("voc2012_seg/VOCdevkit/VOC2012");
    let ids = |split: &str| {
        let text = fs::read_to_string(voc.join(format!("ImageSets/Segmentation/{split}.txt"))).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (train, val, shared) = (ids("train"), ids("val"), ids("trainaug"));
    let of_sbd: Vec<_> = shared.iter().filter(|id| !train.contains(id)).cloned().collect();
    let root = folder(&[
        ("sbd/train.txt", of_sbd.join("\n").as_bytes()),
        // SBD has VOC's validation pictures, too.
        ("sbd/val.txt", val.join("\r\n").as_bytes()),
    ]);
    let shared_mask = |id: &str| read_label_map(&voc.join(format!("SegmentationClassAug/{id}.png"))).unwrap();
    for id in &of_sbd {
        add(root.path(), &[(&format!("sbd/cls/{id}.mat"), &sbd_file(&shared_mask(id)))]);
    }
    let report = write(&AugmentedVocOptions { voc: voc.clone(), ..options(root.path(), "out") }, 2).unwrap();
    assert_eq!((report.counts.augmented, report.from_voc, report.from_sbd), (215, 130, 85));
    let mut sorted = shared.clone();
    sorted.sort();
    assert_eq!(fs::read_to_string(report.list).unwrap().lines().collect::<Vec<_>>(), sorted);
    for id in &shared {
        assert_eq!(read_label_map(&report.masks.join(format!("{id}.png"))).unwrap(), shared_mask(id), "{id}");
    }
}
