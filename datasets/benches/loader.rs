//! How many training samples a second one core decodes and augments, task by task:
//! `WRS_TEST_DATA=/path cargo bench -p wrs-datasets --bench loader [-- TASK]`.
//!
//! The folder holds `coco_tiny`, `voc2012_seg/VOCdevkit` and `ucf_cc_50_as_qnrf`; those that are not there are passed over
//! with a word.  A sample goes from files to the floats of a batch.  The first epoch fills the system's cache of files and
//! does not count; of the others the median is told.

#![allow(clippy::print_stdout, reason = "it prints its results")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use wrs_datasets::augment::counting::{CountingAugment, Filter, ShorterSide, VisibleArea};
use wrs_datasets::augment::segmentation::SegmentationAugment;
use wrs_datasets::augment::{AffineGains, Augment, Draw, HsvGains, batch_pixels, normalised_pixels};
use wrs_datasets::counting::CountingOptions;
use wrs_datasets::detection::EmptyImages;
use wrs_datasets::segmentation::SegmentationOptions;
use wrs_datasets::{CountingDataset, DataError, DetectionDataset, ImageSize, SegmentationDataset, Split};

/// Epochs that count.
const EPOCHS: u64 = 3;

/// What backbones of ImageNet expect.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// No change of colours.
const NONE: HsvGains = HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 };

/// Samples a second of a set of `count` records.
fn report(task: &str, count: usize, sample: impl Fn(Draw) -> Result<Vec<f32>, DataError>) -> Result<(), DataError> {
    let mut rates = Vec::new();
    for epoch in 0..=EPOCHS {
        let start = Instant::now();
        for index in 0..count {
            black_box(sample(Draw { seed: 0, epoch, index })?);
        }
        rates.push(count as f64 / start.elapsed().as_secs_f64());
    }
    let mut counted = rates.split_off(1);
    counted.sort_by(f64::total_cmp);
    println!("{task:13} {:7.1} samples/s on one core ({count} records)", counted[counted.len() / 2]);
    Ok(())
}

/// YOLOv3's mosaics of 416 pixels with colour jitter.
fn detection(root: &Path) -> Result<(), DataError> {
    const SIZE: usize = 416;
    let set = DetectionDataset::open(root, None, &Split::Train)?.training_set(EmptyImages::Keep);
    let augment = Augment {
        size: SIZE,
        mosaic: 1.0,
        affine: AffineGains { degrees: 0.0, translate: 0.0, scale: 0.0, shear: 0.0 },
        hsv: HsvGains { hue: 0.0138, saturation: 0.678, value: 0.36 },
        flip_left_right: 0.5,
    };
    report("detection", set.images.len(), |draw| {
        let sample = augment.sample(&set, draw)?;
        Ok(batch_pixels([&sample.image], ImageSize::square(SIZE)))
    })
}

/// DeepLabv3's crops of 513 pixels at scales of 0.5 to 2.
fn segmentation(root: &Path) -> Result<(), DataError> {
    let set = SegmentationDataset::open(root, &SegmentationOptions::default(), &Split::Train)?;
    let (scale, padding) = ([0.5, 2.0], [124, 116, 104]);
    let augment = SegmentationAugment { crop: 513, scale, scale_step: None, flip_left_right: 0.5, hsv: NONE, padding };
    report("segmentation", set.images.len(), |draw| {
        let sample = augment.sample(&set.images[draw.index], draw)?;
        Ok(normalised_pixels([&sample.image], MEAN, STD))
    })
}

/// CSRNet's crops of 512 pixels of pictures whose shorter sides are 512 to 2048.
fn counting(root: &Path) -> Result<(), DataError> {
    let set = CountingDataset::open(root, &CountingOptions::default(), &Split::Train)?;
    let augment = CountingAugment { crop: 512, flip_left_right: 0.5, visible_area: VisibleArea::QNRF };
    let resize = ShorterSide { bounds_px: [512, 2048], filter: Filter::CatmullRom };
    let records =
        set.images.iter().map(|record| augment.prepare(record, Some(&resize))).collect::<Result<Vec<_>, _>>()?;
    report("counting", records.len(), |draw| {
        let sample = records[draw.index].sample(draw)?;
        Ok(normalised_pixels([&sample.image], MEAN, STD))
    })
}

type Task = (&'static str, &'static str, fn(&Path) -> Result<(), DataError>);

const TASKS: [Task; 3] = [
    ("detection", "coco_tiny", detection),
    ("segmentation", "voc2012_seg/VOCdevkit", segmentation),
    ("counting", "ucf_cc_50_as_qnrf", counting),
];

fn main() -> Result<(), DataError> {
    let Some(data) = std::env::var_os("WRS_TEST_DATA") else {
        println!("loader: nothing was timed: WRS_TEST_DATA names no folder of data");
        return Ok(());
    };
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (task, folder, run) in TASKS {
        let root = Path::new(&data).join(folder);
        if !wanted.is_empty() && !wanted.iter().any(|name| name == task) {
            continue;
        }
        if root.is_dir() {
            run(&root)?;
        } else {
            println!("{task:13} passed over: {} is not there", root.display());
        }
    }
    Ok(())
}
