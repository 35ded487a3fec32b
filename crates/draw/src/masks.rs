//! The classes of pixels, over the picture.

use image::{Rgb, RgbImage, imageops};

use crate::colour::mix;
use crate::error::DrawError;
use crate::legend::{LegendEntry, legend};

/// The label of pixels that are no class.
const VOID: u8 = 255;

/// How labels are shown.
#[derive(Debug, Clone, Copy)]
pub struct MaskStyle<'a> {
    /// The colour of each label; the last is that of void, which so differs from every class.
    pub palette: &'a [[u8; 3]; 256],
    /// How much of a class's colour covers the picture, 0 to 1.
    pub opacity: f32,
    /// A class whose pixels stay as they are and that the legend leaves out: the background, where there is one.
    pub plain: Option<u8>,
}

/// Lays the colours of labels over a picture.
///
/// # Shapes
/// `labels`: `[H, W]`, rows from the top.
///
/// # Errors
/// Labels that are not as many as the picture's pixels, and an opacity that is none; nothing is drawn then.
pub fn blend_labels(picture: &mut RgbImage, labels: &[u8], style: &MaskStyle) -> Result<(), DrawError> {
    let (width, height) = picture.dimensions();
    if labels.len() as u64 != u64::from(width) * u64::from(height) {
        return Err(DrawError::Labels { width, height, labels: labels.len() });
    }
    if !(0.0..=1.0).contains(&style.opacity) {
        return Err(DrawError::Opacity(style.opacity));
    }
    for (pixel, &label) in picture.pixels_mut().zip(labels).filter(|(_, label)| style.plain != Some(**label)) {
        *pixel = mix(*pixel, Rgb(style.palette[usize::from(label)]), style.opacity);
    }
    Ok(())
}

/// A copy of the picture under the colours of its labels, with a legend of the classes that are there below it.
///
/// `names` are the classes' by index; one beyond them is called by its index. A picture that shows nothing but the plain class
/// gets no legend.
///
/// # Shapes
/// `labels`: `[H, W]`, rows from the top. The copy has the picture's width, and the legend's height more.
///
/// # Errors
/// Those of [`blend_labels`].
pub fn overlay(picture: &RgbImage, labels: &[u8], names: &[String], style: &MaskStyle) -> Result<RgbImage, DrawError> {
    let mut blended = picture.clone();
    blend_labels(&mut blended, labels, style)?;
    let mut is_present = [false; 256];
    for &label in labels {
        is_present[usize::from(label)] = true;
    }
    let present = (0..=VOID).filter(|&label| is_present[usize::from(label)] && style.plain != Some(label));
    let entries: Vec<_> = present.map(|label| entry(label, names, style)).collect();
    let strip = legend(picture.dimensions(), &entries)?;
    let mut sheet = RgbImage::new(picture.width(), picture.height() + strip.height());
    imageops::replace(&mut sheet, &blended, 0, 0);
    imageops::replace(&mut sheet, &strip, 0, i64::from(picture.height()));
    Ok(sheet)
}

fn entry(label: u8, names: &[String], style: &MaskStyle) -> LegendEntry {
    let name = match (names.get(usize::from(label)), label) {
        (Some(name), _) => name.clone(),
        (None, VOID) => "void".to_owned(),
        (None, label) => format!("class {label}"),
    };
    LegendEntry { name, colour: Rgb(style.palette[usize::from(label)]) }
}
