//! Which colour is which class.

use image::{Rgb, RgbImage};

use crate::colour::ink_on;
use crate::error::DrawError;
use crate::rect::Rect;
use crate::text::Face;

/// A name and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegendEntry {
    /// What the colour stands for.
    pub name: String,
    /// The colour.
    pub colour: Rgb<u8>,
}

/// A light ground, on which VOC's mostly dark colours stand out.
const GROUND: Rgb<u8> = Rgb([250, 250, 250]);

/// A strip as wide as the picture with a swatch of colour and a name for each entry, in as many lines as they take; letters
/// are as large as those on the picture. A name wider than the strip is cut short; no entries give a strip of no height.
///
/// # Errors
/// [`DrawError::Font`].
pub fn legend((width, height): (u32, u32), entries: &[LegendEntry]) -> Result<RgbImage, DrawError> {
    let face = Face::for_picture(width, height)?;
    let gap = (face.height() / 3).max(2);
    let line = face.height() + gap;
    let places = places(&face, gap, i64::from(width), entries);
    let lines = places.last().map_or(0, |place| place.line + 1);
    let strip_height = if lines == 0 { 0 } else { lines * line + gap };
    let mut strip = RgbImage::from_pixel(width, strip_height as u32, GROUND);
    let ink = ink_on(GROUND);
    for (place, entry) in places.iter().zip(entries) {
        let top = gap + place.line * line;
        let swatch = Rect::at(place.left, top, (face.height(), face.height()));
        swatch.fill(&mut strip, entry.colour);
        swatch.outline(&mut strip, 1, ink);
        face.draw(&mut strip, &place.text, swatch.right + gap, top, ink);
    }
    Ok(strip)
}

/// Where an entry stands.
struct Place {
    line: i64,
    left: i64,
    text: String,
}

fn places(face: &Face, gap: i64, width: i64, entries: &[LegendEntry]) -> Vec<Place> {
    let swatch = face.height() + gap;
    let mut places: Vec<Place> = Vec::with_capacity(entries.len());
    let (mut line, mut left) = (0, gap);
    for entry in entries {
        let text = face.fit(&entry.name, width - 2 * gap - swatch).unwrap_or_default();
        let taken = swatch + face.width(&text) + gap;
        if left > gap && left + taken > width {
            (line, left) = (line + 1, gap);
        }
        places.push(Place { line, left, text });
        left += taken + gap;
    }
    places
}
