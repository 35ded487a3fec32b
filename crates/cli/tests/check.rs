//! `wrs check` on data with faults, and on recipes that cannot run.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::Path;

use common::{fail, small, succeed, wrs};
use tempfile::TempDir;

/// A YOLO folder with one picture of each split, drawn by the demo, and the given labels.
fn yolo(folder: &Path, train: &str, val: &str) {
    let run = folder.join("run");
    succeed(small(&run, "2", "2").args(["--set", "steps=1"]));
    for (split, labels) in [("train", train), ("val", val)] {
        for kind in ["images", "labels"] {
            fs::create_dir_all(folder.join("data").join(kind).join(split)).unwrap();
        }
        let drawn = fs::read_dir(run.join(format!("scenes/{split}2017"))).unwrap().next().unwrap().unwrap().path();
        fs::copy(drawn, folder.join(format!("data/images/{split}/a{split}.jpg"))).unwrap();
        fs::write(folder.join(format!("data/labels/{split}/a{split}.txt")), labels).unwrap();
    }
    let yaml = "train: images/train\nval: images/val\nnames: [cat, dog]\n";
    fs::write(folder.join("data/data.yaml"), yaml).unwrap();
}

#[test]
fn every_fault_is_listed_with_its_line_and_its_file() {
    let folder = TempDir::new().unwrap();
    yolo(folder.path(), "0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.2 0.2\n1 0.5 oops 0.1 0.1\n", "1 0.5 0.5 0.4 0.4\n");
    let (data, list) = (folder.path().join("data"), folder.path().join("bad.txt"));
    let checked = wrs().arg("check").arg(&data).arg("--fix-list").arg(&list).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(3), "{text}");
    assert!(text.contains("line 2") && text.contains("line 3") && text.contains("2 errors"), "{text}");
    assert_eq!(fs::read_to_string(&list).unwrap(), format!("{}\n", data.join("labels/train/atrain.txt").display()));

    fs::write(data.join("labels/train/atrain.txt"), "0 0.5 0.5 0.5 0.5\n1 0.4 0.4 0.2 0.2\n").unwrap();
    let recipe = ["check", "bccd/yolov3-wrs", "--data"];
    let text = String::from_utf8(succeed(wrs().args(recipe).arg(&data)).stdout).unwrap();
    assert!(text.contains("0 errors"), "{text}");

    // Flags that would change nothing are refused.
    let (code, text) = fail(&["check", &data.display().to_string(), "--set", "batch=4"]);
    assert!(code == 2 && text.contains("belong to a recipe"), "{code} {text}");

    // The recipe itself can be what is wrong.
    let checked = wrs().args(recipe).arg(&data).args(["--set", "augment.size=250"]).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.code() == Some(3) && text.contains("augment.size") && text.contains("256"), "{text}");
    let checked = wrs().args(recipe).arg(&data).args(["--set", "anchors=[[10, 10]]", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert!(report["faults"][0]["problem"].as_str().unwrap().contains("anchors"), "{report}");
}
