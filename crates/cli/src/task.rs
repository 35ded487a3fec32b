//! The tasks: where they are told apart, and nowhere else by name.

use std::fmt;
use std::path::Path;

use wrs_train::{TrainError, run_dir};
use wrs_weights::{Format, description};

use crate::exit;

/// What a recipe, a run or a weights file is for.  Every verb has one match with an arm for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Task {
    /// Boxes around objects.
    Detection,
    /// A class for every pixel.
    Segmentation,
    /// How many there are.
    Counting,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detection => "detection",
            Self::Segmentation => "segmentation",
            Self::Counting => "counting",
        })
    }
}

impl Task {
    const ALL: [Self; 3] = [Self::Detection, Self::Segmentation, Self::Counting];

    /// The task of that name; `whose` says what bears it.
    pub fn named(name: &str, whose: &dyn fmt::Display) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|task| task.to_string() == name);
        found.ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(|task| format!("`{task}`")).collect();
            exit::usage(format!("{whose}: expected the task {}, got `{name}`", known.join(" or ")))
        })
    }

    /// The task of a run.
    pub fn of_run(root: &Path) -> anyhow::Result<Self> {
        Self::named(&run_dir::task_of(root).map_err(TrainError::from)?, &root.display())
    }

    /// The task of a run's directory or of a weights file; Darknet's weights are for detection.
    pub fn of_network(named: &Path) -> anyhow::Result<Self> {
        if named.is_dir() {
            return Self::of_run(named);
        }
        if Format::of(named)?.is_none() {
            return Ok(Self::Detection);
        }
        Self::named(&description::task_of(named)?, &named.display())
    }
}
