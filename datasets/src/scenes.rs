//! Made-up scenes: pictures of overlapping shapes on textured backgrounds, written as a COCO folder of the 2017 layout.
//!
//! Every picture is a function of (seed, split, index), so a folder is the same byte for byte wherever it is drawn on one
//! machine. A box is the tight box of the pixels that show, an area their number. No object is hidden or cut so far that
//! under half of it, or under 60 pixels, would show: such places are not taken, so every object in a picture is annotated.

mod background;
mod paint;
mod shape;

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::thread;

use ::image::ExtendedColorType;
use ::image::codecs::jpeg::JpegEncoder;
use serde::{Deserialize, Serialize};
use wrs_ops::rng::Rng;

use self::paint::{Scene, Visible, paint};
use self::shape::SHAPES;
use crate::error::DataError;
use crate::image::ImageSize;

/// How many classes of shapes there are.
pub const MAX_CLASSES: usize = SHAPES.len();

/// What to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScenesOptions {
    /// Pictures to train on.
    pub train: usize,
    /// Pictures held out.
    pub val: usize,
    /// Side of the square pictures in pixels.
    pub size: usize,
    /// Classes of shapes, 1 to [`MAX_CLASSES`].
    pub classes: usize,
    /// Seed of everything drawn.
    pub seed: u64,
}

/// What [`write_scenes`] found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenesState {
    /// The folder was drawn.
    Written,
    /// The folder was there, drawn with the same options.
    Present,
}

/// Smallest side that leaves room for the smallest objects.
const MIN_SIZE: usize = 64;
/// Quality of the JPEGs: artefacts are below the texture of the backgrounds.
const JPEG_QUALITY: u8 = 92;
/// The file that says what a folder was drawn with.
const MARKER: &str = "scenes.json";

/// Draws a COCO folder: `train2017/`, `val2017/`, `annotations/instances_{train,val}2017.json`, and `scenes.json` with the
/// options. It is drawn under `.NAME.partial` beside it and renamed when complete, so it is there whole or not at all.
///
/// # Errors
/// [`DataError::Occupied`] if something else is there, [`DataError::Option`], [`DataError::Io`].
pub fn write_scenes(root: &Path, options: &ScenesOptions) -> Result<ScenesState, DataError> {
    check(options)?;
    if root.exists() {
        return present(root, options);
    }
    let partial = partial_path(root);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(DataError::io("remove", &partial))?;
    }
    for (split, pictures) in [("train2017", options.train), ("val2017", options.val)] {
        write_split(&partial, split, pictures, options)?;
    }
    write_json(&partial.join(MARKER), options)?;
    fs::rename(&partial, root).map_err(DataError::io("rename", &partial))?;
    Ok(ScenesState::Written)
}

fn check(options: &ScenesOptions) -> Result<(), DataError> {
    let fault =
        |option, expected: String, got: usize| Err(DataError::Option { option, expected, got: got.to_string() });
    if !(1..=MAX_CLASSES).contains(&options.classes) {
        return fault("scenes.classes", format!("1 to {MAX_CLASSES}"), options.classes);
    }
    if !(MIN_SIZE..=4096).contains(&options.size) {
        return fault("scenes.size", format!("{MIN_SIZE} to 4096 pixels"), options.size);
    }
    Ok(())
}

fn present(root: &Path, options: &ScenesOptions) -> Result<ScenesState, DataError> {
    let occupied = |reason: &str| Err(DataError::Occupied { path: root.to_path_buf(), reason: reason.into() });
    let Ok(text) = fs::read(root.join(MARKER)) else {
        return occupied("holds no made-up scenes");
    };
    match serde_json::from_slice::<ScenesOptions>(&text) {
        Ok(found) if found == *options => Ok(ScenesState::Present),
        _ => occupied("holds scenes drawn with other options"),
    }
}

fn partial_path(root: &Path) -> PathBuf {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    root.with_file_name(format!(".{name}.partial"))
}

fn write_split(root: &Path, split: &str, pictures: usize, options: &ScenesOptions) -> Result<(), DataError> {
    let folder = root.join(split);
    fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
    let annotations = root.join("annotations");
    fs::create_dir_all(&annotations).map_err(DataError::io("create", &annotations))?;
    let scenes = draw_all(&folder, split, pictures, options)?;
    write_json(&annotations.join(format!("instances_{split}.json")), &instances(&scenes, options))
}

/// Draws the pictures of a split on all cores; which thread draws a picture does not matter to it.
fn draw_all(
    folder: &Path,
    split: &str,
    pictures: usize,
    options: &ScenesOptions,
) -> Result<Vec<Vec<Visible>>, DataError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut objects = vec![Vec::new(); pictures];
    let share = pictures.div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = objects
            .chunks_mut(share)
            .enumerate()
            .map(|(part, chunk)| {
                scope.spawn(move || {
                    for (i, slot) in chunk.iter_mut().enumerate() {
                        let index = part * share + i;
                        let mut rng = Rng::new(options.seed, split, 0, index as u64);
                        let scene = paint(ImageSize::square(options.size), options.classes, &mut rng);
                        write_jpeg(&folder.join(file_name(index)), &scene)?;
                        *slot = scene.objects;
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
    Ok(objects)
}

fn file_name(index: usize) -> String {
    format!("{:012}.jpg", index + 1)
}

fn write_jpeg(path: &Path, scene: &Scene) -> Result<(), DataError> {
    let file = fs::File::create(path).map_err(DataError::io("create", path))?;
    let size = scene.image.size;
    JpegEncoder::new_with_quality(BufWriter::new(file), JPEG_QUALITY)
        .encode(&scene.image.pixels, size.width as u32, size.height as u32, ExtendedColorType::Rgb8)
        .map_err(std::io::Error::other)
        .map_err(DataError::io("write", path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    let text = serde_json::to_vec(value).map_err(std::io::Error::other).map_err(DataError::io("write", path))?;
    fs::write(path, text).map_err(DataError::io("write", path))
}

#[derive(Serialize)]
struct Instances {
    info: Info,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
}

#[derive(Serialize)]
struct Image {
    id: usize,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [usize; 4],
    area: usize,
    iscrowd: u8,
}

#[derive(Serialize)]
struct Category {
    id: usize,
    name: &'static str,
    supercategory: &'static str,
}

fn instances(scenes: &[Vec<Visible>], options: &ScenesOptions) -> Instances {
    let side = options.size;
    let objects = scenes.iter().enumerate().flat_map(|(i, objects)| objects.iter().map(move |object| (i + 1, object)));
    Instances {
        info: Info { description: "made-up scenes of overlapping shapes" },
        images: (0..scenes.len())
            .map(|i| Image { id: i + 1, file_name: file_name(i), width: side, height: side })
            .collect(),
        annotations: objects
            .enumerate()
            .map(|(i, (image_id, object))| Annotation {
                id: i + 1,
                image_id,
                category_id: object.class + 1,
                bbox: object.bbox,
                area: object.area,
                iscrowd: 0,
            })
            .collect(),
        categories: SHAPES[..options.classes]
            .iter()
            .enumerate()
            .map(|(i, (_, name))| Category { id: i + 1, name, supercategory: "shape" })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
