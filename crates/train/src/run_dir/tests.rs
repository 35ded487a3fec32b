use super::*;
use crate::checkpoint::{CheckpointFile, Mark};
use crate::durable::crash;

fn info() -> RunInfo {
    RunInfo::starting("detection", "demo", "d1", 7)
}

fn numbered(base: &Path) -> Result<RunDir, RunDirError> {
    RunDir::create(Place::Numbered { base, name: "coco/yolov3" }, &info(), "seed = 7\n")
}

#[test]
fn names_take_the_next_free_number() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("runs");
    let names: Vec<_> = (0..3)
        .map(|_| numbered(&base).unwrap().files().root().strip_prefix(&base).unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["coco-yolov3", "coco-yolov3-2", "coco-yolov3-3"]);
    fs::remove_dir_all(base.join("coco-yolov3-2")).unwrap();
    assert_eq!(numbered(&base).unwrap().files().root(), base.join("coco-yolov3-2"));
    assert_eq!(fs::read_dir(&base).unwrap().count(), 3, "no leftovers");
}

#[test]
fn a_typed_directory_that_exists_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine");
    let run = RunDir::create(Place::Exactly(&path), &info(), "seed = 7\n").unwrap();
    assert_eq!(run.files().read_recipe().unwrap(), "seed = 7\n");
    assert_eq!(run.files().read_info().unwrap(), info_with_time(&run));
    assert_eq!(task_of(&path).unwrap(), "detection");
    drop(run);
    let text = RunDir::create(Place::Exactly(&path), &info(), "").unwrap_err().to_string();
    assert!(text.contains("got one that exists\nhelp: wrs train --resume "), "{text}");
    assert_eq!(fs::read_to_string(path.join("recipe.toml")).unwrap(), "seed = 7\n");
}

fn info_with_time(run: &RunDir) -> RunInfo {
    let mut expected = info();
    expected.started = run.files().read_info().unwrap().started;
    expected
}

#[test]
fn a_living_owner_locks_the_run_and_a_gone_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = numbered(folder.path()).unwrap();
    let root = run.files().root().to_owned();
    let text = RunDir::open(&root).unwrap_err().to_string();
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    assert!(RunFiles::at(&root).unwrap().read_info().is_ok(), "readers need no lock");
    drop(run);
    assert!(root.join(".lock").exists());
    RunDir::open(&root).unwrap();
}

#[test]
fn what_is_not_a_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(RunDir::open(folder.path()), Err(RunDirError::NotARun { missing: "run.json", .. })));
    assert!(matches!(RunDir::open(Path::new("no/such/run")), Err(RunDirError::NotARun { .. })));
    let run = numbered(folder.path()).unwrap();
    fs::write(run.files().root().join("run.json"), b"{}").unwrap();
    assert!(matches!(run.files().read_info(), Err(RunDirError::Info { .. })));
}

#[test]
fn a_crash_while_a_run_is_made_leaves_none_or_a_whole_one() {
    let mut crashes = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let made = crash::after(crashes, || numbered(folder.path()));
        let root = folder.path().join("coco-yolov3");
        if root.exists() {
            assert_eq!(RunFiles::at(&root).unwrap().read_recipe().unwrap(), "seed = 7\n");
        }
        let finished = made.is_ok();
        drop(made);
        let next = folder.path().join("mine");
        RunDir::create(Place::Exactly(&next), &info(), "seed = 7\n").unwrap();
        if finished {
            break;
        }
        crashes += 1;
    }
    assert!(crashes >= 8, "{crashes}");
}

#[test]
fn info_best_log_and_checkpoints_live_in_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = numbered(folder.path()).unwrap();
    let mut ended = run.files().read_info().unwrap();
    ended.end(Status::Finished, None);
    run.write_info(&ended).unwrap();
    assert_eq!(run.files().read_info().unwrap().status, Status::Finished);
    for content in ["first", "second"] {
        run.replace(&run.files().best(), |w| w.write_all(content.as_bytes())).unwrap();
        writeln!(run.open_log().unwrap(), "{content}").unwrap();
    }
    assert_eq!(fs::read_to_string(run.files().best()).unwrap(), "second");
    assert_eq!(fs::read_to_string(run.files().log()).unwrap(), "first\nsecond\n");
    let files = vec![CheckpointFile::bytes("state.json", b"{}")];
    run.checkpoints(1).unwrap().save(3, files, Mark::Last).unwrap();
    assert!(run.files().root().join("ckpt/step-0000003/state.json").exists());
}

#[test]
fn recipe_names_make_plain_directories() {
    for (name, directory) in [
        ("demo", "demo"),
        ("coco/yolov3-wrs", "coco-yolov3-wrs"),
        ("../../etc", "etc"),
        ("", "run"),
        ("a b.toml", "a-b.toml"),
    ] {
        assert_eq!(file_name(name), directory);
    }
}

#[test]
fn a_crash_while_the_best_weights_are_replaced_leaves_old_or_new() {
    let folder = tempfile::tempdir().unwrap();
    let run = numbered(folder.path()).unwrap();
    let root = run.files().root().to_owned();
    run.replace(&run.files().best(), |w| w.write_all(b"old")).unwrap();
    assert!(crash::after(1, || run.replace(&run.files().best(), |w| w.write_all(b"new"))).is_err());
    assert!(root.join(".best.safetensors.tmp").exists());
    drop(run);
    let run = RunDir::open(&root).unwrap();
    assert!(!root.join(".best.safetensors.tmp").exists());
    assert_eq!(fs::read(run.files().best()).unwrap(), b"old");
}
