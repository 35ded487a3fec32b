//! Where a network counts: a density map over the picture.

use image::{Rgb, RgbImage, imageops};

use crate::colour::{heat_colours, ink_on, mix};
use crate::error::DrawError;
use crate::rect::Rect;
use crate::text::Face;

/// A density map as it lies over a picture.
#[derive(Debug, Clone, Copy)]
pub struct DensityOverlay<'a> {
    /// Objects expected in each cell, rows from the top; those below 0 are shown as 0.
    pub cells: &'a [f32],
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Width and height of a cell in pixels of the picture, from its upper left corner on; they are the network's stride where
    /// it saw the picture at its own size.
    pub cell_px: (f32, f32),
    /// The count written on the picture: the sum of the cells as the network gave them.
    pub count: f64,
    /// How many there are, where that is known.
    pub truth: Option<f64>,
    /// Where they are, `(x, y)` in pixels of the picture; drawn as dots.
    pub points: &'a [(f64, f64)],
    /// How much of the colour of the largest density covers the picture, 0 to 1.
    pub opacity: f32,
}

/// A dot is this part of the mean of the picture's sides across.
const DOT_SHARE: f32 = 1.0 / 250.0;
/// Below this a dot is a speck of one or two pixels.
const DOT_LEAST_RADIUS_PX: f32 = 1.3;
/// A cyan that the heat colours do not have.
const DOT: Rgb<u8> = Rgb([60, 240, 255]);
/// What is written stands on this.
const PLATE: Rgb<u8> = Rgb([16, 16, 16]);
/// A light ground, as that of legends.
const GROUND: Rgb<u8> = Rgb([250, 250, 250]);

/// A copy of the picture under the colours of its density, with the count on it and, below it, the colours' meaning.
///
/// Between the centres of cells, densities are interpolated. The colours run from none to the largest density of this
/// picture, and cover the more the denser it is, so that where nobody is, the picture shows. Pixels beyond the map, where
/// the network did not look, stay as they are. A map without anybody gets no colours.
///
/// # Shapes
/// The copy has the picture's width, and the colour bar's height more.
///
/// # Errors
/// Cells that are not as many as the shape says or not finite; a size of cells or an opacity that is none.
pub fn overlay_density(picture: &RgbImage, overlay: &DensityOverlay) -> Result<RgbImage, DrawError> {
    overlay.check()?;
    let (width, height) = picture.dimensions();
    let face = Face::for_picture(width, height)?;
    let peak = overlay.cells.iter().fold(0.0_f32, |peak, &cell| peak.max(cell));
    let bar = if peak > 0.0 { bar(width, &face, peak) } else { RgbImage::new(width, 0) };
    let mut sheet = RgbImage::new(width, height + bar.height());
    imageops::replace(&mut sheet, picture, 0, 0);
    if peak > 0.0 {
        overlay.blend(&mut sheet, height, peak);
    }
    let radius = (f32::midpoint(width as f32, height as f32) * DOT_SHARE / 2.0).max(DOT_LEAST_RADIUS_PX);
    for &(x, y) in overlay.points {
        dot(&mut sheet, height, (x, y), radius);
    }
    plate(&mut sheet, &face, overlay);
    imageops::replace(&mut sheet, &bar, 0, i64::from(height));
    Ok(sheet)
}

impl DensityOverlay<'_> {
    fn check(&self) -> Result<(), DrawError> {
        let ((rows, columns), (across, down)) = (self.shape, self.cell_px);
        if rows.checked_mul(columns) != Some(self.cells.len()) {
            return Err(DrawError::Cells { rows, columns, cells: self.cells.len() });
        }
        if let Some((at, &value)) = self.cells.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(DrawError::Density { row: at / columns, column: at % columns, value });
        }
        if !(across > 0.0 && down > 0.0 && across.is_finite() && down.is_finite()) {
            return Err(DrawError::CellSize { width: across, height: down });
        }
        if !(0.0..=1.0).contains(&self.opacity) {
            return Err(DrawError::Opacity(self.opacity));
        }
        Ok(())
    }

    /// Lays the colours over the upper `height` rows.
    fn blend(&self, sheet: &mut RgbImage, height: u32, peak: f32) {
        let (rows, columns) = self.shape;
        let colours = heat_colours();
        let across = neighbours(sheet.width(), columns, self.cell_px.0);
        for (y, above) in (0..).zip(neighbours(height, rows, self.cell_px.1)) {
            let row = |row: usize| &self.cells[row * columns..(row + 1) * columns];
            let (upper, lower) = (row(above.first), row(above.second));
            for (x, beside) in (0..).zip(&across) {
                let of = |cells: &[f32]| beside.between(cells[beside.first], cells[beside.second]);
                let share = (above.between(of(upper), of(lower)) / peak).clamp(0.0, 1.0);
                // The root lets thin crowds show, too.
                let covered = self.opacity * share.sqrt();
                let colour = colours[(share * 255.0).round() as usize];
                let pixel = sheet.get_pixel_mut(x, y);
                *pixel = mix(*pixel, colour, covered);
            }
        }
    }
}

/// The two cells whose centres a pixel lies between, which are one at the ends, and how far it is to the second.
struct Neighbours {
    first: usize,
    second: usize,
    way: f32,
}

impl Neighbours {
    fn between(&self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.way) + second * self.way
    }
}

/// Those of the pixels along a side that lie on the map.
fn neighbours(pixels: u32, cells: usize, cell_px: f32) -> Vec<Neighbours> {
    let on_the_map = (0..pixels).map(|pixel| (f64::from(pixel) + 0.5) / f64::from(cell_px));
    let of = |at: f64| {
        let at = (at - 0.5).clamp(0.0, cells as f64 - 1.0);
        let first = at.floor() as usize;
        Neighbours { first, second: (first + 1).min(cells - 1), way: (at - first as f64) as f32 }
    };
    on_the_map.take_while(|&at| at < cells as f64).map(of).collect()
}

/// Paints a disc, on the picture alone.
fn dot(sheet: &mut RgbImage, height: u32, (x, y): (f64, f64), radius: f32) {
    let radius = f64::from(radius);
    let span = |centre: f64, size: u32| {
        let clip = |edge: f64| edge.clamp(0.0, f64::from(size)) as u32;
        clip((centre - radius).floor())..clip((centre + radius).ceil())
    };
    for row in span(y, height) {
        for column in span(x, sheet.width()) {
            if (f64::from(column) + 0.5 - x).hypot(f64::from(row) + 0.5 - y) <= radius {
                sheet.put_pixel(column, row, DOT);
            }
        }
    }
}

/// Writes the count, and below it the truth, into the upper left corner.
fn plate(sheet: &mut RgbImage, face: &Face, overlay: &DensityOverlay) {
    let padding = (face.height() / 4).max(1);
    let lines = [
        Some(format!("count {}", number(overlay.count))),
        overlay.truth.map(|truth| format!("truth {}", number(truth))),
    ];
    let room = i64::from(sheet.width()) - 2 * padding;
    let lines: Vec<String> = lines.into_iter().flatten().filter_map(|line| face.fit(&line, room)).collect();
    let Some(widest) = lines.iter().map(|line| face.width(line)).max() else { return };
    let size = (widest + 2 * padding, face.height() * lines.len() as i64 + padding);
    Rect::at(0, 0, size).fill(sheet, PLATE);
    for (line, text) in (0..).zip(&lines) {
        face.draw(sheet, text, padding, padding / 2 + line * face.height(), ink_on(PLATE));
    }
}

/// A whole number as it is, another with one decimal.
fn number(count: f64) -> String {
    // The sum makes a negative zero a plain one.
    if count.fract() == 0.0 {
        format!("{:.0}", count + 0.0)
    } else {
        format!("{:.1}", (count * 10.0).round() / 10.0 + 0.0)
    }
}

/// The colours from none to the largest density.
fn bar(width: u32, face: &Face, peak: f32) -> RgbImage {
    let gap = (face.height() / 3).max(2);
    let mut strip = RgbImage::from_pixel(width, (face.height() + 2 * gap) as u32, GROUND);
    let ink = ink_on(GROUND);
    let (none, most) = ("0".to_owned(), format!("{} in a cell", significant(peak)));
    let room = i64::from(width) - 2 * gap;
    let (none, most) = (face.fit(&none, room).unwrap_or_default(), face.fit(&most, room / 2).unwrap_or_default());
    let left = gap + face.width(&none) + gap;
    let right = i64::from(width) - gap - face.width(&most) - gap;
    face.draw(&mut strip, &none, gap, gap, ink);
    face.draw(&mut strip, &most, right + gap, gap, ink);
    let colours = heat_colours();
    for x in left..right {
        let colour = colours[((x - left) * 255 / (right - left - 1).max(1)) as usize];
        Rect::at(x, gap, (1, face.height())).fill(&mut strip, colour);
    }
    if left < right {
        Rect { left, top: gap, right, bottom: gap + face.height() }.outline(&mut strip, 1, ink);
    }
    strip
}

/// A positive number with two significant digits, or all that are before the point.
fn significant(value: f32) -> String {
    let digits = (1.0 - value.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_one_decimal_and_whole_ones_none() {
        assert_eq!([412.34, 398.0, 0.0, -0.0, -0.04, 9.96].map(number), ["412.3", "398", "0", "0", "0.0", "10.0"]);
        assert_eq!([0.834_f32, 12.3, 1234.0, 0.000_25].map(significant), ["0.83", "12", "1234", "0.00025"]);
    }

    #[test]
    fn pixels_lie_between_the_centres_of_cells() {
        let of = |pixels, cells, cell_px| -> Vec<(usize, usize, f32)> {
            neighbours(pixels, cells, cell_px).iter().map(|n| (n.first, n.second, n.way)).collect()
        };
        // Centres at 1 and 3; the picture goes on beyond the map.
        assert_eq!(of(6, 2, 2.0), [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 1, 0.0)]);
        assert_eq!(of(2, 3, 1.0), [(0, 1, 0.0), (1, 2, 0.0)]);
        assert_eq!(of(5, 0, 8.0), []);
    }
}
