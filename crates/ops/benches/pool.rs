//! Pooling: `cargo bench -p wrs-ops --bench pool`.  Bytes are those of input and output.

mod operands;

use criterion::{Criterion, Throughput};
use operands::{criterion, numbers};
use wrs_ops::pool::{PoolShape, global_average_pool, max_pool, max_pool_backward};
use wrs_ops::{ShapeError, Store};

/// Name, side of the map, channels, kernel, stride, padding: VGG's, ResNet's, and that of spatial pyramids.
const POOLS: [(&str, [usize; 5]); 3] = [
    ("max 2 s2, 2x256x256x64", [256, 64, 2, 2, 0]),
    ("max 3 s2, 2x129x129x64", [129, 64, 3, 2, 1]),
    ("max 13 s1, 2x13x13x512", [13, 512, 13, 1, 6]),
];

fn time(criterion: &mut Criterion, name: &str, shape: &PoolShape) -> Result<(), ShapeError> {
    let (x, gy) = (numbers(shape.input_values()), numbers(shape.output_values()?));
    let (mut y, mut gx, mut argmax) = (gy.clone(), x.clone(), vec![0; gy.len()]);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(4 * (x.len() + y.len()) as u64));
    group.bench_function("forward, inference", |b| b.iter(|| max_pool(shape, &x, &mut y, None)));
    group.bench_function("forward", |b| b.iter(|| max_pool(shape, &x, &mut y, Some(&mut argmax))));
    group.bench_function("backward", |b| {
        b.iter(|| max_pool_backward(shape, &argmax, &gy, &mut gx, Store::Overwrite));
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), ShapeError> {
    let mut criterion = criterion();
    for (name, [side, channels, kernel, stride, padding]) in POOLS {
        let [kernel, stride, padding] = [kernel, stride, padding].map(|side| [side; 2]);
        let shape =
            PoolShape { batch: 2, input: [side; 2], channels, kernel, stride, padding: padding.map(|side| [side; 2]) };
        time(&mut criterion, name, &shape)?;
    }
    let (pixels, channels) = (33 * 33, 2048);
    let (x, mut y) = (numbers(2 * pixels * channels), numbers(2 * channels));
    let mut group = criterion.benchmark_group("global average, 2x33x33x2048");
    group.throughput(Throughput::Bytes(4 * x.len() as u64));
    group.bench_function("forward", |b| b.iter(|| global_average_pool(2, pixels, channels, &x, &mut y)));
    group.finish();
    criterion.final_summary();
    Ok(())
}
