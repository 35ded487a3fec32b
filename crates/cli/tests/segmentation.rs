//! Segmentation as a person uses it: train, kill, resume, evaluate, submit, predict, compare.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use common::{ends_with, fail, json, kill_after, succeed, train, wrs};

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
    let mut command = train("demo-segmentation", SMALL, out);
    command.args(["--threads", threads, "--workers", workers]);
    command
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

/// Rows 13, 14 and 26: pictures of too many pixels are cut, which is said before and is another protocol.
#[test]
fn pictures_of_too_many_pixels_are_seen_in_tiles() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let trained = json(small(&run, "2", "2").arg("--json"));
    assert_eq!(trained["protocol"], "native");
    let evaluate = |more: &[&str]| {
        let output = succeed(wrs().arg("eval").arg(&run).arg("--json").args(more));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        (document, String::from_utf8(output.stderr).unwrap())
    };
    let (whole, talk) = evaluate(&["--max-pixels", "4096"]);
    assert_eq!((&whole["miou"], &whole["protocol"]), (&trained["miou"], &Value::from("native")));
    assert!(!talk.contains("tiles"), "{talk}");
    let (tiled, talk) = evaluate(&["--max-pixels", "2048"]);
    assert!(tiled["miou"].is_number() && tiled["protocol"] == "tiled" && tiled["pixels"] == whole["pixels"]);
    assert!(talk.contains("tiles   3 of 3 pictures; the largest: 64x64 in 4 tiles of 40x40"), "{talk}");
    let (views, _) = evaluate(&["--max-pixels", "4096", "--multi-scale"]);
    assert_eq!(views["protocol"], "multi-scale-tiled");

    let (picture, out) = (run.join("scenes/VOCdevkit/VOC2012/JPEGImages/val_000001.jpg"), folder.path().join("out"));
    let predict = |more: &[&str]| {
        succeed(
            wrs()
                .arg("predict")
                .arg(&run)
                .arg(&picture)
                .args(["--json", "--save", "none", "--out"])
                .arg(&out)
                .args(more),
        )
    };
    let predicted = predict(&["--max-pixels", "2048"]);
    let talk = String::from_utf8(predicted.stderr).unwrap();
    assert!(talk.contains("64x64 in 4 tiles of 40x40"), "{talk}");
    let document: Value = serde_json::from_slice(&predicted.stdout).unwrap();
    assert_eq!(document[0]["protocol"], "tiled");
    let document: Value = serde_json::from_slice(&predict(&[]).stdout).unwrap();
    assert_eq!(document[0]["protocol"], "native");
    let (code, text) = fail(&["eval", &run.display().to_string(), "--max-pixels", "5"]);
    assert!(code == 2 && text.contains("at least 1024 pixels, got 5"), "{code} {text}");
}

/// Row 20: data of another number of classes, or of others.
#[test]
fn an_evaluation_on_other_classes_names_both() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    succeed(small(&run, "2", "2").args(["--set", "steps=1"]));
    let voc = run.join("scenes/VOCdevkit/VOC2012");
    let weights = run.join("best.safetensors").display().to_string();
    let names = fs::read_to_string(voc.join("classes.txt")).unwrap();
    for (classes, told) in [
        (format!("{names}another\n"), "the network knows 7 classes, the data set has 8"),
        (names.replace("circle", "disc"), "the network calls class 1 `circle`, the data set calls it `disc`"),
    ] {
        fs::write(voc.join("classes.txt"), classes).unwrap();
        let (code, text) = fail(&["eval", &weights, "--data", &voc.display().to_string()]);
        assert!(code == 2 && text.contains(told) && text.contains("help:"), "{code} {text}");
    }
}

/// Acceptance test 17: a split whose masks the server keeps is written and judged by the files alone.
#[test]
fn pictures_without_masks_are_written_for_the_server() {
    let folder = TempDir::new().unwrap();
    let (run, saved) = (folder.path().join("run"), folder.path().join("saved"));
    succeed(small(&run, "2", "2").args(["--set", "steps=1"]));
    let voc = run.join("scenes/VOCdevkit/VOC2012");
    let ids = ["test_1", "test_2"];
    for (id, of) in ids.iter().zip(["val_000001", "val_000002"]) {
        fs::copy(voc.join(format!("JPEGImages/{of}.jpg")), voc.join(format!("JPEGImages/{id}.jpg"))).unwrap();
    }
    fs::write(voc.join("ImageSets/Segmentation/test.txt"), ids.join("\n")).unwrap();
    let run = run.display().to_string();
    let written = json(wrs().args(["eval", &run, "--split", "test", "--json", "--save"]).arg(&saved));
    assert_eq!(written["images"], 2);
    let pngs = saved.join("results/VOC2012/Segmentation/comp6_test_cls");
    assert!(ids.iter().all(|id| pngs.join(format!("{id}.png")).is_file()) && fs::read_dir(&pngs).unwrap().count() == 2);
    let (code, text) = fail(&["eval", &run, "--split", "test"]);
    assert!(code == 2 && text.contains("no masks") && text.contains("--save"), "{code} {text}");
}

/// Row 2: what looks black in a viewer is drawn in colours.
#[test]
fn check_draws_masks_over_their_pictures() {
    let folder = TempDir::new().unwrap();
    let (run, previews) = (folder.path().join("run"), folder.path().join("previews"));
    succeed(small(&run, "2", "2").args(["--set", "steps=1"]));
    let voc = run.join("scenes/VOCdevkit/VOC2012");
    // A label that is no class is shown, a picture that cannot be read is passed over.
    let masks = voc.join("SegmentationClass");
    fs::write(voc.join("JPEGImages/train_000001.jpg"), b"\xff\xd8\xff").unwrap();
    let checked =
        wrs().arg("check").arg(&voc).arg("--previews").arg(&previews).args(["--preview-count", "4"]).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(3), "{text}");
    assert!(text.contains("4 pictures with their classes drawn over them: ") && text.contains("void"), "{text}");
    let drawn = |split: &str| {
        let mut names: Vec<_> =
            fs::read_dir(previews.join(split)).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(drawn("train"), ["train_000002.png", "train_000003.png", "train_000004.png", "train_000005.png"]);
    assert_eq!(drawn("val").len(), 3, "no more than there are");
    assert_ne!(fs::read(previews.join("val/val_000001.png")).unwrap(), fs::read(masks.join("val_000001.png")).unwrap());

    let previews = previews.display().to_string();
    for what in ["demo", "demo-segmentation", &run.display().to_string()] {
        let (code, text) = fail(&["check", what, "--previews", &previews]);
        assert!(code == 2 && text.contains("--previews"), "{what}: {code} {text}");
    }
}

/// Rows 7 and 17: training, evaluation and check leave out the same broken files, and say so.
#[test]
fn broken_files_stop_a_training_or_are_left_out_by_all_verbs_alike() {
    let folder = TempDir::new().unwrap();
    let (drawn, data) = (folder.path().join("drawn"), folder.path().join("data"));
    succeed(small(&drawn, "2", "2").args(["--set", "steps=1"]));
    fs::rename(drawn.join("scenes"), &data).unwrap();
    let voc = data.join("VOCdevkit/VOC2012");
    let cut = |file: &str, off: usize| {
        let bytes = fs::read(voc.join(file)).unwrap();
        fs::write(voc.join(file), &bytes[..bytes.len() - off]).unwrap();
    };
    cut("JPEGImages/train_000002.jpg", 300);
    cut("SegmentationClass/train_000005.png", 30);
    cut("SegmentationClass/val_000002.png", 30);
    let text = fs::read_to_string(drawn.join("recipe.toml")).unwrap();
    let mut recipe: toml::Table = toml::from_str(&text).unwrap();
    let source = r#"folder = { void-labels = [], unknown-labels = "refuse", missing = "refuse", overlap = "refuse" }"#;
    recipe["data"]
        .as_table_mut()
        .unwrap()
        .insert("source".into(), toml::from_str::<toml::Table>(source).unwrap().into());
    let file = folder.path().join("mine.toml");
    fs::write(&file, toml::to_string(&recipe).unwrap()).unwrap();
    let with = |verb: &str, more: &[&str]| {
        let mut command = wrs();
        command.arg(verb).arg(&file).arg("--data").arg(&data).args(["--set", "steps=4"]).args(more);
        command
    };
    let out = folder.path().join("refused").display().to_string();
    let refused = with("train", &["--out", &out]).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(3) && text.contains(".png") && text.contains("help:"), "{text}");

    let skip = ["--set", "data.source.folder.broken=skip"];
    let checked = String::from_utf8(succeed(&mut with("check", &skip)).stdout).unwrap();
    let left_out = "2 of 11 pictures are left out: they or their masks are broken, first ";
    assert!(checked.contains(left_out) && checked.contains("0 errors"), "{checked}");
    assert_eq!(checked.matches("its picture is left out").count(), 3, "{checked}");
    let run = folder.path().join("run");
    let trained = succeed(with("train", &skip).arg("--out").arg(&run));
    let talk = String::from_utf8(trained.stderr).unwrap();
    assert!(talk.contains(left_out) && talk.contains("1 of 3 pictures are left out"), "{talk}");
    assert_eq!(json(wrs().arg("eval").arg(&run).arg("--json"))["images"], 2);
}

/// Row 19: a batch far from normal is said once, with what was seen.
#[test]
fn a_normalisation_that_is_none_is_remarked() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let usual = succeed(&mut small(&run, "2", "2"));
    assert!(!String::from_utf8_lossy(&usual.stderr).contains("far from mean 0"));
    let run = folder.path().join("bare");
    let bare = succeed(small(&run, "2", "2").args([
        "--set",
        "input.mean=[0.0, 0.0, 0.0]",
        "--set",
        "input.std=[1.0, 1.0, 1.0]",
    ]));
    let talk = String::from_utf8(bare.stderr).unwrap();
    assert_eq!(talk.matches("far from mean 0").count(), 1, "{talk}");
    assert!(talk.contains("red has mean 0.") && talk.contains("`input.std`"), "{talk}");
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
    // The warm-up begins at 0, so that the first step is sound and its checkpoint stays.
    let output = small(&run, "2", "2").args(["--set", "lr=1e30", "--set", "checkpoint-every=1"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let last = fs::read_to_string(run.join("ckpt/last")).unwrap();
    assert!(run.join("ckpt").join(last.trim()).join("MANIFEST.json").is_file(), "{last}");
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
