use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::augment::counting::Filter;
use crate::counting::{CountingRecord, PointXy, encode_ann_points};
use crate::testing::{add, folder, jpeg};

fn at(x: f64, y: f64) -> PointXy {
    PointXy { x, y }
}

/// Three pictures to train on, one to test on: too small, too large, as it should be, nobody in it.
fn source() -> tempfile::TempDir {
    let root = folder(&[]);
    for (name, width, height, points) in [
        ("Train/img_0001", 24, 20, vec![at(24.0, 20.0), at(3.0, 4.0), at(3.0, 4.0)]),
        ("Train/img_0002", 83, 64, vec![at(83.0, 1.0), at(40.0, 64.0)]),
        ("Train/img_0010", 50, 45, vec![at(0.1, 44.9), at(90.0, 1.0)]),
        ("Test/img_0001", 33, 40, vec![]),
    ] {
        add(
            root.path(),
            &[
                (&format!("qnrf/{name}.jpg"), &jpeg(width, height)),
                (&format!("qnrf/{name}_ann.mat"), &encode_ann_points(&points).unwrap()),
            ],
        );
    }
    root
}

fn options(root: &Path, out: &str) -> PreparedQnrfOptions {
    PreparedQnrfOptions {
        data: root.join("qnrf"),
        out: root.join(out),
        resize: ShorterSide { bounds_px: [32, 48], filter: Filter::CatmullRom },
        format: Format::Png,
        val_list: None,
        expect: Expect::Any,
    }
}

fn records(root: &Path, split: &Split) -> Vec<CountingRecord> {
    open(root, split).unwrap().images
}

fn points(record: &CountingRecord) -> Vec<PointXy> {
    record.points.as_ref().unwrap().to_vec()
}

/// Every file of a folder and its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let inside = if folder.is_dir() {
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![folder]
        };
        for path in inside {
            found.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn pictures_and_points_are_those_that_the_sizes_ask_for() {
    let root = source();
    let options = options(root.path(), "out");
    let report = write(&options, 2).unwrap();
    let counts = Counts { train: 3, val: 0, test: 1, points: 6, enlarged: 1, shrunk: 1, kept: 2, on_edge: 2 };
    assert_eq!(report.counts, counts);
    assert_eq!(report.notes.len(), 1, "a point lies outside: {:?}", report.notes);
    let (before, after) = (records(&options.data, &Split::Train), records(&options.out, &Split::Train));
    for (before, after) in before.iter().zip(&after) {
        let rescaled = options.resize.apply(before.read_image().unwrap(), &points(before)).unwrap();
        assert_eq!((&before.id, after.read_image().unwrap()), (&after.id, rescaled.image));
        assert_eq!(points(before).len(), points(after).len());
        let near = |a: PointXy, b: PointXy| (a.x - b.x).abs() <= 0.5 && (a.y - b.y).abs() <= 0.5;
        assert!(rescaled.points.into_iter().zip(points(after)).all(|(a, b)| near(a, b)));
    }
    let sizes: Vec<_> = after.iter().map(|record| record.size.to_string()).collect();
    assert_eq!(sizes, ["38x32", "62x48", "50x45"]);
    // 24 x 1.6 = 38.4 and 83 x 0.75 = 62.25 are beyond the edges.
    assert_eq!(points(&after[0])[0], at(38.0, 32.0));
    assert_eq!(points(&after[1])[0], at(62.0, 0.75));
    assert_eq!(records(&options.out, &Split::Test)[0].points.as_deref(), Some(&[][..]));
}

#[test]
fn the_manifest_says_what_was_done() {
    let root = source();
    let report = write(&options(root.path(), "out"), 0).unwrap();
    let manifest: Value = serde_json::from_slice(&fs::read(&report.manifest).unwrap()).unwrap();
    assert_eq!(manifest["resize"], serde_json::json!({"shorter-side": [32, 48], "filter": "catmull-rom"}));
    assert_eq!((&manifest["format"], &manifest["counts"]["on-edge"]), (&"png".into(), &2.into()));
    let first = &manifest["pictures"][0];
    assert_eq!((&first["split"], &first["id"], &first["ratio"]), (&"train".into(), &"img_0001".into(), &1.6.into()));
    assert_eq!((&first["points-before"], &first["points-after"]), (&3.into(), &3.into()));
    let digest = blake3::hash(&fs::read(report.out.join("Train/img_0001.png")).unwrap()).to_hex().to_string();
    assert_eq!(first["picture-blake3"], *digest);
    assert_eq!(manifest["pictures"].as_array().unwrap().len(), 4);
    let text = report.to_string();
    assert!(text.contains("splits: train 3, val 0, test 1\nsizes: 1 enlarged, 1 shrunk, 2 kept\npoints: 6"), "{text}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let root = source();
    let written = |out: &str, workers| files(&write(&options(root.path(), out), workers).unwrap().out);
    let first = written("a", 0);
    assert_eq!(first.len(), 9);
    assert_eq!(first, written("b", 1));
    assert_eq!(first, written("c", 3));
}

#[test]
fn listed_pictures_lie_in_a_split_of_their_own() {
    let root = source();
    add(root.path(), &[("val.txt", b"img_0010.jpg\n")]);
    let options = PreparedQnrfOptions { val_list: Some(root.path().join("val.txt")), ..options(root.path(), "out") };
    let counts = write(&options, 2).unwrap().counts;
    assert_eq!((counts.train, counts.val, counts.test), (2, 1, 1));
    let ids = |split| records(&options.out, &split).into_iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(ids(Split::Train), ["img_0001", "img_0002"]);
    assert_eq!(ids(Split::Val), ["img_0010"]);
}

#[test]
fn jpegs_are_written_where_a_quality_is_given() {
    let root = source();
    let options = PreparedQnrfOptions { format: Format::Jpeg(75), ..options(root.path(), "out") };
    write(&options, 2).unwrap();
    let [lossy, exact] = [&options.out, &options.data].map(|folder| records(folder, &Split::Train).remove(2));
    assert!(lossy.image.ends_with("Train/img_0010.jpg"));
    let (lossy, exact) = (lossy.read_image().unwrap(), exact.read_image().unwrap());
    let apart = lossy.pixels.iter().zip(&exact.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!((1..60).contains(&apart), "{apart}");
    let none = PreparedQnrfOptions { format: Format::Jpeg(0), out: root.path().join("x"), ..options };
    assert!(matches!(write(&none, 0), Err(DataError::Option { option: "jpeg-quality", .. })));
}

#[test]
fn nothing_is_overwritten_and_a_broken_attempt_is_taken_up() {
    let root = source();
    add(root.path(), &[(".out.partial/Train/old.png", b"half"), ("mine/notes.txt", b"mine"), ("file", b"")]);
    fs::create_dir(root.path().join("out")).unwrap();
    write(&options(root.path(), "out"), 2).unwrap();
    assert!(!root.path().join("out/Train/old.png").exists() && !root.path().join(".out.partial").exists());
    for (out, reason) in [("out", "is not empty"), ("mine", "is not empty"), ("file", "is no folder")] {
        let error = write(&options(root.path(), out), 2).unwrap_err();
        assert!(matches!(error, DataError::Occupied { .. }) && error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn damaged_pictures_and_other_counts_leave_nothing_behind() {
    let root = source();
    let published = PreparedQnrfOptions { expect: Expect::Published, ..options(root.path(), "out") };
    let error = write(&published, 2).unwrap_err().to_string();
    assert!(error.contains("1201 pictures in Train and 334 in Test, got 3 pictures in Train and 1 in Test"), "{error}");
    let whole = jpeg(83, 64);
    add(root.path(), &[("qnrf/Train/img_0002.jpg", &whole[..whole.len() / 2])]);
    let error = write(&options(root.path(), "out"), 2).unwrap_err().to_string();
    assert!(error.contains("img_0002.jpg"), "{error}");
    fs::remove_file(root.path().join("qnrf/Test/img_0001_ann.mat")).unwrap();
    add(root.path(), &[("qnrf/Train/img_0002.jpg", &whole)]);
    let error = write(&options(root.path(), "out"), 2).unwrap_err().to_string();
    assert!(error.contains("img_0001: expected img_0001_ann.mat beside it, got none"), "{error}");
    assert!(!root.path().join("out").exists());
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_crowds_keep_their_points() {
    let data = PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA")).join("ucf_cc_50_as_qnrf");
    let root = folder(&[]);
    let resize = ShorterSide { bounds_px: [512, 2048], filter: Filter::CatmullRom };
    let options = PreparedQnrfOptions { data: data.clone(), resize, ..options(root.path(), "out") };
    let begun = std::time::Instant::now();
    let report = write(&options, 2).unwrap();
    eprintln!("{report}\n{:?} in {:.1?}", report.notes, begun.elapsed());
    assert_eq!((report.counts.train, report.counts.test), (32, 8));
    for split in [Split::Train, Split::Test] {
        for (before, after) in records(&data, &split).iter().zip(&records(&options.out, &split)) {
            assert_eq!((&before.id, points(before).len()), (&after.id, points(after).len()));
            assert!((512..=2048).contains(&after.size.width.min(after.size.height)));
        }
    }
}
