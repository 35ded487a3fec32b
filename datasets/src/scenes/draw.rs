//! Scenes drawn on all cores, and written as pictures.

use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::thread;

use ::image::ExtendedColorType;
use ::image::codecs::jpeg::JpegEncoder;
use wrs_ops::rng::Rng;

use super::ScenesOptions;
use super::paint::{Scene, paint};
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize};

/// Quality of the JPEGs: artefacts are below the texture of the backgrounds.
const JPEG_QUALITY: u8 = 92;

/// Draws the pictures of a split on all cores and gives what `write` made of each, in their order; which thread draws a
/// picture does not matter to it.
///
/// # Errors
/// Those of `write`; [`DataError::Io`] for a thread that panicked, put down to `folder`.
pub(super) fn draw_all<T: Clone + Default + Send>(
    folder: &Path,
    split: &str,
    pictures: usize,
    options: &ScenesOptions,
    write: impl Fn(usize, Scene) -> Result<T, DataError> + Sync,
) -> Result<Vec<T>, DataError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut written = vec![T::default(); pictures];
    let share = pictures.div_ceil(threads).max(1);
    let write = &write;
    thread::scope(|scope| {
        let workers: Vec<_> = written
            .chunks_mut(share)
            .enumerate()
            .map(|(part, chunk)| {
                scope.spawn(move || {
                    for (i, slot) in chunk.iter_mut().enumerate() {
                        let index = part * share + i;
                        let mut rng = Rng::new(options.seed, split, 0, index as u64);
                        let scene = paint(ImageSize::square(options.size), options.classes, &mut rng);
                        *slot = write(index, scene)?;
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
    Ok(written)
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
