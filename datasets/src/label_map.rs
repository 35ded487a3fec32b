//! Label maps: one class index a pixel, stored as index PNGs.
//!
//! The index of a palette PNG is the label and its colour only how a viewer shows it, so palettes are never expanded.

mod palette;
mod write;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use png::{BitDepth, ColorType, DecodingError, EncodingError, Transformations};

pub use palette::{Palette, voc_palette};
pub use write::{encode_label_map, write_label_map};

/// The label of pixels that are no class: VOC's outlines, what padding covers.
pub const VOID: u8 = 255;

/// A map of more pixels is refused: its header is more likely damaged than true.
const MAX_PIXELS: usize = 100_000_000;

/// The class of every pixel.
///
/// # Shapes
/// `labels`: `[H, W]`, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The labels.
    pub labels: Vec<u8>,
}

impl LabelMap {
    /// How many pixels each label has.
    pub fn histogram(&self) -> [u64; 256] {
        let mut counts = [0; 256];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}

/// What a file without bytes is called.
const EMPTY: &str = "an empty file";

impl LabelMapError {
    /// Whether the file is cut off or damaged, rather than a sound one of another kind.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::TooLarge { .. } | Self::NotPng { got: EMPTY })
    }
}

/// Why a label map cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LabelMapError {
    /// The file cannot be opened or read.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// The bytes are another format's.
    #[error("expected a PNG of indices, got {got}\nhelp: store labels as 8-bit index or grey PNGs")]
    NotPng {
        /// What the bytes look like.
        got: &'static str,
    },
    /// A coloured mask: colours are no labels.
    #[error(
        "expected a PNG of one channel (palette or grey), got {got}\nhelp: map each colour of the mask to its class index and store the indices"
    )]
    Channels {
        /// The channels of the file.
        got: &'static str,
    },
    /// A label of 16 bits that 8 do not hold.
    #[error(
        "expected labels 0 to {VOID}, got {value} at x {x}, y {y} of a 16-bit PNG\nhelp: labels are class indices, 255 is void"
    )]
    Wide {
        /// The label.
        value: u16,
        /// Column, from 0.
        x: usize,
        /// Row, from 0.
        y: usize,
    },
    /// A header that promises too much.
    #[error("expected at most {MAX_PIXELS} pixels, got {width}x{height}\nhelp: the header is likely damaged")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The PNG is cut off or damaged.
    #[error("expected a whole PNG, got a damaged one: {0}\nhelp: write or fetch the file again")]
    Damaged(#[source] DecodingError),
    /// A map that is no rectangle of pixels.
    #[error(
        "expected one label for each of {width}x{height} pixels, and at least one, got {labels}\nhelp: labels are rows from the top"
    )]
    Shape {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// The PNG cannot be made.
    #[error("cannot encode: {0}")]
    Encode(#[source] EncodingError),
    /// The file cannot be written.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// Reads an index PNG.
///
/// # Errors
/// A file that cannot be read, and what [`decode_label_map`] refuses.
pub fn read_label_map(path: &Path) -> Result<LabelMap, LabelMapError> {
    decode_label_map(&fs::read(path).map_err(LabelMapError::Read)?)
}

/// Decodes an index PNG: palette or grey of 1, 2, 4 or 8 bits, or grey of 16 bits with values up to 255.
///
/// Gamma, transparency and the palette's colours change nothing. Of an animation the still image is taken.
///
/// # Errors
/// Bytes that are no PNG, damaged ones, colours or alpha, labels above 255, and more than 100 million pixels.
pub fn decode_label_map(bytes: &[u8]) -> Result<LabelMap, LabelMapError> {
    require_png(bytes)?;
    let (header, decoder) = header(Cursor::new(bytes))?;
    let Header { depth, width, height } = header;
    let mut reader = decoder.read_info().map_err(LabelMapError::Damaged)?;
    let size = reader.output_buffer_size().ok_or(LabelMapError::TooLarge { width, height })?;
    let mut samples = vec![0; size];
    reader.next_frame(&mut samples).map_err(LabelMapError::Damaged)?;
    let (width, height) = (width as usize, height as usize);
    let labels = match depth {
        BitDepth::Eight => samples,
        BitDepth::Sixteen => narrow(&samples, width)?,
        BitDepth::One | BitDepth::Two | BitDepth::Four => unpack(&samples, width, height, depth as usize),
    };
    Ok(LabelMap { width, height, labels })
}

/// The width and height of an index PNG, by its header alone.
///
/// # Errors
/// What [`decode_label_map`] refuses by a header.
pub fn probe_label_map(path: &Path) -> Result<(usize, usize), LabelMapError> {
    let mut file = BufReader::new(File::open(path).map_err(LabelMapError::Read)?);
    require_png(file.fill_buf().map_err(LabelMapError::Read)?)?;
    let (Header { width, height, .. }, _) = header(file)?;
    Ok((width as usize, height as usize))
}

struct Header {
    depth: BitDepth,
    width: u32,
    height: u32,
}

/// Reads up to the pixels.
fn header<R: BufRead + Seek>(source: R) -> Result<(Header, png::Decoder<R>), LabelMapError> {
    let mut decoder = png::Decoder::new(source);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(LabelMapError::Damaged)?;
    let (color, depth, (width, height)) = (header.color_type, header.bit_depth, header.size());
    require_one_channel(color)?;
    let pixels = (width as usize).checked_mul(height as usize);
    if pixels.is_none_or(|pixels| pixels > MAX_PIXELS) {
        return Err(LabelMapError::TooLarge { width, height });
    }
    Ok((Header { depth, width, height }, decoder))
}

fn require_png(bytes: &[u8]) -> Result<(), LabelMapError> {
    let got = match bytes {
        [0x89, b'P', b'N', b'G', ..] => return Ok(()),
        [] => EMPTY,
        [0xff, 0xd8, 0xff, ..] => "a JPEG, whose compression changes labels",
        [b'G', b'I', b'F', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [b'I', b'I', b'*', ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF",
        _ => "other bytes",
    };
    Err(LabelMapError::NotPng { got })
}

fn require_one_channel(color: ColorType) -> Result<(), LabelMapError> {
    let got = match color {
        ColorType::Grayscale | ColorType::Indexed => return Ok(()),
        ColorType::GrayscaleAlpha => "grey with alpha",
        ColorType::Rgb => "RGB",
        ColorType::Rgba => "RGB with alpha",
    };
    Err(LabelMapError::Channels { got })
}

/// Big-endian samples of 16 bits to labels.
fn narrow(samples: &[u8], width: usize) -> Result<Vec<u8>, LabelMapError> {
    let (samples, _) = samples.as_chunks::<2>();
    let label = |(index, sample): (usize, &[u8; 2])| match *sample {
        [0, label] => Ok(label),
        wide => Err(LabelMapError::Wide { value: u16::from_be_bytes(wide), x: index % width, y: index / width }),
    };
    samples.iter().enumerate().map(label).collect()
}

/// Samples of `bits` bits to labels: the first pixel in the highest bits, every row from a byte of its own.
fn unpack(samples: &[u8], width: usize, height: usize, bits: usize) -> Vec<u8> {
    let mask = (1_u8 << bits) - 1;
    let label = |row: &[u8], x: usize| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & mask;
    let rows = samples.chunks_exact((width * bits).div_ceil(8)).take(height);
    rows.flat_map(|row| (0..width).map(move |x| label(row, x))).collect()
}
