//! Label maps to index PNGs.

use std::fs;
use std::path::Path;

use png::{BitDepth, ColorType, Encoder, Filter};

use super::{LabelMap, LabelMapError, Palette};

/// Writes a label map as a palette PNG of 8 bits; a file of this name is replaced.
///
/// # Errors
/// What [`encode_label_map`] refuses, and a file that cannot be written.
pub fn write_label_map(path: &Path, map: &LabelMap, palette: &Palette) -> Result<(), LabelMapError> {
    fs::write(path, encode_label_map(map, palette)?).map_err(LabelMapError::Write)
}

/// Encodes a label map as a palette PNG of 8 bits whose indices are the labels and whose palette has all 256 colours.
///
/// # Errors
/// A map without pixels, one whose labels are not as many as its pixels, and more pixels than a PNG can have.
pub fn encode_label_map(map: &LabelMap, palette: &Palette) -> Result<Vec<u8>, LabelMapError> {
    let LabelMap { width, height, ref labels } = *map;
    let shape = || LabelMapError::Shape { width, height, labels: labels.len() };
    if labels.is_empty() || width.checked_mul(height) != Some(labels.len()) {
        return Err(shape());
    }
    let side = |side: usize| u32::try_from(side).map_err(|_| shape());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.as_flattened());
    // Differences of indices mean nothing: runs of equal ones compress best as they are.
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(LabelMapError::Encode)?;
    writer.write_image_data(labels).map_err(LabelMapError::Encode)?;
    writer.finish().map_err(LabelMapError::Encode)?;
    Ok(bytes)
}
