//! The binary, and a training of seconds.

#![allow(clippy::unwrap_used, dead_code)] // tests; each uses a part

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A training of seconds: the demo, smaller in every way.
const SMALL: [&str; 18] = [
    "train",
    "demo",
    "--set",
    "steps=14",
    "--set",
    "checkpoint-every=3",
    "--set",
    "evaluate-every=5",
    "--set",
    "model.width=0.0625",
    "--set",
    "data.source.scenes.train=20",
    "--set",
    "data.source.scenes.val=4",
    "--set",
    "data.source.scenes.size=64",
    "--set",
    "batch=4",
];

const SMALLER: [&str; 8] = [
    "--set",
    "nominal-batch=8",
    "--set",
    "augment.size=64",
    "--set",
    "evaluation.size=64",
    "--set",
    "augment.mosaic=0.5",
];

pub fn wrs() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wrs"))
}

pub fn small(out: &Path, threads: &str, workers: &str) -> Command {
    let mut command = wrs();
    command.args(SMALL).args(SMALLER).args(["--threads", threads, "--workers", workers, "--out"]).arg(out);
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

/// Exit code and stderr of a command that must fail.
pub fn fail(arguments: &[&str]) -> (i32, String) {
    let output = wrs().args(arguments).output().unwrap();
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
