//! The optimizers' updates and the rescaling of rows: `cargo bench -p wrs-ops --bench update`.  Bytes are those read and
//! written.

mod operands;

use criterion::Throughput;
use operands::{criterion, numbers};
use wrs_ops::rows::{UnitRows, rescale_rows, row_norms};
use wrs_ops::update::{AdamStep, Decay, Momentum, SgdStep, Velocity, adam, ema, sgd, sum_of_squares};

/// Values of the largest layers of YOLOv3: more than any cache holds.
const VALUES: usize = 1 << 24;
/// A filter of 512 channels in 3x3.
const ROW: usize = 4608;

fn main() {
    let mut criterion = criterion();
    let (mut p, g, mut m) = (numbers(VALUES), numbers(VALUES), numbers(VALUES));
    let mut v: Vec<f32> = m.iter().map(|m| m * m).collect();
    let bytes = |arrays: u64| Throughput::Bytes(4 * arrays * VALUES as u64);
    let mut group = criterion.benchmark_group("16 Mi parameters");
    let (momentum, velocity) = (0.9, Velocity::Running);
    let step = SgdStep { lr: 1e-6, momentum, kind: Momentum::Nesterov, weight_decay: 5e-4, velocity };
    group.throughput(bytes(5));
    group.bench_function("sgd", |b| b.iter(|| sgd(&mut p, &g, Some(&mut m), &step)));
    let (beta1, beta2, decay) = (0.9, 0.999, Decay::Decoupled);
    let step = AdamStep { lr: 1e-6, beta1, beta2, eps: 1e-8, step: 9, weight_decay: 1e-4, decay };
    group.throughput(bytes(7));
    group.bench_function("adam", |b| b.iter(|| adam(&mut p, &g, &mut m, &mut v, &step)));
    group.throughput(bytes(3));
    group.bench_function("average", |b| b.iter(|| ema(&mut m, &g, 0.999)));
    group.throughput(bytes(1));
    group.bench_function("squares", |b| b.iter(|| sum_of_squares(&g)));

    let whole = VALUES / ROW * ROW;
    let mut norms = vec![0.0; whole / ROW];
    group.bench_function("norms of rows", |b| b.iter(|| row_norms(&g[..whole], ROW, &mut norms)));
    // Rows of unit norm are left: each round scales them off it first, as an optimizer's step does.
    group.throughput(bytes(4));
    group.bench_function("scale, then rescale rows", |b| {
        b.iter(|| {
            wrs_ops::update::scale(&mut p[..whole], 1.01);
            rescale_rows(&mut p[..whole], UnitRows { row_len: ROW, min_norm: 1e-12 })
        });
    });
    group.finish();
    criterion.final_summary();
}
