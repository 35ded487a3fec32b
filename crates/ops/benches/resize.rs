//! Resizing: `cargo bench -p wrs-ops --bench resize`.  Bytes are those of input and output.

mod operands;

use criterion::{Criterion, Throughput};
use operands::{criterion, numbers};
use wrs_ops::Store;
use wrs_ops::resize::{Corners, Interpolation, ResizeShape, resize, resize_argmax, resize_backward};

const BILINEAR: Interpolation = Interpolation::Bilinear(Corners::Edges);

fn time(criterion: &mut Criterion, name: &str, shape: &ResizeShape, interpolation: Interpolation) {
    let (x, gy) = (numbers(shape.input_values()), numbers(shape.output_values()));
    let (mut y, mut gx) = (gy.clone(), x.clone());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(4 * (x.len() + y.len()) as u64));
    group.bench_function("forward", |b| b.iter(|| resize(shape, interpolation, &x, &mut y)));
    group.bench_function("backward", |b| {
        b.iter(|| resize_backward(shape, interpolation, &gy, &mut gx, Store::Overwrite));
    });
    if shape.channels <= 256 {
        let mut labels = vec![0; gy.len() / shape.channels];
        group.bench_function("largest channel", |b| {
            b.iter(|| resize_argmax(shape, interpolation, &x, &mut labels));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = criterion();
    let up = |side: usize, to: usize, channels| ResizeShape { batch: 2, input: [side; 2], output: [to; 2], channels };
    time(&mut criterion, "nearest, 2x26x26x128 to 52", &up(26, 52, 128), Interpolation::Nearest);
    time(&mut criterion, "bilinear, 2x104x104x64 to 208", &up(104, 208, 64), BILINEAR);
    time(&mut criterion, "bilinear, 2x33x33x21 to 513", &up(33, 513, 21), BILINEAR);
    criterion.final_summary();
}
