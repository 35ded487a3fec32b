//! Runs of two arms side by side: what each found in the same pictures, once it is sure that nothing but the regulariser
//! differs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use wrs_datasets::DetectionDataset;
use wrs_eval::{Detection, GroundTruth, read_detections};
use wrs_ops::conv::Algorithms;
use wrs_optim::ArmKind;
use wrs_train::run_dir::{DATA_DIGEST, RunFiles, RunInfo, Status};

use crate::error::DetectionError;
use crate::evaluate::{Detector, evaluate, ground_truth};
use crate::recipe::Recipe;
use crate::sample;
use crate::saved::SavedNet;

/// Keys in which two runs may differ: the question itself, and what names a run.
const FREE: [&str; 3] = ["name", "regularizer", "seed"];

/// Two arms, ready to be compared.
#[derive(Clone, Debug)]
pub struct Arms {
    /// What both were judged by.
    pub truth: GroundTruth,
    /// Its name and size, for people.
    pub judged_on: String,
    /// The first arm.
    pub a: ArmOfRuns,
    /// The second arm.
    pub b: ArmOfRuns,
}

/// The runs of one arm.
#[derive(Clone, Debug)]
pub struct ArmOfRuns {
    /// `WRS` or `WD` where every run of the arm is, and no run of the other.
    pub name: String,
    /// In the order given.
    pub runs: Vec<JudgedRun>,
}

/// What one run found.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// Its directory.
    pub root: PathBuf,
    /// Its seed.
    pub seed: u64,
    /// In the pictures that the arms are judged on.
    pub detections: Vec<Detection>,
}

/// Which pictures the runs are judged on, and how what they found is had.
#[derive(Clone, Copy, Debug)]
pub enum Judged<'a> {
    /// The recipe's validation split, by the `detections.json` that each run kept of its best weights.
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

/// A run that is to be compared.
struct Candidate {
    files: RunFiles,
    info: RunInfo,
    recipe: Recipe,
}

impl Candidate {
    fn read(root: &Path) -> Result<Self, DetectionError> {
        let files = RunFiles::at(root)?;
        let info = files.read_info()?;
        let recipe = Recipe::load(&files.recipe().display().to_string(), &files.read_recipe()?, &[])?.recipe;
        if info.status != Status::Finished {
            let text = format!("{}: expected a finished run, got one that is not", root.display());
            return Err(DetectionError::Usage(format!("{text}\nhelp: wrs train --resume {}", root.display())));
        }
        Ok(Self { files, info, recipe })
    }

    /// Everything that must be alike, key by key.
    fn fixed(&self) -> Result<Vec<(String, Value)>, DetectionError> {
        let mut table = Table::try_from(&self.recipe).map_err(|e| DetectionError::Usage(e.to_string()))?;
        for key in FREE {
            table.remove(key);
        }
        let mut flat = Vec::new();
        flatten(&Value::Table(table), String::new(), &mut flat);
        flat.push(("version of wrs".into(), self.info.version.clone().into()));
        // Where the data lies does not matter, what it is does.
        flat.retain(|(key, _)| key != "data.source.folder.root");
        let digest = self.info.data.get(DATA_DIGEST).cloned().unwrap_or_default();
        flat.push(("data".into(), digest.into()));
        Ok(flat)
    }

    fn run(&self, truth: &DetectionDataset, judged: Judged<'_>) -> Result<JudgedRun, DetectionError> {
        let detections = match judged {
            Judged::Validation => read_detections(&self.files.detections())?,
            Judged::Split { workers, algorithms, .. } => {
                let saved = SavedNet::load(&self.files.best())?;
                let detector = Detector { net: &saved.net, params: &saved.params, anchors: &saved.anchors, algorithms };
                evaluate(detector, truth, &saved.description.evaluation, workers)?.detections
            }
        };
        Ok(JudgedRun { root: self.files.root().to_owned(), seed: self.recipe.seed, detections })
    }

    fn arm(&self) -> ArmKind {
        self.recipe.regularizer.arm()
    }
}

/// Reads the runs of two arms.
///
/// # Errors
/// [`DetectionError::Usage`] when a run is not finished, or data, program or recipe differ beyond the regulariser; what
/// reading the runs and their data can end in.
pub fn arms(a: &[PathBuf], b: &[PathBuf], judged: Judged<'_>) -> Result<Arms, DetectionError> {
    let read = |runs: &[PathBuf]| runs.iter().map(|run| Candidate::read(run)).collect::<Result<Vec<_>, _>>();
    let (a, b) = (read(a)?, read(b)?);
    let first = a.first().ok_or_else(|| DetectionError::Usage("no run in the first arm".into()))?;
    let expected = first.fixed()?;
    for other in a.iter().chain(&b).skip(1) {
        let differing = differences(&expected, &other.fixed()?);
        if !differing.is_empty() {
            let (one, two) = (first.files.root().display(), other.files.root().display());
            let text = format!("{one} and {two} differ in more than the regulariser:\n  {}", differing.join("\n  "));
            let help = "compare runs of one recipe, one data set and one program; --set changes a recipe's values";
            return Err(DetectionError::Usage(format!("{text}\nhelp: {help}")));
        }
    }
    let mut recipe = first.recipe.clone();
    if let Judged::Split { name, .. } = judged {
        name.clone_into(&mut recipe.data.val_split);
    }
    let data = sample::open(&recipe, first.files.root())?.val;
    let judged_on = format!("{} ({} images)", data.name, data.images.len());
    let [name_a, name_b] = names(&a, &b);
    let arm = |name: String, runs: &[Candidate]| -> Result<ArmOfRuns, DetectionError> {
        let runs = runs.iter().map(|run| run.run(&data, judged)).collect::<Result<_, _>>()?;
        Ok(ArmOfRuns { name, runs })
    };
    Ok(Arms { a: arm(name_a, &a)?, b: arm(name_b, &b)?, truth: ground_truth(&data), judged_on })
}

/// What tells the arms apart in words.
fn names(a: &[Candidate], b: &[Candidate]) -> [String; 2] {
    let kinds = |runs: &[Candidate]| runs.iter().map(Candidate::arm).collect::<BTreeSet<_>>();
    let (kinds_a, kinds_b) = (kinds(a), kinds(b));
    match (kinds_a.first(), kinds_b.first()) {
        (Some(one), Some(two)) if kinds_a.len() == 1 && kinds_b.len() == 1 && one != two => {
            [one.to_string(), two.to_string()]
        }
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
mod tests {
    use super::*;
    use crate::recipe::RECIPES;

    fn fixed(overrides: &[(&str, &str)]) -> Vec<(String, Value)> {
        let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let recipe = Recipe::load("demo", RECIPES[0].1, &overrides).unwrap().recipe;
        let mut flat = Vec::new();
        flatten(&Value::Table(Table::try_from(&recipe).unwrap()), String::new(), &mut flat);
        flat
    }

    #[test]
    fn every_key_that_differs_is_named_with_both_values() {
        assert!(differences(&fixed(&[]), &fixed(&[])).is_empty());
        let found = differences(&fixed(&[]), &fixed(&[("lr", "0.5"), ("loss.giou.box-gain", "1.0")]));
        assert_eq!(found, ["loss.giou.box-gain: 3.54 and 1.0", "lr: 0.003 and 0.5"]);
        let found = differences(&fixed(&[]), &fixed(&[("clip-grad-norm", "35.0")]));
        assert_eq!(found, ["clip-grad-norm: nothing and 35.0"]);
    }
}
