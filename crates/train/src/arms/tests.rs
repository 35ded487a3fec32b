use super::*;
use crate::run_dir::{Place, RunDir};

const WRS: &str = "[regularizer.wrs]\ntau = 10\n";
const WD: &str = "[regularizer.weight-decay]\nweight-decay = 0.1\n";

/// A finished run with a recipe of these lines, on data of that digest.
fn run(folder: &Path, name: &str, seed: u64, recipe: &str, digest: &str) -> PathBuf {
    let root = folder.join(name);
    let text = format!("name = \"{name}\"\nseed = {seed}\n{recipe}");
    let mut info = RunInfo::starting("detection", "demo", "d", seed);
    info.data.insert(DATA_DIGEST.to_owned(), digest.to_owned());
    let run = RunDir::create(Place::Exactly(&root), &info, &text).unwrap();
    info.end(Status::Finished, None);
    run.write_info(&info).unwrap();
    root
}

fn refused(a: &[PathBuf], b: &[PathBuf]) -> String {
    read(a, b).unwrap_err().to_string()
}

#[test]
fn arms_are_named_by_their_regulariser_and_pair_as_given() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let root = |at: &str| format!("lr = 0.1\n[data.source.folder]\nroot = \"{at}\"\n");
    let a = [run(here, "a2", 2, &(root("x") + WRS), "d"), run(here, "a1", 1, &(root("y") + WRS), "d")];
    let b = [run(here, "b1", 1, &(root("z") + WD), "d")];
    let [of_a, of_b] = read(&a, &b).unwrap();
    assert_eq!((of_a.name.as_str(), of_b.name.as_str()), ("WRS", "WD"));
    assert_eq!(of_a.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [2, 1]);
    let found = of_a.found(|files| Ok::<_, TrainError>(files.root().to_owned())).unwrap();
    assert_eq!(found.runs.into_iter().map(|run| run.found).collect::<Vec<_>>(), a);

    let [one, two] = read(&a, &a).unwrap().map(|arm| arm.name);
    assert_eq!([one, two], ["A", "B"], "one regulariser in both arms names neither");
}

#[test]
fn every_key_that_differs_is_named_with_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let one = run(here, "one", 1, &format!("lr = 0.1\n[loss.giou]\nbox-gain = 3.54\n{WRS}"), "d");
    let two = run(here, "two", 1, &format!("lr = 0.5\nclip = 35.0\n[loss.giou]\nbox-gain = 1.0\n{WD}"), "e");
    let text = refused(&[one], &[two]);
    assert!(text.contains("one and ") && text.contains("two differ in more than the regulariser:\n"), "{text}");
    let expected = "\n  clip: nothing and 35.0\n  data: \"d\" and \"e\"\n  loss.giou.box-gain: 3.54 and 1.0\n  lr: 0.1 and 0.5\nhelp: ";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_is_no_finished_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = [run(folder.path(), "one", 1, WRS, "d")];
    assert_eq!(refused(&[], &one), "no run in the first arm");
    assert_eq!(refused(&one, &[]), "no run in the second arm");
    assert!(refused(&[folder.path().join("none")], &one).contains("not a run"));
    let going = folder.path().join("going");
    let info = RunInfo::starting("detection", "demo", "d", 1);
    drop(RunDir::create(Place::Exactly(&going), &info, "seed = 1").unwrap());
    let text = refused(&one, &[going]);
    assert!(text.contains("expected a finished run") && text.contains("help: wrs train --resume "), "{text}");
    std::fs::write(one[0].join("recipe.toml"), "seed = ").unwrap();
    let text = refused(&one, &one);
    assert!(text.contains("recipe.toml: not the recipe of a run: "), "{text}");
}
