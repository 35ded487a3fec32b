//! CSRNet in tiles against CSRNet on whole pictures.

#![allow(clippy::unwrap_used)] // tests

mod tiled;

use tiled::{INPUT, Network, config, input, picture};
use wrs_counting::net::{Backend, ModelConfig};
use wrs_counting::tile::{DensityMap, Padding, Tile, TilePlan, Tiling, density_map};
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_nn::Pass;
use wrs_ops::conv::Algorithms;

/// Other sums round otherwise: Winograd's tiles lie elsewhere.  Of the largest density.
const TOLERANCE: f32 = 1e-4;

fn tiling(config: &ModelConfig) -> Tiling {
    Tiling { halo_px: config.halo_px(), bytes_per_pixel: config.bytes_per_pixel(), memory: None }
}

fn density(network: &Network, image: &ImageRgb8, padding: Padding, tiling: &Tiling) -> (usize, DensityMap) {
    let plan = TilePlan::new(image.size, padding, tiling).unwrap();
    let run = |tile: &Tile| {
        let mut pass = Pass::eval(&network.params, Algorithms::Fast);
        let x = input(&mut pass, tile.size(), plan.input(tile, image, |window| INPUT.pixels([window])));
        Ok(network.net.density(&network.net.forward(&mut pass, &x).unwrap()))
    };
    (plan.count(), density_map(&plan, run).unwrap())
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
            let (_, whole) = density(&network, &image, padding, &tiling);
            let (tiles, tiled) = density(&network, &image, padding, &Tiling { memory: memory(side + core), ..tiling });
            assert!(tiles >= least_tiles, "{tiles} tiles");
            let difference = largest_difference(&whole, &tiled);
            println!("{config} {} {padding:?}: {tiles} tiles, largest difference {difference:.1e}", image.size);
            assert!(difference < TOLERANCE);
            // Without most of the halo the difference shows.
            let short = Tiling { halo_px: 24, memory: memory(88), ..tiling };
            assert!(largest_difference(&whole, &density(&network, &image, padding, &short).1) > 100.0 * TOLERANCE);
        }
    }
}
