//! One person: shoulders, and a head with hair, a cap, or seen from behind.

use wrs_ops::rng::Rng;

use super::shade::{Blob, mix, times};
use crate::scenes::paint::{Canvas, Rgb, random_colour};

/// Skin from light to dark.
const SKIN: [Rgb; 2] = [[236.0, 196.0, 170.0], [92.0, 58.0, 42.0]];
/// Hair.
const HAIR: [Rgb; 5] =
    [[24.0, 20.0, 20.0], [58.0, 38.0, 26.0], [104.0, 70.0, 40.0], [186.0, 150.0, 92.0], [150.0, 148.0, 146.0]];
/// Height of a head by its width.
const HEAD_HEIGHT: f64 = 1.15;
/// Half the width of shoulders and half the height of what shows below them, by a head's width.
const TORSO: [f64; 2] = [0.98, 0.95];
/// How far the torso's middle lies below the head's.
const TORSO_BELOW: f64 = 1.25;
/// Share of people with a cap of any colour, and of those seen from behind.
const CAPPED: f64 = 0.15;
const FROM_BEHIND: f64 = 0.25;
/// How dark the rim is that sets a head off against what is behind it.
const RIM_OPACITY: f64 = 0.45;

/// A person in front of everything drawn so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// The middle of the head.
    pub x: f64,
    pub y: f64,
    /// The head's width.
    pub head_px: f64,
}

impl Figure {
    /// Draws the person in colours of its own, lit from the side of `light`, -1 to 1.
    pub fn draw(&self, canvas: &mut Canvas, light: f64, rng: &mut Rng) {
        self.draw_torso(canvas, light, random_colour(rng));
        let skin = mix(SKIN[0], SKIN[1], rng.uniform());
        let hair = if rng.chance(CAPPED) {
            random_colour(rng)
        } else {
            times(HAIR[rng.below(HAIR.len())], rng.range(0.8, 1.2))
        };
        let hair_ends = if rng.chance(FROM_BEHIND) { 0.8 } else { rng.range(-0.35, 0.0) };
        let half = [self.head_px / 2.0, self.head_px / 2.0 * HEAD_HEIGHT];
        let rim = half.map(|half| half + 0.6);
        Blob::ellipse(self.x, self.y, rim).fill(canvas, RIM_OPACITY, |_, _| [12.0; 3]);
        // Hair ends in an arc, lower at the temples.
        Blob::ellipse(self.x, self.y, half).fill(canvas, 1.0, |u, v| {
            let share = ((v - hair_ends - 0.45 * u * u) * half[1] + 0.5).clamp(0.0, 1.0);
            times(mix(hair, skin, share), 1.0 + 0.22 * light * u - 0.1 * v)
        });
    }

    fn draw_torso(&self, canvas: &mut Canvas, light: f64, shirt: Rgb) {
        let half = TORSO.map(|half| half * self.head_px);
        let y = self.y + TORSO_BELOW * self.head_px;
        let rim = half.map(|half| half + 0.6);
        Blob::ellipse(self.x, y, rim).fill(canvas, RIM_OPACITY, |_, _| [12.0; 3]);
        Blob::ellipse(self.x, y, half).fill(canvas, 1.0, |u, v| times(shirt, 0.9 + 0.2 * light * u - 0.25 * v));
    }
}
