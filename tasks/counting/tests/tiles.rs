//! CSRNet in tiles against CSRNet on whole pictures, and what a pixel costs.

#![allow(clippy::unwrap_used)] // tests

use wrs_counting::model::CsrNet;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_counting::tile::{DensityMap, Padding, Tile, TilePlan, Tiling, density_map};
use wrs_datasets::augment::normalised_pixels;
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_nn::{Buffer, Calibration, Dims, InputGradient, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_train::memory::peak_resident;

/// Other sums round otherwise: Winograd's tiles lie elsewhere.  Of the largest density.
const TOLERANCE: f32 = 1e-4;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn config(backend: Backend, width: f64) -> ModelConfig {
    ModelConfig {
        backend,
        batch_norm: true,
        conv_bias: false,
        head: HeadActivation::Abs,
        width,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

fn tiling(config: &ModelConfig) -> Tiling {
    Tiling { halo_px: config.halo_px(), bytes_per_pixel: config.bytes_per_pixel(), memory: None }
}

fn picture(size: ImageSize) -> ImageRgb8 {
    let mut rng = Rng::new(2, "picture", size.width as u64, size.height as u64);
    ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
}

fn normalise(image: &ImageRgb8) -> Vec<f32> {
    normalised_pixels([image], MEAN, STD)
}

struct Network {
    net: CsrNet,
    params: Params,
}

impl Network {
    /// Random filters, and running statistics that keep every layer's values of the order of 1.
    fn new(config: &ModelConfig) -> Self {
        let (net, mut params) = CsrNet::new(config, 5);
        let mut calibration = Calibration::new(&params);
        let mut pass = Pass::calibrate(&params, Algorithms::Fast);
        let size = ImageSize::square(128);
        let x = input(&mut pass, size, normalise(&picture(size)));
        net.forward(&mut pass, &x).unwrap();
        calibration.add(pass).unwrap();
        calibration.finish(&mut params).unwrap();
        Self { net, params }
    }

    fn run(&self, size: ImageSize, pixels: Vec<f32>) -> Vec<f32> {
        let mut pass = Pass::eval(&self.params, Algorithms::Fast);
        let x = input(&mut pass, size, pixels);
        self.net.density(&self.net.forward(&mut pass, &x).unwrap())
    }

    fn density(&self, image: &ImageRgb8, padding: Padding, tiling: &Tiling) -> (usize, DensityMap) {
        let plan = TilePlan::new(image.size, padding, tiling).unwrap();
        let run = |tile: &Tile| Ok(self.run(tile.size(), plan.input(tile, image, normalise)));
        (plan.count(), density_map(&plan, run).unwrap())
    }
}

fn input(pass: &mut Pass<'_>, size: ImageSize, pixels: Vec<f32>) -> Value {
    let dims = Dims { n: 1, h: size.height, w: size.width, c: 3 };
    pass.input(dims, Buffer::from(pixels), InputGradient::Skipped)
}

/// The largest difference of two maps, of the largest density.
fn largest_difference(whole: &DensityMap, tiled: &DensityMap) -> f32 {
    assert_eq!((whole.height, whole.width), (tiled.height, tiled.width));
    let most = whole.cells.iter().copied().fold(0.0, f32::max);
    assert!(most > 1e-3, "the network gives nothing to compare");
    whole.cells.iter().zip(&tiled.cells).map(|(a, b)| (a - b).abs() / most).fold(0.0, f32::max)
}

#[test]
fn tiles_are_the_whole_picture_for_every_back_end() {
    // The first goes down to tiles in the middle, which no border touches; more of them would take long.
    for (backend, core, least_tiles) in
        [(Backend::A, 16, 30), (Backend::B, 40, 4), (Backend::C, 40, 4), (Backend::D, 40, 4)]
    {
        let config = config(backend, 0.125);
        let (network, tiling) = (Network::new(&config), tiling(&config));
        let side = 2 * tiling.halo_px;
        let memory = |side: usize| Some(((side * side) as f64 * tiling.bytes_per_pixel) as u64);
        for padding in [Padding::None, Padding::Reflect] {
            let image = picture(ImageSize { width: side + 30, height: side + 107 });
            let (_, whole) = network.density(&image, padding, &tiling);
            let (tiles, tiled) = network.density(&image, padding, &Tiling { memory: memory(side + core), ..tiling });
            assert!(tiles >= least_tiles, "{tiles} tiles");
            let difference = largest_difference(&whole, &tiled);
            println!("{config} {} {padding:?}: {tiles} tiles, largest difference {difference:.1e}", image.size);
            assert!(difference < TOLERANCE);
            // Without most of the halo the difference shows.
            let short = Tiling { halo_px: 24, memory: memory(88), ..tiling };
            assert!(largest_difference(&whole, &network.density(&image, padding, &short).1) > 100.0 * TOLERANCE);
        }
    }
}

/// Alone in its process, for the peak is the process's.
#[test]
#[ignore = "measures the peak of this process's memory"]
fn what_a_pixel_costs() {
    let config = config(Backend::B, 1.0);
    let (network, tiling) = (Network::new(&config), tiling(&config));
    let mut before = (0, peak_resident().unwrap());
    for side in [512, 1024, 1536] {
        let size = ImageSize::square(side);
        network.density(&picture(size), Padding::None, &tiling);
        let now = (size.area() as u64, peak_resident().unwrap());
        let more = (now.1 - before.1) as f64 / (now.0 - before.0) as f64;
        println!("{size}: peak {} MB, {more:.0} bytes for each pixel more", now.1 / 1_000_000);
        before = now;
    }
    println!("estimated: {:.0} bytes a pixel", tiling.bytes_per_pixel);
}
