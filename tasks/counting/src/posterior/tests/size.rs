//! Crowds of thousands: exact, small, and how long they take.

use std::time::Instant;

use super::*;

/// Points around a few centres, each heap a normal distribution.
fn heaps(n: usize, heaps: usize, spread: f64, rng: &mut Rng) -> Vec<PointXy> {
    let centres = scattered(heaps, rng);
    let around = |rng: &mut Rng, v: f64| v + spread * rng.normal();
    (0..n).map(|i| PointXy { x: around(rng, centres[i % heaps].x), y: around(rng, centres[i % heaps].y) }).collect()
}

/// Crowds by name.
fn crowds(n: usize) -> Vec<(&'static str, Vec<PointXy>)> {
    let mut rng = Rng::new(3, "crowd", 0, n as u64);
    let mut twice = scattered(n / 2, &mut rng);
    twice.extend_from_within(..);
    vec![
        ("scattered", scattered(n, &mut rng)),
        ("in seven heaps", heaps(n, 7, 40.0, &mut rng)),
        ("in one heap", heaps(n, 1, 30.0, &mut rng)),
        ("each twice", twice),
    ]
}

#[test]
fn crowds_are_as_the_definition_has_them() {
    for n in [3, 300, 900] {
        for (name, points) in crowds(n) {
            for background in backgrounds() {
                let annotation = ones(points.clone(), 1024.0);
                let density = density(4096, &mut Rng::new(1, "density", 0, 0));
                let sum: f64 = density.iter().map(|d| f64::from(*d)).sum();
                let posterior = Posterior::new(&config(background), GRID, STRIDE, &annotation);
                let dense = Dense::new(&config(background), GRID, STRIDE, &annotation);
                let (mut got, behind) = posterior.expectations(&density);
                got.extend(behind);
                let off = |(got, expected): (&f64, &f64)| (got - expected).abs() / sum;
                let worst = got.iter().zip(&dense.expectations(&density)).map(off).fold(0.0, f64::max);
                assert!(worst < 1e-6, "{name} {n} {background:?}: {worst}");
            }
        }
    }
}

/// What a crop of 12,000 points weighs: all the shares would be 197 MB.
#[test]
fn twelve_thousand_points_take_megabytes() {
    for (name, points) in crowds(12_000) {
        let posterior = Posterior::new(&config(backgrounds()[1]), GRID, STRIDE, &ones(points, 1024.0));
        let megabytes = posterior.heap_bytes() as f64 / 1e6;
        println!("12000 points {name}: {megabytes:.1} MB");
        assert!(megabytes < 40.0, "{name}: {megabytes} MB");
    }
}

#[test]
#[ignore = "prints times"]
fn time_of_crowds() {
    for n in [1, 30, 300, 1000, 4000, 12_000] {
        for (name, points) in crowds(n) {
            let annotation = ones(points, 1024.0);
            let density = density(4096, &mut Rng::new(1, "density", 0, 0));
            let mut gradient = vec![0.0; 4096];
            let mut times = [Vec::new(), Vec::new()];
            let mut bytes = 0;
            for _ in 0..9 {
                let start = Instant::now();
                let posterior = Posterior::new(&config(backgrounds()[1]), GRID, STRIDE, &annotation);
                times[0].push(start.elapsed().as_secs_f64() * 1e3);
                let start = Instant::now();
                posterior.loss(&density, &mut gradient, 1.0);
                times[1].push(start.elapsed().as_secs_f64() * 1e3);
                bytes = posterior.heap_bytes();
            }
            for times in &mut times {
                times.sort_by(f64::total_cmp);
            }
            let [make, loss] = times.map(|times| times[4]);
            println!("{n:>6} {name:<15} posterior {make:7.2} ms  loss {loss:6.2} ms  {:6.2} MB", bytes as f64 / 1e6);
        }
    }
}
