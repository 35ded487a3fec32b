//! Textured backgrounds: a gradient, noise of several octaves, sometimes stripes.

use wrs_ops::rng::Rng;

use super::paint::{Canvas, Rgb, random_colour};
use crate::image::ImageSize;

/// Cells of the coarsest noise along a picture's side; each octave doubles them and halves the strength.
const COARSEST_CELLS: f64 = 3.0;
const OCTAVES: usize = 4;
/// Strength of the coarsest noise, in levels of 255.
const NOISE_LEVELS: f64 = 34.0;
/// Strength of stripes.
const STRIPE_LEVELS: f64 = 22.0;
/// Share of pictures with stripes.
const STRIPED: f64 = 0.4;

/// A background drawn from `rng`.
pub(super) fn background(size: ImageSize, rng: &mut Rng) -> Canvas {
    let (from, to) = (random_colour(rng), random_colour(rng));
    let angle = rng.range(0.0, std::f64::consts::TAU);
    let (gx, gy) = (angle.cos(), angle.sin());
    let tint: Rgb = [rng.range(0.5, 1.0), rng.range(0.5, 1.0), rng.range(0.5, 1.0)];
    let side = size.width.max(size.height) as f64;
    let noise = Noise::new(rng);
    let stripes = rng.chance(STRIPED).then(|| Stripes::new(rng, side));
    let mut canvas = Canvas::new(size);
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = (x as f64 / side, y as f64 / side);
            let t = (0.5 + (u - 0.5) * gx + (v - 0.5) * gy).clamp(0.0, 1.0);
            let stripe = stripes.as_ref().map_or(0.0, |stripes| stripes.at(x as f64, y as f64));
            let level = noise.at(u, v) * NOISE_LEVELS + stripe;
            let colour = canvas.at_mut(x, y);
            for c in 0..3 {
                colour[c] = from[c] + (to[c] - from[c]) * t + level * tint[c];
            }
        }
    }
    canvas
}

struct Stripes {
    kx: f64,
    ky: f64,
    phase: f64,
}

impl Stripes {
    fn new(rng: &mut Rng, side: f64) -> Self {
        let angle = rng.range(0.0, std::f64::consts::TAU);
        let frequency = std::f64::consts::TAU * rng.range(4.0, 14.0) / side;
        Self { kx: frequency * angle.cos(), ky: frequency * angle.sin(), phase: rng.range(0.0, std::f64::consts::TAU) }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        STRIPE_LEVELS * (self.kx * x + self.ky * y + self.phase).sin()
    }
}

/// Value noise: random numbers on lattices, blended smoothly; about -1 to 1.
struct Noise {
    lattices: Vec<(usize, Vec<f64>)>,
}

impl Noise {
    fn new(rng: &mut Rng) -> Self {
        let lattices = (0..OCTAVES)
            .map(|octave| {
                let cells = (COARSEST_CELLS * f64::powi(2.0, octave as i32)) as usize;
                let strength = f64::powi(0.5, octave as i32);
                (cells, (0..(cells + 2) * (cells + 2)).map(|_| strength * rng.range(-1.0, 1.0)).collect())
            })
            .collect();
        Self { lattices }
    }

    /// At a point of the unit square.
    fn at(&self, u: f64, v: f64) -> f64 {
        self.lattices.iter().map(|(cells, values)| blend(*cells, values, u, v)).sum()
    }
}

fn blend(cells: usize, values: &[f64], u: f64, v: f64) -> f64 {
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (x, y) = (u * cells as f64, v * cells as f64);
    let (fx, fy) = (smooth(x.fract()), smooth(y.fract()));
    let row = cells + 2;
    let corner = y as usize * row + x as usize;
    let upper = values[corner] * (1.0 - fx) + values[corner + 1] * fx;
    let lower = values[corner + row] * (1.0 - fx) + values[corner + row + 1] * fx;
    upper * (1.0 - fy) + lower * fy
}
