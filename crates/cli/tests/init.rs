//! What a training starts from: files, names, the hub's cache, and what is said where something is not there.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{refused, small, succeed, wrs};

/// A command that sees this folder as the user's and nobody's settings.
fn at_home<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    for name in ["HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    command.env("HOME", home).env("HF_ENDPOINT", "http://127.0.0.1:9")
}

/// The small demo for a step, in `out`.
fn step(out: &Path, home: &Path) -> Command {
    let mut command = small(out, "2", "2");
    at_home(&mut command, home).args(["--set", "steps=1", "--offline"]);
    command
}

#[test]
fn a_name_in_the_hubs_cache_starts_a_run_that_says_which_file_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (home, first, second) = (folder.path().join("home"), folder.path().join("first"), folder.path().join("second"));
    succeed(step(&first, &home).args(["--init", "none"]));
    assert!(fs::read_to_string(first.join("recipe.toml")).unwrap().contains("init = \"none\"\n"));
    let log = fs::read_to_string(first.join("log.txt")).unwrap();
    assert!(!log.contains("init  ") && !log.contains("before the first rescale"), "{log}");

    let repository = home.join(".cache/huggingface/hub/models--me--net");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("snapshots/c0")).unwrap();
    fs::write(repository.join("refs/main"), "c0").unwrap();
    fs::copy(first.join("best.safetensors"), repository.join("snapshots/c0/model.safetensors")).unwrap();
    succeed(step(&second, &home).args(["--init", "hub://me/net"]));
    assert!(
        fs::read_to_string(second.join("recipe.toml")).unwrap().contains("init = \"hub://me/net/model.safetensors\"\n")
    );
    let info: serde_json::Value = serde_json::from_slice(&fs::read(second.join("run.json")).unwrap()).unwrap();
    let digest = info["init"]["sha256"].as_str().unwrap();
    assert_eq!((info["init"]["name"].as_str(), digest.len()), (Some("hub://me/net/model.safetensors"), 64));
    let log = fs::read_to_string(second.join("log.txt")).unwrap();
    assert!(log.contains(&format!("sha256 {digest}")), "{log}");
    assert!(log.contains("norms   before the first rescale, min / median / max: "), "{log}");
    assert!(log.contains("        backbone.stages.0: "), "{log}");

    // A file that changes under a reference is another one; a hostile reference leads nowhere.
    fs::write(repository.join("refs/main"), "../../..").unwrap();
    let (code, text) = refused(step(&folder.path().join("third"), &home).args(["--init", "hub://me/net"]));
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("expected the name of a commit, got `../../..`"), "{text}");
    assert!(!folder.path().join("third").exists(), "refused before the run's directory is made");
}

#[test]
fn weights_that_are_not_here_are_told_with_the_mends() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (code, text) = refused(step(&out, folder.path()).args(["--init", "imagenet/darknet53"]));
    assert_eq!(code, 4, "{text}");
    for part in [
        "weights `imagenet/darknet53` are not on this machine, and the network is not to be used (--offline",
        ".cache/wrs/darknet53.conv.74",
        "--init FILE (https://pjreddie.com/media/files/darknet53.conv.74)",
        "--init none",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = refused(step(&out, folder.path()).arg("--init").arg(folder.path().join("gone.pth")));
    assert!(code == 4 && text.contains("no such file: ") && text.contains("imagenet/vgg16_bn"), "{code} {text}");
    let (code, text) = refused(step(&out, folder.path()).args(["--init", "hub://net"]));
    assert!(code == 2 && text.contains("hub://OWNER/NAME"), "{code} {text}");
    let (code, text) = refused(step(&out, folder.path()).args(["--set", "init=https://a/b"]));
    assert!(code == 2 && text.contains("download it first"), "{code} {text}");
    assert!(!out.exists(), "no run was made");
}

#[test]
fn the_papers_recipes_name_their_start_and_it_can_be_taken_back() {
    for (recipe, name) in [
        ("coco/yolov3-wrs", "imagenet/darknet53"),
        ("coco/yolov3-wd", "imagenet/darknet53"),
        ("voc/deeplabv3-wrs", "imagenet/resnet101"),
        ("voc/deeplabv3-wd", "imagenet/resnet101"),
        ("qnrf/csrnet-wrs", "imagenet/vgg16_bn"),
        ("qnrf/csrnet-wd", "imagenet/vgg16_bn"),
        ("shanghaitech-a", "imagenet/vgg16_bn"),
        ("ucf-cc-50", "imagenet/vgg16_bn"),
    ] {
        let print = |more: &[&str]| {
            String::from_utf8(succeed(wrs().args(["train", recipe, "--print"]).args(more)).stdout).unwrap()
        };
        assert!(print(&[]).contains(&format!("init = \"{name}\"\n")), "{recipe}");
        for scratch in [&["--init", "none"], &["--set", "init=none"]] {
            assert!(print(scratch).contains("init = \"none\"\n"), "{recipe}");
        }
        let here = std::env::current_dir().unwrap().join("a.pth");
        assert!(print(&["--init", "a.pth"]).contains(&format!("init = \"{}\"\n", here.display())), "{recipe}");
    }
    let folder = tempfile::tempdir().unwrap();
    let cfg = folder.path().join("net.cfg");
    let net = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=18\nsize=1\nstride=1\nactivation=linear\n\
               [yolo]\nmask=0,1,2\nanchors=1,2,3,4,5,6\nclasses=1\nnum=3\n";
    fs::write(&cfg, net).unwrap();
    let print = |more: &[&str]| {
        let mut command = wrs();
        command.args(["train", "coco/yolov3-wrs", "--print", "--cfg"]).arg(&cfg).args(more);
        String::from_utf8(succeed(&mut command).stdout).unwrap()
    };
    assert!(print(&[]).contains("init = \"none\"\n"), "the start is of the recipe's own network");
    assert!(print(&["--init", "imagenet/darknet53"]).contains("init = \"imagenet/darknet53\"\n"));
}

#[test]
fn a_check_tells_what_a_name_stands_for() {
    let folder = tempfile::tempdir().unwrap();
    let check = |what: &str| {
        let output = succeed(at_home(wrs().args(["check", what]), folder.path()));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = check("coco/yolov3");
    assert!(text.contains("from    https://pjreddie.com/media/files/yolov3.weights\n"), "{text}");
    assert!(text.contains("sha256  523e4e69e1d0") && text.contains("licence "), "{text}");
    assert!(text.contains("a check fetches nothing") && text.contains("0 errors, 1 warnings"), "{text}");
    assert!(check("hub://timm/net").contains("models--timm--net"));
}
