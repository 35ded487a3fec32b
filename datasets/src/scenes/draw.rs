//! Scenes drawn on all cores, and written as pictures.

use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::thread;

use ::image::ExtendedColorType;
use ::image::codecs::jpeg::JpegEncoder;

use crate::error::DataError;
use crate::image::ImageRgb8;

/// Quality of the JPEGs: artefacts are below the texture of the backgrounds.
const JPEG_QUALITY: u8 = 92;

/// Draws the pictures of a split on all cores and gives what `draw` made of each, in their order; which thread draws a picture
/// does not matter to it.
///
/// # Errors
/// Those of `draw`; [`DataError::Io`] for a thread that panicked, put down to `folder`.
pub(super) fn draw_all<T: Clone + Default + Send>(
    folder: &Path,
    pictures: usize,
    draw: impl Fn(usize) -> Result<T, DataError> + Sync,
) -> Result<Vec<T>, DataError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut drawn = vec![T::default(); pictures];
    let share = pictures.div_ceil(threads).max(1);
    let draw = &draw;
    thread::scope(|scope| {
        let workers: Vec<_> = drawn
            .chunks_mut(share)
            .enumerate()
            .map(|(part, chunk)| {
                scope.spawn(move || {
                    for (i, slot) in chunk.iter_mut().enumerate() {
                        *slot = draw(part * share + i)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| {
                let source = std::io::Error::other("the thread that draws scenes panicked");
                Err(DataError::Io { action: "draw", path: folder.to_path_buf(), source })
            })
        })
    })?;
    Ok(drawn)
}

/// Writes a picture.
///
/// # Errors
/// [`DataError::Io`].
pub(super) fn write_jpeg(path: &Path, image: &ImageRgb8) -> Result<(), DataError> {
    let file = fs::File::create(path).map_err(DataError::io("create", path))?;
    let size = image.size;
    JpegEncoder::new_with_quality(BufWriter::new(file), JPEG_QUALITY)
        .encode(&image.pixels, size.width as u32, size.height as u32, ExtendedColorType::Rgb8)
        .map_err(std::io::Error::other)
        .map_err(DataError::io("write", path))
}
