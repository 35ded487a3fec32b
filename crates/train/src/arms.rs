//! Runs of two arms, read from their directories, once it is sure that nothing but the regulariser differs.
//!
//! No task's types are needed: the recipe in a run's directory is complete, so its table is all there is to compare.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use wrs_ops::conv::Algorithms;
use wrs_optim::ArmKind;

use crate::error::TrainError;
use crate::run_dir::{DATA_DIGEST, RunFiles, RunInfo, Status};

/// Keys in which two runs may differ: the question itself, and what names a run.
const FREE: [&str; 3] = ["name", REGULARIZER, "seed"];

/// The key of the question.
const REGULARIZER: &str = "regularizer";

/// Where a recipe says where its data lies: that does not matter, what it is does.
const DATA_ROOT: &str = "data.source.folder.root";

/// Runs that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ArmsError {
    /// An arm without a run.
    #[error("no run in the {arm} arm")]
    NoRun {
        /// `first` or `second`.
        arm: &'static str,
    },
    /// A run that has steps left.
    #[error("{}: expected a finished run, got one that is not\nhelp: wrs train --resume {}", .0.display(), .0.display())]
    NotFinished(PathBuf),
    /// A recipe that is no table.
    #[error("{}: not the recipe of a run: {reason}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Data, program or recipe are not the same.
    #[error(
        "{} and {} differ in more than the regulariser:\n  {}\n\
         help: compare runs of one recipe, one data set and one program; --set changes a recipe's values",
        one.display(), other.display(), keys.join("\n  ")
    )]
    Differ {
        /// A run.
        one: PathBuf,
        /// The run that is unlike it.
        other: PathBuf,
        /// Every key that differs, with both values.
        keys: Vec<String>,
    },
}

/// Which pictures the runs are judged on, and how what they found is had.
#[derive(Clone, Copy, Debug)]
pub enum Judged<'a> {
    /// The recipe's validation split, by what each run kept of its best weights.
    Validation,
    /// Another split of the same data: the best weights of every run look at it now.
    Split {
        /// Its name.
        name: &'a str,
        /// Threads that prepare pictures.
        workers: usize,
        /// Which kernels.
        algorithms: Algorithms,
    },
}

/// One run of an arm, with what it found once that is read.
#[derive(Clone, Debug)]
pub struct RunOfArm<F = ()> {
    /// Its files.
    pub files: RunFiles,
    /// Its seed.
    pub seed: u64,
    /// What it found.
    pub found: F,
}

/// The runs of one arm.
#[derive(Clone, Debug)]
pub struct ArmOfRuns<F = ()> {
    /// `WRS` or `WD` where every run of the arm is, and no run of the other.
    pub name: String,
    /// In the order given; at least one.
    pub runs: Vec<RunOfArm<F>>,
}

impl<F> ArmOfRuns<F> {
    /// The same arm with what `find` reads of each run.
    ///
    /// # Errors
    /// The first of `find`'s.
    pub fn found<G, E>(&self, mut find: impl FnMut(&RunFiles) -> Result<G, E>) -> Result<ArmOfRuns<G>, E> {
        let run =
            |run: &RunOfArm<F>| Ok(RunOfArm { files: run.files.clone(), seed: run.seed, found: find(&run.files)? });
        Ok(ArmOfRuns { name: self.name.clone(), runs: self.runs.iter().map(run).collect::<Result<_, E>>()? })
    }
}

/// Reads the runs of two arms.
///
/// # Errors
/// [`TrainError::Arms`] when an arm is empty, a run is not finished, or data, program or recipe differ beyond the regulariser;
/// [`TrainError::RunDir`].
pub fn read(a: &[PathBuf], b: &[PathBuf]) -> Result<[ArmOfRuns; 2], TrainError> {
    let read = |runs: &[PathBuf]| runs.iter().map(|run| Candidate::read(run)).collect::<Result<Vec<_>, _>>();
    let (a, b) = (read(a)?, read(b)?);
    let first = a.first().ok_or(ArmsError::NoRun { arm: "first" })?;
    b.first().ok_or(ArmsError::NoRun { arm: "second" })?;
    let expected = first.fixed();
    for other in a.iter().chain(&b).skip(1) {
        let keys = differences(&expected, &other.fixed());
        if !keys.is_empty() {
            let [one, other] = [first, other].map(|of| of.files.root().to_owned());
            return Err(ArmsError::Differ { one, other, keys }.into());
        }
    }
    let [name_a, name_b] = names(&a, &b);
    Ok([arm(name_a, a), arm(name_b, b)])
}

/// A run that is to be compared.
struct Candidate {
    files: RunFiles,
    info: RunInfo,
    recipe: Table,
}

impl Candidate {
    fn read(root: &Path) -> Result<Self, TrainError> {
        let files = RunFiles::at(root)?;
        let info = files.read_info()?;
        if info.status != Status::Finished {
            return Err(ArmsError::NotFinished(root.to_owned()).into());
        }
        let refused = |e: toml::de::Error| ArmsError::Recipe { path: files.recipe(), reason: e.message().to_owned() };
        let recipe = files.read_recipe()?.parse().map_err(refused)?;
        Ok(Self { files, info, recipe })
    }

    /// Everything that must be alike, key by key.
    fn fixed(&self) -> Vec<(String, Value)> {
        let mut table = self.recipe.clone();
        for key in FREE {
            table.remove(key);
        }
        let mut flat = Vec::new();
        flatten(&Value::Table(table), String::new(), &mut flat);
        flat.retain(|(key, _)| key != DATA_ROOT);
        flat.push(("version of wrs".into(), self.info.version.clone().into()));
        let digest = self.info.data.get(DATA_DIGEST).cloned().unwrap_or_default();
        flat.push(("data".into(), digest.into()));
        flat
    }

    /// By the one key of its recipe's regulariser; none for one that has no arm.
    fn arm(&self) -> Option<ArmKind> {
        let regularizer = self.recipe.get(REGULARIZER)?.as_table()?;
        regularizer.keys().find_map(|key| ArmKind::of_key(key))
    }
}

fn arm(name: String, runs: Vec<Candidate>) -> ArmOfRuns {
    let run = |run: Candidate| RunOfArm { files: run.files, seed: run.info.seed, found: () };
    ArmOfRuns { name, runs: runs.into_iter().map(run).collect() }
}

/// What tells the arms apart in words.
fn names(a: &[Candidate], b: &[Candidate]) -> [String; 2] {
    let only = |runs: &[Candidate]| {
        let kinds: BTreeSet<Option<ArmKind>> = runs.iter().map(Candidate::arm).collect();
        kinds.first().copied().flatten().filter(|_| kinds.len() == 1)
    };
    match (only(a), only(b)) {
        (Some(one), Some(two)) if one != two => [one.to_string(), two.to_string()],
        _ => ["A".to_owned(), "B".to_owned()],
    }
}

/// The leaves of a table with their whole keys.
fn flatten(value: &Value, key: String, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Table(table) => {
            for (part, value) in table {
                flatten(value, if key.is_empty() { part.clone() } else { format!("{key}.{part}") }, into);
            }
        }
        leaf => into.push((key, leaf.clone())),
    }
}

/// One line for each key that differs.
fn differences(one: &[(String, Value)], two: &[(String, Value)]) -> Vec<String> {
    let keys: BTreeSet<&str> = one.iter().chain(two).map(|(key, _)| key.as_str()).collect();
    let of = |list: &[(String, Value)], key: &str| {
        list.iter().find(|(known, _)| known == key).map_or_else(|| "nothing".to_owned(), |(_, value)| value.to_string())
    };
    let line = |key: &str| (key.to_owned(), of(one, key), of(two, key));
    let lines = keys.into_iter().map(line).filter(|(_, one, two)| one != two);
    lines.map(|(key, one, two)| format!("{key}: {one} and {two}")).collect()
}

#[cfg(test)]
mod tests;
