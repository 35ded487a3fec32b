//! Two arms of runs, from `--seeds` to the verdict, and what a run leaves for them.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{fail, small, succeed, wrs};
use serde_json::Value;
use tempfile::TempDir;

/// The demo's regulariser exchanged.
const WEIGHT_DECAY: &str = "regularizer={ weight-decay = { weight-decay = 0.05, decay-scope = \"conv\" } }";

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Trains seeds 1 and 2; gives their directories.
fn arm(folder: &Path, name: &str, more: &[&str]) -> Vec<PathBuf> {
    succeed(small(&folder.join(name), "2", "2").args(["--seeds", "1..2", "--set", "steps=6"]).args(more));
    [1, 2].map(|seed| folder.join(format!("{name}-s{seed}"))).to_vec()
}

#[test]
fn two_arms_of_two_seeds_are_compared() {
    let folder = TempDir::new().unwrap();
    let wrs_runs = arm(folder.path(), "wrs", &[]);
    let wd_runs = arm(folder.path(), "wd", &["--set", WEIGHT_DECAY]);
    for (seed, run) in wrs_runs.iter().chain(&wd_runs).enumerate() {
        assert_eq!(json(&run.join("run.json"))["seed"], 1 + seed as u64 % 2);
        let svg = fs::read_to_string(run.join("norms.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("all filters"), "{}", &svg[..200.min(svg.len())]);
        let (gt, saved) = (run.join("scenes/annotations/instances_val2017.json"), run.join("detections.json"));
        let kept = succeed(wrs().args(["eval", "--json", "--pred"]).arg(&saved).arg("--gt").arg(&gt));
        let anew = succeed(wrs().args(["eval", "--json"]).arg(run));
        assert_eq!(kept.stdout, anew.stdout, "the detections kept are those of the best weights");
    }

    let compared = succeed(wrs().args(["compare", "--json", "--boot", "200"]).args(&wd_runs).arg("--").args(&wrs_runs));
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(compared["seeds"], serde_json::json!([1, 2]));
    assert_eq!((&compared["a"]["name"], &compared["b"]["name"]), (&"WD".into(), &"WRS".into()));
    let table = succeed(wrs().arg("compare").args(&wd_runs).arg("--").args(&wrs_runs).args(["--boot", "200"]));
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("paired over seeds (t, 1 df)") && table.contains("verdict  "), "{table}");
    let mut gate = wrs();
    gate.args(["compare", "--boot", "200", "--min-effect", "100"]).args(&wd_runs).arg("--").args(&wrs_runs);
    assert_eq!(gate.output().unwrap().status.code(), Some(7));

    // One seed each says nothing about seeds.
    let one = succeed(wrs().args(["compare", "--boot", "200"]).arg(&wd_runs[0]).arg("--").arg(&wrs_runs[0]));
    assert!(String::from_utf8(one.stdout).unwrap().contains("says nothing about seed luck"));

    // Seeds that do not pair, and recipes that differ beyond the regulariser, are refused.
    let [one, two] = [&wd_runs[0], &wrs_runs[1]].map(|run| run.display().to_string());
    let (code, text) = fail(&["compare", &one, "--", &two]);
    assert!(code == 2 && text.contains("seed"), "{code} {text}");
    let other = arm(folder.path(), "other", &["--set", "lr=0.001"]);
    let (code, text) = fail(&["compare", &one, "--", &other[0].display().to_string()]);
    assert!(code == 2 && text.contains("lr: 0.003 and 0.001"), "{code} {text}");
}

#[test]
fn the_runs_of_seeds_never_overwrite() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("a-s2")).unwrap();
    let out = folder.path().join("a").display().to_string();
    let (code, text) = fail(&["train", "demo", "--seeds", "1..2", "--out", &out]);
    assert!(code == 2 && text.contains("a-s2"), "{code} {text}");
    assert!(!folder.path().join("a-s1").exists(), "nothing begins before every directory is free");
}

#[test]
fn weights_are_exported_and_start_another_training() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    succeed(small(&run, "2", "2").args(["--set", "steps=3"]));
    let [ours, darknets] = ["x.safetensors", "x.weights"].map(|name| folder.path().join(name));
    succeed(wrs().arg("export").arg(&run).arg(&ours));
    assert_eq!(fs::read(&ours).unwrap(), fs::read(run.join("best.safetensors")).unwrap());
    succeed(wrs().arg("export").arg(&run).arg(&darknets));
    let (code, text) = fail(&["export", &run.display().to_string(), &darknets.display().to_string()]);
    assert!(code == 2 && text.contains("exists"), "{code} {text}");

    // Frozen from there, the backbone ends with the bytes it began with.
    let again = folder.path().join("again");
    let more = ["--set", "freeze=[\"backbone\"]", "--set", "steps=3", "--set", "ema.decay=0.5"];
    succeed(small(&again, "2", "2").args(more).arg("--init").arg(&darknets));
    let log = fs::read_to_string(again.join("log.txt")).unwrap();
    assert!(log.contains("75 convolutions read") && log.contains("frozen  backbone"), "{log}");
    let exported = folder.path().join("again.weights");
    succeed(wrs().arg("export").arg(&again).arg(&exported));
    let (before, after) = (fs::read(&darknets).unwrap(), fs::read(&exported).unwrap());
    assert_eq!(before.len(), after.len());
    // Darknet's order begins with the backbone; the heads behind it have moved.
    let first = before.iter().zip(&after).position(|(one, two)| one != two).unwrap();
    assert!(first > before.len() / 4, "byte {first} of {} differs", before.len());
}

/// A grey detector of six classes with every plain section.
const GREY_CFG: &str = "
[net]
width=64
height=64
channels=1
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
batch_normalize=1
groups=2
filters=16
size=3
stride=2
pad=1
activation=mish
[maxpool]
size=2
stride=2
[convolutional]
batch_normalize=1
filters=16
size=3
stride=2
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=16
size=3
stride=1
pad=1
activation=leaky
[shortcut]
from=-2
activation=linear
[dropout]
probability=.2
[convolutional]
filters=33
size=1
stride=1
pad=0
activation=linear
[yolo]
mask=0,1,2
anchors=10,13, 16,30, 33,23
classes=6
num=3
";

#[test]
fn a_darknet_network_trains_and_goes_back_to_darknet() {
    let folder = TempDir::new().unwrap();
    let [cfg, run, weights] = ["grey.cfg", "run", "grey.weights"].map(|name| folder.path().join(name));
    fs::write(&cfg, GREY_CFG).unwrap();
    succeed(small(&run, "2", "2").args(["--set", "steps=4", "--set", "model.width=1"]).arg("--cfg").arg(&cfg));
    // The run holds its network: it evaluates and resumes without the file.
    fs::remove_file(&cfg).unwrap();
    succeed(wrs().args(["eval", "--json"]).arg(&run));
    succeed(wrs().args(["export"]).arg(&run).arg(&weights));
    fs::write(&cfg, GREY_CFG).unwrap();
    let scenes = run.join("scenes");
    let with_cfg = |data: &Path| {
        let mut command = wrs();
        command.args(["eval", "--json", "--cfg"]).arg(&cfg).arg("--weights").arg(&weights).arg("--data").arg(data);
        command
    };
    let metrics: Value = serde_json::from_slice(&succeed(&mut with_cfg(&scenes)).stdout).unwrap();
    assert!(metrics["ap50"].is_number(), "{metrics}");

    // A network that does not fit the file, and a .cfg with a fault, are refused by their lines.
    fs::write(&cfg, GREY_CFG.replace("filters=33", "filters=30")).unwrap();
    let output = with_cfg(&scenes).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("33") && text.contains("grey.cfg"), "{text}");
    fs::write(&cfg, GREY_CFG.replace("[dropout]", "[transformer]")).unwrap();
    let output = with_cfg(&scenes).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("transformer"), "{text}");
}
