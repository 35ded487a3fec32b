//! The program as a person uses it: train, kill, resume, evaluate, predict, and the errors of bad input.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use common::{ends_with, fail, kill_after, small, succeed, wrs};

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
    for (lines, threads, workers) in [(6, "1", "3"), (11, "2", "0")] {
        let mut again = wrs();
        again.args(["train", "--threads", threads, "--workers", workers, "--resume"]).arg(&killed);
        kill_after(&mut again, &killed, lines);
    }
    succeed(wrs().args(["train", "--resume"]).arg(&killed));
    assert!(expected == ends_with(&killed), "a killed and resumed run ends with other bytes");

    // A finished run is left as it is.
    succeed(wrs().args(["train", "--resume"]).arg(&killed));
    assert!(expected == ends_with(&killed));
}

#[test]
fn evaluation_repeats_the_trainings_numbers_and_prediction_draws() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let trained = succeed(small(&run, "2", "2").arg("--json"));
    let mut trained: serde_json::Value = serde_json::from_slice(&trained.stdout).unwrap();
    let object = trained.as_object_mut().unwrap();
    assert_eq!(object.remove("run").unwrap(), run.display().to_string());
    let evaluated = succeed(wrs().arg("eval").arg(&run).arg("--json"));
    let evaluated: serde_json::Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    assert_eq!(trained, evaluated);
    for key in ["ap", "ap50", "ar100", "per_class", "paper"] {
        assert!(evaluated.get(key).is_some(), "{key} is missing");
    }

    // The same from files.
    let (saved, gt) = (folder.path().join("dets.json"), run.join("scenes/annotations/instances_val2017.json"));
    succeed(wrs().arg("eval").arg(&run).arg("--save").arg(&saved));
    let from_files =
        succeed(wrs().args(["eval", "--task", "detection", "--json", "--pred"]).arg(&saved).arg("--gt").arg(&gt));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&from_files.stdout).unwrap(), evaluated);

    let gate = wrs().arg("eval").arg(&run).args(["--min", "ap50=1.01"]).output().unwrap();
    assert_eq!(gate.status.code(), Some(7), "{}", String::from_utf8_lossy(&gate.stderr));

    let drawn = folder.path().join("drawn");
    let pictures = run.join("scenes/val2017");
    let predicted = succeed(wrs().arg("predict").arg(&run).arg(&pictures).arg("--json").arg("--out").arg(&drawn));
    let predicted: serde_json::Value = serde_json::from_slice(&predicted.stdout).unwrap();
    assert_eq!(predicted.as_array().unwrap().len(), 4);
    assert_eq!(fs::read_dir(&drawn).unwrap().count(), 4);
    assert!(run.join("predictions.png").is_file());

    // Nothing is drawn over a picture that was given, nor two pictures into one file.
    let drawn_bytes = || -> Vec<Vec<u8>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&drawn).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
    };
    let before = drawn_bytes();
    let over = wrs().arg("predict").arg(&run).arg(&drawn).arg("--out").arg(&drawn).output().unwrap();
    assert_eq!(over.status.code(), Some(2));
    let both =
        wrs().arg("predict").arg(&run).args([&drawn, &pictures]).arg("--out").arg(folder.path()).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    assert!(before == drawn_bytes());

    let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["data"]["training images"], "20");
}

#[test]
fn sigterm_saves_and_says_how_to_go_on() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut child = small(&run, "2", "2").args(["--set", "steps=100000"]).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |t| t.lines().count()) < 3 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the training does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(sent.success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143));
    assert!(run.join("ckpt/last").is_file(), "nothing was saved");
    let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "interrupted");
}

#[test]
fn bad_input_gets_one_clear_error() {
    let (code, text) = fail(&["train", "demoo"]);
    assert!(code == 2 && text.contains("demoo") && text.contains("help:"), "{code} {text}");
    let (code, text) = fail(&["train", "demo", "--print", "--set", "loss.giou.box-gian=1"]);
    assert!(code == 2 && text.contains("box-gain"), "{code} {text}");
    let (code, text) = fail(&["train", "demo", "--print", "--set", "lr=-1"]);
    assert!(code == 2 && text.contains("lr"), "{code} {text}");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run").display().to_string();
    let (code, text) = fail(&["train", "coco/yolov3-wrs", "--out", &out]);
    assert!(code == 2 && text.contains("--data"), "{code} {text}");
    assert!(!Path::new(&out).exists(), "a run without data is not begun");
    let nowhere = folder.path().join("nowhere").display().to_string();
    let out = folder.path().join("run2").display().to_string();
    let (code, text) = fail(&["train", "coco/yolov3-wrs", "--data", &nowhere, "--out", &out]);
    assert!(code == 3 && text.contains("nowhere"), "{code} {text}");
    let (code, text) = fail(&["train", "demo", "--out", &out]);
    assert!(code == 2 && text.contains("run2"), "a typed directory that exists is refused: {code} {text}");
    let (code, text) = fail(&["train", "demo", "--data", &out]);
    assert!(code == 2 && text.contains("draws its own data"), "{code} {text}");
    let broken = folder.path().join("broken.safetensors");
    fs::write(&broken, b"no weights at all").unwrap();
    let broken = broken.display().to_string();
    let (code, text) = fail(&["predict", &broken, &broken]);
    assert!(code == 4 && text.contains("broken.safetensors"), "{code} {text}");
}

#[test]
fn a_training_that_breaks_down_names_term_step_and_pictures() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let output = small(&run, "2", "2").args(["--set", "lr=1e30"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("error: step ") && text.contains("not finite") && text.contains("pictures: ["), "{text}");
    let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "diverged");
}

#[test]
fn every_recipe_prints_and_prints_itself_again() {
    let folder = TempDir::new().unwrap();
    let list = String::from_utf8(succeed(wrs().args(["train", "--list"])).stdout).unwrap();
    assert!(list.lines().count() >= 4);
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let printed = succeed(wrs().args(["train", name, "--print"])).stdout;
        let file = folder.path().join("again.toml");
        fs::write(&file, &printed).unwrap();
        let again = succeed(wrs().arg("train").arg(&file).arg("--print")).stdout;
        assert_eq!(printed, again, "{name}");
    }
}

#[test]
fn an_instruction_set_that_cannot_be_had_is_refused_before_anything_else() {
    let with = |isa: &str| wrs().args(["train", "--list"]).env("WRS_ISA", isa).output().unwrap();
    assert!(with("portable").status.success());
    let refused = with("sse9");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(refused.stdout.is_empty(), "nothing was done");
    assert!(text.starts_with("error: WRS_ISA: expected avx512, avx2, portable, got `sse9`\nhelp: "), "{text}");
}
