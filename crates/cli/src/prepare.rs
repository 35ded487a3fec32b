//! `wrs prepare`: data sets made out of others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wrs_counting::CountingError;
use wrs_datasets::augment::counting::{Filter, ShorterSide};
use wrs_datasets::augmented_voc::{self, AugmentedVocOptions, Expect, LabelSource};
use wrs_datasets::prepared_qnrf::{self, Format, PreparedQnrfOptions};
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
    /// UCF-QNRF with every image's shorter side within bounds, in its own layout: 1,201 + 334 images
    Qnrf(Qnrf),
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

#[derive(clap::Args)]
struct Qnrf {
    /// UCF-QNRF, or anything of its layout: the folder that holds Train and Test
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The least and the most pixels of an image's shorter side; others are brought to the nearer bound
    #[arg(long, value_name = "LEAST,MOST", default_value = "512,2048", value_parser = bounds)]
    shorter_side: [usize; 2],
    /// How pixels between pixels are made; opencv-bilinear aliases, as the sets that people share do
    #[arg(long, value_name = "FILTER", default_value = "catmull-rom")]
    filter: FilterName,
    /// Writes JPEGs of this quality, 1 to 100, instead of PNGs
    #[arg(long, value_name = "Q")]
    jpeg_quality: Option<u8>,
    /// A file that names images of Train, one a line: they go to Val
    #[arg(long, value_name = "FILE")]
    val_list: Option<PathBuf>,
    /// Makes do with other counts than UCF-QNRF has
    #[arg(long)]
    any_counts: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FilterName {
    CatmullRom,
    Lanczos,
    OpencvBilinear,
}

fn bounds(text: &str) -> Result<[usize; 2], String> {
    let sides: Result<Vec<usize>, _> = text.split(',').map(|side| side.trim().parse()).collect();
    match sides.as_deref() {
        Ok(&[least, most]) => Ok([least, most]),
        _ => Err(format!("expected two sides, as 512,2048, got {text}")),
    }
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        What::VocAug(set) => voc_aug(set, global),
        What::Qnrf(set) => qnrf(set, global),
    }
}

fn qnrf(set: &Qnrf, global: &Global) -> anyhow::Result<ExitCode> {
    let filter = match set.filter {
        FilterName::CatmullRom => Filter::CatmullRom,
        FilterName::Lanczos => Filter::Lanczos,
        FilterName::OpencvBilinear => Filter::OpencvBilinear,
    };
    let options = PreparedQnrfOptions {
        data: set.data.clone(),
        out: set.out.clone(),
        resize: ShorterSide { bounds_px: set.shorter_side, filter },
        format: set.jpeg_quality.map_or(Format::Png, Format::Jpeg),
        val_list: set.val_list.clone(),
        expect: if set.any_counts { prepared_qnrf::Expect::Any } else { prepared_qnrf::Expect::Published },
    };
    let report = prepared_qnrf::write(&options, crate::workers()).map_err(CountingError::from)?;
    say(&report, &report.notes, &report.manifest, global)
}

fn voc_aug(set: &VocAug, global: &Global) -> anyhow::Result<ExitCode> {
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
    let spelled = format!("{report}\nlist: {}", report.list.display());
    say(&spelled, &report.notes, &report.manifest, global)
}

/// Says what was made: the manifest itself where json is wanted.
fn say(
    report: &impl std::fmt::Display,
    notes: &[String],
    manifest: &Path,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    if !global.quiet {
        for note in notes {
            eprintln!("note: {note}");
        }
    }
    if global.json {
        println!("{}", std::fs::read_to_string(manifest)?.trim_end());
    } else {
        println!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
