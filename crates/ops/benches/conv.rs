//! The three passes of typical convolutions, by every algorithm: `cargo bench -p wrs-ops --bench conv [-- FILTER]`.
//!
//! Elements are operations of the direct sum, so `Gelem/s` reads GFLOP/s; Winograd's exceeds the machine's.  `WRS_ISA` and
//! `RAYON_NUM_THREADS` set what runs them.

mod operands;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use operands::{criterion, layer, numbers};
use wrs_ops::conv::{ConvShape, Pass, Tile, forced_pass, winograd_exists};

/// Name, batch, channels in and out, kernel, stride, dilation, side.
const LAYERS: [(&str, [usize; 7]); 15] = [
    ("a-first-3x3", [2, 3, 32, 3, 1, 1, 416]),
    ("b-down", [2, 32, 64, 3, 2, 1, 416]),
    ("c1-1x1", [2, 128, 64, 1, 1, 1, 104]),
    ("c2-1x1-deep", [4, 256, 128, 1, 1, 1, 52]),
    ("h-3x3-104", [2, 64, 128, 3, 1, 1, 104]),
    ("d-3x3-26", [4, 256, 512, 3, 1, 1, 26]),
    ("e-3x3-13", [4, 512, 1024, 3, 1, 1, 13]),
    ("f-dilated-2", [1, 512, 512, 3, 1, 2, 64]),
    ("g-dilated-12", [2, 2048, 256, 3, 1, 12, 33]),
    ("i-1x1-33", [2, 1024, 256, 1, 1, 1, 33]),
    ("j-3x3-256", [1, 64, 64, 3, 1, 1, 256]),
    ("k-down-26", [2, 512, 1024, 3, 2, 1, 26]),
    ("first-7x7", [2, 3, 64, 7, 2, 1, 257]),
    ("head-255", [2, 1024, 255, 1, 1, 1, 13]),
    ("head-21", [2, 256, 21, 1, 1, 1, 33]),
];

const PASSES: [(&str, Pass); 3] =
    [("forward", Pass::Forward), ("input", Pass::BackwardInput), ("weight", Pass::BackwardWeight)];

fn time(criterion: &mut Criterion, name: &str, shape: &ConvShape) {
    let (x, weight, gy) = (numbers(shape.x_len()), numbers(shape.weight_len()), numbers(shape.y_len()));
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(shape.flops()));
    for (of, pass) in PASSES {
        let (operands, mut out) = match pass {
            Pass::Forward => ([&x[..], &weight], gy.clone()),
            Pass::BackwardInput => ([&gy[..], &weight], x.clone()),
            Pass::BackwardWeight => ([&x[..], &gy], weight.clone()),
        };
        for (by, tile) in [("direct", None), ("winograd-2", Some(Tile::Two)), ("winograd-4", Some(Tile::Four))] {
            if tile.is_some() && !winograd_exists(shape, pass) {
                continue;
            }
            group.bench_function(format!("{of}/{by}"), |b| {
                b.iter(|| forced_pass(shape, pass, tile, black_box(operands), &mut out));
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = criterion();
    for (name, sizes) in LAYERS {
        time(&mut criterion, name, &layer(sizes));
    }
    criterion.final_summary();
}
