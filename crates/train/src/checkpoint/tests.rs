use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::durable::crash;

/// Checkpoints of steps 10, 20, … in an empty directory, the best at `best`.
fn saved(steps: &[u64], best: u64) -> (TempDir, Checkpoints) {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(&folder.path().join("ckpt"), 2).unwrap();
    for &step in steps {
        let mark = if step == best { Mark::LastAndBest } else { Mark::Last };
        save(&checkpoints, step, mark).unwrap();
    }
    (folder, checkpoints)
}

fn save(checkpoints: &Checkpoints, step: u64, mark: Mark) -> Result<(), CheckpointError> {
    let state = format!("{{\"step\": {step}}}");
    let weights = vec![step as u8; 5000];
    let files = vec![
        CheckpointFile::bytes("state.json", state.as_bytes()),
        CheckpointFile::written_by("model.safetensors", |w| weights.chunks(700).try_for_each(|c| w.write_all(c))),
    ];
    checkpoints.save(step, files, mark)
}

fn last(checkpoints: &Checkpoints) -> (u64, Vec<String>) {
    let loaded = checkpoints.load_last().unwrap().unwrap();
    let step = loaded.checkpoint.step();
    assert_eq!(loaded.checkpoint.names().collect::<Vec<_>>(), ["model.safetensors", "state.json"]);
    assert_eq!(loaded.checkpoint.read("model.safetensors").unwrap(), vec![step as u8; 5000]);
    assert_eq!(loaded.checkpoint.read("state.json").unwrap(), format!("{{\"step\": {step}}}").into_bytes());
    (step, loaded.notes)
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Every file below a directory, by name, with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_last_comes_back_and_older_ones_go() {
    let (folder, checkpoints) = saved(&[10, 20, 30, 40, 50], 10);
    assert_eq!(last(&checkpoints), (50, vec![]));
    assert_eq!(checkpoints.steps().unwrap(), [50, 40, 30, 10], "the last, two more and the best");
    assert_eq!(checkpoints.load_best().unwrap().unwrap().step(), 10);
    let ckpt = folder.path().join("ckpt");
    assert_eq!(fs::read_to_string(ckpt.join("last")).unwrap(), "step-0000050\n");
    assert!(names(&ckpt).unwrap().iter().all(|name| !name.starts_with('.')), "no leftovers");
}

#[test]
fn nothing_saved_is_nothing_to_load() {
    let (_folder, checkpoints) = saved(&[], 0);
    assert!(checkpoints.load_last().unwrap().is_none());
    assert!(checkpoints.load_best().unwrap().is_none());
}

/// A copy of a run's directory in a new place.
fn copy_of(original: &TempDir) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in relative(original) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn relative(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let strip = |(path, bytes): (PathBuf, Vec<u8>)| (path.strip_prefix(folder.path()).unwrap().to_owned(), bytes);
    contents(folder.path()).into_iter().map(strip).collect()
}

#[test]
fn a_crash_at_any_point_leaves_a_usable_run() {
    let (before, _) = saved(&[10, 20, 30, 40], 10);
    let uninterrupted = copy_of(&before);
    let open = |folder: &TempDir| Checkpoints::open(&folder.path().join("ckpt"), 2).unwrap();
    save(&open(&uninterrupted), 50, Mark::LastAndBest).unwrap();
    let mut crashes = 0;
    loop {
        let folder = copy_of(&before);
        let checkpoints = open(&folder);
        let finished = crash::after(crashes, || save(&checkpoints, 50, Mark::LastAndBest)).is_ok();
        let reopened = open(&folder);
        let (step, notes) = last(&reopened);
        assert!((step == 40 || step == 50) && notes.is_empty(), "crash {crashes}: {step} {notes:?}");
        let best = reopened.load_best().unwrap().unwrap().step();
        assert!(best >= if step == 50 { 50 } else { 10 }, "crash {crashes}: last {step}, best {best}");

        save(&reopened, 50, Mark::LastAndBest).unwrap();
        assert_eq!(relative(&folder), relative(&uninterrupted), "crash {crashes}: the same bytes as without it");
        if finished {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 20, "every change to the disk was tried: {crashes}");
}

#[test]
fn a_crash_while_a_damaged_step_is_replaced_leaves_a_usable_run() {
    let (before, _) = saved(&[10, 20], 10);
    flip(&before.path().join("ckpt/step-0000020/model.safetensors"));
    let mut crashes = 0;
    loop {
        let folder = copy_of(&before);
        let ckpt = folder.path().join("ckpt");
        let checkpoints = Checkpoints::open(&ckpt, 2).unwrap();
        let finished = crash::after(crashes, || save(&checkpoints, 20, Mark::Last)).is_ok();
        let reopened = Checkpoints::open(&ckpt, 2).unwrap();
        let (step, notes) = last(&reopened);
        assert!(step == 20 || (step == 10 && !notes.is_empty()), "crash {crashes}: {step} {notes:?}");
        save(&reopened, 20, Mark::Last).unwrap();
        assert_eq!(last(&reopened), (20, vec![]));
        if finished {
            break;
        }
        crashes += 1;
    }
}

#[test]
fn a_crash_while_opening_after_a_crash_is_survived() {
    let (folder, _) = saved(&[10, 20], 10);
    let ckpt = folder.path().join("ckpt");
    for name in [".tmp-step-0000030", ".trash-step-0000005"] {
        fs::create_dir(ckpt.join(name)).unwrap();
        fs::write(ckpt.join(name).join("model.safetensors"), b"half").unwrap();
    }
    fs::rename(ckpt.join("step-0000020"), ckpt.join(".old-step-0000020")).unwrap();
    let mut crashes = 0;
    while crash::after(crashes, || Checkpoints::open(&ckpt, 2)).is_err() {
        crashes += 1;
    }
    assert!(crashes >= 1);
    assert_eq!(last(&Checkpoints::open(&ckpt, 2).unwrap()), (20, vec![]));
    assert!(names(&ckpt).unwrap().iter().all(|name| !name.starts_with('.')));
}

#[test]
fn damage_falls_back_and_says_so() {
    type Damaging = fn(&Path);
    let damages: [(&str, Damaging); 6] = [
        ("blake3", |step| flip(&step.join("model.safetensors"))),
        ("expected 5000 bytes, got 100", |step| {
            fs::OpenOptions::new().write(true).open(step.join("model.safetensors")).unwrap().set_len(100).unwrap();
        }),
        ("state.json", |step| fs::remove_file(step.join("state.json")).unwrap()),
        ("MANIFEST.json", |step| fs::write(step.join("MANIFEST.json"), b"{\"format\":").unwrap()),
        ("MANIFEST.json", |step| fs::remove_file(step.join("MANIFEST.json")).unwrap()),
        ("last names no checkpoint", |step| fs::remove_dir_all(step).unwrap()),
    ];
    for (said, damage) in damages {
        let (folder, checkpoints) = saved(&[10, 20, 30], 10);
        damage(&folder.path().join("ckpt/step-0000030"));
        let (step, notes) = last(&checkpoints);
        assert_eq!(step, 20, "{said}");
        assert!(notes[0].contains(said) && notes[1] == "resuming from step-0000020", "{said}: {notes:?}");
    }
}

#[test]
fn a_torn_pointer_is_replaced_by_the_latest_step() {
    for torn in ["", "step-00000", "step-0000020", "nonsense\n", "../../etc\n"] {
        let (folder, checkpoints) = saved(&[10, 20, 30], 10);
        fs::write(folder.path().join("ckpt/last"), torn).unwrap();
        let (step, notes) = last(&checkpoints);
        assert_eq!(step, 30, "{torn:?}");
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
}

#[test]
fn when_none_is_whole_every_damage_is_listed() {
    let (folder, checkpoints) = saved(&[10, 20], 10);
    for step in ["step-0000010", "step-0000020"] {
        flip(&folder.path().join("ckpt").join(step).join("state.json"));
    }
    let text = checkpoints.load_last().unwrap_err().to_string();
    assert!(text.contains("none of 2 checkpoints is whole") && text.contains("help: "), "{text}");
    assert!(text.contains("step-0000010/state.json") && text.contains("step-0000020/state.json"), "{text}");
    assert!(matches!(checkpoints.load_best(), Err(CheckpointError::Damaged(_))));
}

#[test]
fn a_run_that_fell_back_drops_the_steps_it_gave_up() {
    let (folder, checkpoints) = saved(&[10, 20, 30], 10);
    flip(&folder.path().join("ckpt/step-0000030/state.json"));
    assert_eq!(last(&checkpoints).0, 20);
    save(&checkpoints, 25, Mark::Last).unwrap();
    assert_eq!(checkpoints.steps().unwrap(), [25, 20, 10]);
}

#[test]
fn names_that_would_leave_the_directory_are_refused() {
    let (_folder, checkpoints) = saved(&[10], 10);
    for name in ["", "../x", "a/b", ".hidden", "MANIFEST.json", "a\\b"] {
        let files = vec![CheckpointFile::bytes(name, b"")];
        assert!(matches!(checkpoints.save(20, files, Mark::Last), Err(CheckpointError::Name(_))), "{name}");
    }
    let twice = vec![CheckpointFile::bytes("a", b""), CheckpointFile::bytes("a", b"")];
    assert!(matches!(checkpoints.save(20, twice, Mark::Last), Err(CheckpointError::Name(_))));
    assert_eq!(last(&checkpoints), (10, vec![]));
}

#[test]
fn a_writer_that_fails_leaves_the_checkpoint_before() {
    let (folder, checkpoints) = saved(&[10], 10);
    let full = CheckpointFile::written_by("model", |_| Err(io::Error::new(io::ErrorKind::StorageFull, "disk full")));
    let text = checkpoints.save(20, vec![full], Mark::Last).unwrap_err().to_string();
    assert!(text.contains("disk full") && text.contains("model"), "{text}");
    assert_eq!(last(&checkpoints), (10, vec![]));
    assert!(!folder.path().join("ckpt/.tmp-step-0000020").exists());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
    #[test]
    fn foreign_manifests_never_panic(bytes in proptest::collection::vec(0u8..=255, 0..60)) {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("step-0000001");
        fs::create_dir(&step).unwrap();
        fs::write(step.join(MANIFEST), bytes).unwrap();
        assert!(Checkpoint::verified(folder.path(), StepName(1)).is_err());
    }
}
