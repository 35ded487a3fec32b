//! The binary, and a training of seconds.

#![allow(clippy::unwrap_used, dead_code)] // tests; each uses a part

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A training of seconds: the demo, smaller in every way.
const SMALL: [&str; 12] = [
    "steps=14",
    "checkpoint-every=3",
    "evaluate-every=5",
    "model.width=0.0625",
    "data.source.scenes.train=20",
    "data.source.scenes.val=4",
    "data.source.scenes.size=64",
    "batch=4",
    "nominal-batch=8",
    "augment.size=64",
    "evaluation.size=64",
    "augment.mosaic=0.5",
];

pub fn wrs() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wrs"))
}

/// The training of a recipe in `out`, with these values of its own.
pub fn train<'a>(recipe: &str, sets: impl IntoIterator<Item = &'a str>, out: &Path) -> Command {
    let mut command = wrs();
    command.args(["train", recipe]);
    for set in sets {
        command.args(["--set", set]);
    }
    command.arg("--out").arg(out);
    command
}

pub fn small(out: &Path, threads: &str, workers: &str) -> Command {
    let mut command = train("demo", SMALL, out);
    command.args(["--threads", threads, "--workers", workers]);
    command
}

pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What a command that must succeed prints with `--json`.
pub fn json(command: &mut Command) -> Value {
    serde_json::from_slice(&succeed(command).stdout).unwrap()
}

/// Exit code and stderr of a command that must fail.
pub fn fail(arguments: &[&str]) -> (i32, String) {
    refused(wrs().args(arguments))
}

/// Exit code and stderr of a command that must fail.
pub fn refused(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}");
    assert!(output.stdout.is_empty(), "errors go to stderr");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What a run ends with: the bytes of its last checkpoint and of its best weights.
pub fn ends_with(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let last = fs::read_to_string(run.join("ckpt/last")).unwrap();
    let folder = run.join("ckpt").join(last.trim());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files.push(run.join("best.safetensors"));
    files.into_iter().map(|path| (path.strip_prefix(run).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Starts a command and kills it without warning once the metrics have so many lines.
pub fn kill_after(command: &mut Command, run: &Path, lines: usize) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        let seen = fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
        if seen >= lines || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().unwrap();
}
