//! `wrs prepare`: data sets made out of others.

use std::path::PathBuf;
use std::process::ExitCode;

use wrs_datasets::augmented_voc::{self, AugmentedVocOptions, Expect, LabelSource};
use wrs_segmentation::SegmentationError;

use crate::Global;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// VOC 2012 with SBD's masks: SegmentationClassAug and the list trainaug, 10,582 images
    VocAug(VocAug),
}

#[derive(clap::Args)]
struct VocAug {
    /// VOC 2012: VOCdevkit, the folder around it or the one in it
    #[arg(long, value_name = "DIR")]
    voc: PathBuf,
    /// The Semantic Boundaries Dataset: benchmark_RELEASE, or its folder dataset
    #[arg(long, value_name = "DIR")]
    sbd: PathBuf,
    /// Where masks and lists go; without it, into the VOC folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Whose labels an image gets that both annotate
    #[arg(long, value_name = "SOURCE", default_value = "voc-first")]
    labels: Labels,
    /// Makes do with other counts than the published sets have
    #[arg(long)]
    any_counts: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Labels {
    VocFirst,
    SbdFirst,
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let What::VocAug(set) = &arguments.what;
    let options = AugmentedVocOptions {
        voc: set.voc.clone(),
        sbd: set.sbd.clone(),
        out: set.out.clone().unwrap_or_else(|| set.voc.clone()),
        labels: match set.labels {
            Labels::VocFirst => LabelSource::VocFirst,
            Labels::SbdFirst => LabelSource::SbdFirst,
        },
        expect: if set.any_counts { Expect::Any } else { Expect::Published },
    };
    let report = augmented_voc::write(&options, crate::workers()).map_err(SegmentationError::from)?;
    if !global.quiet {
        report.notes.iter().for_each(|note| eprintln!("note: {note}"));
    }
    if global.json {
        println!("{}", std::fs::read_to_string(&report.manifest)?.trim_end());
    } else {
        println!("{report}");
        println!("list: {}", report.list.display());
    }
    Ok(ExitCode::SUCCESS)
}
