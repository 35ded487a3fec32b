//! The losses with a backward of their own, and the smooth activations: `cargo bench -p wrs-ops --bench loss`.

mod operands;

use criterion::Throughput;
use operands::{criterion, numbers};
use wrs_ops::Store;
use wrs_ops::bce::{Bce, bce_with_logits, bce_with_logits_backward};
use wrs_ops::smooth::{Smooth, smooth, smooth_backward};
use wrs_ops::softmax_cross_entropy::{CrossEntropy, IGNORE_INDEX, softmax_cross_entropy};

/// Logits of YOLOv3 at 416 pixels, a batch of 2.
const LOGITS: usize = 2 * 3 * (13 * 13 + 26 * 26 + 52 * 52) * 85;
/// Classes and pixels of DeepLabv3 at 513, a batch of 2.
const CLASSES: usize = 21;
const PIXELS: usize = 2 * 513 * 513;

fn main() {
    let mut criterion = criterion();
    let logits: Vec<f32> = numbers(LOGITS).iter().map(|x| 8.0 * x).collect();
    let targets: Vec<f32> = numbers(LOGITS).iter().map(|t| f32::from(*t > 0.9)).collect();
    let (args, mut out) = (Bce::new(&logits, &targets), logits.clone());
    let mut group = criterion.benchmark_group("values of YOLOv3's heads");
    group.throughput(Throughput::Elements(LOGITS as u64));
    group.bench_function("cross-entropy of logits", |b| b.iter(|| bce_with_logits(&args)));
    group.bench_function("its gradient", |b| {
        b.iter(|| bce_with_logits_backward(&args, 1.0, &mut out, Store::Overwrite));
    });
    for (name, activation) in [("logistic", Smooth::Logistic), ("swish", Smooth::Swish), ("mish", Smooth::Mish)] {
        group.bench_function(name, |b| b.iter(|| smooth(activation, &logits, &mut out)));
        group.bench_function(format!("{name}, gradient"), |b| {
            b.iter(|| smooth_backward(activation, &logits, &targets, &mut out, Store::Overwrite));
        });
    }
    group.finish();

    let (logits, mut gradient) = (numbers(PIXELS * CLASSES), vec![0.0; PIXELS * CLASSES]);
    let label = |i: usize| if i.is_multiple_of(19) { IGNORE_INDEX } else { (i % CLASSES) as u8 };
    let labels: Vec<u8> = (0..PIXELS).map(label).collect();
    let args = CrossEntropy { logits: &logits, labels: &labels, images: 2, classes: CLASSES };
    let mut group = criterion.benchmark_group("logits of DeepLabv3 at 513");
    group.throughput(Throughput::Elements(logits.len() as u64));
    group.bench_function("softmax cross-entropy and gradient", |b| {
        b.iter(|| softmax_cross_entropy(&args, 1.0, &mut gradient));
    });
    group.finish();
    criterion.final_summary();
}
