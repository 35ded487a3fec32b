//! Times the scoring of two folders of VOC-sized masks: `cargo run --release -p wrs-eval --example mean_iou [PAIRS]`.
//!
//! Masks are made up: blobs of a few classes with void outlines, and predictions whose outlines are off. First each step on
//! one thread (reading, decoding, counting), then the whole in parallel.

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};

use wrs_eval::{AbsentClasses, ConfusionMatrix, MaskNames, VOID, decode_label_map, evaluate_folders};
use wrs_ops::rng::Rng;

const NUM_CLASSES: usize = 21;
const WIDTH: usize = 500;
const HEIGHT: usize = 375;

fn main() -> Result<(), Box<dyn Error>> {
    let pairs = std::env::args().nth(1).map_or(Ok(1449), |pairs| pairs.parse())?;
    let root = tempfile::tempdir()?;
    let (gt, pred) = (root.path().join("gt"), root.path().join("pred"));
    fs::create_dir(&gt)?;
    fs::create_dir(&pred)?;
    for index in 0..pairs {
        let (truth, prediction) = scene(index);
        write(&gt.join(format!("{index:04}.png")), &truth)?;
        write(&pred.join(format!("{index:04}.png")), &prediction)?;
    }
    step_by_step(pairs, &gt, &pred)?;
    let start = Instant::now();
    let scored = evaluate_folders(&pred, &gt, NUM_CLASSES, MaskNames::Every)?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = scored.images as f64 / seconds;
    println!("folders, {} threads: {seconds:.3} s, {rate:.0} pairs/s", rayon::current_num_threads());
    println!("mIOU {:?}", scored.confusion.metrics(AbsentClasses::Skip).miou);
    Ok(())
}

fn step_by_step(pairs: u64, gt: &Path, pred: &Path) -> Result<(), Box<dyn Error>> {
    let [mut reading, mut decoding, mut counting] = [Duration::ZERO; 3];
    let mut confusion = ConfusionMatrix::new(NUM_CLASSES)?;
    for index in 0..pairs {
        let start = Instant::now();
        let truth = fs::read(gt.join(format!("{index:04}.png")))?;
        let prediction = fs::read(pred.join(format!("{index:04}.png")))?;
        reading += start.elapsed();
        let start = Instant::now();
        let (truth, prediction) = (decode_label_map(&truth)?, decode_label_map(&prediction)?);
        decoding += start.elapsed();
        let start = Instant::now();
        confusion.add(&truth.labels, &prediction.labels)?;
        counting += start.elapsed();
    }
    let total = reading + decoding + counting;
    for (name, time) in [("reading", reading), ("decoding", decoding), ("counting", counting)] {
        let share = 100.0 * time.as_secs_f64() / total.as_secs_f64();
        println!("{name:9} {:7.1} ms  {share:4.1} %", 1e3 * time.as_secs_f64());
    }
    let ns = counting.as_nanos() as f64 / (pairs as usize * WIDTH * HEIGHT) as f64;
    println!("counting {ns:.3} ns a pixel");
    Ok(())
}

/// An ellipse of a class.
struct Blob {
    label: u8,
    x: f64,
    y: f64,
    a: f64,
    b: f64,
}

/// Labels of the ground truth and of a prediction of it.
fn scene(index: u64) -> (Vec<u8>, Vec<u8>) {
    let mut rng = Rng::new(0, "masks", 0, index);
    let blobs: Vec<Blob> = (0..=rng.below(4)).map(|_| blob(&mut rng)).collect();
    let tremble: Vec<f64> = (0..HEIGHT).map(|_| rng.range(0.95, 1.1)).collect();
    let mut truth = vec![0; WIDTH * HEIGHT];
    let mut prediction = truth.clone();
    for (i, (truth, prediction)) in truth.iter_mut().zip(&mut prediction).enumerate() {
        let (x, y) = ((i % WIDTH) as f64, i / WIDTH);
        for blob in &blobs {
            let r = ((x - blob.x) / blob.a).powi(2) + ((y as f64 - blob.y) / blob.b).powi(2);
            if r < 1.1 {
                *truth = if r < 1.0 { blob.label } else { VOID };
            }
            if r < tremble[y] {
                *prediction = blob.label;
            }
        }
    }
    (truth, prediction)
}

fn blob(rng: &mut Rng) -> Blob {
    Blob {
        label: 1 + rng.below(NUM_CLASSES - 1) as u8,
        x: rng.range(0.0, WIDTH as f64),
        y: rng.range(0.0, HEIGHT as f64),
        a: rng.range(20.0, 160.0),
        b: rng.range(20.0, 120.0),
    }
}

fn write(path: &Path, labels: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut encoder = png::Encoder::new(BufWriter::new(fs::File::create(path)?), WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..=255).flat_map(|grey| [grey; 3]).collect::<Vec<u8>>());
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(labels)?;
    Ok(writer.finish()?)
}
