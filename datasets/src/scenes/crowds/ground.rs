//! Where people stand in a picture, and the picture.

use wrs_ops::rng::Rng;

use super::clutter::clutter;
use super::figure::Figure;
use crate::counting::PointXy;
use crate::image::{ImageRgb8, ImageSize};

/// Share of pictures without people.
const EMPTY: f64 = 0.06;
/// Widths of heads at the upper and at the lower edge, in pixels.
const FAR_PX: [f64; 2] = [5.0, 7.0];
const NEAR_PX: [f64; 2] = [9.0, 14.0];
/// How far apart two heads are at least, by their mean width, across and up the picture.
const APART: [f64; 2] = [0.95, 0.8];
/// How often a place is sought for each person.
const PLACE_TRIES: usize = 60;
/// Groups that people stand in.
const MOST_GROUPS: usize = 4;
/// How likely a place between the groups is, by one in the middle of them.
const BETWEEN_GROUPS: f64 = 0.12;
/// Deviation of the grain, in levels.
const GRAIN: f64 = 4.0;

/// A picture and the middles of all heads in it.
pub(super) struct Crowd {
    pub image: ImageRgb8,
    pub heads: Vec<PointXy>,
}

/// Paints a crowd.
pub(super) fn paint_crowd(size: ImageSize, people: [usize; 2], rng: &mut Rng) -> Crowd {
    let mut canvas = clutter(size, rng);
    let figures = places(size, people, rng);
    let light = rng.range(-1.0, 1.0);
    for figure in &figures {
        figure.draw(&mut canvas, light, rng);
    }
    let exposure = rng.range(0.7, 1.1);
    for colour in canvas.colours_mut() {
        let grain = GRAIN * rng.normal();
        *colour = colour.map(|level| level * exposure + grain);
    }
    let heads = figures.iter().map(|figure| PointXy { x: figure.x, y: figure.y }).collect();
    Crowd { image: canvas.finish(), heads }
}

/// Where people stand, from back to front.
pub(super) fn places(size: ImageSize, people: [usize; 2], rng: &mut Rng) -> Vec<Figure> {
    let mut figures = Ground::draw(size, rng).people(wanted(people, rng), rng);
    // Who is nearer stands lower and hides who is behind.
    figures.sort_by(|a, b| a.y.total_cmp(&b.y));
    figures
}

/// How many people are to be in a picture: small crowds are more common than large ones.
fn wanted([least, most]: [usize; 2], rng: &mut Rng) -> usize {
    if rng.chance(EMPTY) {
        return 0;
    }
    least + ((most - least + 1) as f64 * rng.uniform().powf(1.5)) as usize
}

/// Ground seen at a slant: heads grow down the picture.
struct Ground {
    size: ImageSize,
    far_px: f64,
    near_px: f64,
    /// The highest row that anybody's head is at.
    horizon: f64,
    groups: Vec<Group>,
}

struct Group {
    x: f64,
    y: f64,
    spread: [f64; 2],
}

impl Ground {
    fn draw(size: ImageSize, rng: &mut Rng) -> Self {
        let (width, height) = (size.width as f64, size.height as f64);
        let groups = (0..=rng.below(MOST_GROUPS)).map(|_| Group {
            x: rng.range(0.0, width),
            y: rng.range(0.0, height),
            spread: [rng.range(0.1, 0.5) * width, rng.range(0.08, 0.4) * height],
        });
        let groups = groups.collect();
        Self {
            size,
            far_px: rng.range(FAR_PX[0], FAR_PX[1]),
            near_px: rng.range(NEAR_PX[0], NEAR_PX[1]),
            horizon: rng.range(0.0, 0.25) * height,
            groups,
        }
    }

    fn people(&self, wanted: usize, rng: &mut Rng) -> Vec<Figure> {
        let mut figures: Vec<Figure> = Vec::with_capacity(wanted);
        for _ in 0..wanted {
            let place = (0..PLACE_TRIES).find_map(|_| {
                let figure = self.somebody(rng);
                let is_free = figures.iter().all(|other| is_apart(&figure, other));
                (is_free && rng.chance(self.density(&figure))).then_some(figure)
            });
            figures.extend(place);
        }
        figures
    }

    fn somebody(&self, rng: &mut Rng) -> Figure {
        let (width, height) = (self.size.width as f64, self.size.height as f64);
        let (x, y) = (rng.range(0.0, width), rng.range(self.horizon, height));
        Figure { x, y, head_px: self.far_px + (self.near_px - self.far_px) * y / height }
    }

    /// How likely somebody stands here, at most 1: as likely as anywhere on the ground of a group, so the more in a pixel the
    /// farther away it is.
    fn density(&self, figure: &Figure) -> f64 {
        let foreshortened = (self.far_px / figure.head_px).powi(2);
        let grouped = self.groups.iter().map(|group| {
            let apart = [(figure.x - group.x) / group.spread[0], (figure.y - group.y) / group.spread[1]];
            (-0.5 * (apart[0].powi(2) + apart[1].powi(2))).exp()
        });
        foreshortened * grouped.fold(BETWEEN_GROUPS, f64::max)
    }
}

/// Whether neither head hides most of the other.
fn is_apart(a: &Figure, b: &Figure) -> bool {
    let head_px = f64::midpoint(a.head_px, b.head_px);
    ((a.x - b.x) / (APART[0] * head_px)).hypot((a.y - b.y) / (APART[1] * head_px)) >= 1.0
}
