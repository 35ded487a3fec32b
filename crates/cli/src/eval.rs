//! `wrs eval`: official metrics of a run, a weights file, or saved predictions.

pub mod counting;
pub mod detection;
pub mod segmentation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::source::DarknetFlags;
use crate::task::Task;
use crate::{Global, exit};

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's directory, or a weights file, ours or Darknet's; nothing with --pred
    #[arg(value_name = "RUN|WEIGHTS", required_unless_present_any = ["pred", "weights"])]
    source: Option<PathBuf>,
    /// The same, by a flag
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "pred"])]
    weights: Option<PathBuf>,
    /// The data set's folder; a run knows its own
    #[arg(long, value_name = "DIR", conflicts_with = "pred")]
    data: Option<PathBuf>,
    /// Another split than the recipe's validation split: train, val, test, or the name of an annotation file or list
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Scores saved predictions instead of running a network: detections in COCO's results form, a folder of index PNGs, or a CSV `image,predicted` of counts
    #[arg(long, value_name = "FILE|DIR", requires = "gt", conflicts_with = "source")]
    pred: Option<PathBuf>,
    /// Their ground truth: an instances file, a folder of index PNGs, a CSV of points or counts, or a counting data set
    #[arg(long, value_name = "FILE|DIR", requires = "pred")]
    gt: Option<PathBuf>,
    /// What the files are about
    #[arg(long, value_name = "TASK", default_value = "detection", requires = "pred")]
    task: Task,
    /// Segmentation: how many classes the PNGs have, the background among them
    #[arg(long, value_name = "K", requires = "pred")]
    num_classes: Option<usize>,
    /// Segmentation: scores the PNGs of these names alone, one a line, as a split's list gives them
    #[arg(long, value_name = "FILE", requires = "pred")]
    list: Option<PathBuf>,
    /// Segmentation: looks at each picture at six sizes from half to 1.75, each mirrored too
    #[arg(long, conflicts_with = "pred")]
    multi_scale: bool,
    /// Segmentation: the most pixels that the network sees at once; larger pictures are cut into tiles that overlap
    /// [default: the recipe's evaluation.max-pixels]
    #[arg(long, value_name = "N", conflicts_with = "pred")]
    max_pixels: Option<usize>,
    /// Counting: MIB of memory that the program may take: larger pictures are counted in tiles, to the same density
    #[arg(long, value_name = "MIB", conflicts_with = "pred")]
    max_mem: Option<u64>,
    /// Counting: errors by true count: nwpu, jhu, quantiles:4, or cut points such as 50,500
    #[arg(long, value_name = "CUTS")]
    buckets: Option<String>,
    /// Writes what was found: detections in COCO's results form, counts as CSV, or index PNGs as VOC's server wants them, under
    /// DIR/results/VOC2012/Segmentation/comp6_SPLIT_cls; splits without masks, too
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "pred")]
    save: Option<PathBuf>,
    #[command(flatten)]
    darknet: DarknetFlags,
    /// Exits 7 unless a metric reaches a value, a fraction: --min ap50=0.6
    #[arg(long, value_name = "METRIC=VALUE")]
    min: Vec<String>,
    /// Exits 7 if a metric is above a value: --max mae=8
    #[arg(long, value_name = "METRIC=VALUE")]
    max: Vec<String>,
}

/// An evaluation as it is told.
pub struct Told {
    /// For --json and --min.
    document: Value,
    /// For people.
    table: String,
    /// What the numbers are not worth anything for.
    fault: Option<anyhow::Error>,
}

impl Told {
    /// Metrics, and their table.
    fn new(metrics: &impl Serialize, table: String) -> anyhow::Result<Self> {
        Ok(Self { document: serde_json::to_value(metrics)?, table, fault: None })
    }

    /// The same, with one more entry of the document.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(object) = self.document.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
        self
    }

    /// The same, with another evaluation below it.
    pub fn and(self, name: &str, other: Self) -> Self {
        let table = format!("{}\n{name}\n{}", self.table, other.table);
        let fault = self.fault.or(other.fault);
        let with = Self { document: self.document, table, fault: None }.with(name, other.document);
        Self { fault, ..with }
    }

    /// The same, with what must be said once the numbers are.
    fn but(self, fault: Option<impl Into<anyhow::Error>>) -> Self {
        Self { fault: fault.map(Into::into), ..self }
    }

    /// The table, or the document.
    pub fn print(&self, global: &Global) -> anyhow::Result<()> {
        if global.json {
            println!("{}", serde_json::to_string_pretty(&self.document)?);
        } else {
            println!("{}", self.table);
        }
        Ok(())
    }

    /// Refuses a metric on the wrong side of what was asked for.
    fn check_gate(&self, gate: &str, side: Side) -> anyhow::Result<()> {
        let flag = side.flag();
        let malformed = || exit::usage(format!("{flag}: expected METRIC=VALUE such as ap50=0.6, got `{gate}`"));
        let (metric, bound) = gate.split_once('=').ok_or_else(malformed)?;
        let bound: f64 = bound.parse().map_err(|_| malformed())?;
        let value =
            self.document.get(metric).or_else(|| self.document.get("paper").and_then(|paper| paper.get(metric)));
        match value.filter(|value| value.is_number() || value.is_null()).map(Value::as_f64) {
            None => Err(exit::usage(format!("{flag}: no metric is called `{metric}`"))),
            Some(Some(got)) if side.holds(got, bound) => Ok(()),
            Some(got) => {
                let got = got.map_or("undefined".to_owned(), |v| v.to_string());
                Err(exit::Gate { metric: metric.to_owned(), got, side: side.words(), bound }.into())
            }
        }
    }
}

/// The side of a bound that a metric is to be on.
#[derive(Clone, Copy)]
enum Side {
    AtLeast,
    AtMost,
}

impl Side {
    fn flag(self) -> &'static str {
        match self {
            Self::AtLeast => "--min",
            Self::AtMost => "--max",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        }
    }

    fn holds(self, got: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => got >= bound,
            Self::AtMost => got <= bound,
        }
    }
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    if arguments.pred.is_some() && arguments.darknet.any() {
        return Err(exit::usage("--cfg, --names, --resize and --size belong to a network; --pred runs none"));
    }
    if arguments.split.is_some() && arguments.pred.is_some() && arguments.task != Task::Counting {
        return Err(exit::usage("--split beside --pred is for --task counting alone"));
    }
    let told = match (&arguments.pred, &arguments.gt, arguments.source.as_ref().or(arguments.weights.as_ref())) {
        (Some(pred), Some(gt), _) => match arguments.task {
            Task::Detection => detection::of_files(pred, gt, arguments, global)?,
            Task::Segmentation => segmentation::of_folders(pred, gt, arguments)?,
            Task::Counting => counting::of_files(pred, gt, arguments)?,
        },
        (_, _, Some(source)) => match Task::of_network(source)? {
            Task::Detection => detection::of_network(source, arguments, global)?,
            Task::Segmentation => segmentation::of_network(source, arguments, global)?,
            Task::Counting => counting::of_network(source, arguments, global)?,
        },
        _ => return Err(exit::usage("nothing to evaluate\nhelp: name a run, a weights file, or --pred and --gt")),
    };
    told.print(global)?;
    for (side, gates) in [(Side::AtLeast, &arguments.min), (Side::AtMost, &arguments.max)] {
        gates.iter().try_for_each(|gate| told.check_gate(gate, side))?;
    }
    told.fault.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// The best weights of a run on its own validation split.
pub fn of_run(task: Task, run: &Path, global: &Global) -> anyhow::Result<Told> {
    match task {
        Task::Detection => detection::of_best(run, global),
        Task::Segmentation => segmentation::of_best(run, global),
        Task::Counting => counting::of_best(run, global),
    }
}

/// Weights alone know no data.
fn needs_data<T>() -> anyhow::Result<T> {
    Err(exit::usage("a weights file needs --data DIR"))
}
