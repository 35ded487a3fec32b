//! JPEG and PNG files to pictures. The format is told by the first bytes, never by the name.

pub(super) mod jpeg;

use std::fs;
use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

use ::image::codecs::png::PngDecoder;
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, Limits};

use super::note::ImageNote;
use super::orientation::{upright, upright_size};
use super::{FILL, ImageRgb8, ImageSize};
use crate::error::DataError;

/// A picture of more pixels is refused: decoding it would take a gigabyte, and its header is more likely damaged.
pub(crate) const MAX_PIXELS: usize = 100_000_000;

/// What the PNG decoder may allocate: the largest picture at four channels of 16 bits.
const MAX_PNG_BYTES: u64 = 8 * MAX_PIXELS as u64;

/// A decoded picture and what is worth a remark.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The picture.
    pub image: ImageRgb8,
    /// Remarks, for the caller to count or print.
    pub notes: Vec<ImageNote>,
}

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpha {
    /// They are laid over the fill grey, as a viewer would show them over a page.
    OverGrey,
    /// Their opacity is forgotten and the colour below it seen, as Pillow's `convert("RGB")` has it: where a mask gives
    /// every pixel a class, no pixel may vanish.
    Dropped,
}

/// Which way up annotations take a picture whose EXIF asks for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The way that has the size they give: as stored where that fits (COCO's json means the stored pixels), else upright.
    BySize,
    /// Upright: they give fractions of the picture as people see it, and no size.
    Upright,
}

/// Reads a picture of the given size the way up its annotations take it.
///
/// # Errors
/// As [`read_image`].
pub fn read_framed(path: &Path, size: ImageSize, frame: Frame) -> Result<Decoded, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    decode_framed(&bytes, path, size, frame)
}

/// As [`read_framed`], from bytes; `path` is for messages.
///
/// # Errors
/// As [`read_image`].
pub fn decode_framed(bytes: &[u8], path: &Path, size: ImageSize, frame: Frame) -> Result<Decoded, DataError> {
    match frame {
        Frame::BySize => decode_image(bytes, path, Some(size)),
        Frame::Upright => {
            let decoded = decode_image(bytes, path, None)?;
            if decoded.image.size == size {
                return Ok(decoded);
            }
            Err(DataError::ImageSize { path: path.to_path_buf(), expected: size, got: decoded.image.size })
        }
    }
}

/// Reads a picture. `annotated` is the size its annotations speak of, where there are any.
///
/// The picture is turned upright as EXIF says, except where the annotated size is the stored one.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Image`] for what cannot be decoded; [`DataError::ImageSize`] where the annotated size is
/// neither the stored nor the upright one.
pub fn read_image(path: &Path, annotated: Option<ImageSize>) -> Result<Decoded, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    decode_image(&bytes, path, annotated)
}

/// As [`read_image`], from bytes; `path` is for messages.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image(bytes: &[u8], path: &Path, annotated: Option<ImageSize>) -> Result<Decoded, DataError> {
    let raw = decode_stored(bytes, Alpha::OverGrey).map_err(|fault| fault.at(path))?;
    let Raw { image, orientation, mut notes } = raw;
    match annotated {
        Some(size) if size == image.size => {
            if orientation != Orientation::NoTransforms {
                notes.push(ImageNote::KeptAsStored);
            }
            Ok(Decoded { image, notes })
        }
        Some(size) if size != upright_size(image.size, orientation) => {
            Err(DataError::ImageSize { path: path.to_path_buf(), expected: size, got: image.size })
        }
        _ => Ok(Decoded { image: upright(image, orientation), notes }),
    }
}

/// Decodes a picture upright; of transparent pixels the colour below is seen. `path` is for messages.
///
/// # Errors
/// [`DataError::Image`].
pub(crate) fn decode_upright(bytes: &[u8], path: &Path) -> Result<Decoded, DataError> {
    let Raw { image, orientation, notes } = decode_stored(bytes, Alpha::Dropped).map_err(|fault| fault.at(path))?;
    Ok(Decoded { image: upright(image, orientation), notes })
}

/// Decodes a picture as it is stored, whatever turn EXIF asks for: what lies over it pixel by pixel, a mask, was drawn over
/// the stored pixels. `path` is for messages.
///
/// # Errors
/// [`DataError::Image`].
pub(crate) fn decode_as_stored(bytes: &[u8], path: &Path, alpha: Alpha) -> Result<Decoded, DataError> {
    let raw = decode_stored(bytes, alpha).map_err(|fault| fault.at(path))?;
    let Raw { image, orientation, mut notes } = raw;
    if orientation != Orientation::NoTransforms {
        notes.push(ImageNote::KeptAsStored);
    }
    Ok(Decoded { image, notes })
}

struct Raw {
    image: ImageRgb8,
    orientation: Orientation,
    notes: Vec<ImageNote>,
}

/// What a header says.
pub(super) struct Header {
    pub size: ImageSize,
    pub orientation: Orientation,
}

/// What is wrong with a picture, wherever it lies.
pub(super) struct Fault {
    problem: String,
    help: &'static str,
}

const DAMAGED: &str = "the file is damaged: replace it, or remove it with its annotations";

impl Fault {
    fn damaged(error: &impl ToString) -> Self {
        let words = error.to_string();
        Self { problem: words.split_whitespace().collect::<Vec<_>>().join(" "), help: DAMAGED }
    }

    pub fn at(self, path: &Path) -> DataError {
        DataError::Image { path: path.to_path_buf(), problem: self.problem, help: self.help }
    }
}

fn decode_stored(bytes: &[u8], alpha: Alpha) -> Result<Raw, Fault> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => jpeg::decode(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes, alpha),
        _ => Err(unknown(bytes)),
    }
}

/// Names the formats people meet under the name of a JPEG.
pub(super) fn unknown(bytes: &[u8]) -> Fault {
    const CONVERT: &str = "convert it to JPEG or PNG";
    let (is, help) = match bytes {
        [] => ("it is empty", "download or unpack it again"),
        [0xFF, 0xD8, ..] => ("it is cut right after the JPEG start marker", "download or unpack it again"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("it is WebP", CONVERT),
        [b'G', b'I', b'F', b'8', ..] => ("it is GIF", CONVERT),
        [b'B', b'M', ..] => ("it is BMP", CONVERT),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => ("it is TIFF", CONVERT),
        _ if bytes.trim_ascii_start().starts_with(b"<") => {
            ("it is a web page", "the download failed and saved an error page: download it again")
        }
        _ => ("it begins like neither JPEG nor PNG", DAMAGED),
    };
    Fault { problem: is.to_owned(), help }
}

fn check_size(width: usize, height: usize) -> Result<ImageSize, Fault> {
    let size = ImageSize { width, height };
    if width == 0 || height == 0 {
        return Err(Fault { problem: format!("its header says {size} pixels"), help: DAMAGED });
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        let problem = format!("its header says {size} pixels, more than {MAX_PIXELS}");
        return Err(Fault { problem, help: "shrink it first; if it is not that large, it is damaged" });
    }
    Ok(size)
}

/// Reads up to the pixels.
pub(super) fn png_header<R: BufRead + Seek>(file: R) -> Result<(Header, PngDecoder<R>), Fault> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PNG_BYTES);
    let mut decoder = PngDecoder::with_limits(file, limits).map_err(|error| Fault::damaged(&error))?;
    let (width, height) = decoder.dimensions();
    let size = check_size(width as usize, height as usize)?;
    Ok((Header { size, orientation: decoder.orientation().unwrap_or(Orientation::NoTransforms) }, decoder))
}

fn decode_png(bytes: &[u8], alpha: Alpha) -> Result<Raw, Fault> {
    let (Header { size, orientation }, decoder) = png_header(Cursor::new(bytes))?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| Fault::damaged(&error))?;
    let mut notes = Vec::new();
    if !decoded.color().has_color() {
        notes.push(ImageNote::Grey);
    }
    if decoded.color().bytes_per_pixel() > decoded.color().channel_count() {
        notes.push(ImageNote::SixteenBits);
    }
    let pixels = match decoded {
        DynamicImage::ImageLuma8(grey) => triple(grey.as_raw()),
        DynamicImage::ImageRgb8(rgb) => rgb.into_raw(),
        DynamicImage::ImageLumaA8(_) => opaque(decoded.into_rgba8().as_raw(), alpha, &mut notes),
        DynamicImage::ImageRgba8(rgba) => opaque(rgba.as_raw(), alpha, &mut notes),
        DynamicImage::ImageLuma16(grey) => triple(&grey.as_raw().iter().map(|v| to_8_bits(*v)).collect::<Vec<_>>()),
        DynamicImage::ImageRgb16(rgb) => rgb.as_raw().iter().map(|v| to_8_bits(*v)).collect(),
        wide => {
            let rgba: Vec<u8> = wide.into_rgba16().as_raw().iter().map(|v| to_8_bits(*v)).collect();
            opaque(&rgba, alpha, &mut notes)
        }
    };
    Ok(Raw { image: ImageRgb8 { size, pixels }, orientation, notes })
}

fn triple(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|v| [*v; 3]).collect()
}

/// 65535 / 255 = 257, rounded to the nearest.
fn to_8_bits(v: u16) -> u8 {
    ((u32::from(v) + 128) / 257) as u8
}

/// A colour of the given opacity over the fill grey, rounded.
fn over_fill(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    ((colour * alpha + u32::from(FILL) * (255 - alpha) + 127) / 255) as u8
}

/// The colours without their opacity; what became of it is noted where any was less than full.
fn opaque(rgba: &[u8], alpha: Alpha, notes: &mut Vec<ImageNote>) -> Vec<u8> {
    let (pixels, _) = rgba.as_chunks::<4>();
    if pixels.iter().any(|&[.., opacity]| opacity != u8::MAX) {
        notes.push(match alpha {
            Alpha::OverGrey => ImageNote::Transparency,
            Alpha::Dropped => ImageNote::AlphaDropped,
        });
    }
    match alpha {
        Alpha::OverGrey => pixels.iter().flat_map(|&[r, g, b, a]| [r, g, b].map(|c| over_fill(c, a))).collect(),
        Alpha::Dropped => pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod odd;
