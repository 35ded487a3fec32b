//! Batch norm, activation and residual: `cargo bench -p wrs-ops --bench norm_act`.  Bytes are those a pass must move.

mod operands;

use criterion::{Criterion, Throughput};
use operands::{criterion, numbers};
use wrs_ops::norm_act::{
    Affine, BatchStats, ChannelsLast, NormBackward, NormGradients, ResidualAt, Statistics, batch_stats, norm_act,
    norm_act_backward,
};
use wrs_ops::{Activation, ShapeError, Store};

/// Name, pixels of all images, channels: a large map of YOLOv3, a small one, DeepLabv3's widest.
const MAPS: [(&str, [usize; 2]); 3] = [
    ("2x208x208x64", [2 * 208 * 208, 64]),
    ("2x13x13x1024", [2 * 13 * 13, 1024]),
    ("2x17x17x2048", [2 * 17 * 17, 2048]),
];

const LEAKY: Activation = Activation::LeakyRelu(0.1);

fn time(criterion: &mut Criterion, name: &str, shape: ChannelsLast) -> Result<(), ShapeError> {
    let (z, residual, gy) = (numbers(shape.values()), numbers(shape.values()), numbers(shape.values()));
    let (gamma, beta) = (numbers(shape.channels), numbers(shape.channels));
    let stats: BatchStats = batch_stats(shape, &z, 1e-5)?;
    let affine = Affine::new(&gamma, &beta, &stats)?;
    let mut out = z.clone();
    let bytes = 4 * shape.values() as u64;
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("statistics", |b| b.iter(|| batch_stats(shape, &z, 1e-5)));
    group.throughput(Throughput::Bytes(2 * bytes));
    group.bench_function("forward", |b| b.iter(|| norm_act(shape, &z, &affine, LEAKY, None, &mut out)));
    group.throughput(Throughput::Bytes(3 * bytes));
    let added = Some((&residual[..], ResidualAt::AfterActivation));
    group.bench_function("forward, residual", |b| b.iter(|| norm_act(shape, &z, &affine, LEAKY, added, &mut out)));
    let args =
        NormBackward { shape, z: &z, affine: &affine, stats: &stats, statistics: Statistics::Batch, activation: LEAKY };
    let (mut ggamma, mut gbeta) = (gamma.clone(), beta.clone());
    // Two passes over `z` and the gradient, one of which writes.
    group.throughput(Throughput::Bytes(5 * bytes));
    group.bench_function("backward", |b| {
        b.iter(|| {
            let parameters =
                NormGradients { gamma: Some(&mut ggamma), beta: Some(&mut gbeta), store: Store::Overwrite };
            norm_act_backward(&args, &gy, &mut out, Some(parameters))
        });
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), ShapeError> {
    let mut criterion = criterion();
    for (name, [rows, channels]) in MAPS {
        time(&mut criterion, name, ChannelsLast { rows, channels })?;
    }
    criterion.final_summary();
    Ok(())
}
