//! Pictures: three channels of 8 bits, upright, whatever the file was.

mod decode;
mod note;
mod orientation;
mod probe;
mod resize;

use std::fmt;
use std::path::Path;

pub(crate) use decode::{Alpha, MAX_PIXELS, decode_as_stored, decode_upright};
pub use decode::{Decoded, Frame, decode_framed, decode_image, read_framed, read_image};
pub use note::{ImageNote, NoteCounts};
pub use probe::{Probed, probe};
pub use resize::{ResizeFilter, long_side_size, resize};

/// The grey that fills what no picture covers, in all channels.
pub const FILL: u8 = 114;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl ImageSize {
    /// The same width and height.
    pub fn square(side: usize) -> Self {
        Self { width: side, height: side }
    }

    /// Width and height exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }

    /// Pixels.
    pub fn area(self) -> usize {
        self.width * self.height
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A picture in memory.
///
/// # Shapes
/// `pixels`: `[H, W, 3]`, rows from the top, channels red, green, blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRgb8 {
    /// Width and height.
    pub size: ImageSize,
    /// The bytes.
    pub pixels: Vec<u8>,
}

impl ImageRgb8 {
    /// A picture of one colour.
    pub fn filled(size: ImageSize, rgb: [u8; 3]) -> Self {
        Self { size, pixels: rgb.repeat(size.area()) }
    }

    /// The colour at column `x` of row `y`.
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let i = (y * self.size.width + x) * 3;
        [self.pixels[i], self.pixels[i + 1], self.pixels[i + 2]]
    }

    /// Copies `source` in with its upper left corner at `(left, top)`; what falls outside is cut.
    pub fn paste(&mut self, source: &Self, left: i64, top: i64) {
        let (width, height) = (self.size.width as i64, self.size.height as i64);
        let (x0, x1) = (left.clamp(0, width), (left + source.size.width as i64).clamp(0, width));
        let (y0, y1) = (top.clamp(0, height), (top + source.size.height as i64).clamp(0, height));
        if x0 == x1 {
            return;
        }
        let bytes = (x1 - x0) as usize * 3;
        for y in y0..y1 {
            let to = ((y * width + x0) * 3) as usize;
            let from = (((y - top) * source.size.width as i64 + x0 - left) * 3) as usize;
            self.pixels[to..to + bytes].copy_from_slice(&source.pixels[from..from + bytes]);
        }
    }
}

/// Endings of files taken for pictures; those that are neither JPEG nor PNG are refused by name when they are read.
const PICTURES: [&str; 11] = ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "heic", "avif", "mpo"];

/// Whether a file is a picture by its name.
pub(crate) fn has_picture_ending(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    PICTURES.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasting_cuts_at_every_edge() {
        let patch = ImageRgb8 {
            size: ImageSize { width: 2, height: 2 },
            pixels: [10u8, 20, 30, 40].iter().flat_map(|v| [*v; 3]).collect(),
        };
        let at = |left, top| {
            let mut canvas = ImageRgb8::filled(ImageSize { width: 3, height: 2 }, [0; 3]);
            canvas.paste(&patch, left, top);
            canvas.pixels.chunks(3).map(|p| p[0]).collect::<Vec<_>>()
        };
        assert_eq!(at(1, 0), [0, 10, 20, 0, 30, 40]);
        assert_eq!(at(-1, 0), [20, 0, 0, 40, 0, 0]);
        assert_eq!(at(2, 1), [0, 0, 0, 0, 0, 10]);
        assert_eq!(at(0, -1), [30, 40, 0, 0, 0, 0]);
        assert_eq!(at(7, 0), [0; 6]);
        assert_eq!(at(0, -9), [0; 6]);
    }
}
