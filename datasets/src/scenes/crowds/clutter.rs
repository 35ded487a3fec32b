//! What is no person: a ground, boxes, leaves and poles.

use std::f64::consts::PI;

use wrs_ops::rng::Rng;

use super::shade::{Blob, Form, mix, times};
use crate::image::ImageSize;
use crate::scenes::background::background;
use crate::scenes::paint::{Canvas, Rgb, random_colour};

/// How much of their colour grounds keep.
const GROUND_COLOUR: f64 = 0.4;
/// Greens and browns of leaves.
const LEAF: [Rgb; 2] = [[70.0, 120.0, 40.0], [140.0, 104.0, 50.0]];
/// Things of each kind for every 10,000 pixels, at most.
const BOXES: f64 = 3.0;
const SPRIGS: f64 = 2.0;
const POLES: f64 = 1.0;

/// A ground with things on it.
pub(super) fn clutter(size: ImageSize, rng: &mut Rng) -> Canvas {
    let mut canvas = background(size, rng);
    for colour in canvas.colours_mut() {
        let grey = colour.iter().sum::<f64>() / 3.0;
        *colour = mix([grey; 3], *colour, GROUND_COLOUR);
    }
    let up_to = |most: f64, rng: &mut Rng| rng.below((most * size.area() as f64 / 10_000.0) as usize + 1);
    for _ in 0..up_to(BOXES, rng) {
        draw_box(&mut canvas, rng);
    }
    for _ in 0..up_to(POLES, rng) {
        draw_pole(&mut canvas, rng);
    }
    for _ in 0..up_to(SPRIGS, rng) {
        draw_sprig(&mut canvas, rng);
    }
    canvas
}

fn place(canvas: &Canvas, rng: &mut Rng) -> [f64; 2] {
    let ImageSize { width, height } = canvas.size();
    [rng.range(0.0, width as f64), rng.range(0.0, height as f64)]
}

/// A crate, a sign, a tent's roof: a rectangle with a darker rim.
fn draw_box(canvas: &mut Canvas, rng: &mut Rng) {
    let [x, y] = place(canvas, rng);
    let half = [rng.range(3.0, 18.0), rng.range(3.0, 14.0)];
    let colour = random_colour(rng);
    let blob = Blob { x, y, half, angle: rng.range(-0.25, 0.25), form: Form::Rectangle };
    let rim = rng.range(0.5, 0.9);
    blob.fill(canvas, 1.0, |u, v| {
        let is_rim = (1.0 - u.abs()) * half[0] < 1.2 || (1.0 - v.abs()) * half[1] < 1.2;
        times(colour, if is_rim { rim } else { 1.0 - 0.1 * v })
    });
}

/// A pole, a wire, a crack in the ground.
fn draw_pole(canvas: &mut Canvas, rng: &mut Rng) {
    let [x, y] = place(canvas, rng);
    let half = [rng.range(20.0, 120.0), rng.range(0.4, 1.4)];
    let colour = times([1.0; 3], rng.range(15.0, 220.0));
    Blob { x, y, half, angle: rng.range(0.0, PI), form: Form::Rectangle }.fill(canvas, 1.0, |_, _| colour);
}

/// Some leaves as large as heads.
fn draw_sprig(canvas: &mut Canvas, rng: &mut Rng) {
    let [x, y] = place(canvas, rng);
    let colour = mix(LEAF[0], LEAF[1], rng.uniform());
    for _ in 0..3 + rng.below(10) {
        let length = rng.range(3.0, 9.0);
        let blob = Blob {
            x: x + 10.0 * rng.normal(),
            y: y + 7.0 * rng.normal(),
            half: [length, length * rng.range(0.25, 0.4)],
            angle: rng.range(0.0, PI),
            form: Form::Leaf,
        };
        let tone = rng.range(0.7, 1.3);
        // A lighter vein.
        blob.fill(canvas, 1.0, |_, v| times(colour, if v.abs() < 0.18 { 1.25 * tone } else { tone }));
    }
}
