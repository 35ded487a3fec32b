//! Counting as a person uses it: train, kill, resume, evaluate, predict, compare.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use wrs_datasets::counting::{CountingDataset, CountingOptions};
use wrs_datasets::scenes::{CrowdOptions, write_crowds};

use common::{ends_with, json, kill_after, succeed, train, wrs};

/// A training of seconds: the demo, smaller in every way.  Eleven pictures to train on, in steps of two batches of two.
const SMALL: [&str; 14] = [
    "steps=8",
    "checkpoint-every=3",
    "evaluate-every=4",
    "trace-every=4",
    "batch=2",
    "nominal-batch=4",
    "model.width=0.0625",
    "data.source.crowds.train=14",
    "data.source.crowds.test=3",
    "data.source.crowds.width=[80, 100]",
    "data.source.crowds.height=[72, 90]",
    "data.source.crowds.people=[0, 20]",
    "data.validation.cut.images=3",
    "augment.crop=64",
];

fn small(out: &Path, seed: &str) -> Command {
    let mut command = train("demo-counting", SMALL, out);
    command.args(["--seed", seed]);
    command
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes_for_any_threads_and_workers() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    succeed(small(&whole, "0").args(["--threads", "2", "--workers", "2"]));
    let expected = ends_with(&whole);
    let other = folder.path().join("one-thread");
    succeed(small(&other, "0").args(["--threads", "1", "--workers", "0"]));
    assert!(expected == ends_with(&other), "one thread and no workers end with other bytes");
    let killed = folder.path().join("killed");
    kill_after(small(&killed, "0").args(["--threads", "2", "--workers", "1"]), &killed, 3);
    succeed(wrs().args(["train", "--threads", "1", "--workers", "3", "--resume"]).arg(&killed));
    assert!(expected == ends_with(&killed), "a killed and resumed run ends with other bytes");
}

#[test]
fn every_way_to_the_numbers_gives_the_same() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let trained = json(small(&run, "0").arg("--json"));
    for key in ["mae", "rmse", "nae", "game", "test"] {
        assert!(trained.get(key).is_some(), "{key} is missing");
    }
    assert!(run.join("predictions.png").is_file() && run.join("norms.svg").is_file());
    let mut evaluated = json(wrs().arg("eval").arg(&run).arg("--json"));
    assert_eq!(evaluated["mae"], trained["mae"]);

    // The test part: by the network, within bounded memory, and from the file of its counts.
    let csv = folder.path().join("counts.csv");
    let test = json(wrs().arg("eval").arg(&run).args(["--split", "test", "--json", "--save"]).arg(&csv));
    assert_eq!(test["mae"], trained["test"]["mae"]);
    let mut from_file = wrs();
    from_file.args(["eval", "--task", "counting", "--json", "--pred"]).arg(&csv);
    from_file.arg("--gt").arg(run.join("crowds"));
    assert_eq!(json(&mut from_file)["rmse"], test["rmse"]);
    evaluated = json(wrs().arg("eval").arg(&run).args(["--split", "test", "--json", "--max-mem", "4000"]));
    assert_eq!(evaluated["mae"], test["mae"]);

    let gate =
        |flag: &str, bound: &str| wrs().arg("eval").arg(&run).args([flag, bound]).output().unwrap().status.code();
    assert_eq!(
        [gate("--max", "mae=1e9"), gate("--max", "mae=-1"), gate("--min", "mae=0")],
        [Some(0), Some(7), Some(0)]
    );
    let little = wrs().arg("eval").arg(&run).args(["--max-mem", "1"]).output().unwrap();
    assert_eq!(little.status.code(), Some(5), "{}", String::from_utf8_lossy(&little.stderr));
}

#[test]
fn predictions_are_pictures_tables_and_arrays() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    succeed(&mut small(&run, "0"));
    let (pictures, out) = (run.join("crowds/Test"), folder.path().join("out"));
    let mut command = wrs();
    command.arg("predict").arg(&run).arg(&pictures).args(["--json", "--save", "pictures,csv,json,arrays", "--out"]);
    let predicted = json(command.arg(&out));
    assert_eq!(predicted.as_array().unwrap().len(), 3);
    assert!(predicted[0]["count"].is_number());
    let table = fs::read_to_string(out.join("counts.csv")).unwrap();
    assert!(table.starts_with("image,predicted\nimg_0001,"), "{table}");
    for name in ["img_0001.png", "predictions.json", "densities/img_0001.safetensors"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let masks = wrs().arg("predict").arg(&run).arg(&pictures).args(["--save", "masks"]).output().unwrap();
    assert_eq!(masks.status.code(), Some(2));
    let exported = folder.path().join("net.safetensors");
    succeed(wrs().arg("export").arg(&run).arg(&exported));
    let checked = json(wrs().args(["check", "--json"]).arg(&exported));
    assert!(checked["facts"][1].as_str().unwrap().contains("blank pictures of 512 px count black "), "{checked}");
    let data = json(wrs().args(["check", "--json", "--split", "test"]).arg(run.join("crowds")));
    assert!(data["facts"].to_string().contains("img_0001 has "), "{data}");
    let started = folder.path().join("started");
    succeed(small(&started, "1").args(["--set", "steps=1", "--init"]).arg(&exported));
}

#[test]
fn a_validation_of_every_image_is_refused_by_its_key() {
    let folder = TempDir::new().unwrap();
    let mut command = small(&folder.path().join("run"), "0");
    let refused = command.args(["--set", "data.validation.cut.images=14"]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("data.validation.cut.images") && told.contains("fewer than the 14 images"), "{told}");
}

#[test]
fn arms_are_compared_by_errors() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let decay = r#"regularizer={ weight-decay = { weight-decay = 1e-4, decay-scope = "all" } }"#;
    succeed(small(&a, "0").args(["--set", decay]));
    succeed(&mut small(&b, "0"));
    let compared = json(wrs().arg("compare").arg("--json").arg(&a).arg("--").arg(&b));
    let difference = compared["difference"].as_f64().unwrap();
    let mean = |arm: &str| compared[arm]["mean"].as_f64().unwrap();
    assert!((mean("b") - mean("a") - difference).abs() < 1e-9);
    assert_eq!(compared["options"]["metric"], "mae");
}

/// The mean of the absolute errors of a predictor that gives every picture of a table of counts their mean.
fn mean_predictors_error(table: &str) -> f64 {
    let truth: Vec<f64> = table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    truth.iter().map(|count| (count - mean).abs()).sum::<f64>() / truth.len() as f64
}

#[test]
fn two_hundred_steps_of_a_narrow_network_beat_the_mean_predictor_in_both_arms() {
    let folder = TempDir::new().unwrap();
    let decay = r#"regularizer={ weight-decay = { weight-decay = 1e-4, decay-scope = "all" } }"#;
    for (name, arm) in [("wrs", None), ("wd", Some(decay))] {
        let (run, table) = (folder.path().join(name), folder.path().join(format!("{name}.csv")));
        let smaller = ["steps=200", "evaluate-every=100", "model.width=0.125", "augment.crop=128"];
        let crowds = ["data.source.crowds.train=80", "data.source.crowds.test=20", "data.validation.cut.images=20"];
        succeed(&mut train("demo-counting", smaller.into_iter().chain(crowds).chain(arm), &run));
        let test = json(wrs().arg("eval").arg(&run).args(["--split", "test", "--json", "--save"]).arg(&table));
        let (mae, constant) =
            (test["mae"].as_f64().unwrap(), mean_predictors_error(&fs::read_to_string(&table).unwrap()));
        assert!(mae < constant / 2.0, "{name}: MAE {mae}, the mean predictor's is {constant}");
    }
}

#[test]
fn a_prepared_crowd_keeps_its_points_and_is_read_as_before() {
    let folder = TempDir::new().unwrap();
    let [data, out] = ["crowds", "prepared"].map(|name| folder.path().join(name));
    let crowds = CrowdOptions { train: 3, test: 2, width: [80, 96], height: [72, 80], people: [2, 9], seed: 1 };
    write_crowds(&data, &crowds).unwrap();
    let prepare = || {
        let mut command = wrs();
        command.args(["prepare", "qnrf", "--shorter-side", "64,70", "--data"]).arg(&data).arg("--out").arg(&out);
        command
    };
    let other_counts = prepare().output().unwrap();
    assert_eq!(other_counts.status.code(), Some(3), "{other_counts:?}");
    assert!(String::from_utf8_lossy(&other_counts.stderr).contains("1201 pictures in Train and 334 in Test"));
    let manifest = json(prepare().args(["--any-counts", "--json"]));
    assert_eq!((&manifest["counts"]["train"], &manifest["counts"]["shrunk"]), (&3.into(), &5.into()));
    let points = |root: &Path| -> Vec<usize> {
        let options = CountingOptions::default();
        let splits = ["train", "test"].map(|split| CountingDataset::open(root, &options, &split.into()).unwrap());
        splits.iter().flat_map(|set| &set.images).map(|record| record.points.as_ref().unwrap().len()).collect()
    };
    assert_eq!(points(&data), points(&out));
    let again = prepare().arg("--any-counts").output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&again.stderr).contains("already exists and is not empty"));
}
