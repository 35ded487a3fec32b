//! Times the three passes of typical convolutions: `cargo run --release -p wrs-ops --example conv_bench [NAME...]`.
//!
//! One line a layer and algorithm: milliseconds, and the rate in GFLOP/s of the direct sum (Winograd's exceeds the
//! machine's).  Each number is the fastest of several repetitions, since others may be using the machine.

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::time::{Duration, Instant};
use wrs_ops::conv::{Algorithms, ConvShape, Epilogue, conv2d, conv2d_backward_input, conv2d_backward_weight};
use wrs_ops::{ShapeError, Store};

/// Name, batch, channels in and out, kernel, stride, dilation, size.
const LAYERS: [(&str, [usize; 7]); 18] = [
    ("stem", [2, 3, 32, 3, 1, 1, 416]),
    ("down", [2, 32, 64, 3, 2, 1, 416]),
    ("res1x1", [2, 128, 64, 1, 1, 1, 104]),
    ("res1x1-deep", [4, 256, 128, 1, 1, 1, 52]),
    ("res3x3-208", [2, 32, 64, 3, 1, 1, 208]),
    ("res3x3", [2, 64, 128, 3, 1, 1, 104]),
    ("res3x3-52", [2, 128, 256, 3, 1, 1, 52]),
    ("res3x3-26-2", [2, 256, 512, 3, 1, 1, 26]),
    ("res3x3-13-2", [2, 512, 1024, 3, 1, 1, 13]),
    ("res3x3-26", [4, 256, 512, 3, 1, 1, 26]),
    ("res3x3-13", [4, 512, 1024, 3, 1, 1, 13]),
    ("dilated", [1, 512, 512, 3, 1, 2, 64]),
    ("aspp", [2, 2048, 256, 3, 1, 12, 33]),
    ("bottleneck", [2, 1024, 256, 1, 1, 1, 33]),
    ("vgg", [1, 64, 64, 3, 1, 1, 256]),
    ("down-26", [2, 512, 1024, 3, 2, 1, 26]),
    ("resnet-stem", [2, 3, 64, 7, 2, 1, 257]),
    ("head", [2, 1024, 255, 1, 1, 1, 13]),
];

/// The fastest of at least five repetitions, or of as many as fit half a second.
fn fastest(mut pass: impl FnMut() -> Result<(), ShapeError>) -> Result<Duration, ShapeError> {
    pass()?;
    let (start, mut best, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < 5 || start.elapsed() < Duration::from_millis(500) {
        let before = Instant::now();
        pass()?;
        best = best.min(before.elapsed());
        runs += 1;
    }
    Ok(best)
}

fn report(name: &str, shape: &ConvShape, algorithms: Algorithms) -> Result<(), ShapeError> {
    let numbers = |len: usize| (0..len).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect::<Vec<f32>>();
    let (x, weight, gy) = (numbers(shape.x_len()), numbers(shape.weight_len()), numbers(shape.y_len()));
    let (mut y, mut gx, mut gw) = (gy.clone(), x.clone(), weight.clone());
    let times = [
        fastest(|| conv2d(shape, &x, &weight, &Epilogue::default(), &mut y, algorithms))?,
        fastest(|| conv2d_backward_input(shape, &gy, &weight, &mut gx, Store::Overwrite, algorithms))?,
        fastest(|| conv2d_backward_weight(shape, &x, &gy, &mut gw, Store::Overwrite, algorithms))?,
    ];
    let flops = shape.flops() as f64;
    print!("{name:12} {algorithms:?}\t{:6.2} GFLOP ", flops * 1e-9);
    for (pass, time) in ["y", "gx", "gw"].iter().zip(times) {
        print!("  {pass} {:7.2} ms {:4.0}/s", time.as_secs_f64() * 1e3, flops * 1e-9 / time.as_secs_f64());
    }
    println!();
    Ok(())
}

fn main() -> Result<(), ShapeError> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, [n, c_in, c_out, kernel, stride, dilation, size]) in LAYERS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let shape = ConvShape {
            n,
            h: size,
            w: size,
            c_in,
            c_out,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [dilation * (kernel / 2); 2],
            dilation: [dilation; 2],
            groups: 1,
        };
        report(name, &shape, Algorithms::Exact)?;
        if kernel == 3 && stride == 1 {
            report(name, &shape, Algorithms::Fast)?;
        }
    }
    Ok(())
}
