//! JPEG. Its segments are read here, and only those that its pixels need reach the decoder: cameras and programs leave
//! broken profiles, comments and stray bytes between segments, none of which is a reason to refuse a picture. The coded
//! pixels themselves must be whole.

use std::io::BufRead;

use ::image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{DAMAGED, Fault, Header, Raw, check_size};
use crate::image::{ImageNote, ImageRgb8, ImageSize};

/// The two-byte fields of a JPEG header allow no more.
const MAX_SIDE: usize = 65_535;

/// Second bytes of markers (ITU-T T.81, table B.1).
mod marker {
    pub const START_OF_IMAGE: u8 = 0xD8;
    pub const END_OF_IMAGE: u8 = 0xD9;
    pub const START_OF_SCAN: u8 = 0xDA;
    pub const HUFFMAN_TABLES: u8 = 0xC4;
    pub const FIRST_RESTART: u8 = 0xD0;
    pub const LAST_RESTART: u8 = 0xD7;
    pub const TEMPORARY: u8 = 0x01;
    pub const APP0: u8 = 0xE0;
    pub const APP1: u8 = 0xE1;
    pub const APP14: u8 = 0xEE;
}

const EXIF: &[u8] = b"Exif\0\0";
const ADOBE: &[u8] = b"Adobe";
/// The name, version, two words of flags and the colour transform; shorter ones are not Adobe's.
const ADOBE_BYTES: usize = 12;

/// A marker with what its segment holds.
struct Segment {
    marker: u8,
    payload: Vec<u8>,
}

impl Segment {
    fn is_restart(marker: u8) -> bool {
        (marker::FIRST_RESTART..=marker::LAST_RESTART).contains(&marker)
    }

    /// The picture's size, if this is a start of frame.
    fn size(&self) -> Option<ImageSize> {
        let is_frame =
            matches!(self.marker, 0xC0..=0xCF) && !matches!(self.marker, marker::HUFFMAN_TABLES | 0xC8 | 0xCC);
        match self.payload.as_slice() {
            &[_, h1, h0, w1, w0, ..] if is_frame => {
                let [width, height] = [[w1, w0], [h1, h0]].map(|two| usize::from(u16::from_be_bytes(two)));
                Some(ImageSize { width, height })
            }
            _ => None,
        }
    }

    /// What is worth a remark about the colours of a frame: by the number of its components.
    fn colours(&self) -> Option<ImageNote> {
        match (self.size()?, self.payload.get(5)?) {
            (_, 1) => Some(ImageNote::Grey),
            (_, 4) => Some(ImageNote::Cmyk),
            _ => None,
        }
    }

    /// Whether the pixels depend on it: frames, tables, restarts, scans, and the two application segments that say how
    /// colours are coded.
    fn is_needed(&self) -> bool {
        match self.marker {
            marker::APP14 => self.payload.starts_with(ADOBE) && self.payload.len() >= ADOBE_BYTES,
            marker::APP0 | 0xC0..=0xDF => true,
            _ => false,
        }
    }
}

fn cut_off() -> Fault {
    Fault { problem: "it ends before its end marker".into(), help: "it is cut off: download or unpack it again" }
}

/// The next byte, or the fault of a file that ends.
fn byte(file: &mut impl BufRead) -> Result<u8, Fault> {
    let mut one = [0];
    file.read_exact(&mut one).map_err(|_| cut_off())?;
    Ok(one[0])
}

/// Finds the next marker; fill bytes and whatever stands before it are passed over.
fn next_marker(file: &mut impl BufRead) -> Result<u8, Fault> {
    let mut passed = Vec::new();
    loop {
        passed.clear();
        file.read_until(0xFF, &mut passed).map_err(|error| Fault::damaged(&error))?;
        let mut marker = byte(file)?;
        while marker == 0xFF {
            marker = byte(file)?;
        }
        if marker != 0 {
            return Ok(marker);
        }
    }
}

/// Reads the segment of a marker; some have none.
fn segment(file: &mut impl BufRead, marker: u8) -> Result<Segment, Fault> {
    let mut payload = Vec::new();
    let is_bare = Segment::is_restart(marker)
        || matches!(marker, marker::START_OF_IMAGE | marker::END_OF_IMAGE | marker::TEMPORARY);
    if !is_bare {
        let length = usize::from(u16::from_be_bytes([byte(file)?, byte(file)?]));
        let bytes = length.checked_sub(2).ok_or_else(|| Fault {
            problem: format!("segment FF{marker:02X} has a length of {length}, less than its own field"),
            help: DAMAGED,
        })?;
        payload.resize(bytes, 0);
        file.read_exact(&mut payload).map_err(|_| cut_off())?;
    }
    Ok(Segment { marker, payload })
}

/// Reads up to the frame and the first scan.
pub(in crate::image) fn header(mut file: impl BufRead) -> Result<Header, Fault> {
    let (mut size, mut orientation) = (None, Orientation::NoTransforms);
    loop {
        let marker = next_marker(&mut file)?;
        let segment = segment(&mut file, marker)?;
        size = size.or(segment.size());
        if let (marker::APP1, Some(chunk)) = (marker, segment.payload.strip_prefix(EXIF)) {
            orientation = Orientation::from_exif_chunk(chunk).unwrap_or(orientation);
        }
        if matches!(marker, marker::START_OF_SCAN | marker::END_OF_IMAGE) {
            let no_frame = || Fault { problem: "it has no frame header".into(), help: DAMAGED };
            let ImageSize { width, height } = size.ok_or_else(no_frame)?;
            return Ok(Header { size: check_size(width, height)?, orientation });
        }
    }
}

/// The JPEG from its start to its first end marker, with only the segments that its pixels need, and what there is to say of
/// its colours.
fn tidy(mut file: &[u8]) -> Result<(Vec<u8>, Option<ImageNote>), Fault> {
    let (mut out, mut note) = (Vec::with_capacity(file.len()), None);
    out.extend([0xFF, marker::START_OF_IMAGE]);
    let mut marker = next_marker(&mut file)?;
    loop {
        let segment = segment(&mut file, marker)?;
        if marker == marker::END_OF_IMAGE {
            out.extend([0xFF, marker]);
            return Ok((out, note));
        }
        note = note.or(segment.colours());
        let is_bare = segment.payload.is_empty();
        if segment.is_needed() && !is_bare {
            let length = (segment.payload.len() + 2) as u16;
            out.extend([0xFF, marker]);
            out.extend(length.to_be_bytes());
            out.extend_from_slice(&segment.payload);
        }
        marker = if marker == marker::START_OF_SCAN { scan(&mut file, &mut out)? } else { next_marker(&mut file)? };
    }
}

/// Copies coded pixels, and gives the marker that ends them.
fn scan(file: &mut &[u8], out: &mut Vec<u8>) -> Result<u8, Fault> {
    loop {
        file.read_until(0xFF, out).map_err(|error| Fault::damaged(&error))?;
        let mut next = byte(file)?;
        while next == 0xFF {
            next = byte(file)?;
        }
        if next == 0 || Segment::is_restart(next) {
            out.push(next);
        } else {
            out.pop();
            return Ok(next);
        }
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, Fault> {
    let Header { size, orientation } = header(bytes)?;
    let (tidy, note) = tidy(bytes)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let pixels =
        JpegDecoder::new_with_options(ZCursor::new(&tidy), options).decode().map_err(|error| Fault::damaged(&error))?;
    if pixels.len() != size.area() * 3 {
        let problem = format!("expected {} bytes of pixels, got {}", size.area() * 3, pixels.len());
        return Err(Fault { problem, help: DAMAGED });
    }
    Ok(Raw { image: ImageRgb8 { size, pixels }, orientation, notes: note.into_iter().collect() })
}
