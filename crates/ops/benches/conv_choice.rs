//! What the choice of a convolution's algorithm costs: `cargo bench -p wrs-ops --bench conv_choice [-- NETWORK]`.
//!
//! Times every algorithm for each 3x3 layer of stride 1 of the three networks, the only ones that have a choice, and prints
//! the chosen beside the fastest; the regret is how much slower the choice is.  Each time is the least of several rounds in
//! which the algorithms take turns: others may be using the machine.

#![allow(clippy::print_stdout, reason = "it prints its results")]

mod operands;

use std::time::{Duration, Instant};

use operands::{layer, numbers};
use wrs_ops::ShapeError;
use wrs_ops::conv::{Algorithms, ConvShape, Pass, Tile, chosen_tile, forced_pass, winograd_exists};

/// Which passes of a layer a run needs.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Train,
    Infer,
}

/// A network at a size: how often it has each layer, and the layer's batch, channels in and out, dilation and side.
struct Network {
    name: &'static str,
    mode: Mode,
    layers: &'static [(usize, [usize; 5])],
}

const NETWORKS: [Network; 6] = [
    Network {
        name: "yolov3-416-train",
        mode: Mode::Train,
        layers: &[
            (1, [2, 3, 32, 1, 416]),
            (1, [2, 32, 64, 1, 208]),
            (2, [2, 64, 128, 1, 104]),
            (11, [2, 128, 256, 1, 52]),
            (11, [2, 256, 512, 1, 26]),
            (7, [2, 512, 1024, 1, 13]),
        ],
    },
    Network {
        name: "csrnet-256-train",
        mode: Mode::Train,
        layers: &[
            (1, [2, 3, 64, 1, 256]),
            (1, [2, 64, 64, 1, 256]),
            (1, [2, 64, 128, 1, 128]),
            (1, [2, 128, 128, 1, 128]),
            (1, [2, 128, 256, 1, 64]),
            (2, [2, 256, 256, 1, 64]),
            (1, [2, 256, 512, 1, 32]),
            (2, [2, 512, 512, 1, 32]),
            (3, [2, 512, 512, 2, 32]),
            (1, [2, 512, 256, 2, 32]),
            (1, [2, 256, 128, 2, 32]),
            (1, [2, 128, 64, 2, 32]),
        ],
    },
    Network {
        name: "deeplabv3-257-train",
        mode: Mode::Train,
        layers: &[
            (3, [2, 64, 64, 1, 65]),
            (3, [2, 128, 128, 1, 33]),
            (22, [2, 256, 256, 1, 17]),
            (1, [2, 512, 512, 1, 17]),
            (2, [2, 512, 512, 2, 17]),
            (1, [2, 2048, 256, 6, 17]),
            (1, [2, 2048, 256, 12, 17]),
            (1, [2, 2048, 256, 18, 17]),
            (1, [2, 256, 256, 1, 17]),
        ],
    },
    Network {
        name: "yolov3-416-infer",
        mode: Mode::Infer,
        layers: &[
            (1, [1, 3, 32, 1, 416]),
            (1, [1, 32, 64, 1, 208]),
            (2, [1, 64, 128, 1, 104]),
            (11, [1, 128, 256, 1, 52]),
            (11, [1, 256, 512, 1, 26]),
            (7, [1, 512, 1024, 1, 13]),
        ],
    },
    Network {
        name: "csrnet-512-infer",
        mode: Mode::Infer,
        layers: &[
            (1, [1, 3, 64, 1, 512]),
            (1, [1, 64, 64, 1, 512]),
            (1, [1, 64, 128, 1, 256]),
            (1, [1, 128, 128, 1, 256]),
            (1, [1, 128, 256, 1, 128]),
            (2, [1, 256, 256, 1, 128]),
            (1, [1, 256, 512, 1, 64]),
            (2, [1, 512, 512, 1, 64]),
            (3, [1, 512, 512, 2, 64]),
            (1, [1, 512, 256, 2, 64]),
            (1, [1, 256, 128, 2, 64]),
            (1, [1, 128, 64, 2, 64]),
        ],
    },
    Network {
        name: "deeplabv3-513-infer",
        mode: Mode::Infer,
        layers: &[
            (3, [1, 64, 64, 1, 129]),
            (3, [1, 128, 128, 1, 65]),
            (22, [1, 256, 256, 1, 33]),
            (1, [1, 512, 512, 1, 33]),
            (2, [1, 512, 512, 2, 33]),
            (1, [1, 2048, 256, 6, 33]),
            (1, [1, 2048, 256, 12, 33]),
            (1, [1, 2048, 256, 18, 33]),
            (1, [1, 256, 256, 1, 33]),
        ],
    },
];

/// `None` sums directly.
const ALGORITHMS: [(&str, Option<Tile>); 3] = [("direct", None), ("F2", Some(Tile::Two)), ("F4", Some(Tile::Four))];

/// Regrets above this are told again at the end.
const WORTH_TELLING: f64 = 0.1;

/// The least time of every algorithm, in milliseconds; infinite where it does not exist.
fn least(shape: &ConvShape, pass: Pass) -> Result<[f64; 3], ShapeError> {
    let (x, weight, gy) = (numbers(shape.x_len()), numbers(shape.weight_len()), numbers(shape.y_len()));
    let (operands, mut out) = match pass {
        Pass::Forward => ([&x[..], &weight], gy.clone()),
        Pass::BackwardInput => ([&gy[..], &weight], x.clone()),
        Pass::BackwardWeight => ([&x[..], &gy], weight.clone()),
    };
    let (start, mut rounds, mut times) = (Instant::now(), 0, [f64::INFINITY; 3]);
    while rounds < 6 || (rounds < 40 && start.elapsed() < Duration::from_millis(600)) {
        for (time, (_, tile)) in times.iter_mut().zip(ALGORITHMS) {
            if tile.is_some() && !winograd_exists(shape, pass) {
                continue;
            }
            let before = Instant::now();
            forced_pass(shape, pass, tile, operands, &mut out)?;
            // The first round finds cold caches and makes the work space.
            if rounds > 0 {
                *time = time.min(before.elapsed().as_secs_f64() * 1e3);
            }
        }
        rounds += 1;
    }
    Ok(times)
}

/// Prints a network's layers and gives the lines of those whose regret is worth telling.
fn report(network: &Network) -> Result<Vec<String>, ShapeError> {
    println!("{}", network.name);
    let (mut told, mut chosen_ms, mut fastest_ms) = (Vec::new(), 0.0, 0.0);
    for &(count, [n, c_in, c_out, dilation, side]) in network.layers {
        let shape = layer([n, c_in, c_out, 3, 1, dilation, side]);
        for pass in [Pass::Forward, Pass::BackwardInput, Pass::BackwardWeight] {
            // Nobody asks for the gradient of the picture.
            if (network.mode == Mode::Infer && pass != Pass::Forward) || (c_in == 3 && pass == Pass::BackwardInput) {
                continue;
            }
            let times = least(&shape, pass)?;
            let choice = chosen_tile(&shape, pass, Algorithms::Fast);
            let chosen = ALGORITHMS.iter().position(|(_, tile)| *tile == choice).unwrap_or(0);
            let fastest = (0..3).fold(0, |best, i| if times[i] < times[best] { i } else { best });
            let regret = times[chosen] / times[fastest] - 1.0;
            chosen_ms += count as f64 * times[chosen];
            fastest_ms += count as f64 * times[fastest];
            let line = format!(
                "  {count:2} x {c_in:4} -> {c_out:4}  d{dilation:<2} {n} x {side:3}  {:15} direct {:7.2}  F2 {:7.2}  F4 {:7.2} ms  \
                 chosen {:6}  fastest {:6}  regret {:5.1} %",
                format!("{pass:?}"),
                times[0],
                times[1],
                times[2],
                ALGORITHMS[chosen].0,
                ALGORITHMS[fastest].0,
                100.0 * regret,
            );
            println!("{line}");
            if regret > WORTH_TELLING {
                told.push(format!("{}{line}", network.name));
            }
        }
    }
    let regret = 100.0 * (chosen_ms / fastest_ms - 1.0);
    println!("  all: chosen {chosen_ms:.1} ms, fastest {fastest_ms:.1} ms, regret {regret:.1} %");
    Ok(told)
}

fn main() -> Result<(), ShapeError> {
    // Cargo adds `--bench`, and criterion's `--test` asks only whether a bench runs.
    let (flags, wanted): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if flags.iter().any(|flag| flag == "--test") {
        return least(&layer([1, 16, 16, 3, 1, 1, 9]), Pass::Forward).map(drop);
    }
    let isa = wrs_ops::instruction_set().unwrap_or_else(|error| {
        println!("{error}");
        std::process::exit(2)
    });
    println!("{isa}, {} threads", rayon::current_num_threads());
    let mut told = Vec::new();
    for network in &NETWORKS {
        if wanted.is_empty() || wanted.iter().any(|name| network.name.contains(name.as_str())) {
            told.extend(report(network)?);
        }
    }
    println!("regrets above {:.0} %: {}", 100.0 * WORTH_TELLING, told.len());
    for line in told {
        println!("{line}");
    }
    Ok(())
}
