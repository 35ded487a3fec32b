//! Random rotation, scale, shear and translation, with the boxes.
//!
//! Coordinates are continuous: pixel `i` covers `[i, i + 1)` and its centre is `i + 0.5`, for pixels and boxes alike.

use serde::{Deserialize, Serialize};
use wrs_ops::rng::Rng;

use crate::boxes::{BoxXyxy, PixelBox};
use crate::image::{FILL, ImageRgb8, ImageSize};

/// How far each draw may go. The paper's recipe has 0 everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AffineGains {
    /// Rotation from `U(-degrees, degrees)`.
    pub degrees: f64,
    /// Translation from `U(-translate, translate)` times the output's side.
    pub translate: f64,
    /// Scale from `U(1 - scale, 1 + scale)`.
    pub scale: f64,
    /// Shear from `U(-shear, shear)` degrees, for x and y.
    pub shear: f64,
}

/// A box survives with sides of more pixels than this,
const MIN_SIDE_PX: f64 = 4.0;
/// more than this share of the area it would have uncut,
const MIN_AREA_SHARE: f64 = 0.2;
/// and a ratio of its sides below this.
const MAX_ASPECT: f64 = 10.0;

/// A map from source to output: `x' = a x + b y + c`, `y' = d x + e y + f`, and the scale it was drawn with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// `[[a, b, c], [d, e, f]]`.
    pub matrix: [[f64; 3]; 2],
    /// By how much lengths grow.
    pub scale: f64,
    /// The output's size.
    pub output: ImageSize,
}

impl Affine {
    /// Draws a map from a source of size `source` to `output`: rotation and scale about the source's centre, then the centre
    /// moves to the output's, then translation, then shear. With all gains 0 this is the central crop.
    pub fn draw(source: ImageSize, output: ImageSize, gains: &AffineGains, rng: &mut Rng) -> Self {
        let mut within = |gain: f64| rng.range(-1.0, 1.0) * gain;
        let (sin, cos) = within(gains.degrees).to_radians().sin_cos();
        let scale = 1.0 + within(gains.scale);
        let (width, height) = (output.width as f64, output.height as f64);
        let (dx, dy) = (within(gains.translate) * width, within(gains.translate) * height);
        let (shear_x, shear_y) = (within(gains.shear).to_radians().tan(), within(gains.shear).to_radians().tan());
        let (centre_x, centre_y) = (source.width as f64 / 2.0, source.height as f64 / 2.0);
        let (a, b) = (scale * cos, scale * sin);
        let turned = [
            [a, b, width / 2.0 + dx - a * centre_x - b * centre_y],
            [-b, a, height / 2.0 + dy + b * centre_x - a * centre_y],
        ];
        let row = |own: [f64; 3], other: [f64; 3], shear: f64| std::array::from_fn(|i| own[i] + shear * other[i]);
        let matrix = [row(turned[0], turned[1], shear_x), row(turned[1], turned[0], shear_y)];
        Self { matrix, scale, output }
    }

    /// The picture on the output, bilinear, grey where the source ends.
    pub fn apply(&self, image: &ImageRgb8) -> ImageRgb8 {
        let mut out = ImageRgb8::filled(self.output, [FILL; 3]);
        if let Some((left, top)) = self.whole_shift() {
            out.paste(image, left, top);
            return out;
        }
        let [[a, b, c], [d, e, f]] = self.matrix;
        let determinant = a * e - b * d;
        if determinant == 0.0 {
            return out;
        }
        let inverse = [e / determinant, -b / determinant, -d / determinant, a / determinant];
        for (row, line) in out.pixels.chunks_exact_mut(self.output.width * 3).enumerate() {
            let y = row as f64 + 0.5 - f;
            for (column, pixel) in line.chunks_exact_mut(3).enumerate() {
                let x = column as f64 + 0.5 - c;
                let from = (inverse[0] * x + inverse[1] * y - 0.5, inverse[2] * x + inverse[3] * y - 0.5);
                pixel.copy_from_slice(&bilinear(image, from));
            }
        }
        out
    }

    /// The shift in whole pixels, where the map is nothing else.
    #[expect(clippy::float_cmp, reason = "only an exact identity may skip the interpolation")]
    fn whole_shift(&self) -> Option<(i64, i64)> {
        let [[a, b, c], [d, e, f]] = self.matrix;
        let is_shift = [a, b, d, e] == [1.0, 0.0, 0.0, 1.0] && c.fract() == 0.0 && f.fract() == 0.0;
        is_shift.then_some((c as i64, f as i64))
    }

    /// Boxes on the output: the hull of the four mapped corners, clipped; those too small, too much cut or too thin are left out.
    pub fn apply_boxes(&self, boxes: &[PixelBox]) -> Vec<PixelBox> {
        let (width, height) = (self.output.width as f64, self.output.height as f64);
        boxes
            .iter()
            .filter_map(|labelled| {
                let xyxy = self.hull(labelled.xyxy).clip(width, height);
                // Linear in the scale, as in the paper's code base, although areas grow with its square.
                let whole = labelled.xyxy.area() * self.scale;
                let (w, h) = (xyxy.width(), xyxy.height());
                let keep = w > MIN_SIDE_PX
                    && h > MIN_SIDE_PX
                    && w * h > MIN_AREA_SHARE * whole
                    && (w / h).max(h / w) < MAX_ASPECT;
                keep.then_some(PixelBox { class: labelled.class, xyxy })
            })
            .collect()
    }

    fn hull(&self, BoxXyxy { x0, y0, x1, y1 }: BoxXyxy) -> BoxXyxy {
        let map = |[a, b, c]: [f64; 3], (x, y): (f64, f64)| a * x + b * y + c;
        let corners = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)];
        let xs = corners.map(|corner| map(self.matrix[0], corner));
        let ys = corners.map(|corner| map(self.matrix[1], corner));
        let least = |values: [f64; 4]| values.into_iter().fold(f64::INFINITY, f64::min);
        let most = |values: [f64; 4]| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
        BoxXyxy { x0: least(xs), y0: least(ys), x1: most(xs), y1: most(ys) }
    }
}

/// The colour at a point given in pixel centres; outside the picture lies grey.
fn bilinear(image: &ImageRgb8, (x, y): (f64, f64)) -> [u8; 3] {
    let (width, height) = (image.size.width as f64, image.size.height as f64);
    if !(x > -1.0 && y > -1.0 && x < width && y < height) {
        return [FILL; 3];
    }
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = ((x - left) as f32, (y - top) as f32);
    let tap = |dx: f64, dy: f64| {
        let (column, row) = (left + dx, top + dy);
        if column < 0.0 || row < 0.0 || column >= width || row >= height {
            return [f32::from(FILL); 3];
        }
        image.at(column as usize, row as usize).map(f32::from)
    };
    let (p, q, r, s) = (tap(0.0, 0.0), tap(1.0, 0.0), tap(0.0, 1.0), tap(1.0, 1.0));
    std::array::from_fn(|c| {
        let upper = p[c] + (q[c] - p[c]) * fx;
        let lower = r[c] + (s[c] - r[c]) * fx;
        (upper + (lower - upper) * fy + 0.5) as u8
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wrs_ops::rng::Rng;

    use super::*;

    const NONE: AffineGains = AffineGains { degrees: 0.0, translate: 0.0, scale: 0.0, shear: 0.0 };

    fn picture(size: ImageSize) -> ImageRgb8 {
        let mut rng = Rng::new(5, "test", 0, 0);
        ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
    }

    fn labelled(x0: f64, y0: f64, x1: f64, y1: f64) -> PixelBox {
        PixelBox { class: 1, xyxy: BoxXyxy { x0, y0, x1, y1 } }
    }

    #[test]
    fn no_gain_is_exactly_the_central_crop() {
        let image = picture(ImageSize::square(64));
        let affine = Affine::draw(image.size, ImageSize::square(32), &NONE, &mut Rng::new(0, "affine", 0, 0));
        let out = affine.apply(&image);
        for y in 0..32 {
            for x in 0..32 {
                assert_eq!(out.at(x, y), image.at(x + 16, y + 16));
            }
        }
        let boxes = affine.apply_boxes(&[labelled(20.0, 20.0, 30.0, 40.0), labelled(0.0, 0.0, 18.0, 18.0)]);
        assert_eq!(boxes, [labelled(4.0, 4.0, 14.0, 24.0)]);
    }

    #[test]
    fn the_general_path_agrees_with_the_crop() {
        let image = picture(ImageSize { width: 20, height: 14 });
        let crop = Affine { matrix: [[1.0, 0.0, -3.0], [0.0, 1.0, 2.0]], scale: 1.0, output: ImageSize::square(16) };
        // A shear too small to move anything takes the general path.
        let mut general = crop;
        general.matrix[0][1] = 1e-12;
        assert_eq!(crop.apply(&image), general.apply(&image));
    }

    #[test]
    fn a_quarter_turn_turns_pixels_and_boxes() {
        let image = picture(ImageSize::square(8));
        // Counter-clockwise about the centre, as a positive rotation: x' = y, y' = 8 - x.
        let turn = Affine { matrix: [[0.0, 1.0, 0.0], [-1.0, 0.0, 8.0]], scale: 1.0, output: ImageSize::square(8) };
        let out = turn.apply(&image);
        for y in 0..8 {
            for x in 0..8 {
                assert_eq!(out.at(x, y), image.at(7 - y, x));
            }
        }
        assert_eq!(
            turn.hull(BoxXyxy { x0: 1.0, y0: 2.0, x1: 4.0, y1: 7.0 }),
            BoxXyxy { x0: 2.0, y0: 4.0, x1: 7.0, y1: 7.0 }
        );
    }

    #[test]
    fn rotation_is_about_the_centre_and_translation_in_shares_of_the_side() {
        for index in 0..50 {
            let gains = AffineGains { degrees: 30.0, translate: 0.1, scale: 0.5, shear: 0.0 };
            let affine = Affine::draw(
                ImageSize::square(80),
                ImageSize::square(40),
                &gains,
                &mut Rng::new(2, "affine", 0, index),
            );
            let [[a, b, c], [d, e, f]] = affine.matrix;
            let (x, y) = (a * 40.0 + b * 40.0 + c, d * 40.0 + e * 40.0 + f);
            assert!((x - 20.0).abs() <= 4.0 && (y - 20.0).abs() <= 4.0, "{x} {y}");
            assert!(((a * e - b * d).sqrt() - affine.scale).abs() < 1e-12);
            assert!((0.5..=1.5).contains(&affine.scale));
            assert!(b.atan2(a).to_degrees().abs() <= 30.0);
        }
    }

    #[test]
    fn boxes_too_small_cut_or_thin_go() {
        let affine = Affine { matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], scale: 1.0, output: ImageSize::square(100) };
        let kept = labelled(10.0, 10.0, 40.0, 40.0);
        let boxes = [
            kept,
            labelled(10.0, 10.0, 14.0, 40.0),  // 4 px wide
            labelled(95.0, 10.0, 125.0, 40.0), // a sixth of it left
            labelled(10.0, 10.0, 90.0, 17.0),  // 80 x 7
        ];
        assert_eq!(affine.apply_boxes(&boxes), [kept]);
    }

    proptest! {
        #[test]
        fn a_painted_box_lands_where_its_box_does(
            index in 0u64..500, x0 in 10usize..30, y0 in 10usize..30, w in 8usize..30, h in 8usize..30,
        ) {
            let size = ImageSize::square(64);
            let mut image = ImageRgb8::filled(size, [FILL; 3]);
            image.paste(&ImageRgb8::filled(ImageSize { width: w, height: h }, [255; 3]), x0 as i64, y0 as i64);
            let gains = AffineGains { degrees: 20.0, translate: 0.1, scale: 0.2, shear: 10.0 };
            let affine = Affine::draw(size, size, &gains, &mut Rng::new(9, "affine", 0, index));
            let hull = affine.hull(BoxXyxy::from_xywh([x0, y0, w, h].map(|v| v as f64))).clip(64.0, 64.0);
            let out = affine.apply(&image);
            for y in 0..64 {
                for x in 0..64 {
                    if out.at(x, y)[0] > 200 {
                        let inside = x as f64 + 1.0 > hull.x0 && (x as f64) < hull.x1 && y as f64 + 1.0 > hull.y0 && (y as f64) < hull.y1;
                        prop_assert!(inside, "({x}, {y}) {hull:?}");
                    }
                }
            }
        }
    }
}
