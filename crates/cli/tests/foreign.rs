//! Files of weights that PyTorch wrote, through `wrs check`, `export`, `eval` and `train --init`.

#![allow(clippy::unwrap_used)] // tests

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{fail, small, succeed, wrs};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/tests/goldens").join(name)
}

fn check(path: &Path) -> String {
    String::from_utf8(succeed(wrs().arg("check").arg(path)).stdout).unwrap()
}

#[test]
fn a_checkpoint_is_told_and_converted() {
    let folder = TempDir::new().unwrap();
    // By content: the name says nothing.
    let (source, out) = (folder.path().join("weights"), folder.path().join("out.safetensors"));
    fs::copy(golden("checkpoint_legacy.pth"), &source).unwrap();
    let told = check(&source);
    for expected in [
        "PyTorch (before 1.6), 7 tensors (6 F32, 1 I64), 12 parameters and statistics\n",
        "  under     the key `state_dict`\n",
        "  names     all begin with `module.`",
        "  first     0.weight [2, 1, 1, 1]\n",
        "  beside    epoch: 12\n",
        "fits    nothing here",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    succeed(wrs().arg("export").arg(&source).arg(&out));
    let told = check(&out);
    assert!(
        told.contains(": safetensors, 7 tensors (6 F32, 1 I64)") && told.contains("metadata  format: pt"),
        "{told}"
    );
    let again = wrs().arg("export").arg(&source).arg(folder.path().join("out.weights")).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn files_of_no_network_here_and_hostile_ones_end_with_4() {
    let folder = TempDir::new().unwrap();
    let hostile = folder.path().join("hostile.pth");
    let start = fs::read(golden("legacy.pth")).unwrap();
    let at = start.windows(14).position(|w| w == b"\x80\x02ccollections").unwrap();
    fs::write(&hostile, [&start[..at], b"\x80\x02cos\nsystem\nX\x05\0\0\0touch\x85R."].concat()).unwrap();
    let path = hostile.display().to_string();
    for verb in [vec!["check", &path], vec!["eval", &path, "--data", "."], vec!["export", &path, "x.safetensors"]] {
        let (code, text) = fail(&verb);
        assert!(code == 4 && text.contains("asks for `os.system`") && text.contains("nothing of it was run"), "{text}");
    }
    let (code, text) = fail(&["eval", &golden("zip.pth").display().to_string(), "--data", "."]);
    assert!(code == 4 && text.contains("expected the metadata `task`, got none\nhelp: "), "{text}");
}

/// A run's weights, as PyTorch would hold them beside other things, start another run.
#[test]
fn a_file_without_a_task_starts_a_training() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    succeed(small(&first, "2", "2").args(["--set", "steps=1"]));
    let bare = folder.path().join("bare");
    let bytes = fs::read(first.join("best.safetensors")).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    let text = serde_json::to_vec(&header).unwrap();
    fs::write(&bare, [&(text.len() as u64).to_le_bytes()[..], &text, &bytes[8 + len..]].concat()).unwrap();
    let run = succeed(small(&second, "2", "2").args(["--set", "steps=1", "--init"]).arg(&bare));
    let talk = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(talk.contains(" tensors loaded") && !talk.contains("fresh"), "{talk}");
}
