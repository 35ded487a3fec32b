//! A picture's size from its header, without decoding it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::ImageSize;
use super::decode::{Fault, Header, jpeg, png_header, unknown};
use super::orientation::upright_size;
use crate::error::DataError;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Size as stored.
    pub stored: ImageSize,
    /// Size once upright, as EXIF says.
    pub upright: ImageSize,
    /// Whether EXIF asks for a turn or a mirroring.
    pub turned: bool,
}

/// Reads a header. The format is told by the first bytes, never by the name.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Image`] for what is no picture, or one that [`super::read_image`] refuses for its size.
pub fn probe(path: &Path) -> Result<Probed, DataError> {
    let mut file = File::open(path).map_err(DataError::io("read", path))?;
    let mut first = Vec::new();
    (&mut file).take(FIRST_BYTES).read_to_end(&mut first).map_err(DataError::io("read", path))?;
    file.seek(SeekFrom::Start(0)).map_err(DataError::io("read", path))?;
    let Header { size, orientation } = header(&first, BufReader::new(file)).map_err(|fault| fault.at(path))?;
    Ok(Probed {
        stored: size,
        upright: upright_size(size, orientation),
        turned: orientation != ::image::metadata::Orientation::NoTransforms,
    })
}

/// Enough to tell the format, and to see a web page behind blank lines.
const FIRST_BYTES: u64 = 64;

fn header(first: &[u8], file: BufReader<File>) -> Result<Header, Fault> {
    match first {
        [0xFF, 0xD8, 0xFF, ..] => jpeg::header(file),
        [0x89, b'P', b'N', b'G', ..] => png_header(file).map(|(header, _)| header),
        _ => Err(unknown(first)),
    }
}
