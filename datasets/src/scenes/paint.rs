//! One scene: shapes over a background, back to front, with the count of each one's visible pixels kept exactly.

use wrs_ops::rng::Rng;

use super::ScenesOptions;
use super::background::background;
use super::shape::{SHAPES, Shape};
use crate::image::{ImageRgb8, ImageSize};

/// A colour in levels of 255, not yet rounded.
pub(super) type Rgb = [f64; 3];

/// An object is placed only where this share of its pixels can be seen, and only where every object behind it keeps this
/// share: nothing recognisable goes unlabelled, nothing labelled is hidden.
const MIN_VISIBLE_SHARE: f64 = 0.5;
/// And at least this many pixels.
const MIN_VISIBLE_PIXELS: usize = 60;
/// How often a place is sought for an object before it is given up.
const PLACE_TRIES: usize = 12;
/// Distance in colour between an object and what lies behind it, in levels.
const MIN_CONTRAST: f64 = 90.0;
/// Smallest and largest extent of an object, as shares of the picture's shorter side (16 and 90 of 160 pixels).
const EXTENT: (f64, f64) = (0.1, 0.5625);
/// Most objects in a picture.
const MAX_OBJECTS: usize = 8;
/// Share of pictures that show background alone.
const EMPTY: f64 = 0.03;

/// Colours of a picture being painted.
pub(super) struct Canvas {
    size: ImageSize,
    colours: Vec<Rgb>,
}

impl Canvas {
    pub(super) fn new(size: ImageSize) -> Self {
        Self { size, colours: vec![[0.0; 3]; size.area()] }
    }

    pub(super) fn at_mut(&mut self, x: usize, y: usize) -> &mut Rgb {
        &mut self.colours[y * self.size.width + x]
    }

    pub(super) fn size(&self) -> ImageSize {
        self.size
    }

    pub(super) fn colours_mut(&mut self) -> &mut [Rgb] {
        &mut self.colours
    }

    pub(super) fn finish(&self) -> ImageRgb8 {
        let pixels = self.colours.iter().flatten().map(|level| level.round().clamp(0.0, 255.0) as u8).collect();
        ImageRgb8 { size: self.size, pixels }
    }
}

/// A colour neither black nor white.
pub(super) fn random_colour(rng: &mut Rng) -> Rgb {
    [rng.range(20.0, 235.0), rng.range(20.0, 235.0), rng.range(20.0, 235.0)]
}

/// An object as it can be seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visible {
    /// Index into [`SHAPES`].
    pub class: usize,
    /// Tight box of the visible pixels: left, top, width, height.
    pub bbox: [usize; 4],
    /// Visible pixels.
    pub area: usize,
}

/// A painted scene and its objects from back to front.
pub(super) struct Scene {
    pub image: ImageRgb8,
    pub objects: Vec<Visible>,
    /// Position among the objects of the front-most one of each pixel, or [`BACKGROUND`].
    pub owner: Vec<u8>,
}

/// The scene at this place of a split.
pub(super) fn paint_one(options: &ScenesOptions, split: &str, index: usize) -> Scene {
    let mut rng = Rng::new(options.seed, split, 0, index as u64);
    paint(ImageSize::square(options.size), options.classes, &mut rng)
}

/// Paints a scene with shapes of the first `classes` kinds.
pub(super) fn paint(size: ImageSize, classes: usize, rng: &mut Rng) -> Scene {
    let mut painter =
        Painter { canvas: background(size, rng), owner: vec![BACKGROUND; size.area()], placed: Vec::new() };
    let wanted = if rng.chance(EMPTY) { 0 } else { 1 + rng.below(MAX_OBJECTS) };
    for _ in 0..wanted {
        painter.place_one(classes, rng);
    }
    Scene { image: painter.canvas.finish(), objects: painter.visible(), owner: painter.owner }
}

/// The owner of pixels that no object covers.
pub(super) const BACKGROUND: u8 = u8::MAX;

struct Placed {
    class: usize,
    /// Pixels of the whole shape, those outside the picture included.
    whole: usize,
    /// Pixels to be seen.
    visible: usize,
}

struct Painter {
    canvas: Canvas,
    /// Index of the front-most object of each pixel.
    owner: Vec<u8>,
    placed: Vec<Placed>,
}

/// Where and how a shape lies.
struct Pose {
    shape: Shape,
    x: f64,
    y: f64,
    radius: f64,
    sin: f64,
    cos: f64,
}

impl Pose {
    fn draw(shape: Shape, size: ImageSize, rng: &mut Rng) -> Self {
        let short = size.width.min(size.height) as f64;
        // Uniform in the logarithm: small objects are as common as large ones.
        let extent = short * rng.range(EXTENT.0.ln(), EXTENT.1.ln()).exp();
        let (sin, cos) = rng.range(0.0, std::f64::consts::TAU).sin_cos();
        let x = rng.range(0.0, size.width as f64);
        let y = rng.range(0.0, size.height as f64);
        Self { shape, x, y, radius: extent / 2.0, sin, cos }
    }

    /// Signed distance of a pixel's centre to the outline, in pixels.
    fn distance(&self, column: i64, row: i64) -> f64 {
        let (dx, dy) = (column as f64 + 0.5 - self.x, row as f64 + 0.5 - self.y);
        let (x, y) = (dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin);
        self.radius * self.shape.distance(x / self.radius, y / self.radius)
    }

    /// Columns and rows that the shape can touch, not cut at the picture's edge. No shape reaches beyond 1.2 radii.
    fn reach(&self) -> [std::ops::RangeInclusive<i64>; 2] {
        let reach = 1.2 * self.radius + 1.0;
        [self.x, self.y].map(|centre| (centre - reach).floor() as i64..=(centre + reach).ceil() as i64)
    }
}

/// A pixel of the picture that a shape touches, and how much of it.
struct Touch {
    at: usize,
    coverage: f64,
}

impl Painter {
    fn place_one(&mut self, classes: usize, rng: &mut Rng) {
        let class = rng.below(classes);
        for _ in 0..PLACE_TRIES {
            let pose = Pose::draw(SHAPES[class].0, self.canvas.size, rng);
            let (touched, whole) = self.touches(&pose);
            if let Some(hidden) = self.hides(&touched, whole) {
                for (object, hidden) in self.placed.iter_mut().zip(hidden) {
                    object.visible -= hidden;
                }
                self.fill(&pose, &touched, rng);
                let visible = touched.iter().filter(|touch| is_owned(touch)).count();
                self.placed.push(Placed { class, whole, visible });
                return;
            }
        }
    }

    /// The pixels of the picture that the shape touches, and the pixels of the whole shape.
    fn touches(&self, pose: &Pose) -> (Vec<Touch>, usize) {
        let ImageSize { width, height } = self.canvas.size;
        let [columns, rows] = pose.reach();
        let (mut touched, mut whole) = (Vec::new(), 0);
        for row in rows {
            for column in columns.clone() {
                let coverage = (0.5 - pose.distance(column, row)).clamp(0.0, 1.0);
                whole += usize::from(coverage >= OWNED);
                if coverage > 0.0 && (0..width as i64).contains(&column) && (0..height as i64).contains(&row) {
                    touched.push(Touch { at: row as usize * width + column as usize, coverage });
                }
            }
        }
        (touched, whole)
    }

    /// How many pixels each object behind would lose, if this place is allowed.
    fn hides(&self, touched: &[Touch], whole: usize) -> Option<Vec<usize>> {
        let enough = |visible: usize, whole: usize| {
            visible >= MIN_VISIBLE_PIXELS && visible as f64 >= MIN_VISIBLE_SHARE * whole as f64
        };
        let mut hidden = vec![0; self.placed.len()];
        let mut own = 0;
        for touch in touched.iter().filter(|touch| is_owned(touch)) {
            own += 1;
            if let Some(count) = hidden.get_mut(usize::from(self.owner[touch.at])) {
                *count += 1;
            }
        }
        let kept =
            self.placed.iter().zip(&hidden).all(|(object, hidden)| enough(object.visible - hidden, object.whole));
        (enough(own, whole) && kept).then_some(hidden)
    }

    /// Colours the shape, shaded a little from one side, with an outline on every third.
    fn fill(&mut self, pose: &Pose, touched: &[Touch], rng: &mut Rng) {
        let colour = self.contrasting_colour(touched, rng);
        let shade = rng.range(10.0, 40.0);
        let outline = rng.chance(1.0 / 3.0).then(|| colour.map(|level| level * 0.45));
        let outline_width = 1.0 + 0.04 * pose.radius;
        let index = self.placed.len() as u8;
        let width = self.canvas.size.width;
        for Touch { at, coverage } in touched {
            let (x, y) = (at % width, at / width);
            let slope = ((x as f64 - pose.x) * pose.cos + (y as f64 - pose.y) * pose.sin) / pose.radius;
            let near_edge = pose.distance(x as i64, y as i64) > -outline_width;
            let base = outline.filter(|_| near_edge).unwrap_or(colour);
            let under = &mut self.canvas.colours[*at];
            for c in 0..3 {
                let over = base[c] + shade * slope;
                under[c] += (over - under[c]) * coverage;
            }
            if *coverage >= OWNED {
                self.owner[*at] = index;
            }
        }
    }

    /// A colour at a distance from the mean of what it will cover; of several draws the farthest where none is far enough.
    fn contrasting_colour(&self, touched: &[Touch], rng: &mut Rng) -> Rgb {
        let n = touched.len().max(1) as f64;
        let mean: Rgb = std::array::from_fn(|c| touched.iter().map(|t| self.canvas.colours[t.at][c]).sum::<f64>() / n);
        let far = |colour: &Rgb| colour.iter().zip(mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let mut best = random_colour(rng);
        for _ in 0..8 {
            if far(&best) >= MIN_CONTRAST {
                break;
            }
            let other = random_colour(rng);
            if far(&other) > far(&best) {
                best = other;
            }
        }
        best
    }

    fn visible(&self) -> Vec<Visible> {
        let width = self.canvas.size.width;
        let mut edges = vec![[usize::MAX, usize::MAX, 0, 0]; self.placed.len()];
        for (at, owner) in self.owner.iter().enumerate() {
            if let Some([x0, y0, x1, y1]) = edges.get_mut(usize::from(*owner)) {
                let (x, y) = (at % width, at / width);
                (*x0, *y0, *x1, *y1) = ((*x0).min(x), (*y0).min(y), (*x1).max(x + 1), (*y1).max(y + 1));
            }
        }
        self.placed
            .iter()
            .zip(edges)
            .map(|(object, [x0, y0, x1, y1])| Visible {
                class: object.class,
                bbox: [x0, y0, x1 - x0, y1 - y0],
                area: object.visible,
            })
            .collect()
    }
}

/// A pixel belongs to the shape that covers half of it.
const OWNED: f64 = 0.5;

fn is_owned(touch: &Touch) -> bool {
    touch.coverage >= OWNED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_and_areas_are_those_of_the_pixels_that_show() {
        for index in 0..40 {
            let mut rng = Rng::new(3, "test", 0, index);
            let size = ImageSize { width: 120, height: 90 };
            let scene = paint(size, SHAPES.len(), &mut rng);
            for object in &scene.objects {
                let [x, y, w, h] = object.bbox;
                assert!(x + w <= size.width && y + h <= size.height);
                assert!(object.area >= MIN_VISIBLE_PIXELS && object.area <= w * h, "{object:?}");
            }
        }
    }

    #[test]
    fn a_lone_circle_has_the_box_and_area_of_a_circle() {
        let size = ImageSize::square(100);
        let mut painter = Painter { canvas: Canvas::new(size), owner: vec![BACKGROUND; 10_000], placed: Vec::new() };
        let pose = Pose { shape: Shape::Circle, x: 50.0, y: 40.0, radius: 20.0, sin: 0.0, cos: 1.0 };
        let (touched, whole) = painter.touches(&pose);
        painter.fill(&pose, &touched, &mut Rng::new(0, "test", 0, 0));
        painter.placed.push(Placed { class: 0, whole, visible: whole });
        let seen = painter.visible();
        assert_eq!(seen[0].bbox, [30, 20, 40, 40]);
        assert!((seen[0].area as f64 - 400.0 * std::f64::consts::PI).abs() < 10.0);
    }

    #[test]
    fn an_object_never_hides_another() {
        let size = ImageSize::square(100);
        let mut painter = Painter { canvas: Canvas::new(size), owner: vec![BACKGROUND; 10_000], placed: Vec::new() };
        let pose = |radius| Pose { shape: Shape::Circle, x: 50.0, y: 40.0, radius, sin: 0.0, cos: 1.0 };
        let (touched, whole) = painter.touches(&pose(10.0));
        assert_eq!(painter.hides(&touched, whole), Some(vec![]));
        painter.fill(&pose(10.0), &touched, &mut Rng::new(0, "test", 0, 0));
        painter.placed.push(Placed { class: 0, whole, visible: whole });
        let (over, whole_over) = painter.touches(&pose(15.0));
        assert_eq!(painter.hides(&over, whole_over), None);
        let (small, whole_small) = painter.touches(&pose(5.0));
        assert_eq!(painter.hides(&small, whole_small), Some(vec![whole_small]));
    }
}
