//! One line of text in the built-in font.
//!
//! The font is a subset (printable ASCII, Latin-1 and a few marks) of DejaVu Sans Bold, whose licence lies beside it
//! in `assets`.  Characters outside the subset show as an empty frame.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use crate::colour::mix;
use crate::error::DrawError;

static FONT: &[u8] = include_bytes!("../assets/DejaVuSans-Bold-subset.ttf");

/// The mark of a text cut short.
const ELLIPSIS: char = '…';

/// A line of text is this part of the mean of the picture's sides …
const TEXT_SHARE: f32 = 1.0 / 36.0;
/// … within these bounds: under 12 pixels letters run together.
const TEXT_PX: (f32, f32) = (12.0, 96.0);

/// The built-in font at one size.
pub(crate) struct Face {
    font: FontRef<'static>,
    scale: PxScale,
}

impl Face {
    /// The face whose lines are `height_px` high, from the top of the highest letter to the foot of the lowest.
    pub fn new(height_px: f32) -> Result<Self, DrawError> {
        Ok(Self { font: FontRef::try_from_slice(FONT)?, scale: PxScale::from(height_px) })
    }

    /// The face for what is written on a picture of this size.
    pub fn for_picture(width: u32, height: u32) -> Result<Self, DrawError> {
        let mean_side = f32::midpoint(width as f32, height as f32);
        Self::new((mean_side * TEXT_SHARE).clamp(TEXT_PX.0, TEXT_PX.1).round())
    }

    /// The glyphs of `text` in a row from `x = 0` on the baseline `y = 0`, and the row's width.
    fn layout(&self, text: &str) -> (Vec<Glyph>, f32) {
        let font = self.font.as_scaled(self.scale);
        let mut x = 0.0;
        let place = |character| {
            let id = font.glyph_id(character);
            let glyph = id.with_scale_and_position(self.scale, point(x, 0.0));
            x += font.h_advance(id);
            glyph
        };
        let glyphs = text.chars().map(place).collect();
        (glyphs, x)
    }

    /// Width in pixels of `text`.
    pub fn width(&self, text: &str) -> i64 {
        self.layout(text).1.ceil() as i64
    }

    /// Height in pixels of a line.
    pub fn height(&self) -> i64 {
        self.font.as_scaled(self.scale).height().ceil() as i64
    }

    /// `text`, or its longest beginning that fits `width` with an ellipsis behind it; `None` if not one letter fits.
    pub fn fit(&self, text: &str, width: i64) -> Option<String> {
        if self.width(text) <= width {
            return Some(text.to_owned());
        }
        let beginnings = text.char_indices().map(|(end, _)| &text[..end]).skip(1);
        let cut = |beginning: &str| format!("{}{ELLIPSIS}", beginning.trim_end());
        // Widths grow with length, so the fitting beginnings come first.
        beginnings.map(cut).take_while(|shown| self.width(shown) <= width).last()
    }

    /// Draws `text` with the top left corner of its line at (`left`, `top`); what falls outside the picture is cut.
    pub fn draw(&self, picture: &mut RgbImage, text: &str, left: i64, top: i64, ink: Rgb<u8>) {
        let ascent = self.font.as_scaled(self.scale).ascent();
        for glyph in self.layout(text).0 {
            let Some(outlined) = self.font.outline_glyph(glyph) else { continue };
            let bounds = outlined.px_bounds();
            let glyph_left = left + bounds.min.x.floor() as i64;
            let glyph_top = top + (bounds.min.y + ascent.round()).floor() as i64;
            outlined.draw(|x, y, coverage| {
                blend(picture, glyph_left + i64::from(x), glyph_top + i64::from(y), ink, coverage);
            });
        }
    }
}

fn blend(picture: &mut RgbImage, x: i64, y: i64, ink: Rgb<u8>, coverage: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
    let Some(pixel) = picture.get_pixel_mut_checked(x, y) else { return };
    *pixel = mix(*pixel, ink, coverage.clamp(0.0, 1.0));
}
