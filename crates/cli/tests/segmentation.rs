//! Segmentation as a person uses it: train, kill, resume, evaluate, submit, predict, compare.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use common::{ends_with, fail, kill_after, succeed, wrs};

/// A training of seconds: the demo, smaller in every way.  Eleven pictures in batches of four: the last three wait.
const SMALL: [&str; 13] = [
    "steps=8",
    "checkpoint-every=3",
    "evaluate-every=4",
    "trace-every=4",
    "batch=4",
    "model.width=0.0625",
    "data.source.scenes.train=11",
    "data.source.scenes.val=3",
    "data.source.scenes.size=64",
    "augment.crop=64",
    "model.dropout=0.2",
    "recalibrate-bn.images=5",
    "regularizer.wrs.rescale.tau=3",
];

fn small(out: &Path, threads: &str, workers: &str) -> Command {
    let mut command = wrs();
    command.args(["train", "demo-segmentation"]);
    for set in SMALL {
        command.args(["--set", set]);
    }
    command.args(["--threads", threads, "--workers", workers, "--out"]).arg(out);
    command
}

fn json(command: &mut Command) -> Value {
    serde_json::from_slice(&succeed(command).stdout).unwrap()
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes_for_any_threads_and_workers() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    succeed(&mut small(&whole, "2", "2"));
    let expected = ends_with(&whole);

    let other = folder.path().join("one-thread");
    succeed(&mut small(&other, "1", "0"));
    assert!(expected == ends_with(&other), "one thread and no workers end with other bytes");

    let killed = folder.path().join("killed");
    kill_after(&mut small(&killed, "2", "1"), &killed, 3);
    let mut again = wrs();
    again.args(["train", "--threads", "1", "--workers", "3", "--resume"]).arg(&killed);
    kill_after(&mut again, &killed, 8);
    succeed(wrs().args(["train", "--resume"]).arg(&killed));
    assert!(expected == ends_with(&killed), "a killed and resumed run ends with other bytes");
}

#[test]
fn every_way_to_the_numbers_gives_the_same() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut trained = json(small(&run, "2", "2").arg("--json"));
    assert_eq!(trained.as_object_mut().unwrap().remove("run").unwrap(), run.display().to_string());
    for key in ["miou", "pixel_accuracy", "mean_accuracy", "fw_iou", "per_class"] {
        assert!(trained.get(key).is_some(), "{key} is missing");
    }
    assert!(run.join("predictions.png").is_file() && run.join("norms.svg").is_file());

    // The run again, and its PNGs without a network.
    let saved = folder.path().join("saved");
    let mut evaluated = json(wrs().arg("eval").arg(&run).arg("--json").arg("--save").arg(&saved));
    assert_eq!(trained, evaluated);
    let (pred, voc) = (saved.join("results/VOC2012/Segmentation/comp6_val_cls"), run.join("scenes/VOCdevkit/VOC2012"));
    assert_eq!(fs::read_dir(&pred).unwrap().count(), 3);
    let classes = evaluated["per_class"].as_array().unwrap().len().to_string();
    let mut from_files = wrs();
    from_files.args(["eval", "--task", "segmentation", "--json", "--num-classes", &classes, "--pred"]).arg(&pred);
    from_files.arg("--gt").arg(voc.join("SegmentationClass"));
    from_files.arg("--list").arg(voc.join("ImageSets/Segmentation/val.txt"));
    let mut from_files = json(&mut from_files);
    assert_eq!([&evaluated["protocol"], &from_files["protocol"]], ["native", "files"]);
    for document in [&mut evaluated, &mut from_files] {
        document["protocol"] = Value::Null;
        for class in document["per_class"].as_array_mut().unwrap() {
            class["name"] = Value::Null;
        }
    }
    assert_eq!(from_files, evaluated);

    // The weights alone, on the folder; a folder that is not empty is left alone.
    let best = run.join("best.safetensors");
    let alone = json(wrs().arg("eval").arg(&best).arg("--json").arg("--data").arg(&voc));
    assert_eq!(alone["miou"], trained["miou"]);
    let over = wrs().arg("eval").arg(&run).arg("--save").arg(&saved).output().unwrap();
    assert_eq!(over.status.code(), Some(2));
    let gate = wrs().arg("eval").arg(&run).args(["--min", "miou=1.01"]).output().unwrap();
    assert_eq!(gate.status.code(), Some(7), "{}", String::from_utf8_lossy(&gate.stderr));

    // Several views are another evaluation, which works.
    let views = json(wrs().arg("eval").arg(&run).args(["--multi-scale", "--json"]));
    assert!(views["miou"].is_number() && views["protocol"] == "multi-scale");
}

#[test]
fn predictions_are_overlays_masks_and_shares() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    succeed(&mut small(&run, "2", "2"));
    let pictures = run.join("scenes/VOCdevkit/VOC2012/JPEGImages");
    let (count, out) = (fs::read_dir(&pictures).unwrap().count(), folder.path().join("out"));
    let predicted = json(
        wrs()
            .arg("predict")
            .arg(&run)
            .arg(&pictures)
            .args(["--json", "--save", "pictures,masks,json", "--out"])
            .arg(&out),
    );
    assert_eq!(predicted.as_array().unwrap().len(), count);
    assert_eq!(fs::read_dir(out.join("masks")).unwrap().count(), count);
    assert_eq!(fs::read_dir(&out).unwrap().count(), count + 2);
    let shares: f64 = predicted[0]["classes"].as_array().unwrap().iter().map(|c| c["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");

    let run = run.display().to_string();
    let (code, text) = fail(&["predict", &run, &pictures.display().to_string(), "--save", "crops"]);
    assert!(code == 2 && text.contains("crops"), "{code} {text}");
    let (code, text) = fail(&["predict", &run, &pictures.display().to_string(), "--conf", "0.5"]);
    assert!(code == 2 && text.contains("--conf"), "{code} {text}");
}

#[test]
fn arms_are_compared_by_the_pixels_they_got_right() {
    let folder = TempDir::new().unwrap();
    let runs: Vec<_> = ["1", "2"].iter().flat_map(|seed| [("wd", *seed), ("wrs", *seed)]).collect();
    for (arm, seed) in &runs {
        let mut command = small(&folder.path().join(format!("{arm}-{seed}")), "2", "1");
        command.args(["--seed", seed, "--set", "data.source.scenes.val=6"]);
        if *arm == "wd" {
            // The other arm takes the place of the first.
            command.args(["--set", "regularizer={ weight-decay = { weight-decay = 1e-4, decay-scope = \"conv\" } }"]);
        }
        succeed(&mut command);
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let compared = json(wrs().arg("compare").args([path("wd-1"), path("wd-2")]).arg("--").args([
        path("wrs-1"),
        path("wrs-2"),
        "--json".to_owned(),
        "--boot".to_owned(),
        "500".to_owned(),
    ]));
    assert_eq!((&compared["a"]["name"], &compared["b"]["name"]), (&Value::from("WD"), &Value::from("WRS")));
    let miou = |run: &str| json(wrs().arg("eval").arg(path(run)).arg("--json"))["miou"].as_f64().unwrap();
    let values: Vec<f64> = compared["a"]["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    for (value, run) in values.iter().zip(["wd-1", "wd-2"]) {
        assert!((value - miou(run)).abs() < 1e-12, "{run}");
    }
    let (code, text) = fail(&["compare", &path("wd-1"), "--", &path("wrs-1"), "--metric", "ap50"]);
    assert!(code == 2 && text.contains("miou"), "{code} {text}");
}

#[test]
fn check_names_a_broken_mask_and_a_resumed_run_refuses_changed_ones() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut stopped = small(&run, "2", "1");
    kill_after(stopped.args(["--set", "steps=100000"]), &run, 6);
    let voc = run.join("scenes/VOCdevkit/VOC2012");
    let checked = succeed(wrs().arg("check").arg(&voc));
    assert!(String::from_utf8(checked.stdout).unwrap().contains("0 errors"));

    let mask = voc.join("SegmentationClass/train_000001.png");
    fs::write(&mask, b"\xff\xd8\xff a photograph").unwrap();
    let checked = wrs().arg("check").arg(&voc).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(3), "{text}");
    assert!(text.contains("train_000001.png") && text.contains("a JPEG") && text.contains("help:"), "{text}");

    let (code, text) = fail(&["train", "--quiet", "--resume", &run.display().to_string()]);
    assert!(code == 3 && text.contains("help:"), "{code} {text}");
}

#[test]
fn a_training_that_breaks_down_names_step_and_pictures() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let output = small(&run, "2", "2").args(["--set", "lr=1e30"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("error: step ") && text.contains("not finite") && text.contains("pictures: "), "{text}");
}

#[test]
fn bad_input_gets_one_clear_error() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run").display().to_string();
    let (code, text) = fail(&["train", "voc/deeplabv3-wrs", "--out", &out]);
    assert!(code == 2 && text.contains("--data"), "{code} {text}");
    let (code, text) = fail(&["train", "demo-segmentation", "--print", "--set", "model.output-stride=12"]);
    assert!(code == 2 && text.contains("output-stride"), "{code} {text}");
    let (code, text) = fail(&["train", "demo-segmentation", "--print", "--set", "evaluation.scales=[0.0]"]);
    assert!(code == 2 && text.contains("evaluation.scales"), "{code} {text}");
    let (code, text) = fail(&["eval", "--task", "segmentation", "--pred", &out, "--gt", &out]);
    assert!(code == 2 && text.contains("--num-classes"), "{code} {text}");
    let (code, text) = fail(&["eval", "--pred", &out, "--gt", &out, "--num-classes", "21"]);
    assert!(code == 2 && text.contains("segmentation"), "{code} {text}");
}
